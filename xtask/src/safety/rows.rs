//! What the commands measure: the fields are the keys of their `--json`, and of `fuzz/record.json`.

use serde::{Deserialize, Serialize};

/// A target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FuzzRow {
    /// Its name.
    pub target: String,
    /// Inputs that were tried.
    pub executions: u64,
    /// Crashes, sanitizer reports, panics; the target ends at the first.
    pub crashes: u64,
    /// Regions (of the compiler's coverage) of its part of the source that were reached.
    pub regions_covered: u64,
    /// All regions of that part.
    pub regions: u64,
    /// Seconds of a processor that it took.
    pub seconds: u64,
}

/// A campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoakRow {
    /// Where: a host, a sanitizer or a core.
    pub campaign: String,
    /// Mutated blobs.
    pub inputs: u64,
    /// Refused by name.
    pub refused: u64,
    /// Accepted, and every task on them came to its end.
    pub safe: u64,
    /// Panics; a crash of the process or core counts as one.
    pub panics: u64,
    /// Tasks that did not end after 65,536 steps.
    pub hangs: u64,
    /// Answers that differ: of the kernels from the portable ones, of other hosts and cores from the host of 64 bits.
    pub differences: u64,
}

/// A lemma or a domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProofRow {
    /// Its name.
    pub lemma: String,
    /// The Rust functions that it is about.
    pub function: String,
    /// `z3`, or `every value`.
    pub method: String,
    /// Formulas whose negation has no solution; values that were tried.
    pub cases: u64,
    /// It holds.
    pub proved: bool,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackRow {
    /// The core.
    pub core: String,
    /// The demo.
    pub image: String,
    /// The deepest chain of frames; nothing if there is no bound.
    pub bound: Option<u64>,
    /// The deepest that was painted over when it ran, from firmware/record.json.
    pub painted: Option<u64>,
    /// Calls through a register that were resolved.
    pub indirect_calls: u64,
    /// Functions that may call themselves, over others or not, and those whose frame is not understood.
    pub unbounded: Vec<String>,
    /// The chain, from the entry on, each with its frame.
    pub chain: Vec<String>,
}
