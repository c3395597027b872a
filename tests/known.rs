//! A build that knows its model gives the same bits as one that runs every model, and refuses others.

use picoformer::kernels::Native;
use picoformer::{
    ArenaParts, ArenaSize, Build, Classifier, Decoder, Encoder, FormatError, Known, Model,
    Progress, RunError, Seq2Seq, include_blob,
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

static G2P_BLOB: &[u8] = include_blob!("../models/g2p/model.pico");

#[allow(long_running_const_eval)]
const G2P: Model = match Model::parse(G2P_BLOB) {
    Ok(model) => model,
    Err(_) => panic!("models/g2p/model.pico is not a valid blob"),
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

struct G2p;

impl Build for G2p {
    type Kernels = Native;
    const MODEL: Option<Known> = Some(G2P.known());
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

/// Logits of every step, and the target found; then those of a target given.
fn translate<B: Build>(engine: &mut Seq2Seq<B>, source: &[u32]) -> (Vec<i32>, Vec<u32>) {
    let mut seen = Vec::new();
    engine.begin(source).unwrap();
    while engine.step() == Progress::Working {
        seen.extend(engine.logits().iter().step_by(7));
    }
    let mut tokens = vec![0; engine.found().unwrap().len];
    engine.tokens(&mut tokens);
    engine.score(source, &tokens, |_, _, logits| seen.extend(logits)).unwrap();
    (seen, tokens)
}

#[test]
fn a_known_encoder_decoder_gives_the_same_logits() {
    // The build's beam is the blob's; a narrower one runs in the same buffers.
    for beams in [G2P.config().beams, 1] {
        let model = G2P.with_beams(beams);
        let (mut a, mut b) = (Memory::new(G2P.arena()), Memory::new(G2P.arena()));
        let mut any = Seq2Seq::new(&model, a.parts()).unwrap();
        let mut known = Seq2Seq::<G2p>::new_for(&model, b.parts()).unwrap();
        for source in [&[5u32, 9, 17, 3, 21, 8][..], &[12], &[7, 7, 23, 4, 15, 9, 30, 6, 11]] {
            assert_eq!(translate(&mut any, source), translate(&mut known, source), "{beams}");
        }
    }
}

#[test]
fn a_beam_wider_than_the_builds_is_refused() {
    let widest = G2P.config().beams;
    let model = G2P.with_beams(widest + 1);
    let mut memory = Memory::new(model.arena());
    let wrong = Seq2Seq::<G2p>::new_for(&model, memory.parts()).err();
    assert_eq!(wrong, Some(RunError::BeamTooWide { needed: widest + 1, given: widest }));
}

#[test]
fn a_flashed_blob_is_parsed_alike() {
    let model = Model::parse_for::<Tales>(TALES_BLOB).unwrap();
    assert_eq!(model.header(), TALES.header());
    assert_eq!(model.layout(), TALES.layout());
    let other = Model::parse_for::<Tales>(INTENT_BLOB).unwrap_err();
    assert!(matches!(other, FormatError::OtherModel { .. }), "{other}");
}

#[test]
fn another_model_is_not_run() {
    let mut memory = Memory::new(TALES.arena());
    let wrong = Encoder::<Intent>::new_for(&TALES, memory.parts()).err();
    assert!(matches!(wrong, Some(RunError::WrongModel { .. })));
    let wrong = Seq2Seq::<G2p>::new_for(&TALES, memory.parts()).err();
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
