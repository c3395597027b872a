//! Weights from every kind of file: names, shards, types, PyTorch's archives; what a file is, whatever it is
//! called.

mod common;

use common::checkpoints::{Folder, Raw, copy};
use picoformer_convert::error::Error;
use picoformer_convert::import::llama2c;
use safetensors::Dtype;
use serde_json::json;

/// The answers for some tokens.
fn outputs(folder: &Folder) -> Vec<Vec<f32>> {
    folder.model().forward(&[3, 1, 4]).outputs
}

fn renamed(folder: &str, rename: impl Fn(&str) -> String) -> Folder {
    copy(folder).weights(|tensors| tensors.iter_mut().for_each(|(name, _)| *name = rename(name)))
}

/// Class E: what wrappers put before all names, and yesterday's names of a norm's parts.
#[test]
fn names_are_read_through_wrappers() {
    for model in ["bert-classifier", "llama-bias", "gpt2-tied"] {
        let expected = outputs(&copy(model));
        for prefix in ["module.", "_orig_mod.", "module._orig_mod.", "model."] {
            let folder = renamed(model, |name| format!("{prefix}{name}"));
            assert_eq!(outputs(&folder), expected, "{model} {prefix}");
        }
    }
    let old = renamed("bert-classifier", |name| {
        name.replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta")
    });
    assert_eq!(outputs(&old), outputs(&copy("bert-classifier")));
    let wrong = renamed("bert-classifier", |name| name.replace("encoder.", "body."));
    wrong.refused(&["bert.encoder.layer.0", "is missing", "model_type"]);
    let headless = renamed("llama-bias", |name| name.replace("model.", ""));
    headless.refused(&["architectures", "LlamaModel", "body without a head"]);
}

/// Class D: the index says which file gives a tensor; what it does not say is refused.
#[test]
fn the_index_decides() {
    let source = copy("bert-classifier");
    let tensors = source.tensors();
    let (a, b) = tensors.split_at(tensors.len() / 2);
    let map = |extra: &[(&str, &str)]| {
        let all = a.iter().map(|t| (t.0.as_str(), "a.safetensors"));
        let all = all.chain(b.iter().map(|t| (t.0.as_str(), "b.safetensors")));
        let map: serde_json::Map<_, _> =
            all.chain(extra.iter().copied()).map(|(k, v)| (k.to_owned(), json!(v))).collect();
        json!({ "metadata": { "total_size": 1 }, "weight_map": map }).to_string()
    };
    let sharded = |map: String, second: &[(String, Raw)]| {
        copy("bert-classifier")
            .remove("model.safetensors")
            .store("a.safetensors", a)
            .store("b.safetensors", second)
            .write("model.safetensors.index.json", map)
    };
    let expected = outputs(&source);
    assert_eq!(outputs(&sharded(map(&[]), b)), expected);
    // Another value of a tensor of the first file lies in the second.
    let mut twice = b.to_vec();
    let (name, (dtype, shape, data)) = a[0].clone();
    twice.push((name, (dtype, shape, vec![0; data.len()])));
    assert_eq!(outputs(&sharded(map(&[]), &twice)), expected);
    let words = ["model.safetensors.index.json", "a.safetensors", "b.safetensors"];
    sharded(map(&[("nowhere", "b.safetensors")]), b).refused(&[words[0], words[2], "nowhere"]);
    let mut unlisted = b.to_vec();
    unlisted.push(("unlisted".into(), (Dtype::F32, vec![1], vec![0; 4])));
    sharded(map(&[]), &unlisted).refused(&[words[0], words[2], "unlisted"]);
    sharded(map(&[("x", "../b.safetensors")]), b).refused(&[words[0], "no file for `x`"]);
    sharded(map(&[("x", "c.safetensors")]), b).refused(&["c.safetensors"]);
    sharded(json!({ "weight_map": {}, "other": 1 }).to_string(), b).refused(&[words[0], "other"]);
}

/// Types: F64 is read, integers are refused, but not before the family is.
#[test]
fn types_are_read_or_refused() {
    let wide = copy("bert-classifier").weights(|tensors| {
        for (_, (dtype, _, data)) in tensors {
            if *dtype == Dtype::F32 {
                *dtype = Dtype::F64;
                let words = data.as_chunks::<4>().0.iter();
                *data = words.flat_map(|&b| (f32::from_le_bytes(b) as f64).to_le_bytes()).collect();
            }
        }
    });
    assert_eq!(outputs(&wide), outputs(&copy("bert-classifier")));
    let bytes = || {
        copy("bert-classifier").weights(|tensors| {
            let (_, (dtype, shape, data)) =
                tensors.iter_mut().find(|(name, _)| name.contains("query.weight")).unwrap();
            *dtype = Dtype::I8;
            data.truncate(shape.iter().product());
        })
    };
    bytes().refused(&["query.weight", "I8", "unquantised"]);
    bytes().set("model_type", json!("mamba")).refused(&["model_type", "mamba"]);
    let extra = copy("bert-classifier").weights(|tensors| {
        tensors.push(("extra.weight".into(), (Dtype::I64, vec![1], vec![0; 8])));
    });
    extra.refused(&["extra.weight", "not part of this architecture", "--ignore extra.weight"]);
    assert!(extra_accepted());
}

fn extra_accepted() -> bool {
    let folder = copy("bert-classifier").weights(|tensors| {
        tensors.push(("extra.weight".into(), (Dtype::F32, vec![1], vec![0; 4])));
    });
    folder.load(&["extra.weight"]).is_ok_and(|loaded| loaded.ignored == ["extra.weight"])
}

/// A zip archive as `torch.save` writes it, of stored files.
fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let offset = bytes.len() as u32;
        let sizes = [(content.len() as u32).to_le_bytes(); 2].concat();
        let mut common = [0u8; 16];
        common[12..].copy_from_slice(&crc32fast::hash(content).to_le_bytes());
        let common = [&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..2], &common[8..12], &common[12..]].concat();
        let header = [&20u16.to_le_bytes()[..], &[0, 0, 0, 0], &common[2..], &sizes].concat();
        let header = [&header[..], &(name.len() as u16).to_le_bytes(), &[0, 0]].concat();
        bytes.extend([b"PK\x03\x04", &header[..], name.as_bytes(), content].concat());
        let entry =
            [b"PK\x01\x02", &[20, 0][..], &header, &[0; 10], &offset.to_le_bytes()].concat();
        directory.extend([&entry[..], name.as_bytes()].concat());
    }
    let start = bytes.len() as u32;
    let count = (files.len() as u16).to_le_bytes();
    let size = (directory.len() as u32).to_le_bytes();
    bytes.extend(directory);
    bytes.extend(
        [b"PK\x05\x06\0\0\0\0", &[count, count].concat()[..], &size, &start.to_le_bytes(), &[0, 0]]
            .concat(),
    );
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn number(n: usize) -> Vec<u8> {
    [b"J", &(n as u32).to_le_bytes()[..]].concat()
}

/// The pickle that `torch.save` makes of a dictionary of tensors, and the files of their bytes.
fn torch(tensors: &[(String, Raw)], transposed: Option<&str>) -> Vec<u8> {
    let mut pickle = b"\x80\x02ccollections\nOrderedDict\nq\0)R(".to_vec();
    let mut files = Vec::new();
    for (i, (name, (dtype, shape, data))) in tensors.iter().enumerate() {
        let kind = match dtype {
            Dtype::F32 => "Float",
            Dtype::I64 => "Long",
            other => panic!("{other:?}"),
        };
        let count: usize = shape.iter().product();
        let mut strides: Vec<usize> = vec![1; shape.len()];
        (1..shape.len()).rev().for_each(|i| strides[i - 1] = strides[i] * shape[i]);
        let mut bytes = data.clone();
        if transposed == Some(name) {
            // Stored column by column.
            let (rows, columns) = (shape[0], shape[1]);
            strides = vec![1, rows];
            for (r, c) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
                let (to, from) = (4 * (c * rows + r), 4 * (r * columns + c));
                bytes[to..to + 4].copy_from_slice(&data[from..from + 4]);
            }
        }
        pickle.extend(text(name));
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        pickle.extend(text("storage"));
        pickle.extend(format!("ctorch\n{kind}Storage\n").bytes());
        pickle.extend([text(&i.to_string()), text("cpu"), number(count), b"tQ".to_vec()].concat());
        pickle.extend(number(0));
        for list in [shape, &strides] {
            pickle.push(b'(');
            list.iter().for_each(|&n| pickle.extend(number(n)));
            pickle.push(b't');
        }
        pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
        files.push((format!("archive/data/{i}"), bytes));
    }
    pickle.extend(b"u}X\x09\0\0\0_metadata}sb.");
    files.insert(0, ("archive/data.pkl".into(), pickle));
    files.push(("archive/byteorder".into(), b"little".to_vec()));
    zip(&files)
}

/// Section 3: `pytorch_model.bin`, read without running anything.
#[test]
fn pytorch_archives_are_read_without_running_them() {
    for model in ["bert-classifier", "gpt2-tied"] {
        let source = copy(model);
        let tensors = source.tensors();
        let matrix =
            tensors.iter().find(|(_, raw)| raw.1.len() == 2).map(|(name, _)| name.as_str());
        for transposed in [None, matrix] {
            let bytes = torch(&tensors, transposed);
            let folder = copy(model).remove("model.safetensors").write("pytorch_model.bin", &bytes);
            assert_eq!(outputs(&folder), outputs(&source), "{model} {transposed:?}");
        }
    }
    let bytes = torch(&copy("bert-classifier").tensors(), None);
    let with = |bytes: &[u8]| {
        copy("bert-classifier").remove("model.safetensors").write("pytorch_model.bin", bytes)
    };
    // Damaged anywhere it is refused or read, without a panic.
    for at in (0..bytes.len()).step_by(bytes.len() / 60).chain(bytes.len() - 90..bytes.len()) {
        let mut wrong = bytes.clone();
        wrong[at] ^= 0x55;
        let _ = with(&wrong).load(&[]);
        let _ = with(&bytes[..at]).load(&[]);
    }
    let evil = b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.".to_vec();
    with(&zip(&[("archive/data.pkl".into(), evil)])).refused(&["os.system", "not run"]);
    with(&zip(&[("a.txt".into(), vec![1])])).refused(&["zip archive without `data.pkl`"]);
    with(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.").refused(&["before 1.6", "save_pretrained"]);
}

/// Section 3: files are told by what they are, with what to do.
#[test]
fn foreign_files_are_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 437\n";
    let lfs = copy("bert-mean").write("model.safetensors", pointer);
    lfs.refused(&["model.safetensors", "Git LFS pointer", "437 bytes", "git lfs pull"]);
    copy("bert-mean").write("config.json", pointer).refused(&["config.json", "git lfs pull"]);
    let none = || copy("bert-mean").remove("model.safetensors");
    none().write("model.onnx", "x").refused(&["model.onnx", "ONNX", "before its export"]);
    none().write("model.Q4.gguf", "x").refused(&["gguf", "llama.cpp"]);
    none().write("tf_model.h5", "x").refused(&["tf_model.h5", "save_pretrained"]);
    none().refused(&["model.safetensors is missing", "pytorch_model.bin"]);
    let folder = copy("bert-mean");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (name, bytes, words) in [
        ("zip.bin", &b"PK\x03\x04abcdefghijklmnopqrstuvwxyz"[..], ["PyTorch", "export.py"]),
        ("g.bin", b"GGUF\x03\0\0\0abcdefghijklmnopqrstuvwxyz", ["GGUF", "quantised for llama.cpp"]),
        (
            "t.bin",
            b"\x1c\0\0\0TFL3abcdefghijklmnopqrstuvwxyz",
            ["TensorFlow Lite", "before its export"],
        ),
        ("p.bin", pointer.as_bytes(), ["Git LFS pointer", "git lfs pull"]),
        ("v3.bin", b"24ka\x03\0\0\0abcdefghijklmnopqrstuvwxyz", ["version is 3", "--version 0"]),
    ] {
        let error = miette::Report::new(llama2c::import(&file(name, bytes)).unwrap_err());
        let text = format!("{error} {}", error.help().map(|h| h.to_string()).unwrap_or_default());
        words.iter().for_each(|word| assert!(text.contains(word), "{name}: {text}"));
    }
}

/// The bytes of llama2.c's versions 0, 1 and 2 of one random model.
fn llama2c_files() -> [Vec<u8>; 3] {
    let (d, ff, layers, heads, kv, vocab, context) =
        (8usize, 12usize, 2usize, 2usize, 1usize, 16, 4);
    let mut random = common::synthetic::Random(5);
    let mut part = |n: usize| random.normals(n, 0.5);
    let (embedding, att) = (part(vocab * d), part(layers * d));
    let (q, k, v, o) =
        (part(layers * d * d), part(layers * d * 4), part(layers * d * 4), part(layers * d * d));
    let (ffn, w1, w2, w3) =
        (part(layers * d), part(layers * d * ff), part(layers * d * ff), part(layers * d * ff));
    let last = part(d);
    let bytes = |x: &[f32]| -> Vec<u8> { x.iter().flat_map(|x| x.to_le_bytes()).collect() };
    let header: Vec<u8> = [d, ff, layers, heads, kv, vocab, context]
        .iter()
        .flat_map(|&n| (n as i32).to_le_bytes())
        .collect();
    let all = |parts: &[&[f32]]| -> Vec<u8> { parts.iter().flat_map(|part| bytes(part)).collect() };
    let old = all(&[&embedding, &att, &q, &k, &v, &o, &ffn, &w1, &w2, &w3, &last, &[0.0; 16]]);
    let start = |version: i32, group: i32| -> Vec<u8> {
        let mut start =
            [b"24ka", &version.to_le_bytes()[..], &header, &[1], &group.to_le_bytes()].concat();
        start.resize(256, 0);
        start
    };
    let norms = all(&[&att, &ffn, &last]);
    let matrices: [&[f32]; 8] = [&embedding, &q, &k, &v, &o, &w1, &w2, &w3];
    let plain = all(&matrices);
    let mut groups = Vec::new();
    for (i, matrix) in matrices.iter().enumerate() {
        for layer in matrix.chunks(if i == 0 { matrix.len() } else { matrix.len() / layers }) {
            let scales: Vec<f32> = layer
                .chunks(4)
                .map(|g| g.iter().fold(0f32, |m, x| m.max(x.abs())) / 127.0)
                .collect();
            let ints = layer
                .chunks(4)
                .zip(&scales)
                .flat_map(|(g, s)| g.iter().map(move |x| (x / s).round() as i8 as u8));
            groups.extend(ints);
            groups.extend(bytes(&scales));
        }
    }
    [
        [header.clone(), old].concat(),
        [start(1, 0), norms.clone(), plain].concat(),
        [start(2, 4), norms, groups].concat(),
    ]
}

/// Section 3: llama2.c's newer exports are the same models.
#[test]
fn llama2c_versions_agree() {
    let folder = copy("bert-mean");
    let read = |bytes: &[u8]| -> Result<_, Error> {
        let path = folder.0.join("m.bin");
        std::fs::write(&path, bytes).unwrap();
        llama2c::import(&path)
    };
    let files = llama2c_files();
    let [zero, one, two] = [0, 1, 2].map(|i| read(&files[i]).unwrap());
    let logits = |m: &picoformer_convert::float_model::FloatModel| m.forward(&[1, 5, 9]).outputs;
    assert_eq!(logits(&zero), logits(&one));
    assert_eq!(zero.parameters, one.parameters);
    let error = common::relative_error(&logits(&two), &logits(&zero));
    assert!(error > 0.0 && error < 0.03, "{error}");
    for bytes in &files {
        for cut in [0, 3, 20, 200, bytes.len() - 1] {
            assert!(read(&bytes[..cut]).is_err());
        }
    }
}
