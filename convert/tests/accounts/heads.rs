//! What a model answers with: labels and heads, and families that are not read.

use super::common::checkpoints::{Folder, copy};
use picoformer::config::{Head, Pooling};
use serde_json::json;

/// Class C: binary labels without `id2label`; names by `label2id`; nothing that contradicts the rows.
#[test]
fn labels_are_those_of_the_classifier() {
    let labels = |folder: &Folder| folder.model().labels;
    let bare = || copy("bert-classifier").unset("id2label").unset("label2id");
    let default = ["LABEL_0", "LABEL_1", "LABEL_2"];
    assert_eq!(labels(&bare()), default);
    assert_eq!(labels(&bare().set("num_labels", json!(3))), default);
    assert_eq!(labels(&bare().set("label2id", json!({ "y": 1, "x": 0, "z": 2 }))), ["x", "y", "z"]);
    let numbers = bare().set("id2label", json!({ "0": 1, "1": 2, "2": 5 }));
    assert_eq!(labels(&numbers), ["1", "2", "5"]);
    let binary = bare().weights(|tensors| {
        for (name, (_, shape, data)) in tensors {
            if name.starts_with("classifier.") {
                shape[0] = 2;
                let size = shape.iter().product::<usize>() * 4;
                data.truncate(size);
            }
        }
    });
    assert_eq!(labels(&binary), ["LABEL_0", "LABEL_1"]);
    for wrong in [
        json!({ "1": "a", "2": "b", "3": "c" }),
        json!({ "0": "a", "1": "b" }),
        json!({ "0": "a", "1": "b", "2": "c", "3": "d" }),
        json!({ "0": "a", "1": "b", "2": ["c"] }),
    ] {
        bare().set("id2label", wrong).refused(&["config.json", "id2label"]);
    }
    bare().set("num_labels", json!(5)).refused(&["5 labels", "3 rows"]);
    bare().set("label2id", json!({ "x": 0, "y": 7 })).refused(&["label2id"]);
}

/// Class F: heads that the engine does not have, by name and with what to do.
#[test]
fn heads_are_refused_by_name() {
    for (model, head, word) in [
        ("bert-mean", "BertForQuestionAnswering", "label tokens instead"),
        ("bert-classifier", "BertForMaskedLM", "sentence embedding"),
        ("bert-classifier", "BertForNextSentencePrediction", "pairs of texts"),
        ("bert-classifier", "BertForMultipleChoice", "pairs of texts"),
        ("llama-bias", "LlamaForQuestionAnswering", "label tokens instead"),
        ("llama-bias", "LlamaModel", "body without a head"),
        ("llama-bias", "MistralForCausalLM", "LlamaForSequenceClassification"),
        ("mistral", "MistralForQuestionAnswering", "MistralForTokenClassification"),
        ("gpt2-tied", "GPT2Model", "modules.json"),
        ("gpt2-tied", "GPT2ForQuestionAnswering", "label tokens instead"),
        ("t5-tied", "T5Model", "body without a head"),
        ("t5-tied", "T5ForSequenceClassification", "train one on a BERT"),
        ("t5-tied", "T5ForTokenClassification", "train one on a BERT"),
        ("t5-tied", "T5ForQuestionAnswering", "label tokens instead"),
        ("bart", "BartForSequenceClassification", "train one on a BERT"),
        ("marian", "MarianModel", "body without a head"),
    ] {
        let folder = copy(model).set("architectures", json!([head]));
        let folder = if model == "bert-classifier" { folder } else { without_modules(folder) };
        folder.refused(&["architectures", head, word]);
    }
    let missing = copy("bert-classifier").unset("architectures");
    missing.refused(&["architectures", "missing", "BertForTokenClassification"]);
}

fn without_modules(folder: Folder) -> Folder {
    let _ = std::fs::remove_file(folder.0.join("modules.json"));
    folder
}

/// Families without an importer are refused by name, with the family that does the same.
#[test]
fn families_without_an_importer_are_told_their_kin() {
    for (family, kin) in [
        ("xlm-roberta", "a bert does"),
        ("mt5", "a t5 does"),
        ("qwen2", "a llama or mistral does"),
        ("gemma3_text", "a llama or mistral does"),
        ("whisper", "t5 (Hugging Face folders)"),
    ] {
        let name = format!("\"{family}\"");
        copy("bert-classifier").set("model_type", json!(family)).refused(&[
            "model_type",
            &name,
            kin,
        ]);
    }
}

/// A text's labels are those of its last token, or of the last before padding: `pad_token_id`, −1 for none.
#[test]
fn padding_is_what_the_configuration_says() {
    let padded = |id| copy("llama-score").set("pad_token_id", id).model().config;
    let config = padded(json!(5));
    assert_eq!((config.head, config.pooling), (Head::Classifier, Pooling::Last));
    assert_eq!((config.causal, config.suppressed_token), (true, 6));
    assert_eq!(padded(json!(-1)).suppressed_token, 0);
    assert_eq!(padded(json!(null)).suppressed_token, 0);
    copy("llama-score").set("pad_token_id", json!("5")).refused(&["pad_token_id", "a token id"]);
    copy("llama-score").set("pad_token_id", json!(77)).refused(&["token", "77", "vocabulary"]);
}

/// T5's encoder alone embeds, also from the file of a whole T5.
#[test]
fn an_encoder_alone_embeds() {
    let alone = copy("t5-tied").set("architectures", json!(["T5EncoderModel"]));
    let loaded = alone.load(&[]).unwrap();
    assert_eq!(loaded.model.config.head, Head::Embedding);
    assert!(loaded.model.decoder.is_none());
    assert!(loaded.notes.iter().any(|note| note.contains("decoder")), "{:?}", loaded.notes);
}
