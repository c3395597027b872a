//! RAM for whichever model is at work: they take turns.

use picoformer::{Arena, ArenaSize};

/// Every model in the image: its need of RAM and its bytes of flash.
const MODELS: &[(ArenaSize, usize)] = &[
    #[cfg(feature = "intent")]
    need(&picoformer_demo::shipped::intent::MODEL),
    #[cfg(feature = "tales")]
    need(&picoformer_demo::shipped::tales::MODEL),
    #[cfg(feature = "g2p")]
    need(&picoformer_demo::shipped::g2p::BEAM),
];

const fn need(model: &picoformer::Model) -> (ArenaSize, usize) {
    (model.arena(), model.flash_bytes())
}

/// Bytes of flash that the models take.
pub const BLOB_BYTES: usize = {
    let (mut bytes, mut i) = (0, 0);
    while i < MODELS.len() {
        bytes += MODELS[i].1;
        i += 1;
    }
    bytes
};

/// The largest need, part by part.
const SIZE: ArenaSize = {
    let mut size = ArenaSize { bytes: 0, halves: 0, words: 0, tokens: 0 };
    let mut i = 0;
    while i < MODELS.len() {
        let need = MODELS[i].0;
        size.bytes = max(size.bytes, need.bytes);
        size.halves = max(size.halves, need.halves);
        size.words = max(size.words, need.words);
        size.tokens = max(size.tokens, need.tokens);
        i += 1;
    }
    size
};

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// An arena in which every model of the image has room.
pub type Ram = Arena<{ SIZE.bytes }, { SIZE.halves }, { SIZE.words }, { SIZE.tokens }>;
