//! A device that updates its own model: it starts from slot A, answers, writes the file that it received into
//! slot B while it goes on existing, tries it, confirms it, and answers with it.
//!
//! The flash is a piece of memory that behaves like one: words of 4 bytes that are written once after each erase
//! of 4 KiB. `cargo xtask update` puts slot A and the received file into it; on a product a radio would deliver
//! the file, and the flash would be that of the chip.

use core::fmt::Write;

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};
use picoformer::blob::read_u32;
use picoformer::sampler::greedy;
use picoformer::signed::{ENVELOPE_BYTES, Envelope, Key, SignedError};
use picoformer::{Arena, ArenaParts, Classifier, Model};
use picoformer_update::{Error, Layout, Mapped, Region, Store};

use crate::hash::Hash;
use crate::lend::Lend;
use crate::{Failure, Summary, text};

/// Whom this device believes. The private key lies beside the public one, so anybody can sign for it: it is an
/// example, not a secret.
pub const KEY: Key =
    Key { product: "picoformer-demo", public: include_bytes!("../keys/example.pub") };

const SLOT: u32 = 512 * 1024;
const ERASE: usize = 4096;
/// Two slots, then two erase units of records.
pub const LAYOUT: Layout = Layout {
    slots: [Region { offset: 0, len: SLOT }, Region { offset: SLOT, len: SLOT }],
    state: [
        Region { offset: 2 * SLOT, len: ERASE as u32 },
        Region { offset: 2 * SLOT + ERASE as u32, len: ERASE as u32 },
    ],
};
/// Where the flash ends and the received file begins.
pub const RECEIVED: usize = 2 * SLOT as usize + 16 * ERASE;

/// Room for both models.
type Ram = Arena<16384, 12288, 1024, 128>;
static RAM: Lend<Ram> = Lend::new(Arena::new());

/// Called when a piece of work is done, with its name; an empty one is nobody's.
pub type Mark<'m> = &'m mut dyn FnMut(&'static str);

/// Memory that behaves like NOR flash.
struct Flash<'m>(&'m mut [u8]);

impl ErrorType for Flash<'_> {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash<'_> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        check_read(self, offset, bytes.len())?;
        let from = self.mapped(offset, bytes.len()).ok_or(NorFlashErrorKind::OutOfBounds)?;
        for (to, from) in bytes.iter_mut().zip(from) {
            *to = *from;
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Flash<'_> {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = ERASE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        check_erase(self, from, to)?;
        let unit = self.0.get_mut(from as usize..to as usize);
        unit.ok_or(NorFlashErrorKind::OutOfBounds)?.fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        check_write(self, offset, bytes.len())?;
        let own = self.0.get_mut(offset as usize..offset as usize + bytes.len());
        for (to, from) in own.ok_or(NorFlashErrorKind::OutOfBounds)?.iter_mut().zip(bytes) {
            if *to != 0xFF {
                return Err(NorFlashErrorKind::Other); // not erased
            }
            *to = *from;
        }
        Ok(())
    }
}

impl Mapped for Flash<'_> {
    fn mapped(&self, offset: u32, len: usize) -> Option<&[u8]> {
        self.0.get(offset as usize..)?.get(..len)
    }
}

/// Starts, updates, starts again.
///
/// # Errors
/// Names what failed.
pub fn update(
    memory: &'static mut [u8],
    out: &mut dyn Write,
    mark: Mark,
) -> Result<Summary, Failure> {
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let (flash, received) =
        memory.split_at_mut_checked(RECEIVED).ok_or(Failure("the memory is too small"))?;
    let mut flash = Flash(flash);
    start(&mut flash, ram, Some(received), out, mark)?;
    out.write_str("starts again\n")?;
    start(&mut flash, ram, None, out, mark)?;
    out.write_str("the received blob itself\n")?;
    let blob = received.get(ENVELOPE_BYTES..).unwrap_or_default();
    let blob = blob.get(..read_u32(blob, 8) as usize).unwrap_or_default();
    answer(blob, ram, out)?;
    Ok(Summary { arena_bytes: size_of::<Ram>(), blob_bytes: blob.len() })
}

/// What a device does after a reset: picks a slot, answers, and takes a file if there is one.
#[inline(never)]
fn start(
    flash: &mut Flash,
    ram: &mut Ram,
    received: Option<&[u8]>,
    out: &mut dyn Write,
    mark: Mark,
) -> Result<(), Failure> {
    mark("");
    let store = Store::open(flash, LAYOUT, KEY);
    let mut store = store.map_err(|_| Failure("the layout does not fit"))?;
    let picked = store.start(|blob| self_test(blob, ram));
    mark("start");
    let picked = picked.map_err(|_| Failure("no slot can be run"))?;
    out.write_str("slot ")?;
    text::decimal(out, picked.slot as u64)?;
    out.write_str(", release ")?;
    text::decimal(out, u64::from(picked.version))?;
    out.write_str(if picked.confirmed { ", confirmed\n" } else { ", not confirmed\n" })?;
    answer(store.blob().ok_or(Failure("the flash is not mapped"))?, ram, out)?;
    let Some(received) = received else { return Ok(()) };
    // What it runs is refused as an update.
    let envelope = store.flash().mapped(0, ENVELOPE_BYTES).and_then(|e| e.first_chunk().copied());
    let old: [u8; ENVELOPE_BYTES] = envelope.ok_or(Failure("the flash is not mapped"))?;
    match store.begin(&old) {
        Err(Error::Signed(SignedError::Older { .. })) => out.write_str("a replay is refused\n")?,
        _ => return Err(Failure("an old release was not refused")),
    }
    write(&mut store, received, mark)?;
    Ok(out.write_str("a newer release is written\n")?)
}

/// Writes a file as it would arrive: in packets of 240 bytes.
#[inline(never)]
fn write(store: &mut Store<&mut Flash>, file: &[u8], mark: Mark) -> Result<(), Failure> {
    let failed = |_| Failure("the flash failed");
    let length = read_u32(file, 12) as usize;
    let (envelope, blob) = file.split_at_checked(ENVELOPE_BYTES).unwrap_or_default();
    let blob = blob.get(..length).ok_or(Failure("the file is cut"))?;
    mark("");
    let update = store.begin(envelope);
    mark("begin");
    let mut update = update.map_err(|_| Failure("the file is refused"))?;
    for mut packet in blob.chunks(240) {
        while !packet.is_empty() {
            let taken = update.write(packet).map_err(failed)?;
            mark("write");
            packet = packet.get(taken..).unwrap_or_default();
        }
    }
    loop {
        let done = update.finish().map_err(|_| Failure("the slot reads otherwise"))?;
        mark("finish");
        if done {
            return Ok(());
        }
    }
}

/// Whether a blob is a model that finds what a sentence wants.
#[inline(never)]
fn self_test(blob: &[u8], ram: &mut Ram) -> bool {
    let Ok(model) = Model::parse_checked(blob) else { return false };
    let Ok(mut classifier) = Classifier::new(&model, parts(ram)) else { return false };
    classifier.classify("please set a timer for ten minutes").is_ok_and(|a| a.name == "timer")
}

fn parts(ram: &mut Ram) -> ArenaParts<'_> {
    ram.into()
}

/// What the demo `classify` asks.
#[inline(never)]
fn answer(blob: &[u8], ram: &mut Ram, out: &mut dyn Write) -> Result<(), Failure> {
    let model = Model::parse_checked(blob);
    let model = model.as_ref().map_err(|_| Failure("no valid blob"))?;
    let mut hash = Hash::new();
    for sentence in crate::classify::SENTENCES {
        let classifier = Classifier::new(model, parts(ram));
        let mut classifier = classifier.map_err(|_| Failure("no classifier"))?;
        let logits = classifier.outputs(sentence);
        let logits = logits.map_err(|_| Failure("the sentence cannot be classified"))?;
        hash.add(logits);
        out.write_str("  ")?;
        out.write_str(model.label(greedy(logits) as usize).unwrap_or("?"))?;
    }
    hash.write(out)
}

/// Reads the received file once: signature, hash and blob if `VERIFIED`, otherwise the blob with its checksum
/// only. What the first costs more is the price of signatures.
///
/// # Errors
/// Names what failed.
pub fn signed<const VERIFIED: bool>(
    memory: &'static mut [u8],
    out: &mut dyn Write,
    mark: Mark,
) -> Result<Summary, Failure> {
    let file = memory.get(RECEIVED..).unwrap_or_default();
    mark("");
    let model = if VERIFIED {
        let envelope = Envelope::read(file).and_then(|envelope| envelope.verify(&KEY, 2));
        mark("verify_envelope");
        envelope.map_err(|_| Failure("the envelope is refused"))?;
        let model = Model::parse_signed(file, &KEY, 2);
        mark("parse_signed");
        model.map_err(|_| Failure("the file is refused"))?
    } else {
        let blob = file.get(ENVELOPE_BYTES..).unwrap_or_default();
        let model =
            Model::parse_checked(blob.get(..read_u32(blob, 8) as usize).unwrap_or_default());
        mark("parse_checked");
        model.map_err(|_| Failure("no valid blob"))?
    };
    text::decimal(out, model.flash_bytes() as u64)?;
    out.write_str(" bytes\n")?;
    Ok(Summary { arena_bytes: 0, blob_bytes: model.flash_bytes() })
}
