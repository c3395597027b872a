//! What the converter reads: damaged and hostile files are refused, and what is not becomes a blob that the engine
//! accepts.

use crate::bases::{GOLDEN, root};
use crate::json::change;
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::host::Blob;
use picoformer_convert::load::load;
use picoformer_convert::tokenizer::from_llama2c;
use picoformer_convert::writer::{self, Wide};
use picoformer_forge::Script;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A folder of this process alone, in memory where there is such a place.
fn folder(name: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.into() } else { std::env::temp_dir() };
    let folder = base.join(format!("picoformer-fuzz-{}", std::process::id())).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A model that was read becomes a blob, which the engine accepts, or the writer says why not.
fn write(model: &FloatModel) {
    let weights: usize = model.layers.iter().map(|layer| layer.up.weight.len()).sum();
    if weights + model.embedding.weight.len() > 1 << 20 {
        return; // valid, but more than a test wants to spend
    }
    if let Ok(bytes) = writer::write(model, Wide::Never) {
        Blob::new(&bytes).parse().expect("the converter writes what the engine refuses");
    }
}

/// Changes bytes, mostly the first ones.
fn damage(bytes: &mut Vec<u8>, head: usize, script: &mut Script) {
    for _ in 0..8 {
        if script.is_done() || bytes.is_empty() {
            return;
        }
        let kind = script.u8();
        let at = script.below(if kind & 1 == 0 { head.clamp(1, bytes.len()) } else { bytes.len() });
        match kind % 10 {
            0..4 => bytes[at] = script.u8(),
            4 | 5 => bytes[at] = bytes[at].wrapping_add(script.u8() % 3).wrapping_sub(1),
            6 => bytes.truncate(at),
            7 => bytes.insert(at, script.u8()),
            8 => drop(bytes.remove(at)),
            _ => {
                let value = script.u32().to_le_bytes();
                let end = (at + 4).min(bytes.len());
                bytes[at..end].copy_from_slice(&value[..end - at]);
            }
        }
    }
}

fn golden(name: &str, file: &str) -> Vec<u8> {
    std::fs::read(root().join("tests/golden").join(name).join(file)).unwrap()
}

/// `model.safetensors` with damage, most of it in its header.
pub fn safetensors(data: &[u8]) {
    static BASES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let names = ["bert-cls", "gpt2-tied"];
    let bases = BASES.get_or_init(|| names.map(|name| golden(name, "model.safetensors")).into());
    let folder = folder("safetensors");
    let mut script = Script(data);
    let which = script.u8() as usize % names.len();
    let mut bytes = bases[which].clone();
    let head = 8 + bytes[..8].iter().rev().fold(0usize, |n, &byte| n << 8 | byte as usize);
    damage(&mut bytes, head, &mut script);
    std::fs::write(folder.join("model.safetensors"), bytes).unwrap();
    std::fs::write(folder.join("config.json"), golden(names[which], "config.json")).unwrap();
    if let Ok(model) = load(&folder, None) {
        write(&model);
    }
}

/// The files of a checkpoint in JSON, changed.
pub fn config(data: &[u8]) {
    // Folders of one file of weights.
    let names: Vec<&str> = GOLDEN.into_iter().filter(|&name| name != "llama-tied").collect();
    let mut script = Script(data);
    let name = names[script.u8() as usize % names.len()];
    let folder = folder(name);
    let source = root().join("tests/golden").join(name);
    if !folder.join("model.safetensors").exists() {
        std::fs::copy(source.join("model.safetensors"), folder.join("model.safetensors")).unwrap();
    }
    for file in ["config.json", "generation_config.json", "tokenizer_config.json"] {
        let _ = std::fs::remove_file(folder.join(file));
        let Ok(text) = std::fs::read_to_string(source.join(file)) else { continue };
        let mut json: Value = serde_json::from_str(&text).unwrap();
        if file == "config.json" || script.u8() & 1 == 1 {
            change(&mut json, &mut script);
        }
        std::fs::write(folder.join(file), json.to_string()).unwrap();
    }
    if let Ok(model) = load(&folder, None) {
        write(&model);
    }
}

/// A PyTorch archive with damage.
pub fn torch(data: &[u8]) {
    static BASE: OnceLock<Vec<u8>> = OnceLock::new();
    let base = BASE.get_or_init(|| std::fs::read(root().join("fuzz/bases/torch.bin")).unwrap());
    let folder = folder("torch");
    let mut bytes = base.clone();
    damage(&mut bytes, 700, &mut Script(data));
    std::fs::write(folder.join("pytorch_model.bin"), bytes).unwrap();
    if let Ok(tensors) = picoformer_convert::weights::read_folder(&folder) {
        for (name, tensor) in &tensors {
            let _ = tensor.values(name, &picoformer_convert::weights::Rows::All);
        }
    }
}

/// A checkpoint of llama2.c, and its tokenizer.
pub fn llama2c(data: &[u8]) {
    let folder = folder("llama2c");
    let mut script = Script(data);
    let mut bytes: Vec<u8> = Vec::new();
    // dim, hidden, layers, heads, key/value heads, vocabulary, context
    let sizes = [8i32, 12, 1, 2, 2, 7, 16];
    for size in sizes {
        let size = match script.u8() {
            0..200 => size,
            200..240 => size + i32::from(script.u8()) - 128,
            _ => script.u32() as i32,
        };
        bytes.extend(size.to_le_bytes());
    }
    let floats = 7 * 8 + 8 + 4 * 64 + 8 + 3 * 96 + 8 + 2 * 16 * 2;
    for i in 0..floats {
        let x = ((i * 37 % 19) as f32 - 9.0) / 10.0;
        bytes.extend(x.to_le_bytes());
    }
    damage(&mut bytes, 28, &mut script);
    let path = folder.join("model.bin");
    std::fs::write(&path, bytes).unwrap();
    if let Ok(model) = load(&path, Some(Path::new("none"))) {
        write(&model);
    }
    let path = folder.join("tok.bin");
    std::fs::write(&path, script.0).unwrap();
    for vocab_size in [0, 3, 300] {
        if let Ok(section) = from_llama2c(&path, vocab_size) {
            picoformer::Tokenizer::parse(&section)
                .expect("the converter writes what the engine refuses");
        }
    }
}
