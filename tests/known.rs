//! A build that knows its model gives the same bits as one that runs every model, and refuses others.

use picoformer::blob::{CHECKSUM_OFFSET, KEY_BASE, NOTE, PROBLEM, RULES, SCOPE, Tag, checksum};
use picoformer::config::{MAX_BEAMS, Problem};
use picoformer::sampler::{ONE, Sampling};
use picoformer::{
    Arena, Build, Classifier, Decoder, Encoder, FormatError, Generator, Model, Progress, RunError,
    Seq2Seq, Translator, arena, include_blob, model, specialize,
};

static TALES_BLOB: &[u8] = include_blob!("../models/tales/model.pico");
static INTENT_BLOB: &[u8] = include_blob!("../models/intent/model.pico");

static INTENT: Model = model!(bytes: INTENT_BLOB);
static TALES: Model = model!(bytes: TALES_BLOB);
const G2P: Model = model!("../models/g2p/model.pico");

specialize!(Intent, INTENT);
specialize!(
    /// By its hyperparameters, as for a model that is flashed on its own.
    Tales,
    *TALES.config(),
    TALES.known().tokenizer
);
specialize!(Words, G2P);

#[test]
fn a_known_encoder_gives_the_same_logits() {
    let (mut a, mut b) = (<arena!(INTENT)>::new(), <arena!(INTENT)>::new());
    let mut any = Classifier::new(&INTENT, &mut a).unwrap();
    let mut known = Classifier::<Intent>::new_for(&INTENT, &mut b).unwrap();
    for text in ["how do you say thank you in italian", "stop", "is it raining in Oslo today?"] {
        let expected = any.outputs(text).unwrap().to_vec();
        assert_eq!(known.outputs(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn a_known_decoder_gives_the_same_logits() {
    let (mut a, mut b) = (<arena!(TALES)>::new(), <arena!(TALES)>::new());
    let mut any = Decoder::new(&TALES, &mut a).unwrap();
    let mut known = Decoder::<Tales>::new_for(&TALES, &mut b).unwrap();
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
        let (mut a, mut b) = (<arena!(G2P)>::new(), <arena!(G2P)>::new());
        let mut any = Seq2Seq::new(&model, &mut a).unwrap();
        let mut known = Seq2Seq::<Words>::new_for(&model, &mut b).unwrap();
        for source in [&[5u32, 9, 17, 3, 21, 8][..], &[12], &[7, 7, 23, 4, 15, 9, 30, 6, 11]] {
            assert_eq!(translate(&mut any, source), translate(&mut known, source), "{beams}");
        }
    }
}

#[test]
fn a_beam_wider_than_the_builds_is_refused() {
    let widest = G2P.config().beams;
    let model = G2P.with_beams(widest + 1);
    let mut ram = <arena!(G2P)>::new();
    let wrong = Seq2Seq::<Words>::new_for(&model, &mut ram).err();
    assert_eq!(wrong, Some(RunError::BeamTooWide { needed: widest + 1, given: widest }));
    // No build takes one that a search does not have; none is cut to one that it has, and no size wraps.
    for needed in [0, MAX_BEAMS + 1, 20, usize::MAX / 2, usize::MAX] {
        let model = G2P.with_beams(needed);
        let most = G2P.with_beams(MAX_BEAMS).arena();
        assert!(model.arena().total_bytes() <= most.total_bytes(), "{needed}");
        let wrong = Seq2Seq::new(&model, &mut ram).err();
        assert_eq!(wrong, Some(RunError::BeamTooWide { needed, given: MAX_BEAMS }));
    }
}

#[test]
fn known_tasks_give_the_same_text() {
    let sampling = Sampling::seeded(3).with_temperature(ONE / 2);
    let (mut a, mut b) = (<arena!(TALES)>::new(), <arena!(TALES)>::new());
    let mut any = Generator::new(&TALES, &mut a, sampling).unwrap();
    let mut known = Generator::<Tales>::new_for(&TALES, &mut b, sampling).unwrap();
    let (mut expected, mut found) = (String::new(), String::new());
    any.generate("The king", 20, &mut expected).unwrap();
    known.generate("The king", 20, &mut found).unwrap();
    assert_eq!(found, expected);

    let (mut a, mut b) = (<arena!(G2P)>::new(), <arena!(G2P)>::new());
    let mut any = Translator::new(&G2P, &mut a).unwrap();
    let mut known = Translator::<Words>::new_for(&G2P, &mut b).unwrap();
    let (mut expected, mut found) = (String::new(), String::new());
    assert_eq!(
        known.translate("picoformer", &mut found),
        any.translate("picoformer", &mut expected)
    );
    assert_eq!(found, expected);
}

/// An arena is as large as its type says, and one without tokens serves a decoder alone.
#[test]
fn arenas_are_exact() {
    type Ram = arena!(TALES);
    assert_eq!(size_of::<Ram>(), TALES.arena().total_bytes());
    assert_eq!(size_of::<arena!(G2P)>(), G2P.arena().total_bytes());
    let size = TALES.arena();
    let mut ram =
        Arena::<{ TALES.arena().bytes }, { TALES.arena().halves }, { TALES.arena().words }>::new();
    assert!(Decoder::new(&TALES, &mut ram).is_ok());
    let error = Generator::new(&TALES, &mut ram, Sampling::greedy()).unwrap_err();
    let (needed, given) = (size.tokens, 0);
    assert_eq!(error, RunError::ArenaTooSmall { part: "tokens", needed, given });
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
    assert_eq!(TALES.section(NOTE), None);
    let with = |tag: Tag| with_section(tag, b"hi");
    let blob = with(NOTE);
    let model = Model::parse_for::<Tales>(&blob).unwrap();
    assert_eq!(model.layout(), TALES.layout());
    assert_eq!(model.note(), Some("hi"));
    let mut ram = <arena!(TALES)>::new();
    assert!(Decoder::<Tales>::new_for(&model, &mut ram).is_ok());
    assert!(Model::parse_for::<Tales>(&with(*b"skip")).is_ok());
    let unknown = FormatError::UnknownSection { tag: *b"Must", offset: TALES_BLOB.len() };
    assert_eq!(Model::parse_for::<Tales>(&with(*b"Must")).map(|_| ()), Err(unknown));
}

fn with_section(tag: Tag, data: &[u8]) -> Vec<u8> {
    added(TALES_BLOB, tag, data)
}

fn added(blob: &[u8], tag: Tag, data: &[u8]) -> Vec<u8> {
    let mut blob = [blob, &tag, &(data.len() as u32).to_le_bytes(), &[0; 8], data].concat();
    blob.resize(blob.len().next_multiple_of(16), 0);
    let total = (blob.len() as u32).to_le_bytes();
    blob[8..12].copy_from_slice(&total);
    let sum = checksum(&blob).to_le_bytes();
    blob[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 4].copy_from_slice(&sum);
    blob
}

specialize!(
    known: Ruled,
    picoformer::Known { rules: true, ..TALES.known() }
);

/// A build without rules refuses a blob with some, however it was parsed; one with rules obeys them, and
/// gives the text of a model without where there are none.
#[test]
fn rules_need_a_build_with_rules() {
    // No sequence of two tokens twice.
    let blob = with_section(RULES, &[3, 0, 1, 0, 2, 0, 0, 0]);
    let unknown = FormatError::UnknownSection { tag: RULES, offset: TALES_BLOB.len() };
    assert_eq!(Model::parse_for::<Tales>(&blob).map(|_| ()), Err(unknown));
    let model = Model::parse_for::<Ruled>(&blob).unwrap();
    assert!(model.known().rules && !TALES.known().rules);
    let mut ram = <arena!(TALES)>::new();
    let wrong = Generator::<Tales>::new_for(&model, &mut ram, Sampling::greedy()).err();
    assert!(matches!(wrong, Some(RunError::WrongModel { .. })));
    let write = |model: &Model, prompt| {
        let (mut a, mut b) = (<arena!(TALES)>::new(), <arena!(TALES)>::new());
        let mut any = Generator::new(model, &mut a, Sampling::greedy()).unwrap();
        let mut known = Generator::<Ruled>::new_for(model, &mut b, Sampling::greedy()).unwrap();
        let (mut expected, mut found) = (String::new(), String::new());
        any.generate(prompt, 60, &mut expected).unwrap();
        known.generate(prompt, 60, &mut found).unwrap();
        assert_eq!(found, expected);
        found
    };
    assert_ne!(write(&model, "The king"), write(&TALES, "The king"));
}

specialize!(
    known: Unbased,
    picoformer::Known { key_base: false, ..TALES.known() }
);

/// A build without a base for keys refuses a blob with one, however it was parsed.
#[test]
fn bases_of_keys_need_a_build_that_knows_them() {
    assert!(TALES.known().key_base);
    let refused = Model::parse_for::<Unbased>(TALES_BLOB).map(|_| ());
    let offset = TALES.layout().end;
    assert_eq!(refused, Err(FormatError::UnknownSection { tag: KEY_BASE, offset }));
    let mut ram = <arena!(TALES)>::new();
    let wrong = Decoder::<Unbased>::new_for(&TALES, &mut ram).err();
    assert!(matches!(wrong, Some(RunError::WrongModel { .. })));
}

specialize!(
    known: MultiLabel,
    picoformer::Known { problem: Problem::MultiLabel, out_of_scope: false, ..INTENT.known() }
);

/// What the labels are is known to a build, and it refuses others.
#[test]
fn labels_need_a_build_that_knows_them() {
    let bare = without_sections(INTENT_BLOB);
    let blob = added(&bare, PROBLEM, &[1, 0, 0, 0]);
    let unknown = FormatError::UnknownSection { tag: PROBLEM, offset: bare.len() };
    assert_eq!(Model::parse_for::<Intent>(&blob).map(|_| ()), Err(unknown));
    let model = Model::parse_for::<MultiLabel>(&blob).unwrap();
    assert_eq!(model.known().problem, Problem::MultiLabel);
    let (mut a, mut b) = (<arena!(INTENT)>::new(), <arena!(INTENT)>::new());
    let wrong = Classifier::<Intent>::new_for(&model, &mut a).err();
    assert!(matches!(wrong, Some(RunError::WrongModel { .. })));
    let mut any = Classifier::new(&model, &mut a).unwrap();
    let mut known = Classifier::<MultiLabel>::new_for(&model, &mut b).unwrap();
    for text in ["stop", "what time is it"] {
        assert_eq!(known.classify(text), any.classify(text));
    }
}

specialize!(
    known: Scoped,
    picoformer::Known { out_of_scope: true, ..INTENT.known() }
);
specialize!(
    known: Unscoped,
    picoformer::Known { out_of_scope: false, ..INTENT.known() }
);

/// A build that does not know of inputs out of scope refuses a blob that does, however it was parsed; one that
/// does answers as any, also for a blob without.
#[test]
fn scopes_need_a_build_with_scopes() {
    let bare = without_sections(INTENT_BLOB);
    for (score, threshold) in [(0u32, -20000i32), (1, i32::MAX)] {
        let data = [score.to_le_bytes(), 3u32.to_le_bytes(), threshold.to_le_bytes()].concat();
        let blob = added(&bare, SCOPE, &data);
        let unknown = FormatError::UnknownSection { tag: SCOPE, offset: bare.len() };
        assert_eq!(Model::parse_for::<Unscoped>(&blob).map(|_| ()), Err(unknown));
        let model = Model::parse_for::<Scoped>(&blob).unwrap();
        assert!(model.known().out_of_scope);
        let (mut a, mut b) = (<arena!(INTENT)>::new(), <arena!(INTENT)>::new());
        let wrong = Classifier::<Unscoped>::new_for(&model, &mut a).err();
        assert!(matches!(wrong, Some(RunError::WrongModel { .. })));
        let mut any = Classifier::new(&model, &mut a).unwrap();
        let mut known = Classifier::<Scoped>::new_for(&model, &mut b).unwrap();
        for text in ["stop", "what time is it", "colourless green ideas"] {
            assert_eq!(known.classify(text), any.classify(text));
            assert!(score == 0 || !any.classify(text).unwrap().in_scope);
        }
    }
    let model = Model::parse_for::<Scoped>(&bare).unwrap();
    let mut ram = <arena!(INTENT)>::new();
    let mut known = Classifier::<Scoped>::new_for(&model, &mut ram).unwrap();
    assert!(known.classify("stop").unwrap().in_scope);
}

/// A blob up to its optional sections.
fn without_sections(blob: &[u8]) -> Vec<u8> {
    let mut bare = blob[..Model::parse(blob).unwrap().layout().end].to_vec();
    let total = (bare.len() as u32).to_le_bytes();
    bare[8..12].copy_from_slice(&total);
    let sum = checksum(&bare).to_le_bytes();
    bare[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 4].copy_from_slice(&sum);
    bare
}

#[test]
fn another_model_is_not_run() {
    let mut ram = <arena!(TALES)>::new();
    let wrong = Encoder::<Intent>::new_for(&TALES, &mut ram).err();
    assert!(matches!(wrong, Some(RunError::WrongModel { .. })));
    let wrong = Decoder::<Tales>::new_for(&INTENT, &mut ram).err();
    assert!(matches!(wrong, Some(RunError::WrongModel { .. })));
    let wrong = Translator::<Words>::new_for(&TALES, &mut ram).err();
    assert!(matches!(wrong, Some(RunError::WrongModel { .. })));
}

/// Every way to be no blob has a name of its own, which the compiler prints where `model!` meets it.
#[test]
fn bad_blobs_are_named() {
    let name = |at: usize, byte: u8| {
        let mut bytes = INTENT_BLOB.to_vec();
        bytes[at] = byte;
        Model::parse(&bytes).map(|_| ()).unwrap_err().name()
    };
    let tokenizer = INTENT.layout().tokenizer.0;
    let mut names = vec![
        Model::parse(b"PICO").map(|_| ()).unwrap_err().name(),
        Model::parse(&INTENT_BLOB[..1000]).map(|_| ()).unwrap_err().name(),
        Model::parse_checked(&[INTENT_BLOB, &[0; 16]].concat()).map(|_| ()).unwrap_err().name(),
        Model::parse_for::<Tales>(INTENT_BLOB).map(|_| ()).unwrap_err().name(),
        name(0, b'X'),
        name(4, 99),
        name(16, 99),
        name(25, 1),
        name(129, 0x7f),
        name(tokenizer, 99),
    ];
    let expected = [
        "too short",
        "wrong length",
        "wrong length",
        "not the model",
        "wrong magic",
        "version",
        "header",
        "padding",
        "section",
        "tokenizer",
    ];
    for (name, expected) in names.iter().zip(expected) {
        assert!(name.starts_with("bad blob: ") && name.contains(expected), "{name}: {expected}");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), expected.len() - 1);
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
