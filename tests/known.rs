//! A build that knows its model gives the same bits as one that runs every model, and refuses others.

use picoformer::blob::{CHECKSUM_OFFSET, NOTE, Tag, checksum};
use picoformer::kernels::Native;
use picoformer::{
    ArenaParts, ArenaSize, Build, Classifier, Decoder, Encoder, FormatError, Known, Model,
    RunError, include_blob,
};

static INTENT_BLOB: &[u8] = include_blob!("../models/intent/model.pico");
static TALES_BLOB: &[u8] = include_blob!("../models/tales/model.pico");

#[allow(long_running_const_eval)]
const INTENT: Model = match Model::parse(INTENT_BLOB) {
    Ok(model) => model,
    Err(_) => panic!("models/intent/model.pico is not a valid blob"),
};

#[allow(long_running_const_eval)]
const TALES: Model = match Model::parse(TALES_BLOB) {
    Ok(model) => model,
    Err(_) => panic!("models/tales/model.pico is not a valid blob"),
};

struct Intent;

impl Build for Intent {
    type Kernels = Native;
    const MODEL: Option<Known> = Some(INTENT.known());
}

struct Tales;

impl Build for Tales {
    type Kernels = Native;
    const MODEL: Option<Known> = Some(TALES.known());
}

/// An arena on the heap.
struct Memory(Vec<u8>, Vec<i16>, Vec<i32>);

impl Memory {
    fn new(size: ArenaSize) -> Self {
        Self(vec![0; size.bytes], vec![0; size.halves], vec![0; size.words])
    }

    fn parts(&mut self) -> ArenaParts<'_> {
        ArenaParts { bytes: &mut self.0, halves: &mut self.1, words: &mut self.2 }
    }
}

#[test]
fn a_known_encoder_gives_the_same_logits() {
    let (mut a, mut b) = (Memory::new(INTENT.arena()), Memory::new(INTENT.arena()));
    let mut any = Classifier::new(&INTENT, a.parts()).unwrap();
    let mut known = Classifier::<Intent>::new_for(&INTENT, b.parts()).unwrap();
    for text in ["how do you say thank you in italian", "stop", "is it raining in Oslo today?"] {
        let expected = any.outputs(text, &mut [0; 64]).unwrap().to_vec();
        assert_eq!(known.outputs(text, &mut [0; 64]).unwrap(), expected, "{text}");
    }
}

#[test]
fn a_known_decoder_gives_the_same_logits() {
    let (mut a, mut b) = (Memory::new(TALES.arena()), Memory::new(TALES.arena()));
    let mut any = Decoder::new(&TALES, a.parts()).unwrap();
    let mut known = Decoder::<Tales>::new_for(&TALES, b.parts()).unwrap();
    for prefix in [0, 2] {
        any.reset();
        known.reset();
        any.set_prefix(prefix).unwrap();
        known.set_prefix(prefix).unwrap();
        any.prefill(&[1, 7, 99, 300, 5]).unwrap();
        known.prefill(&[1, 7, 99, 300, 5]).unwrap();
        for token in 0..40 {
            assert_eq!(any.logits(), known.logits(), "prefix {prefix}, token {token}");
            any.advance(token * 3).unwrap();
            known.advance(token * 3).unwrap();
        }
    }
}

#[test]
fn a_flashed_blob_is_parsed_alike() {
    let model = Model::parse_for::<Tales>(TALES_BLOB).unwrap();
    assert_eq!(model.header(), TALES.header());
    assert_eq!(model.layout(), TALES.layout());
    let other = Model::parse_for::<Tales>(INTENT_BLOB).unwrap_err();
    assert!(matches!(other, FormatError::OtherModel { .. }), "{other}");
}

/// Optional sections do not make another model: they are found, skipped or refused as ever.
#[test]
fn a_flashed_blob_may_have_optional_sections() {
    const NONE: Option<&[u8]> = TALES.section(NOTE);
    assert_eq!(NONE, None);
    let with = |tag: Tag| {
        let mut blob = [TALES_BLOB, &tag, &2u32.to_le_bytes(), &[0; 8], b"hi", &[0; 14]].concat();
        let total = (blob.len() as u32).to_le_bytes();
        blob[8..12].copy_from_slice(&total);
        let sum = checksum(&blob).to_le_bytes();
        blob[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 4].copy_from_slice(&sum);
        blob
    };
    let blob = with(NOTE);
    let model = Model::parse_for::<Tales>(&blob).unwrap();
    assert_eq!(model.layout(), TALES.layout());
    assert_eq!(model.note(), Some("hi"));
    let mut memory = Memory::new(model.arena());
    assert!(Decoder::<Tales>::new_for(&model, memory.parts()).is_ok());
    assert!(Model::parse_for::<Tales>(&with(*b"skip")).is_ok());
    let unknown = FormatError::UnknownSection { tag: *b"Must", offset: TALES_BLOB.len() };
    assert_eq!(Model::parse_for::<Tales>(&with(*b"Must")).map(|_| ()), Err(unknown));
}

#[test]
fn another_model_is_not_run() {
    let mut memory = Memory::new(TALES.arena());
    let wrong = Encoder::<Intent>::new_for(&TALES, memory.parts()).err();
    assert!(matches!(wrong, Some(RunError::WrongModel { .. })));
    let wrong = Decoder::<Tales>::new_for(&INTENT, memory.parts()).err();
    assert!(matches!(wrong, Some(RunError::WrongModel { .. })));
}

/// A changed blob is refused, with or without knowing the model, behind the header for the same reason.
#[test]
fn changed_blobs_are_refused_alike() {
    let mut bytes = TALES_BLOB.to_vec();
    for at in (0..128).chain((128..TALES_BLOB.len()).step_by(29_989)) {
        for flip in [0x01, 0x80] {
            bytes[at] ^= flip;
            let known = Model::parse_for::<Tales>(&bytes).map(|_| ()).unwrap_err();
            let any = Model::parse_checked(&bytes).map(|_| ()).unwrap_err();
            assert!(at < 128 || known == any, "byte {at}: {known}, {any}");
            bytes[at] ^= flip;
        }
    }
    for len in [0, 1, 127, 128, TALES_BLOB.len() - 1] {
        assert!(Model::parse_for::<Tales>(&TALES_BLOB[..len]).is_err(), "{len} bytes");
    }
}
