//! The demos: text or samples in, answer out, with the answer's token ids and a hash over every logit.
//!
//! The very same code runs on every board and in the host's test harness, and prints the very same
//! text: nothing printed here depends on the core, on pointers' width or on time.
#![no_std]

mod classify;
mod digits;
pub mod endure;
mod g2p;
mod generate;
pub mod hash;
mod layers;
pub mod lend;
mod minimal;
mod motion;
mod recordings;
pub mod shipped;
#[cfg(has_slots)]
mod slots;
mod stories;
pub mod text;
#[cfg(feature = "update")]
pub mod update;
mod wake;

pub use classify::{classify, classify_any};
pub use digits::digits;
pub use g2p::g2p;
pub use generate::generate;
pub use layers::layers;
pub use minimal::minimal;
pub use motion::motion;
#[cfg(has_slots)]
pub use slots::slots;
pub use stories::stories;
pub use wake::wake;

use core::fmt;

/// What a measured stretch of work was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The rows of a prompt.
    Prefill = 0,
    /// One generated token.
    Token = 1,
    /// One classified text.
    Inference = 2,
    /// Reading and checking a blob.
    Parse = 3,
    /// Taking a word that is pronounced greedily, the phases below left out.
    Word = 4,
    /// Of such a word: a step of the encoder.
    Encoder = 5,
    /// Of such a word: the source's keys and values.
    Source = 6,
    /// Of such a word: self-attention of the decoder.
    SelfAttention = 7,
    /// Of such a word: cross-attention.
    CrossAttention = 8,
    /// Of such a word: feed-forward of the decoder.
    FeedForward = 9,
    /// Of such a word: logits and the choice of the next phoneme.
    Head = 10,
    /// Taking a word that is pronounced with a beam.
    Beam = 11,
    /// A step of such a word.
    BeamStep = 12,
    /// 10 ms of a stream that is listened to.
    Piece = 13,
    /// The same, the front end alone.
    FrontEnd = 14,
}

/// How many phases there are.
pub const PHASES: usize = 15;

/// Where a board counts instructions. Everything between `begin` and `end` is the engine's work;
/// printing stands outside.
pub trait Probe {
    /// Work begins.
    fn begin(&mut self);
    /// Work is done.
    fn end(&mut self, phase: Phase);
}

/// Measures nothing.
impl Probe for () {
    fn begin(&mut self) {}
    fn end(&mut self, _: Phase) {}
}

/// Defines the static `$name`: a blob in the image's section for models, or among its constants, aligned.
macro_rules! blob {
    ($name:ident, $path:literal) => {
        #[cfg_attr(
            all(target_os = "none", not(feature = "models-in-rodata")),
            unsafe(link_section = ".blob")
        )]
        static $name: picoformer::Aligned<[u8; include_bytes!($path).len()]> =
            picoformer::Aligned(*include_bytes!($path));
    };
}
use blob;

/// Without `models/slots` there is no demo of it.
///
/// # Errors
/// Always.
#[cfg(not(has_slots))]
pub fn slots(_: &mut dyn fmt::Write, _: &mut dyn Probe) -> Result<Summary, Failure> {
    Err(Failure("models/slots is not shipped"))
}

/// What a demo used.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// RAM for the model, exactly.
    pub arena_bytes: usize,
    /// Flash for the model.
    pub blob_bytes: usize,
}

/// Why a demo failed, in a few words. A text, not a type with a `Display`: formatting would be half
/// of the firmware.
#[derive(Clone, Copy, Debug)]
pub struct Failure(pub &'static str);

impl From<fmt::Error> for Failure {
    fn from(_: fmt::Error) -> Self {
        Self("the text could not be written")
    }
}
