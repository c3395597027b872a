//! Works through the mutated blobs of a set in the slot for models, and prints hashes over what became of them, for a
//! comparison with the host. See `cargo xtask soak`.

use core::fmt::Write;

use picoformer::{Aligned, kernels::Native};
use picoformer_demo::{Failure, Probe, Summary, lend::Lend, text};
use picoformer_forge::Room;
use picoformer_forge::set::{Set, fold, soak as mutations};

use crate::report::whole_slot;

/// The largest shipped blob, and a little.
const BLOB_BYTES: usize = 1536 << 10;
/// Mutations of a line.
const LINE: u32 = 50;

struct Ram {
    blob: Aligned<[u8; BLOB_BYTES]>,
    bytes: Aligned<[u8; Room::SIZE.bytes]>,
    halves: Aligned<[i16; Room::SIZE.halves]>,
    words: [i32; Room::SIZE.words],
    tokens: [u32; Room::SIZE.tokens],
}

static RAM: Lend<Ram> = Lend::new(Ram {
    blob: Aligned([0; BLOB_BYTES]),
    bytes: Aligned([0; Room::SIZE.bytes]),
    halves: Aligned([0; Room::SIZE.halves]),
    words: [0; Room::SIZE.words],
    tokens: [0; Room::SIZE.tokens],
});

/// What became of some mutations.
#[derive(Clone, Copy, Default)]
struct Line {
    count: u32,
    refused: u32,
    hung: u32,
    hash: u64,
}

impl Line {
    fn write(&self, out: &mut dyn Write) -> Result<(), Failure> {
        for number in [self.count, self.refused, self.hung] {
            text::decimal(out, u64::from(number))?;
            out.write_str(" ")?;
        }
        text::hexadecimal(out, self.hash)?;
        Ok(out.write_str("\n")?)
    }
}

/// Writes a line for every 50 mutations of a blob, and one for the rest of them: how many there were, were refused,
/// did not end, and a hash.
///
/// # Errors
/// A good blob that is refused, a set that is none.
pub fn soak(out: &mut dyn Write, _: &mut dyn Probe) -> Result<Summary, Failure> {
    let ram = RAM.take().ok_or(Failure("the RAM is in use"))?;
    let Ram { blob, bytes, halves, words, tokens } = ram;
    let mut room = Room { bytes: &mut bytes.0, halves: &mut halves.0, words, tokens, plain: false };
    let (mut blobs, mut written) = (0, Ok(()));
    for entry in Set(whole_slot()).entries() {
        let mut line = Line::default();
        mutations::<Native>(&entry, &mut blob.0, &mut room, |_, outcome| {
            line.count += 1;
            line.refused += u32::from(!outcome.accepted);
            line.hung += u32::from(outcome.hung);
            line.hash = fold(line.hash, outcome.flags(), outcome.hash);
            if line.count == LINE {
                written = written.and(line.write(out));
                line = Line::default();
            }
        })
        .map_err(Failure)?;
        if line.count > 0 {
            line.write(out)?;
        }
        blobs += 1;
    }
    written?;
    if blobs == 0 {
        return Err(Failure("there is no set in the slot"));
    }
    Ok(Summary { arena_bytes: size_of::<Ram>(), blob_bytes: 0 })
}
