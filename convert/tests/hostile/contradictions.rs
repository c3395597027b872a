//! Sections that contradict each other, or leave a model without a use, are refused: behind `parse`, only the
//! input can fail.

use super::common::synthetic::*;
use super::golden;
use picoformer::FormatError;
use picoformer::config::*;
use picoformer::tokenizer::vocabulary::FLAG_BYTES;
use picoformer::{Generator, RunError, Sampling};
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::host::{Blob, HeapArena};
use picoformer_convert::tokenizer::from_bytes;
use picoformer_convert::writer::{self, Wide};

fn error(model: &FloatModel) -> Option<FormatError> {
    Blob::new(&writer::write(model, Wide::Auto).unwrap()).parse().err()
}

fn contradicts(field: &'static str) -> Option<FormatError> {
    Some(FormatError::Contradiction { section: "tokenizer", field })
}

/// A tokenizer of bytes with begin and end token around every text, and an unknown one.
fn with_specials(section: &[u8], specials: usize) -> Vec<u8> {
    let mut section = section.to_vec();
    let token = |wanted: bool| if wanted { 7u32.to_le_bytes() } else { [0xff; 4] };
    section[8..12].copy_from_slice(&token(specials > 0));
    section[12..16].copy_from_slice(&token(specials > 1));
    section[1] = FLAG_BYTES | if specials > 1 { 4 } else { 0 };
    section
}

#[test]
fn a_tokenizer_has_no_token_beyond_the_vocabulary() {
    for vocab_size in [1, 29, 255, 256, 300] {
        let mut model = random(Config { vocab_size, ..llama() }, 61);
        model.tokenizer = from_bytes(256).unwrap();
        let expected = if vocab_size < 256 { contradicts("vocab_size") } else { None };
        assert_eq!(error(&model), expected, "{vocab_size}");
    }
}

#[test]
fn frames_have_no_tokenizer() {
    let frames = Config { input: Input::Frames, vocab_size: 0, frame_len: 7, ..bert() };
    let mut model = random(frames, 62);
    assert_eq!(error(&model), None);
    model.tokenizer = from_bytes(256).unwrap();
    assert_eq!(error(&model), contradicts("input"));
}

/// A context that the special tokens fill has no room for a text.
#[test]
fn a_text_has_room_in_the_context() {
    for (base, specials) in [(bert(), 0), (bert(), 2), (llama(), 1), (llama(), 0)] {
        for context in 1..=4 {
            let mut model = random(Config { vocab_size: 256, context, ..base }, 63);
            model.tokenizer = with_specials(&from_bytes(256).unwrap(), specials);
            let expected = if context <= specials { contradicts("context") } else { None };
            assert_eq!(error(&model), expected, "{specials} special tokens in {context}");
        }
    }
    // Where there is room for one character, one is read.
    let mut model = random(Config { vocab_size: 256, context: 2, ..llama() }, 63);
    model.tokenizer = with_specials(&from_bytes(256).unwrap(), 1);
    let blob = Blob::new(&writer::write(&model, Wide::Auto).unwrap());
    let model = blob.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut generator = Generator::new(&model, arena.parts(), Sampling::greedy()).unwrap();
    assert_eq!(generator.prompt("a"), Ok(&[7, b'a' as u32][..]));
    let long = RunError::TooLong { needed: 3, given: 2 };
    assert_eq!(generator.prompt("ab"), Err(long.into()));
}

/// Bytes are tokens: without an alphabet, there is no text that such a tokenizer takes.
#[test]
fn a_tokenizer_of_bytes_has_bytes() {
    let mut model = random(Config { vocab_size: 256, ..llama() }, 64);
    model.tokenizer = from_bytes(256).unwrap();
    model.tokenizer[20..24].copy_from_slice(&[0xff; 4]);
    assert_eq!(error(&model), Some(FormatError::BadTokenizer { field: "special tokens" }));
}

/// A search needs a token that it may generate.
#[test]
fn one_token_is_left() {
    let config = golden("marian").config;
    let one = Config { vocab_size: 1, start_token: 0, end_token: 0, ..config };
    let one = Config { forced_token: 0, suppressed_token: 0, ..one };
    assert_eq!(one.validate(), Ok(()));
    let suppressed = Config { suppressed_token: 1, ..one };
    assert_eq!(suppressed.validate(), Err(ConfigError("suppressed_token")));
    assert_eq!(Config { vocab_size: 2, ..suppressed }.validate(), Ok(()));
}

/// A decoder without a vocabulary would be run by nothing.
#[test]
fn a_decoder_has_a_vocabulary() {
    let headless = Config { head: Head::None, ..gpt2() };
    assert_eq!(headless.validate(), Err(ConfigError("head")));
    let labels = Config { head: Head::Classifier, n_labels: 2, ..gpt2() };
    assert_eq!(labels.validate(), Err(ConfigError("head")));
}
