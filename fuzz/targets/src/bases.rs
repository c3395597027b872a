//! Good blobs that are forged: small models that together have every section, and the shipped ones.

#[allow(missing_docs, dead_code)]
#[path = "../../../convert/tests/common/every.rs"]
mod every;
#[allow(missing_docs, dead_code)]
#[path = "../../../convert/tests/common/synthetic.rs"]
mod synthetic;

use picoformer::blob::Tag;
use picoformer::config::{Config, Input};
use picoformer::rules::Kind;
use picoformer_convert::host::Blob;
use picoformer_convert::load::load;
use picoformer_convert::rules::Records;
use picoformer_convert::sections::with_section;
use picoformer_convert::tokenizer::from_bytes;
use picoformer_convert::writer::{self, Wide};
use picoformer_forge::sign;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Checkpoints of `tests/golden`.
pub const GOLDEN: [&str; 16] = [
    "bart",
    "bert-classifier",
    "bert-cls",
    "bert-mean",
    "bert-tags",
    "gpt2-scaled",
    "gpt2-tied",
    "llama-bias",
    "llama-tied",
    "marian",
    "marian-separate",
    "mistral",
    "plain-encoder",
    "plain-keyword",
    "plain-tokens",
    "t5-tied",
];

/// Models that are shipped.
pub const SHIPPED: [&str; 7] = ["motion", "digits", "wake", "intent", "slots", "tales", "g2p"];

/// Every kind of rule once, for a vocabulary of 29.
fn every_rule() -> Vec<(Tag, Vec<u8>)> {
    let one = 1 << 24;
    let mut records = Records::default();
    for (kind, values) in [
        (Kind::Ends, vec![3, 7]),
        (Kind::Repetition, vec![one + one / 2, one / 3 * 2]),
        (Kind::NoRepeat, vec![2]),
        (Kind::Word, vec![5]),
        (Kind::Word, vec![6, 7, 8]),
        (Kind::LeastLength, vec![3]),
        (Kind::LeastNew, vec![2]),
        (Kind::First, vec![28]),
        (Kind::Last, vec![3]),
        (Kind::Suppressed, vec![0, 1]),
        (Kind::SuppressedFirst, vec![2]),
        (Kind::LengthPenalty, vec![2 << 16]),
        (Kind::EarlyStop, vec![2]),
    ] {
        records.add(kind, values);
    }
    records.sections()
}

/// A few KB each: every architecture, family, head, kind of tokenizer, front end and section; made once.
pub fn small() -> &'static [Blob] {
    static BLOBS: OnceLock<Vec<Blob>> = OnceLock::new();
    BLOBS.get_or_init(|| {
        let wide = [Wide::Never, Wide::All, Wide::Auto].into_iter().cycle();
        let mut models = every::models();
        models.extend(
            GOLDEN.map(|name| load(&root().join("tests/golden").join(name), None).unwrap()),
        );
        let blobs =
            models.iter().zip(wide).map(|(model, wide)| writer::write(model, wide).unwrap());
        let mut blobs: Vec<Vec<u8>> = blobs.collect();
        for (tag, data) in every_rule() {
            blobs.push(with_section(&blobs[0], tag, &data).unwrap());
        }
        blobs.iter().map(|bytes| Blob::new(bytes)).collect()
    })
}

/// Which of [`small`] a checkpoint of `tests/golden` is.
pub fn golden(name: &str) -> usize {
    // They are the last but one with rules.
    let first = small().len() - 1 - GOLDEN.len();
    first + GOLDEN.iter().position(|&known| known == name).expect("no such checkpoint")
}

/// Blobs whose parts are right and do not fit one another: what no change of a good one becomes. Made once.
pub fn contradictory() -> &'static [Blob] {
    static BLOBS: OnceLock<Vec<Blob>> = OnceLock::new();
    BLOBS.get_or_init(|| {
        use synthetic::{bert, llama, random};
        let frames = Config { input: Input::Frames, vocab_size: 0, frame_len: 7, ..bert() };
        let smaller = Config { vocab_size: 29, ..llama() };
        let full = Config { vocab_size: 256, context: 1, ..llama() };
        let mut blobs: Vec<Vec<u8>> = [frames, smaller, full]
            .into_iter()
            .map(|config| {
                let mut model = random(config, 61);
                model.tokenizer = from_bytes(256).unwrap();
                // A token at the beginning of every text.
                model.tokenizer[8..12].copy_from_slice(&7u32.to_le_bytes());
                writer::write(&model, Wide::Auto).unwrap()
            })
            .collect();
        // The header's fields: the forced token is suppressed; sizes that no blob has (d_model, n_layers, d_ff).
        for (name, fields) in [
            ("bart", &[(120, 5), (124, 5)][..]),
            ("llama-tied", &[(40, 8192), (44, 64), (60, 8192)]),
        ] {
            let mut bytes = small()[golden(name)].bytes().to_vec();
            for &(at, value) in fields {
                bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
            }
            sign(&mut bytes);
            blobs.push(bytes);
        }
        blobs.iter().map(|bytes| Blob::new(bytes)).collect()
    })
}

/// The shipped blobs with their names; made once.
pub fn shipped() -> &'static [(&'static str, Blob)] {
    static BLOBS: OnceLock<Vec<(&'static str, Blob)>> = OnceLock::new();
    BLOBS.get_or_init(|| {
        let open = |name| Blob::open(&root().join("models").join(name).join("model.pico")).unwrap();
        SHIPPED.iter().map(|&name| (name, open(name))).collect()
    })
}
