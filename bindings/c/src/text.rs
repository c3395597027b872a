//! Texts that come from C, and texts that go there.

use crate::code;
use crate::error::Error;
use core::ffi::c_void;
use core::fmt;
use picoformer::tokenizer::EncodeError;

/// `PICOFORMER_NUL_TERMINATED`: the text ends at its NUL.
const NUL_TERMINATED: usize = usize::MAX;

/// Reads a text.
///
/// # Safety
/// `text` is null, or memory of `bytes` bytes, or up to a NUL, that does not change during the call.
#[inline(never)]
pub unsafe fn read<'t>(text: *const u8, bytes: usize) -> Result<&'t str, Error> {
    if text.is_null() {
        return Err(Error::null("text"));
    }
    let mut len = bytes;
    if bytes == NUL_TERMINATED {
        len = 0;
        // Volatile, because the compiler would make a call of `strlen` of this, which not every C library
        // for a small core has as a function.
        // SAFETY: by this function's contract, there is a NUL.
        while unsafe { text.add(len).read_volatile() } != 0 {
            len += 1;
        }
    }
    check_length::<u8>(len)?;
    // SAFETY: by this function's contract.
    let bytes = unsafe { core::slice::from_raw_parts(text, len) };
    core::str::from_utf8(bytes)
        .map_err(|error| EncodeError::InvalidUtf8 { valid: error.valid_up_to() }.into())
}

/// A slice of `n` elements that C gave.
///
/// # Safety
/// `data` is null, or `n` elements that do not change during the call.
pub unsafe fn slice<'t, T>(data: *const T, n: usize, what: &'static str) -> Result<&'t [T], Error> {
    if data.is_null() || !data.is_aligned() {
        return Err(Error::null(what));
    }
    check_length::<T>(n)?;
    // SAFETY: by this function's contract.
    Ok(unsafe { core::slice::from_raw_parts(data, n) })
}

/// Whether memory can have so many elements: a negative number as a length cannot be one.
pub fn check_length<T>(n: usize) -> Result<(), Error> {
    match n > isize::MAX as usize / size_of::<T>() {
        true => Err(Error::new(code::BAD_ARGUMENT).about("length")),
        false => Ok(()),
    }
}

/// Writes what a function returns beside its code.
///
/// # Safety
/// `to` is null or room for a `T`.
pub unsafe fn put<T>(to: *mut T, value: T) -> Result<(), Error> {
    if to.is_null() {
        return Err(Error::null("result"));
    }
    // SAFETY: by this function's contract.
    unsafe { to.write_unaligned(value) };
    Ok(())
}

/// As [`put`], for a result that the caller need not want.
///
/// # Safety
/// `to` is null or room for a `T`.
pub unsafe fn put_if<T>(to: *mut T, value: T) {
    // SAFETY: by this function's contract.
    let _ = unsafe { put(to, value) };
}

/// `picoformer_write`: takes a piece of UTF-8; anything but 0 stops.
pub type Write = unsafe extern "C" fn(*mut c_void, *const u8, usize) -> i32;

/// A callback as a writer.
pub struct Out {
    write: Write,
    context: *mut c_void,
}

impl Out {
    /// A callback, if there is one.
    pub fn new(write: Option<Write>, context: *mut c_void) -> Result<Self, Error> {
        let write = write.ok_or_else(|| Error::null("callback"))?;
        Ok(Self { write, context })
    }
}

impl fmt::Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.is_empty() {
            return Ok(());
        }
        // SAFETY: the caller promises a function that takes these arguments.
        if unsafe { (self.write)(self.context, text.as_ptr(), text.len()) } == 0 {
            return Ok(());
        }
        Err(fmt::Error)
    }

    /// Nothing here formats; the default would link the formatter.
    fn write_fmt(&mut self, _: fmt::Arguments<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}
