//! What sentence-transformers does around a body.

use super::common::checkpoints::{Folder, copy};
use super::same;
use picoformer::config::{Head, Pooling};
use safetensors::Dtype;
use serde_json::{Value, json};

/// `modules.json` of these modules and folders.
fn modules_json(list: &[(&str, &str)]) -> String {
    let module = |(place, (kind, path)): (usize, &(&str, &str))| {
        json!({ "idx": place, "name": place.to_string(), "path": path,
            "type": format!("sentence_transformers.base.modules.x.{kind}") })
    };
    Value::from(list.iter().enumerate().map(module).collect::<Vec<_>>()).to_string()
}

/// Class B: what sentence-transformers does around a body, in the schemas of versions 2 to 6.
#[test]
fn sentence_transformers_modules_are_read() {
    let pooled =
        |config: Value| copy("bert-mean").write("1_Pooling/config.json", config.to_string());
    for (config, pooling) in [
        (json!({ "word_embedding_dimension": 24, "pooling_mode_cls_token": true }), Pooling::First),
        (
            json!({ "embedding_dimension": 24, "pooling_mode": "cls", "include_prompt": true }),
            Pooling::First,
        ),
        (json!({ "embedding_dimension": 24, "pooling_mode": ["mean"] }), Pooling::Mean),
        (json!({ "pooling_mode_mean_sqrt_len_tokens": true }), Pooling::Mean),
        (json!({ "pooling_mode_max_tokens": true }), Pooling::Max),
        (json!({ "pooling_mode": "lasttoken" }), Pooling::Last),
    ] {
        assert_eq!(pooled(config).model().config.pooling, pooling);
    }
    for config in [
        json!({ "pooling_mode": ["mean", "max"] }),
        json!({ "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true }),
        json!({ "pooling_mode_weightedmean_tokens": true }),
        json!({ "pooling_mode": 3 }),
        json!({ "pooling_mode": "mean", "new_option": 1 }),
        json!({ "pooling_mode": "mean", "embedding_dimension": 32 }),
    ] {
        pooled(config).refused(&["1_Pooling/config.json"]);
    }
    let with = |list: &[(&str, &str)]| copy("bert-mean").write("modules.json", modules_json(list));
    let (body, pool, unit) =
        (("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"));
    assert!(same(&with(&[body, pool, unit]).model(), &copy("bert-mean").model()));
    // Without Normalize the embedding keeps its length, and has the same direction.
    let bare = with(&[body, pool]).model();
    assert!(bare.config.own_length);
    let scaled = copy("bert-mean").model();
    let [own, one] = [&bare, &scaled].map(|model| model.forward(&[2, 7, 9, 3]).outputs[0].clone());
    let length = own.iter().map(|x| x * x).sum::<f32>().sqrt();
    assert!((length - 1.0).abs() > 0.1, "{length}");
    assert!(own.iter().zip(&one).all(|(a, b)| (a / length - b).abs() < 1e-6));
    let sums = json!({ "pooling_mode": "mean_sqrt_len_tokens" }).to_string();
    let sums = with(&[body, pool]).write("1_Pooling/config.json", sums);
    sums.refused(&["1_Pooling/config.json", "mean_sqrt_len_tokens", "keeps its length"]);
    with(&[body, unit]).refused(&["modules.json", "Normalize"]);
    with(&[body, pool, ("LSTM", "2_LSTM"), unit]).refused(&["modules.json", "LSTM"]);
    for (place, key, value) in [
        (1, "idx", json!(0)),
        (1, "idx", json!("1")),
        (0, "name", json!(4)),
        (2, "kwargs", json!(["task"])),
        (0, "new", json!(true)),
    ] {
        let mut list: serde_json::Value =
            serde_json::from_str(&modules_json(&[body, pool, unit])).unwrap();
        list[place][key] = value;
        let folder = copy("bert-mean").write("modules.json", list.to_string());
        folder.refused(&["modules.json", &format!("{place}.{key}")]);
    }
    let elsewhere = with(&[body, ("Pooling", "pool"), unit]);
    let elsewhere =
        elsewhere.write("pool/config.json", json!({ "pooling_mode": "cls" }).to_string());
    assert_eq!(elsewhere.model().config.pooling, Pooling::First);
}

/// Dense modules: what the engine has no layers for is refused by name.
#[test]
fn dense_modules_are_done_or_refused() {
    // In, out, activation.
    type Module<'a> = (usize, usize, &'a str);
    let dense = |modules: &[Module]| -> Folder {
        let names: Vec<String> = (0..modules.len()).map(|i| format!("{i}_Dense")).collect();
        let mut list = vec![("Transformer", ""), ("Pooling", "1_Pooling")];
        list.extend(names.iter().map(|name| ("Dense", &name[..])));
        list.push(("Normalize", "2_Normalize"));
        let mut folder = copy("bert-mean").write("modules.json", modules_json(&list));
        for (name, &(inputs, outputs, act)) in names.iter().zip(modules) {
            let raw = |shape: Vec<usize>| {
                let numbers = shape.iter().product::<usize>();
                (Dtype::F32, shape, 0.25f32.to_le_bytes().repeat(numbers))
            };
            let config = json!({ "in_features": inputs, "out_features": outputs, "bias": true,
                "activation_function": format!("torch.nn.modules.activation.{act}") });
            let tensors = [
                ("linear.weight".into(), raw(vec![outputs, inputs])),
                ("linear.bias".into(), raw(vec![outputs])),
            ];
            folder = folder
                .write(&format!("{name}/config.json"), config.to_string())
                .store(&format!("{name}/model.safetensors"), &tensors);
        }
        folder
    };
    let shape = |modules: &[Module]| {
        let c = dense(modules).model().config;
        (c.pooler, c.n_labels, c.head_bias, c.head_tanh)
    };
    assert_eq!(shape(&[]), (false, 0, false, false));
    assert_eq!(shape(&[(24, 24, "Tanh")]), (true, 0, false, false));
    assert_eq!(shape(&[(24, 16, "Tanh")]), (false, 16, true, true));
    assert_eq!(shape(&[(24, 40, "Tanh")]), (false, 40, true, true));
    assert_eq!(shape(&[(24, 40, "Identity")]), (false, 40, true, false));
    assert_eq!(shape(&[(24, 40, "Identity"), (40, 24, "Tanh")]), (true, 0, false, false));
    assert_eq!(
        shape(&[(24, 8, "Tanh"), (8, 9, "Identity"), (9, 7, "Tanh")]),
        (true, 7, true, true)
    );
    dense(&[(24, 24, "ReLU")]).refused(&["0_Dense/config.json", "activation_function", "Identity"]);
    dense(&[(20, 24, "Tanh")]).refused(&["0_Dense/config.json", "in_features", "20", "24"]);
    dense(&[(24, 32, "Tanh"), (32, 8, "Tanh")]).refused(&["modules.json", "32 numbers behind 24"]);
    let three = [(24, 24, "Tanh"), (24, 24, "Tanh"), (24, 24, "Tanh")];
    dense(&three).refused(&["modules.json", "more than two"]);
    // The length of a sum is seen by a dense layer with a bias.
    let sums = json!({ "pooling_mode": "mean_sqrt_len_tokens" }).to_string();
    let sums = dense(&[(24, 24, "Identity")]).write("1_Pooling/config.json", sums);
    sums.refused(&["1_Pooling/config.json", "mean_sqrt_len_tokens", "Dense"]);
}

/// What is done to a text before the body, and what a body's file has beside it.
#[test]
fn settings_of_texts_are_done_or_refused() {
    // Lengths and prompts.
    let cut = copy("bert-mean").write("sentence_bert_config.json", r#"{ "max_seq_length": 8 }"#);
    assert_eq!(cut.model().config.context, 8);
    let cut = copy("bert-mean").write("tokenizer_config.json", r#"{ "model_max_length": 9 }"#);
    assert_eq!(cut.model().config.context, 9);
    let prompts = json!({ "prompts": { "query": "query: " }, "default_prompt_name": "query" });
    let prompted =
        copy("bert-mean").write("config_sentence_transformers.json", prompts.to_string());
    prompted.refused(&["config_sentence_transformers.json", "default_prompt_name", "query: "]);
    // Weights in the body's file that only guessed words.
    let masked =
        copy("bert-mean").set("architectures", json!(["BertForMaskedLM"])).weights(|tensors| {
            tensors.push((
                "cls.predictions.bias".into(),
                (safetensors::Dtype::F32, vec![1], vec![0; 4]),
            ));
        });
    assert!(same(&masked.model(), &copy("bert-mean").model()));
    assert_eq!(masked.model().config.head, Head::Embedding);
}
