//! Files by what they are, whatever they are called.

use std::path::Path;

/// What a file of weights is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// safetensors: a length, then JSON.
    Safetensors,
    /// `torch.save` since PyTorch 1.6: a zip archive with `data.pkl`.
    TorchZip,
    /// `torch.save` before: pickles one behind the other.
    TorchOld,
    /// llama2.c's export of version 1 or 2.
    Llama2cNew,
    /// Something that is not read, by name, and what to do.
    Foreign(&'static str, &'static str),
    /// Anything else.
    Unknown,
}

const SAVE: &str = "load it where it comes from and save it with transformers' `save_pretrained`";

/// Recognises a file by its first bytes.
pub fn recognise(bytes: &[u8]) -> Kind {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let at =
        |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|b| b.starts_with(magic));
    if starts(b"PK\x03\x04") {
        return Kind::TorchZip;
    }
    if starts(b"24ka") {
        return Kind::Llama2cNew; // 0x616b3432, little-endian
    }
    if starts(b"GGUF") || starts(b"lmgg") || starts(b"fmgg") || starts(b"tjgg") {
        let help =
            "its weights are quantised for llama.cpp: convert the checkpoint that it was made from";
        return Kind::Foreign("a GGUF file of llama.cpp", help);
    }
    if at(4, b"TFL3") {
        return Kind::Foreign(
            "a TensorFlow Lite model",
            "convert the checkpoint before its export",
        );
    }
    if starts(b"\x89HDF\r\n\x1a\n") {
        return Kind::Foreign("an HDF5 file of Keras or TensorFlow", SAVE);
    }
    if starts(b"\x93NUMPY") {
        return Kind::Foreign("a NumPy array", SAVE);
    }
    if starts(b"\x1f\x8b") || starts(b"BZh") || starts(b"\xfd7zXZ") || starts(b"7z\xbc\xaf") {
        return Kind::Foreign("a compressed archive", "unpack it and convert the folder in it");
    }
    // Pickle protocol 2 of torch.save's magic number 0x1950a86a20f9469cfc6c.
    if starts(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19") {
        return Kind::TorchOld;
    }
    // ONNX is a protocol buffer: field 1 (the version of the format), then the producer's name.
    if starts(b"\x08") && bytes.get(1).is_some_and(|&v| (1..=20).contains(&v)) && at(2, b"\x12") {
        return Kind::Foreign("an ONNX model", "convert the checkpoint before its export");
    }
    let header = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    if header.is_some_and(|n| n < 1 << 32) && at(8, b"{") {
        return Kind::Safetensors;
    }
    Kind::Unknown
}

/// By its name what its content does not tell.
pub fn by_name(path: &Path) -> Option<(&'static str, &'static str)> {
    let before = "convert the checkpoint before its export";
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "gguf" | "ggml" => Some(("a GGUF file of llama.cpp", "convert the checkpoint before it")),
        "onnx" => Some(("an ONNX model", before)),
        "tflite" => Some(("a TensorFlow Lite model", before)),
        "h5" | "keras" | "msgpack" | "npz" | "npy" | "ckpt" => {
            Some(("a file of another framework", SAVE))
        }
        _ => None,
    }
}

/// What to do about a Git-LFS pointer, if the bytes are one: the text that stands for a large file in a
/// clone without Git LFS.
pub fn lfs_pointer(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes.get(..200.min(bytes.len()))?).ok()?;
    let size = text.lines().find_map(|line| line.strip_prefix("size "));
    text.starts_with("version https://git-lfs").then(|| match size {
        Some(size) => format!(
            "it is a Git LFS pointer to a file of {size} bytes; fetch that with `git lfs pull`"
        ),
        None => "it is a Git LFS pointer; fetch its file with `git lfs pull`".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_content() {
        assert_eq!(recognise(b"PK\x03\x04rest"), Kind::TorchZip);
        assert_eq!(recognise(b"24ka\x01\0\0\0"), Kind::Llama2cNew);
        assert_eq!(recognise(b"\x08\0\0\0\0\0\0\0{}"), Kind::Safetensors);
        assert!(matches!(
            recognise(b"GGUF\x03\0\0\0"),
            Kind::Foreign("a GGUF file of llama.cpp", _)
        ));
        assert!(matches!(
            recognise(b"\x1c\0\0\0TFL3"),
            Kind::Foreign("a TensorFlow Lite model", _)
        ));
        assert!(matches!(recognise(b"\x08\x07\x12\x07pytorch"), Kind::Foreign("an ONNX model", _)));
        assert_eq!(recognise(b""), Kind::Unknown);
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 437\n";
        assert!(lfs_pointer(pointer).unwrap().contains("437 bytes"));
        assert_eq!(lfs_pointer(b"{}"), None);
    }
}
