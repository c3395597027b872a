//! Runs `picoformer_demo::endure` on the host: `endure INFERENCES SEED [FLIPS]`. With flips, bits of the arena change
//! between steps until at least so many have; the memory is written through the kernel, as hardware changes it
//! behind the program's back. Prints the tally as JSON.

use std::error::Error;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use picoformer_demo::endure::endure;

/// Bits that are flipped between two steps.
const BURST: u64 = 4;

/// Flips bits of this process's memory.
struct Flipper {
    memory: std::fs::File,
    random: u64,
    flips: u64,
}

impl Flipper {
    fn flip(&mut self, ranges: &[Range<usize>; 4]) {
        for _ in 0..BURST {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            // Each part as often, however small it is: the smallest hold what the most depends on.
            let range = &ranges[(self.random >> 50) as usize % 4];
            if range.is_empty() {
                continue;
            }
            let at = (range.start + (self.random >> 8) as usize % range.len()) as u64;
            let mut byte = [0];
            let read = self.memory.read_exact_at(&mut byte, at);
            byte[0] ^= 1 << (self.random % 8);
            let written = read.and_then(|()| self.memory.write_all_at(&byte, at));
            self.flips += u64::from(written.is_ok());
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let numbers: Vec<u64> =
        std::env::args().skip(1).map(|word| word.parse()).collect::<Result<_, _>>()?;
    let (inferences, seed, flips) = match numbers[..] {
        [inferences, seed] => (inferences, seed, None),
        [inferences, seed, flips] => (inferences, seed, Some(flips)),
        _ => return Err("usage: endure INFERENCES SEED [FLIPS]".into()),
    };
    let memory = std::fs::OpenOptions::new().read(true).write(true).open("/proc/self/mem")?;
    let mut flipper = Flipper { memory, random: seed | 1 << 40, flips: 0 };
    // Seldom enough that most steps run on memory that was changed by a few bits only.
    let mut calls = 0u64;
    let mut fault = |ranges: &[Range<usize>; 4]| {
        calls += 1;
        if calls.is_multiple_of(3) && flipper.flips < flips.unwrap_or(0) {
            flipper.flip(ranges);
        }
    };
    let result = match flips {
        None => endure(inferences, seed, None),
        Some(_) => endure(inferences, seed, Some(&mut fault)),
    };
    let tally = result.map_err(|failure| failure.0)?;
    println!(
        "{{\"inferences\":{},\"differences\":{},\"faulted\":{},\"wrong\":{},\"hangs\":{},\"flips\":{},\
         \"guards_intact\":{},\"hash\":\"{:016x}\"}}",
        tally.inferences,
        tally.differences,
        tally.faulted,
        tally.wrong,
        tally.hangs,
        flipper.flips,
        tally.intact,
        tally.hash
    );
    Ok(())
}
