//! How many tokens a second a decoder writes on this computer, on one thread: the best of thirty runs,
//! each of `POSITIONS` tokens from nothing, always the likeliest.
//!
//! ```text
//! cargo run --release --package picoformer-convert --example tokens_per_second -- BLOB POSITIONS
//! ```
//!
//! A clock's answer changes from run to run; what is compared exactly are counted instructions
//! (`cargo xtask bench`).

use std::error::Error;
use std::time::Instant;

use picoformer::Decoder;
use picoformer_convert::host::{Blob, HeapArena};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(blob), Some(positions)) = (arguments.next(), arguments.next()) else {
        return Err("two arguments are needed: a blob and a number of positions".into());
    };
    let (blob, positions) = (Blob::open(blob.as_ref())?, positions.parse::<usize>()?);
    let model = blob.parse()?;
    let mut best = 0.0f64;
    for _ in 0..30 {
        let mut arena = HeapArena::new(model.arena());
        let mut decoder = Decoder::new(&model, arena.parts())?;
        let (start, mut token) = (Instant::now(), 1);
        for _ in 0..positions {
            decoder.advance(token)?;
            let likeliest = decoder.logits().iter().enumerate().max_by_key(|(_, logit)| **logit);
            token = likeliest.map_or(1, |(index, _)| index as u32);
        }
        best = best.max(positions as f64 / start.elapsed().as_secs_f64());
    }
    println!("{best:.0} tokens per second");
    Ok(())
}
