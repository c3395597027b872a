//! One function a fuzz target: it is given bytes, and panics if it finds a fault. `fuzz/fuzz_targets` hands them to
//! libFuzzer, `tests/seeds.rs` runs them on what is in `fuzz/seeds` and on random bytes.

pub mod bases;
pub mod blobs;
pub mod calls;
pub mod json;
pub mod readers;
pub mod streams;
pub mod tokenizers;

/// A target: its name, and the function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 13] = [
    ("blob", blobs::blob),
    ("kernels", blobs::kernels),
    ("tokenizer_section", tokenizers::section),
    ("tokenizer_ids", tokenizers::ids),
    ("tokenizer_json", tokenizers::json),
    ("decoder_calls", calls::decoder),
    ("search_calls", calls::search),
    ("sampler_calls", calls::sampler),
    ("stream_calls", streams::stream),
    ("safetensors", readers::safetensors),
    ("config", readers::config),
    ("torch", readers::torch),
    ("llama2c", readers::llama2c),
];
