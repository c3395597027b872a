//! Tokens and texts in buffers of known capacity say the same as slices, and refuse what does not fit.
#![cfg(feature = "heapless")]

use picoformer::task::{TaskError, Text, Tokens};
use picoformer::tokenizer::EncodeError;
use picoformer::{Arena, Classifier, Generator, Model, Sampling, include_blob};

const TALES: &[u8] = include_blob!("../models/tales/model.pico");
const INTENT: &[u8] = include_blob!("../models/intent/model.pico");

#[test]
fn a_story_is_the_same_and_never_cut_off() {
    let model = Model::parse_checked(TALES).unwrap();
    let mut ram = Box::new(Arena::<262_144, 16_384, 4_096>::new());
    let mut generator = Generator::new(&model, &mut *ram, Sampling::greedy()).unwrap();
    let mut expected = String::new();
    generator.generate("The king", &mut [0; 32], 12, &mut expected).unwrap();
    assert!(!expected.is_empty());
    let text: Text<128> = generator.text::<32, 128>("The king", 12).unwrap();
    assert_eq!(text.as_str(), expected);
    assert_eq!(generator.text::<32, 8>("The king", 12), Err(TaskError::Write));
    let short = generator.text::<1, 128>("The king", 12);
    assert!(matches!(short, Err(TaskError::Encode(EncodeError::TooLong { given: 1, .. }))));
}

#[test]
fn tokens_and_answers_are_the_same() {
    let model = Model::parse_checked(INTENT).unwrap();
    let mut ram = Box::new(Arena::<65_536, 16_384, 4_096>::new());
    let mut classifier = Classifier::new(&model, &mut *ram).unwrap();
    let text = "what is the capital of france";
    let mut room = [0; 64];
    let n = model.tokenizer().unwrap().encode(text, &mut room).unwrap();
    let tokens: Tokens<16> = model.tokenizer().unwrap().tokens(text).unwrap();
    assert_eq!(tokens, room[..n]);
    let answer = classifier.classify(text, &mut room).unwrap();
    assert_eq!(classifier.classify_sized::<16>(text), Ok(answer));
    let short = classifier.classify_sized::<3>(text);
    assert!(matches!(short, Err(TaskError::Encode(EncodeError::TooLong { given: 3, .. }))));
}
