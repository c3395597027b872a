//! A byte-level BPE as GPT-2's, trained here on the shipped texts by the `tokenizers` crate itself.

use crate::texts::{sentences, tales};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Its `tokenizer.json`.
pub fn byte_level() -> &'static str {
    static JSON: OnceLock<String> = OnceLock::new();
    JSON.get_or_init(train)
}

fn train() -> String {
    use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;
    use tokenizers::{AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper};
    let rules = ByteLevel::new(false, true, true);
    let mut tokenizer = tokenizers::TokenizerBuilder::<
        BPE,
        NormalizerWrapper,
        ByteLevel,
        PostProcessorWrapper,
        DecoderWrapper,
    >::new()
    .with_model(BPE::default())
    .with_pre_tokenizer(Some(rules))
    .with_decoder(Some(rules.into()))
    .build()
    .unwrap();
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(1500)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(vec![AddedToken::from("<|endoftext|>", true)])
        .build();
    tokenizer.train(&mut trainer, [sentences(), tales()].concat().iter()).unwrap();
    tokenizer.to_string(false).unwrap()
}

/// The same with changes, in a file of its own.
pub fn changed(name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut json = serde_json::from_str(byte_level()).unwrap();
    change(&mut json);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("byte_level_{name}.json"));
    std::fs::write(&path, json.to_string()).unwrap();
    path
}
