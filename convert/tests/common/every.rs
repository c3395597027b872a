//! Small models that together have every section.

use super::root;
use super::synthetic::*;
use picoformer::blob::{SCOPE, TEXT_LABELS};
use picoformer::config::*;
use picoformer::scope::{Scope, Score};
use picoformer_convert::checkpoint::Checkpoint;
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::import::import;
use picoformer_convert::tokenizer::{from_bytes, from_json};

fn json(name: &str) -> Vec<u8> {
    from_json(&root().join("models").join(name).join("checkpoint/tokenizer.json")).unwrap()
}

/// Pieces of a tokenizer.
fn pieces(section: &[u8]) -> usize {
    picoformer::Tokenizer::parse(section).unwrap().vocabulary().len()
}

/// A model of `tests/golden`.
pub fn golden(name: &str) -> FloatModel {
    import(&Checkpoint::open(&root().join("tests/golden").join(name)).unwrap()).unwrap()
}

/// Tokenizers of every kind, labels, frames, a window, decoders of their own beside an encoder.
pub fn models() -> Vec<FloatModel> {
    let classifier = Config { head: Head::Classifier, n_labels: 3, pooler: true, ..bert() };
    let window = Config { window: 5, context: 64, ..llama() };
    let frames = Config { input: Input::Frames, vocab_size: 0, frame_len: 7, ..bert() };
    let untied = Config { head: Head::Vocabulary, vocab_size: 1024, ..gpt2() };
    let mut models: Vec<FloatModel> = [
        Config { n_layers: 1, ..llama() },
        Config { vocab_size: 256, ..window },
        untied,
        Config { vocab_size: pieces(&json("intent")), ..classifier },
        Config {
            head: Head::Embedding,
            pooling: Pooling::Mean,
            n_labels: 0,
            pooler: false,
            ..classifier
        },
        Config {
            head: Head::TokenLabels,
            position: Position::Sinusoidal,
            pooler: false,
            ..classifier
        },
        Config { position: Position::Sinusoidal, ..frames },
        Config {
            head: Head::TokenLabels,
            vocab_size: pieces(&json("intent")),
            pooler: false,
            ..classifier
        },
    ]
    .iter()
    .zip(1..)
    .map(|(&config, seed)| random(config, seed))
    .collect();
    models[1].tokenizer = from_bytes(256).unwrap();
    models[2].tokenizer = json("tales");
    models[3].tokenizer = json("intent");
    let scope = Scope::new(Score::Energy, Some(1), 1 << 16);
    models[3].set_section(SCOPE, scope.to_bytes().to_vec());
    models[7].tokenizer = json("intent");
    models[7].set_section(TEXT_LABELS, 1u32.to_le_bytes().to_vec());
    models.extend(["t5-gated", "marian-separate", "bart"].map(golden));
    // The kinds of tokenizers that no shipped model has; that of cl100k has the tables of the byte-level one.
    let small = |name: &str| from_json(&root().join("fuzz/bases").join(name)).unwrap();
    let mut words = small("byte_level.json");
    for (kind, seed) in [(3, 21), (5, 22)] {
        let config = Config { n_layers: 1, vocab_size: pieces(&words), ..llama() };
        words[0] = kind;
        let tokenizer = words.clone();
        models.push(FloatModel { tokenizer, ..random(config, seed) });
    }
    let tokenizer = small("unigram.json");
    let config = Config { vocab_size: pieces(&tokenizer), ..classifier };
    models.push(FloatModel { tokenizer, ..random(config, 23) });
    models
}
