//! Encoder-decoders: the f32 reference against Hugging Face's values (made by `tests/golden/make.py`),
//! and the engine against the reference.

use picoformer::config::{Config, ConfigError, Head, Position};
use picoformer::seq2seq::Part;
use picoformer::tokenizer::EncodeError;
use picoformer::{Decoder, Encoder, Model, RunError, Seq2Seq, Translator};
use picoformer_convert::{
    checkpoint::Checkpoint, float_model::FloatModel, generation::beam_width, host::*,
    import::import, writer, writer::Wide,
};
use serde_json::Value;
use std::path::PathBuf;

const FAMILIES: [&str; 5] = ["t5-tied", "t5-gated", "marian", "marian-separate", "bart"];
/// Tokens of a generated target, as in `make.py`.
const LIMIT: usize = 12;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name)
}

fn model(name: &str) -> FloatModel {
    import(&Checkpoint::open(&folder(name)).unwrap()).unwrap()
}

fn golden(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder(name).join("golden.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// Logits to 10⁻⁴, and the same targets with 1, 3 and 4 beams.
#[test]
fn the_reference_is_hugging_faces() {
    for name in FAMILIES {
        let model = model(name);
        let mut worst = 0f64;
        for case in golden(name) {
            let read = model.read(&ids(&case["source"])).unwrap();
            let found = read.forward(&ids(&case["target"]));
            let expected = case["outputs"].as_array().unwrap();
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                for (f, e) in found.iter().zip(expected.as_array().unwrap()) {
                    worst = worst.max((*f as f64 - e.as_f64().unwrap()).abs());
                }
            }
            for (beams, expected) in case["beams"].as_object().unwrap() {
                let found = read.search(beams.parse().unwrap(), LIMIT).unwrap();
                assert_eq!(found, ids(expected), "{name}, {beams} beams");
            }
        }
        println!("{name}: largest difference of a logit {worst:.1e}");
        assert!(worst < 1e-4, "{name}: {worst}");
    }
}

fn with_engine<T>(
    model: &FloatModel,
    wide: Wide,
    beams: usize,
    run: impl FnOnce(&mut Seq2Seq, &Model) -> T,
) -> T {
    let blob = Blob::new(&writer::write(model, wide).unwrap());
    let parsed = blob.parse().unwrap().with_beams(beams);
    let mut arena = HeapArena::new(parsed.arena());
    let mut engine = Seq2Seq::new(&parsed, arena.parts()).unwrap();
    run(&mut engine, &parsed)
}

/// The engine's logits on the golden targets, against f32: small models of random weights are the worst
/// case for 8 bits. With 12-bit rows everywhere, most of the error goes.
#[test]
fn the_engine_follows_the_reference() {
    for name in FAMILIES {
        let model = model(name);
        let errors = [Wide::Auto, Wide::All].map(|wide| {
            let (mut error, mut size) = (0f64, 0f64);
            for case in golden(name) {
                let (source, target) = (ids(&case["source"]), ids(&case["target"]));
                let float = model.read(&source).unwrap().forward(&target);
                with_engine(&model, wide, 1, |engine, _| {
                    let mut rows = 0;
                    engine
                        .score(&source, &target[1..], |i, _, logits| {
                            for (q, f) in logits.iter().zip(&float[i]) {
                                error += (*q as f64 / 65536.0 - *f as f64).powi(2);
                                size += (*f as f64).powi(2);
                            }
                            rows += 1;
                        })
                        .unwrap();
                    assert_eq!(rows, target.len() - 1);
                });
            }
            (error / size).sqrt()
        });
        println!("{name}: error of the logits {:.2?} %", errors.map(|e| 100.0 * e));
        assert!(errors[0] < 0.06, "{name}: {errors:?}");
        assert!(errors[1] < 0.03, "{name}: {errors:?}");
    }
}

/// What a search finds has the log-probability that scoring it in one pass gives; on any tile size; and a
/// wider beam never finds worse per token on these cases than what it says.
#[test]
fn searching_and_scoring_agree() {
    for name in FAMILIES {
        let mut model = model(name);
        for case in golden(name) {
            let source = ids(&case["source"]);
            let mut seen = Vec::new();
            for (tile_rows, beams) in [(2, 1), (1, 4), (2, 4), (3, 4), (2, 3)] {
                model.config.tile_rows = tile_rows;
                let end = model.config.end_token as u32;
                let forced = model.config.forced_token > 0;
                with_engine(&model, Wide::Auto, beams, |engine, parsed| {
                    assert_eq!(parsed.config().beams, beams);
                    engine.set_limit(LIMIT).unwrap();
                    let found = engine.run(&source).unwrap();
                    let mut tokens = vec![0; found.len];
                    assert_eq!(engine.tokens(&mut tokens), found.len);
                    assert!(found.complete || found.len == LIMIT);
                    let mut whole = tokens.clone();
                    whole.extend(found.complete.then_some(end));
                    let mut first = 0;
                    let score = engine
                        .score(&source, &whole, |i, p, _| first = if i == 0 { p } else { first })
                        .unwrap();
                    // A forced token costs a search nothing.
                    let free = if forced { first as i64 } else { 0 };
                    assert_eq!(found.log_probability, score - free, "{name} {beams} {tile_rows}");
                    seen.push((beams, tokens, found));
                });
            }
            let four: Vec<_> = seen.iter().filter(|(beams, ..)| *beams == 4).collect();
            assert!(four.windows(2).all(|pair| pair[0] == pair[1]), "{name}: {four:?}");
        }
    }
}

/// What the families stand for: every path of the engine is walked by one of them.
#[test]
fn the_families_cover_the_architecture() {
    let configs = FAMILIES.map(|name| model(name).config);
    assert!(configs.iter().any(|c| c.position == Position::Relative));
    assert!(configs.iter().any(|c| c.position == Position::Learned && c.embedding_norm));
    assert!(configs.iter().any(|c| c.position == Position::Sinusoidal && !c.embedding_norm));
    assert!(configs.iter().any(|c| c.separate_embedding));
    assert!(configs.iter().any(|c| c.forced_token > 0));
    assert!(configs.iter().any(|c| c.suppressed_token > 0));
    assert!(configs.iter().any(|c| c.head == Head::Vocabulary && c.gated));
    assert!(configs.iter().any(|c| c.head == Head::TiedVocabulary && c.head_bias));
    assert!(configs.iter().any(|c| c.q_dim() != c.d_model));
}

/// What no source or target can be, and models and arenas that do not fit.
#[test]
fn bad_input_is_a_typed_error() {
    let model = model("t5-tied");
    let (context, target) = (model.config.context, model.config.target_context);
    with_engine(&model, Wide::Auto, 2, |engine, parsed| {
        let vocab_size = parsed.config().vocab_size;
        assert_eq!(engine.run(&[]), Err(RunError::EmptyInput));
        let long = vec![3; context + 1];
        let too_long = RunError::TooLong { needed: context + 1, given: context };
        assert_eq!(engine.run(&long), Err(too_long));
        let out_of_range = RunError::TokenOutOfRange { token: 32, vocab_size };
        assert_eq!(engine.run(&[1, 32]), Err(out_of_range));
        assert_eq!(engine.score(&[1], &[], |_, _, _| {}), Err(RunError::EmptyInput));
        let long = vec![3; target + 1];
        let too_long = RunError::TooLong { needed: target + 1, given: target };
        assert_eq!(engine.score(&[1], &long, |_, _, _| {}), Err(too_long));
        // Nothing was begun: nothing is found, no step has work.
        assert_eq!(engine.found(), None);
        let found = engine.run(&vec![3; context]).unwrap();
        assert!(found.len <= target);
        let mut small = HeapArena::new(parsed.with_beams(1).arena());
        let error = Seq2Seq::new(parsed, small.parts()).unwrap_err();
        assert!(matches!(error, RunError::ArenaTooSmall { part: "bytes", .. }));
        let mut arena = HeapArena::new(parsed.arena());
        let error = Decoder::new(parsed, arena.parts()).unwrap_err();
        assert!(matches!(error, RunError::WrongModel { .. }));
        let error = Encoder::new(parsed, arena.parts()).unwrap_err();
        assert!(matches!(error, RunError::WrongModel { .. }));
        // No family has them, and no engine would rotate.
        let rotary = Config { position: Position::Rotary, ..*parsed.config() };
        let rotary = Config { relative_distance: 0, ..rotary };
        assert_eq!(rotary.validate(), Err(ConfigError("position")));
    });
    let error = beam_width(9).unwrap_err().to_string();
    assert!(error.contains("beam of 9"), "{error}");
}

/// One `step` is one part of one layer of one tile, so a watchdog can be fed between any two.
#[test]
fn the_work_of_a_step_is_bounded() {
    let model = model("t5-gated");
    let (c, source) = (model.config, [5, 6, 7, 8, 9]);
    with_engine(&model, Wide::Auto, 3, |engine, _| {
        engine.set_limit(1).unwrap();
        engine.begin(&source).unwrap();
        let mut steps = Vec::new();
        while engine.part() != Part::Done {
            steps.push(engine.part());
            engine.step();
        }
        let tiles = source.len().div_ceil(c.tile_rows);
        let count = |part| steps.iter().filter(|&&p| p == part).count();
        assert_eq!(count(Part::Encoder), 2 * tiles * c.n_layers);
        assert_eq!(count(Part::Source), tiles * c.decoder_layers);
        for part in [Part::SelfAttention, Part::CrossAttention, Part::FeedForward] {
            assert_eq!(count(part), c.decoder_layers);
        }
        assert_eq!(count(Part::Head), 1);
        assert_eq!(steps.len(), 2 * tiles * c.n_layers + (tiles + 3) * c.decoder_layers + 1);
    });
}

/// The shipped model: words in either case, and what it must not guess at.
#[test]
fn words_are_pronounced_or_refused() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models/g2p/model.pico");
    let blob = Blob::open(&path).unwrap();
    let model = blob.model(&path).unwrap();
    // The bounds: words of 32 letters, beam 4.
    assert!(model.config().context == 33 && model.config().beams == 4);
    assert!(model.arena().total_bytes() <= 64 << 10, "{:?}", model.arena());
    assert!(model.flash_bytes() <= 1_600_000);
    let mut arena = HeapArena::new(model.arena());
    let mut translator = Translator::new(&model, arena.parts()).unwrap();
    let mut say = |word: &str| {
        let mut text = String::new();
        translator.translate(word, &mut text).map(|_| text)
    };
    assert_eq!(say("cat").unwrap(), "K AE1 T");
    assert_eq!(say("CAT"), say("cat"));
    assert!(say(&"a".repeat(32)).is_ok());
    assert_eq!(say(""), Err(RunError::EmptyInput.into()));
    let too_long = RunError::TooLong { needed: 34, given: 33 };
    assert_eq!(say(&"a".repeat(33)), Err(too_long.into()));
    for (word, character) in [("mp3", '3'), ("naïve", 'ï'), ("two words", ' '), ("日本", '日')]
    {
        let unknown = EncodeError::UnknownCharacter { character };
        assert_eq!(say(word), Err(unknown.into()), "{word}");
    }
}
