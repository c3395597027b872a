//! A blob and its arena on the heap of the host.

use crate::error::{Error, Result};
use picoformer::{ArenaParts, ArenaSize, FormatError, Model};
use std::path::Path;

/// Bytes that begin at a multiple of 4, as the engine's kernels want them.
#[derive(Debug)]
pub struct Blob {
    words: Vec<u32>,
    len: usize,
}

impl Blob {
    /// Copies bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<4>();
        let mut words: Vec<u32> = words.iter().map(|&w| u32::from_ne_bytes(w)).collect();
        if !rest.is_empty() {
            let mut last = [0; 4];
            last[..rest.len()].copy_from_slice(rest);
            words.push(u32::from_ne_bytes(last));
        }
        Self { words, len: bytes.len() }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self::new(&crate::error::read(path)?))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: any u32 is four valid bytes, and `len` is at most the length of `words` in bytes.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.len) }
    }

    /// Parses it, checksum included.
    ///
    /// # Errors
    /// As [`Model::parse_checked`].
    pub fn parse(&self) -> std::result::Result<Model<'_>, FormatError> {
        Model::parse_checked(self.bytes())
    }

    /// Parses it, naming the file in the error.
    ///
    /// # Errors
    /// [`Error::Blob`].
    pub fn model(&self, path: &Path) -> Result<Model<'_>> {
        self.parse().map_err(|source| Error::Blob { path: path.into(), source })
    }
}

/// RAM of one model.
#[derive(Debug)]
pub struct HeapArena {
    bytes: Vec<u8>,
    halves: Vec<i16>,
    words: Vec<i32>,
    tokens: Vec<u32>,
}

impl HeapArena {
    /// Exactly as much as the size says, full of rubbish: what an arena holds at first must not matter.
    pub fn new(size: ArenaSize) -> Self {
        Self {
            bytes: vec![0xA5; size.bytes],
            halves: vec![-23131; size.halves],
            words: vec![-1515870811; size.words],
            tokens: vec![0xA5A5_A5A5; size.tokens],
        }
    }

    /// As [`HeapArena::new`]; what the host does not have is an error.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn try_new(size: ArenaSize) -> Result<Self> {
        fn filled<T: Copy>(len: usize, value: T) -> Option<Vec<T>> {
            let mut memory = Vec::new();
            memory.try_reserve_exact(len).ok()?;
            memory.resize(len, value);
            Some(memory)
        }
        let needed = size.total_bytes() as u64;
        let missing = || Error::Memory { what: "the model's arena", needed };
        if available().is_some_and(|available| needed > available) {
            return Err(missing());
        }
        Ok(Self {
            bytes: filled(size.bytes, 0xA5).ok_or_else(missing)?,
            halves: filled(size.halves, -23131).ok_or_else(missing)?,
            words: filled(size.words, -1515870811).ok_or_else(missing)?,
            tokens: filled(size.tokens, 0xA5A5_A5A5).ok_or_else(missing)?,
        })
    }

    /// Lends it.
    pub fn parts(&mut self) -> ArenaParts<'_> {
        let Self { bytes, halves, words, tokens } = self;
        ArenaParts { bytes, halves, words, tokens }
    }
}

/// Bytes of memory that the host can give, where it tells: what it promises and cannot give would end the
/// process.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}
