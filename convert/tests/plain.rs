//! Plain checkpoints (`models/common/checkpoint.md`) against values of torch (`tests/golden/plain.py`), and
//! what they are refused for.

mod common;

use common::checkpoints::{Folder, copy};
use common::*;
use picoformer::Encoder;
use picoformer::config::{Activation, Head, Input, Norm, NormOrder, Pooling, Position};
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::host::HeapArena;
use picoformer_convert::load::load;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Golden {
    #[serde(default)]
    ids: Vec<u32>,
    #[serde(default)]
    frames: Vec<Vec<i16>>,
    outputs: Vec<Vec<f32>>,
}

/// Checks the f32 reference and the engine against torch.
fn check(name: &str, bound: f64) -> FloatModel {
    let folder = root().join("tests/golden").join(name);
    let model = load(&folder, None).unwrap();
    let text = std::fs::read_to_string(folder.join("golden.json")).unwrap();
    let cases: Vec<Golden> = serde_json::from_str(&text).unwrap();
    let blob = blob(&model);
    let parsed = blob.parse().unwrap();
    let (mut reference, mut engine) = (0f64, 0f64);
    for case in &cases {
        let (float, found) = match model.config.input {
            Input::Tokens => (model.forward(&case.ids), encode(&parsed, &case.ids)),
            Input::Frames => {
                let unit = 2f32.powi(model.frame_exponent as i32);
                let real_frame = |f: &Vec<i16>| f.iter().map(|&x| x as f32 * unit).collect();
                let frames: Vec<Vec<f32>> = case.frames.iter().map(real_frame).collect();
                let mut arena = HeapArena::new(parsed.arena());
                let mut encoder = Encoder::new(&parsed, arena.parts()).unwrap();
                let found = real(encoder.run_frames(&case.frames.concat()).unwrap());
                (model.forward_frames(&frames), vec![found])
            }
        };
        reference = reference.max(relative_error(&float.outputs, &case.outputs));
        engine = engine.max(relative_error(&found, &case.outputs));
    }
    println!("{name}: f32 reference off by {reference:.1e}, engine by {engine:.4}");
    assert!(reference < 1e-5, "{name}: the reference is not torch's: {reference:.1e}");
    assert!(engine < bound, "{name}: {engine}");
    model
}

#[test]
fn an_exported_transformer_encoder() {
    let model = check("plain-encoder", 0.06);
    let c = model.config;
    assert_eq!((c.norm_order, c.activation), (NormOrder::Pre, Activation::Relu));
    assert_eq!((c.pooling, c.context, c.n_labels), (Pooling::Mean, 6, 3));
    assert_eq!(model.labels, ["a", "b", "ç"]);
    assert!(model.sections.is_empty());
}

#[test]
fn an_exported_keyword_transformer() {
    let model = check("plain-keyword", 0.06);
    let c = model.config;
    assert_eq!((c.norm_order, c.activation), (NormOrder::Post, Activation::GeluErf));
    assert_eq!((c.pooling, c.head), (Pooling::First, Head::Classifier));
    let tags: Vec<&[u8; 4]> = model.sections.iter().map(|(tag, _)| tag).collect();
    assert_eq!(tags, [b"Audi", b"Trig"]);
    let blob = blob(&model);
    let features = blob.parse().unwrap().features();
    let (audio, trigger) = (features.audio.unwrap(), features.trigger.unwrap());
    assert_eq!((audio.sample_rate, audio.n_fft, audio.hop_length), (8000, 64, 40));
    assert_eq!((audio.n_mels, audio.frames_per_row), (8, 2));
    assert_eq!((trigger.nothing, trigger.smooth, trigger.refractory), (0, 2, 3));
    assert_eq!(trigger.threshold, 1 << 14);
}

#[test]
fn tokens_with_what_torch_has_no_module_for() {
    let c = check("plain-tokens", 0.06).config;
    assert_eq!((c.input, c.position, c.norm), (Input::Tokens, Position::Rotary, Norm::Rms));
    assert_eq!((c.n_heads, c.n_kv_heads, c.gated, c.head), (4, 2, true, Head::TokenLabels));
    assert!(!c.qkv_bias && !c.head_bias);
}

/// What is missing is what `checkpoint.md` says.
#[test]
fn missing_keys_are_the_defaults() {
    let given = copy("plain-encoder").model();
    let defaults = ["architecture", "input", "position", "norm", "norm_order", "head", "pooling"];
    for key in defaults.into_iter().chain(["norm_eps", "final_norm"]) {
        let found = copy("plain-encoder").unset(key).model();
        assert_eq!(found.config, given.config, "{key}");
        assert_eq!(found.epsilon, given.epsilon);
    }
    let gelu = copy("plain-encoder").unset("activation").model().config.activation;
    assert_eq!(gelu, Activation::GeluErf);
    assert_eq!(given.frame_exponent, -10);
    let exponent = copy("plain-encoder").set("feature_exponent", json!(-7)).model().frame_exponent;
    assert_eq!(exponent, -7);
}

/// A part of a kind whose biases are missing has none; a kind that has some must have all.
#[test]
fn biases_are_there_or_not() {
    let without = |words: &'static [&'static str]| {
        copy("plain-encoder").weights(move |tensors| {
            tensors.retain(|(name, _)| !words.iter().all(|word| name.contains(word)));
        })
    };
    let c = without(&["feed_forward", "bias"]).model().config;
    assert!(!c.up_bias && !c.down_bias && c.qkv_bias && c.output_bias);
    let norms = without(&["norm", "bias"]).model();
    assert!(norms.layers[1].norm_2.bias.as_ref().unwrap().iter().all(|&b| b == 0.0));
    assert_eq!(without(&["embedding.bias"]).model().embedding.bias, Some(vec![0.0; 16]));
    without(&["layers.1.attention.k.bias"]).refused(&["layers.1.attention.k.bias", "missing"]);
    without(&["layers.0.attention.o.bias"]).refused(&["layers.1.attention.o.bias"]);
    without(&["layers.0.norm1.bias"]).refused(&["norm", "bias"]);
    without(&["head.weight"]).refused(&["head.weight", "missing"]);
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let folder = || copy("plain-encoder");
    folder().set("dropout", json!(0.1)).refused(&["config.json", "`dropout`"]);
    folder().set("torch_dtype", json!("float32")).refused(&["`torch_dtype`"]);
    folder().set("activation", json!("tanh")).refused(&["`activation`", "gelu_tanh"]);
    folder().set("architecture", json!("decoder")).refused(&["`architecture`", "encoder"]);
    folder().set("labels", json!(["a", "a", "b"])).refused(&["`labels`", "different names"]);
    folder().set("labels", json!(["a", "b"])).refused(&["head.weight", "[3, 16]"]);
    folder().set("feature_exponent", json!(0.5)).refused(&["`feature_exponent`", "whole"]);
    folder().set("n_heads", json!(3)).refused(&["`n_heads`", "divides"]);
    folder().unset("d_ff").refused(&["`d_ff` is missing"]);
    folder().unset("labels").refused(&["`labels` is missing"]);
    folder().generate("max_length", json!(5)).refused(&["generation_config.json", "`max_length`"]);
    folder()
        .weights(|tensors| {
            let extra = (tensors[0].0.clone() + ".extra", tensors[0].1.clone());
            tensors.push(extra);
        })
        .refused(&["tensors are not part", ".extra"]);
    let tokens = copy("plain-tokens").set("feature_exponent", json!(-10));
    tokens.refused(&["`feature_exponent`", "frames"]);
    copy("plain-tokens").set("labels", json!([])).refused(&["`labels`"]);
}

/// The front end must make exactly what the model reads.
#[test]
fn a_front_end_that_does_not_fit_is_refused() {
    let features = |key: &'static str, value| {
        copy("plain-keyword").edit("config.json", |c| c["features"][key] = value)
    };
    let trigger = |key: &'static str, value| {
        copy("plain-keyword").edit("config.json", |c| c["trigger"][key] = value)
    };
    features("n_mels", json!(9))
        .refused(&["`n_mels` · `frames_per_row` is 18", "`frame_len` is 16"]);
    features("kind", json!("video")).refused(&["config.json", "`features.kind`", "motion"]);
    features("n_fft", json!(100)).refused(&["n_fft`", "power of two"]);
    features("hop_length", json!(65)).refused(&["hop_length`", "at most"]);
    features("f_min", json!(4000)).refused(&["f_min`"]);
    features("f_max", json!(4001)).refused(&["f_max`", "half the sample rate"]);
    features("f_max", json!(100)).refused(&["f_max`", "above"]);
    features("preemphasis", json!(0.97)).refused(&["config.json", "`features.preemphasis`"]);
    features("sample_rate", json!("8000")).refused(&["sample_rate`", "whole number"]);
    trigger("nothing", json!(3)).refused(&["config.json", "`trigger.nothing`", "label"]);
    trigger("nothing", json!("maybe")).refused(&["nothing`"]);
    trigger("threshold", json!(1.0)).refused(&["threshold`", "below 1"]);
    trigger("smooth", json!(0)).refused(&["smooth`"]);
    trigger("hysteresis", json!(0.5)).refused(&["hysteresis`"]);
    copy("plain-keyword").unset("features").refused(&["`trigger`, but no `features`"]);
    let tokens = copy("plain-tokens").set("features", json!({ "kind": "audio" }));
    tokens.refused(&["`input` is not `frames`"]);
    let named = trigger("nothing", json!("nothing")).model();
    assert_eq!(named.sections, copy("plain-keyword").model().sections);
}

/// Six channels become patches; the shape is the model's.
#[test]
fn motion_has_a_section() {
    let motion = || {
        let features = json!({
            "kind": "motion", "channels": 4, "window": 20, "samples_per_frame": 4,
            "offset": [0, 10, -20, 30], "multiplier": [65536, 32768, -65536, 7], "shift": 16,
        });
        copy("plain-keyword").set("features", features).unset("trigger")
    };
    let edit = |folder: Folder, key: &'static str, value| {
        folder.edit("config.json", |c| c["features"][key] = value)
    };
    let model = motion().model();
    assert_eq!(model.sections.len(), 1);
    let blob = blob(&model);
    let found = blob.parse().unwrap().features().motion.unwrap();
    assert_eq!((found.channels, found.samples_per_row), (4, 4));
    edit(motion(), "window", json!(24)).refused(&["window` is 24", "20"]);
    edit(motion(), "offset", json!([0, 1, 2])).refused(&["offset`", "one for each channel"]);
    edit(motion(), "multiplier", json!([0.5, 1, 1, 1])).refused(&["multiplier`", "whole numbers"]);
    edit(motion(), "shift", json!(47)).refused(&["shift`", "0 to 46"]);
    edit(motion(), "samples_per_frame", json!(5)).refused(&["frame_len` is 16"]);
}
