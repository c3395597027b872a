//! Tokens and texts in buffers of known capacity say the same as slices, and refuse what does not fit.
#![cfg(feature = "heapless")]

use picoformer::task::{TaskError, Text, Tokens};
use picoformer::tokenizer::EncodeError;
use picoformer::{Generator, Model, Sampling, Translator, arena, model};

static TALES: Model = model!("../models/tales/model.pico");
static G2P: Model = model!("../models/g2p/model.pico");

#[test]
fn a_story_is_the_same_and_never_cut_off() {
    let mut ram = <arena!(TALES)>::new();
    let mut generator = Generator::new(&TALES, &mut ram, Sampling::greedy()).unwrap();
    let mut expected = String::new();
    generator.generate("The king", 12, &mut expected).unwrap();
    assert!(!expected.is_empty());
    let text: Text<128> = generator.text("The king", 12).unwrap();
    assert_eq!(text.as_str(), expected);
    assert_eq!(generator.text::<8>("The king", 12), Err(TaskError::Write));
}

#[test]
fn a_translation_is_the_same_and_never_cut_off() {
    let mut ram = <arena!(G2P)>::new();
    let mut translator = Translator::new(&G2P, &mut ram).unwrap();
    let mut expected = String::new();
    translator.translate("cat", &mut expected).unwrap();
    let text: Text<16> = translator.text("cat").unwrap();
    assert_eq!(text.as_str(), expected);
    assert_eq!(translator.text::<4>("cat"), Err(TaskError::Write));
    // Three phonemes and the end token.
    for (limit, complete) in [(1, false), (3, false), (4, true)] {
        translator.engine().set_limit(limit).unwrap();
        let expected = if complete { Ok(text.clone()) } else { Err(TaskError::Incomplete) };
        assert_eq!(translator.text("cat"), expected, "{limit} tokens");
    }
}

#[test]
fn tokens_are_the_same_and_never_cut_off() {
    let (text, mut room) = ("the king of the sea", [0; 64]);
    let tokenizer = TALES.tokenizer().unwrap();
    let n = tokenizer.encode(text, &mut room).unwrap();
    let tokens: Tokens<32> = tokenizer.tokens(text).unwrap();
    assert_eq!(tokens, room[..n]);
    let short = tokenizer.tokens::<3>(text);
    assert!(matches!(short, Err(EncodeError::TooLong { given: 3, .. })));
}
