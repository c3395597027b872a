//! The longest time between two returns of the engine, in instructions, for each core: what a watchdog is set to.
//!
//! A bound, from what `cargo xtask c` counted of the shipped models' longest calls on emulated cores
//! (`bench/calls.json`), and from the kernels (`work`): a quarter more than either says. The tests here hold it
//! against every count, and `cargo xtask c` runs the shipped models under a watchdog of this length.

use crate::images::largest;
use crate::work::Counts;
use picoformer::Model;
use picoformer::config::{Config, Input};
use picoformer::tokenizer::Kind;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// The longest call of a kind that was counted: a line of `bench/calls.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The core.
    pub core: String,
    /// The shipped model.
    pub model: String,
    /// `parse`, `check_step` (4,096 bytes), `open`, `begin`, `step` or `answer`.
    pub call: String,
    /// Its instructions.
    pub instructions: u64,
}

static CALLS: LazyLock<Vec<Call>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../records/calls.json")).unwrap_or_default()
});

/// Instructions at most between two returns on a core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Longest {
    /// The core.
    pub core: String,
    /// Of a step.
    pub step: u64,
    /// Of taking a text that fills the context, or of a piece of sound or motion that makes a frame, and of all
    /// calls that are not named here.
    pub begin: u64,
    /// Of parsing the blob, checksum left out.
    pub parse: u64,
    /// Bytes of stack: those of the deepest demo on that core, without what a program puts on top.
    pub stack_bytes: usize,
}

impl Longest {
    /// Of any call.
    pub fn any(&self) -> u64 {
        self.step.max(self.begin).max(self.parse)
    }
}

/// What is known of a shipped model whose calls were counted.
struct Known {
    name: &'static str,
    /// Positions that its text filled; 0 for one that takes no text.
    positions: f64,
    /// What its parsing goes through, see [`items`].
    items: f64,
}

const fn known(name: &'static str, positions: usize, items: usize) -> Known {
    Known { name, positions: positions as f64, items: items as f64 }
}

/// Checked against the blobs by a test.
const KNOWN: [Known; 6] = [
    known("intent", 64, 3095),
    known("slots", 64, 3124),
    known("tales", 256, 4480),
    known("g2p", 33, 8418),
    known("digits", 0, 0),
    known("motion", 0, 0),
];

/// Entries that a parser looks at: vocabulary, labels, and a scale for each output of each layer.
fn items(c: &Config) -> usize {
    let attention = c.q_dim() + 2 * c.kv_dim() + c.d_model;
    let gates = if c.gated { 2 } else { 1 };
    let layer = attention + gates * c.d_ff + c.d_model;
    let decoder = c.decoder_layers * (layer + attention);
    c.vocab_size + c.n_labels + c.n_layers * layer + decoder
}

/// A quarter more.
fn margin(instructions: f64) -> u64 {
    (instructions * 1.25).ceil() as u64
}

/// The most that a kind of call took on a core, per something of its model.
fn most(core: &str, call: &str, per: impl Fn(&Known) -> Option<f64>) -> f64 {
    let own = CALLS.iter().filter(|count| count.core == core && count.call == call);
    own.filter_map(|count| {
        let model = KNOWN.iter().find(|model| model.name == count.model)?;
        Some(count.instructions as f64 / per(model)?)
    })
    .fold(0.0, f64::max)
}

/// The bound for a model on every core that was counted, in the order of the record.
pub fn longest(model: &Model) -> Vec<Longest> {
    let mut cores: Vec<&str> = Vec::new();
    for call in CALLS.iter() {
        if !cores.contains(&call.core.as_str()) {
            cores.push(&call.core);
        }
    }
    cores.into_iter().filter_map(|core| on(core, model)).collect()
}

fn on(core: &str, model: &Model) -> Option<Longest> {
    let (c, counts) = (model.config(), Counts::of(core)?);
    let sampled = |model: &Known| (model.name == "tales").then_some(1024.0);
    // A step that draws a token sorts what may be drawn.
    let draws = most(core, "step", sampled) * c.vocab_size as f64;
    let generates = matches!(c.architecture, picoformer::config::Architecture::Decoder);
    let step = counts.step(c)?.max(if generates { draws } else { 0.0 });
    let texts = |kinds: &[&str]| {
        most(core, "begin", |model| {
            (model.positions > 0.0 && kinds.contains(&model.name)).then_some(model.positions)
        })
    };
    let position = match model.tokenizer().map(|tokenizer| tokenizer.kind()) {
        Some(Kind::WordPiece) => texts(&["intent", "slots"]),
        Some(Kind::Bpe) => texts(&["tales", "g2p"]),
        // Of a kind that was not counted: the most of those that were.
        _ => texts(&["intent", "slots", "tales", "g2p"]),
    };
    let begin = match c.input {
        Input::Tokens => position * c.context as f64,
        Input::Frames => most(core, "begin", |model| (model.positions == 0.0).then_some(1.0)),
    };
    let other = |call| most(core, call, |_| Some(1.0));
    let begin = begin.max(other("answer")).max(other("open")).max(other("check_step"));
    let entry = most(core, "parse", |model| (model.items > 0.0).then_some(model.items));
    let least = most(core, "parse", |model| (model.items == 0.0).then_some(1.0));
    let parse = (entry * items(c) as f64).max(least);
    let (_, stack_bytes) = largest(core);
    Some(Longest {
        core: core.into(),
        step: margin(step),
        begin: margin(begin),
        parse: margin(parse),
        stack_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Blob;

    fn shipped(name: &str) -> Blob {
        let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        Blob::open(&models.join(name).join("model.pico")).unwrap()
    }

    /// What is written here of the shipped models is what their blobs say.
    #[test]
    fn what_is_known_is_so() {
        for known in KNOWN {
            let blob = shipped(known.name);
            let model = blob.model(known.name.as_ref()).unwrap();
            let c = model.config();
            if known.positions > 0.0 {
                assert_eq!(
                    (c.context, items(c)),
                    (known.positions as usize, known.items as usize),
                    "{}",
                    known.name
                );
            } else {
                assert_eq!(c.input, Input::Frames);
            }
        }
    }

    /// No call that was counted takes longer than the bound, and the bound is of the same size.
    #[test]
    fn the_bound_holds_for_every_count() {
        assert!(CALLS.len() >= 2 * 6 * 6);
        for known in KNOWN {
            let blob = shipped(known.name);
            let model = blob.model(known.name.as_ref()).unwrap();
            for bound in longest(&model) {
                let own =
                    CALLS.iter().filter(|call| call.core == bound.core && call.model == known.name);
                let mut longest = 0;
                for Call { core, model, call, instructions } in own {
                    let most = match call.as_str() {
                        "parse" => bound.parse,
                        "step" => bound.step,
                        _ => bound.begin,
                    };
                    assert!(
                        *instructions <= most,
                        "{model} on {core}: {call} {instructions} > {most}"
                    );
                    longest = longest.max(*instructions);
                }
                assert!(
                    bound.any() < 4 * longest,
                    "{} on {}: {bound:?}, {longest}",
                    known.name,
                    bound.core
                );
            }
        }
    }
}
