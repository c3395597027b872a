//! Forged blobs on a host, each in memory of exactly the sizes that it asks for.

use picoformer::{Aligned, ArenaSize, Build, Model};
use picoformer_forge::{Outcome, Room, try_blob};

/// Bytes that begin at a multiple of 16 and end where their memory ends, if their number is one: a sanitizer
/// sees the first byte behind them.
#[derive(Debug)]
pub struct Bytes {
    lines: Vec<Aligned<[u8; 16]>>,
    len: usize,
}

impl Bytes {
    /// Copies bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let mut lines = vec![Aligned([0; 16]); bytes.len().div_ceil(16)];
        for (line, chunk) in lines.iter_mut().zip(bytes.chunks(16)) {
            line.0[..chunk.len()].copy_from_slice(chunk);
        }
        Self { lines, len: bytes.len() }
    }

    /// The bytes.
    pub fn get(&self) -> &[u8] {
        // SAFETY: the lines are one block of bytes, at least `len` of them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

/// RAM on the heap, each part a memory of its own.
#[derive(Debug)]
struct Memory {
    bytes: Vec<u32>,
    halves: Vec<u32>,
    words: Vec<i32>,
    tokens: Vec<u32>,
    size: ArenaSize,
}

impl Memory {
    fn new(size: ArenaSize) -> Self {
        Self {
            // Words, because kernels want multiples of four.
            bytes: vec![0; size.bytes.div_ceil(4)],
            halves: vec![0; size.halves.div_ceil(2)],
            words: vec![0; size.words],
            tokens: vec![0; size.tokens],
            size,
        }
    }

    fn room(&mut self, plain: bool) -> Room<'_> {
        let bytes = self.bytes.as_mut_ptr().cast::<u8>();
        let halves = self.halves.as_mut_ptr().cast::<i16>();
        // SAFETY: the vectors hold at least as many bytes and halves, and are borrowed as long as the room is.
        let (bytes, halves) = unsafe {
            (
                std::slice::from_raw_parts_mut(bytes, self.size.bytes),
                std::slice::from_raw_parts_mut(halves, self.size.halves),
            )
        };
        Room { bytes, halves, words: &mut self.words, tokens: &mut self.tokens, plain }
    }
}

/// Tries a blob with as much RAM as a board has, or less, if it asks for less: exactly as much as it asks for. `plain`
/// is [`Room::plain`].
pub fn exactly<B: Build>(blob: &Bytes, plain: bool) -> Outcome {
    let none = ArenaSize { bytes: 0, halves: 0, words: 0, tokens: 0 };
    let most = Room::SIZE;
    let size = Model::parse_checked(blob.get()).map_or(none, |model| model.arena());
    let fits = size.bytes <= most.bytes
        && size.halves <= most.halves
        && size.words <= most.words
        && size.tokens <= most.tokens;
    let mut memory = Memory::new(if fits { size } else { none });
    try_blob::<B>(blob.get(), &mut memory.room(plain))
}
