//! The smallest use of a decoder: what a product's image holds at least.

use core::hint::black_box;

use picoformer::sampler::greedy;
use picoformer::{Arena, Decoder, Model};

use crate::lend::Lend;

static RAM: Lend<Arena<184_320, 1_024, 1_024>> = Lend::new(Arena::new());

/// Parses a blob, writes tokens for ever, from the beginning again when the context is full.
pub fn minimal(blob: &[u8]) -> ! {
    if let (Ok(model), Some(ram)) = (Model::parse_checked(blob), RAM.take())
        && let Ok(mut decoder) = Decoder::new(&model, ram)
    {
        let mut token = 1;
        loop {
            if decoder.advance(token).is_err() {
                decoder.reset();
            }
            token = black_box(greedy(decoder.logits()));
        }
    }
    loop {
        core::hint::spin_loop();
    }
}
