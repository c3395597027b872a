//! How a text is written, and where it ends.

use super::common::checkpoints::{Folder, copy};
use picoformer::tokenizer::Vocabulary;
use serde_json::{Value, json};

/// Class B: `generation_config.json` is done or refused, key by key.
#[test]
fn generation_is_done_or_refused() {
    for (key, value) in [
        ("do_sample", json!(true)),
        ("encoder_no_repeat_ngram_size", json!(2)),
        ("repetition_penalty", json!(256.5)),
        ("repetition_penalty", json!(0.003)),
        ("repetition_penalty", json!(0)),
        ("no_repeat_ngram_size", json!(-1)),
        ("suppress_tokens", json!([4, 32])),
        ("begin_suppress_tokens", json!([99])),
        ("bad_words_ids", json!([[4, 32]])),
        ("bad_words_ids", json!([[]])),
        ("bad_words_ids", json!([4])),
        ("min_length", json!("5")),
        ("min_new_tokens", json!(5.0)),
        ("length_penalty", json!(65)),
        ("length_penalty", json!("2")),
        ("early_stopping", json!("always")),
        ("forced_eos_token_id", json!(32)),
        ("eos_token_id", json!([3, 32])),
        ("num_beams", json!(20)),
        ("num_beam_groups", json!(2)),
        ("diversity_penalty", json!(0.5)),
        ("sequence_bias", json!({ "4": 1.0 })),
        ("stop_strings", json!(["x"])),
        ("guidance_scale", json!(2.0)),
        ("exponential_decay_length_penalty", json!([3, 1.2])),
        ("no_such_key", json!(true)),
    ] {
        let folder = copy("t5-tied").generate(key, value.clone());
        folder.refused(&["generation_config.json", key, &value.to_string()]);
    }
    for (key, forced) in [("forced_bos_token_id", json!(4)), ("forced_eos_token_id", json!([4, 5]))]
    {
        let both = copy("t5-tied").generate("suppress_tokens", json!([4, 5])).generate(key, forced);
        both.refused(&["suppress_tokens", key]);
    }
    let config = |key: &str, value: Value| copy("t5-tied").generate(key, value).model().config;
    assert_eq!(config("suppress_tokens", json!([4])).suppressed_token, 5);
    assert_eq!(config("bad_words_ids", json!([[4]])).suppressed_token, 5);
    assert_eq!(config("forced_bos_token_id", json!(4)).forced_token, 5);
    assert_eq!(config("eos_token_id", json!([7])).end_token, 7);
    assert_eq!(config("eos_token_id", json!(9)).end_token, 9);
    assert_eq!(config("max_new_tokens", json!(7)).target_context, 7);
    assert_eq!(config("max_length", json!(7)).target_context, 6);
    assert_eq!(config("temperature", json!(0.5)).beams, 4, "without do_sample it is not read");
    // Without the file, config.json says it.
    let old = copy("t5-tied").remove("generation_config.json").set("num_beams", json!(2));
    assert_eq!(old.model().config.beams, 2);
    // Decoders: what the sampler of the engine does not have.
    for (key, value) in [("eos_token_id", json!([2, 32])), ("num_beams", json!(4))] {
        copy("llama-bias").generate(key, value).refused(&["generation_config.json", key]);
    }
    let sampled =
        copy("llama-bias").generate("do_sample", json!(true)).generate("top_p", json!(0.9));
    let notes = sampled.load(&[]).unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("`top_p` is 0.9")), "{notes:?}");
}

/// Class B: the end token is the model's, wherever it stands; the tokenizer's own name for it is a guess.
#[test]
fn the_end_token_is_the_models() {
    let end = |folder: &Folder| {
        let section = folder.model().tokenizer;
        Vocabulary::parse(&section).unwrap().end()
    };
    assert_eq!(end(&copy("tales")), Some(2));
    assert_eq!(
        end(&copy("tales").remove("generation_config.json").set("eos_token_id", json!(9))),
        Some(9)
    );
    let list = copy("tales").remove("generation_config.json").set("eos_token_id", json!([9]));
    assert_eq!(end(&list), Some(9));
    assert_eq!(end(&copy("tales").generate("eos_token_id", json!(7))), Some(7), "it rules");
    assert_eq!(end(&copy("tales").generate("eos_token_id", json!([7]))), Some(7));
    let none = copy("tales").remove("generation_config.json").set("eos_token_id", Value::Null);
    assert_eq!(end(&none), None);
    let absent = copy("tales").remove("generation_config.json").unset("eos_token_id");
    assert_eq!(end(&absent), Some(2), "the default of the original's class");
    copy("tales").generate("eos_token_id", json!(1024)).refused(&["eos_token_id", "1024"]);
    let ids = copy("gpt2-tied").load(&[]).unwrap();
    assert!(ids.model.rules().is_end(0), "without a tokenizer the rules know it");
    let several = copy("tales").generate("eos_token_id", json!([7, 2])).model();
    assert!([2, 7].into_iter().all(|end| several.rules().is_end(end)), "a blob holds several");
}
