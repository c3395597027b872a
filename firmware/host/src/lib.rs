//! Runs on the host what will be flashed: the demos, byte for byte the code of every board.

use std::io;
use std::path::Path;

use picoformer::Aligned;
use picoformer_demo::Failure;

/// A blob read from a file, at an address that is a multiple of 16, as a linker would place it.
#[derive(Debug)]
pub struct Blob {
    lines: Vec<Aligned<[u8; 16]>>,
    len: usize,
}

impl Blob {
    /// Reads a file.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(path: &Path) -> io::Result<Self> {
        let bytes = std::fs::read(path)?;
        let mut lines = vec![Aligned([0; 16]); bytes.len().div_ceil(16)];
        for (line, chunk) in lines.iter_mut().zip(bytes.chunks(16)) {
            line.0[..chunk.len()].copy_from_slice(chunk);
        }
        Ok(Self { lines, len: bytes.len() })
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the lines are one block of bytes, at least `len` of them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

/// Runs the demo of that name, `stories` and `update` on the blob or flash: what it printed, and whether it failed. `None`
/// if there is no such demo. As on a board, a demo runs once: its RAM is lent for good.
pub fn run(name: &str, blob: Option<&'static Blob>) -> Option<(String, Result<(), Failure>)> {
    let mut out = String::new();
    let result = match (name, blob) {
        ("classify", None) => picoformer_demo::classify(&mut out, &mut ()),
        ("digits", None) => picoformer_demo::digits(&mut out, &mut ()),
        ("g2p", None) => picoformer_demo::g2p(&mut out, &mut ()),
        ("generate", None) => picoformer_demo::generate(&mut out, &mut ()),
        ("layers", None) => picoformer_demo::layers(&mut out, &mut ()),
        ("motion", None) => picoformer_demo::motion(&mut out, &mut ()),
        ("slots", None) => picoformer_demo::slots(&mut out, &mut ()),
        ("wake", None) => picoformer_demo::wake(&mut out, &mut ()),
        ("update", Some(blob)) => {
            // The flash of a device can be written.
            let memory = blob.bytes().to_vec().leak();
            picoformer_demo::update::update(memory, &mut out, &mut |_| {})
        }
        ("stories", Some(blob)) => picoformer_demo::stories(blob.bytes(), &mut out, &mut ()),
        _ => return None,
    };
    Some((out, result.map(|_| ())))
}
