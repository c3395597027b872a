//! The models whose cases are counted, and where their blobs come from.

use crate::models::{random_encoder, stories, stories_in_four_bits};
use crate::steps::root;
use anyhow::Result;
use std::path::PathBuf;

/// A model whose cases are counted.
pub struct Model {
    /// What stands for `*` in the names of its cases.
    pub name: &'static str,
    /// Its cases.
    cases: &'static [&'static str],
    /// Its blob; `None` (with a printed reason) where it cannot be had.
    pub blob: fn() -> Result<Option<PathBuf>>,
}

impl Model {
    /// Whether the name of one of its cases contains `part`.
    pub fn has_case(&self, part: &str) -> bool {
        self.cases.iter().any(|case| case.replace('*', self.name).contains(part))
    }
}

const DECODER: &[&str] = &["token/*/16", "decode/*", "prefill/*/64", "advance/*/64"];

/// All of them.
pub const MODELS: [Model; 6] = [
    Model { name: "stories260k", cases: DECODER, blob: stories },
    Model { name: "4bit-stories260k", cases: DECODER, blob: stories_in_four_bits },
    Model { name: "tales", cases: DECODER, blob: || shipped("tales") },
    Model { name: "intent", cases: &["classify/*"], blob: || shipped("intent") },
    Model { name: "g2p", cases: &["pronounce/*"], blob: || shipped("g2p") },
    Model {
        name: "l2h128t64",
        cases: &["encoder/*"],
        blob: || random_encoder("l2h128t64").map(Some),
    },
];

fn shipped(name: &str) -> Result<Option<PathBuf>> {
    Ok(Some(root().join("models").join(name).join("model.pico")))
}
