//! `picoformer_model`: a blob that was read.

use crate::code;
use crate::engine::Engine;
use crate::error::{CError, Error, report};
use crate::handle::{Handle, object};
use crate::text::{check_length, put, put_if};
use picoformer::blob::checksum_piece;
use picoformer::config::MAX_BEAMS;
use picoformer::{Build, FormatError, Model};

/// A blob, and how far its checksum was computed.
pub struct Parsed {
    /// The blob.
    pub model: Model<'static>,
    bytes: &'static [u8],
    checked: usize,
    crc: u32,
}

object!(Parsed, 1, picoformer_model_bytes);

/// What a blob must be a multiple of.
const BLOB_ALIGNMENT: usize = 4;

/// Bytes of a blob as a slice, checked before anything is read.
///
/// # Safety
/// `blob` is null, or `bytes` bytes that never change.
unsafe fn bytes_of(blob: *const u8, bytes: usize) -> Result<&'static [u8], Error> {
    if blob.is_null() {
        return Err(Error::null("blob"));
    }
    if !blob.addr().is_multiple_of(BLOB_ALIGNMENT) {
        return Err(Error::misaligned(code::BLOB_MISALIGNED, BLOB_ALIGNMENT, blob.addr()));
    }
    check_length::<u8>(bytes)?;
    // SAFETY: by this function's contract.
    Ok(unsafe { core::slice::from_raw_parts(blob, bytes) })
}

/// Opens a model on a blob: header, lengths, paddings and ranges are checked, the checksum is not.
///
/// # Safety
/// `self_` is null or memory of `self_bytes`; `blob` null or `bytes` bytes that do not change as long as
/// the model is used; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_model_open(
    self_: *mut Handle<Parsed>,
    self_bytes: usize,
    blob: *const u8,
    bytes: usize,
    version: u32,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let opened = unsafe {
        Handle::open(self_, self_bytes, version, || {
            let bytes = bytes_of(blob, bytes)?;
            let model = Model::parse_linked_for::<Engine>(bytes)?;
            Ok(Parsed { model, bytes, checked: 0, crc: u32::MAX })
        })
    };
    report(error, opened)
}

/// Goes on with the checksum by at most `bytes` bytes of the blob.
///
/// # Safety
/// `self_` is null or a model's memory; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_model_check_step(
    self_: *mut Handle<Parsed>,
    bytes: usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let step = unsafe { Handle::get(self_) }.and_then(|parsed| parsed.check(bytes));
    report(error, step)
}

impl Parsed {
    fn check(&mut self, bytes: usize) -> Result<i32, Error> {
        let to = self.checked.saturating_add(bytes.max(1)).min(self.bytes.len());
        self.crc = checksum_piece(self.bytes, self.checked, to, self.crc);
        self.checked = to;
        if to < self.bytes.len() {
            return Ok(code::WORKING);
        }
        let (expected, found) = (self.model.header().checksum, !self.crc);
        (self.checked, self.crc) = (0, u32::MAX);
        match expected == found {
            true => Ok(code::OK),
            false => Err(FormatError::BadChecksum { expected, found }.into()),
        }
    }
}

/// Sets how many hypotheses a translator keeps; before its arena is measured.
///
/// # Safety
/// `self_` is null or a model's memory that no task uses; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_model_set_beams(
    self_: *mut Handle<Parsed>,
    beams: u32,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let set = unsafe { Handle::get(self_) }.and_then(|parsed| {
        let model = parsed.model.with_beams(beams as usize);
        // Of other models than encoder-decoders: none.
        let own = model.config().beams;
        let most = if own == beams as usize { MAX_BEAMS } else { own };
        if own != beams as usize || !(1..=most).contains(&own) {
            return Err(Error::new(code::BAD_ARGUMENT)
                .about("beams")
                .numbers(most, beams as usize));
        }
        if let Some(known) = Engine::MODEL
            && beams as usize > known.config.beams
        {
            let error = Error::new(code::BEAM_TOO_WIDE);
            return Err(error.numbers(beams as usize, known.config.beams));
        }
        parsed.model = model;
        Ok(code::OK)
    });
    report(error, set)
}

/// The name of a label: UTF-8 in the blob, without a NUL.
///
/// # Safety
/// `self_` is null or a model's memory; `name` and `bytes` null or room for a result; `error` null or an
/// error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_model_label(
    self_: *const Handle<Parsed>,
    label: u32,
    name: *mut *const u8,
    bytes: *mut usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let found = unsafe { Handle::shared(self_) }.and_then(|parsed| {
        let (labels, given) = (parsed.model.config().n_labels, label as usize);
        if given >= labels {
            return Err(Error::new(code::NO_SUCH_LABEL).numbers(labels, given));
        }
        let text = parsed.model.label(given).unwrap_or_default();
        // SAFETY: by this function's contract.
        unsafe {
            put_if(bytes, text.len());
            put(name, text.as_ptr())?;
        }
        Ok(code::OK)
    });
    report(error, found)
}
