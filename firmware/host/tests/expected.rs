//! What will be flashed, without a board or an emulator: every demo prints on the host what is kept in
//! `firmware/demo/expected`. `cargo xtask qemu` compares the boards with the same files.

use std::path::Path;

use picoformer_host::{Blob, run};

fn prints_what_is_expected(name: &str, blob: Option<&'static Blob>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../demo/expected/{name}.out"));
    let expected = std::fs::read_to_string(path).unwrap();
    let (text, result) = run(name, blob).expect("a demo of that name");
    result.unwrap();
    assert_eq!(text, expected);
    // The memory of a demo is lent once, on the host as on a board.
    let (_, again) = run(name, blob).expect("a demo of that name");
    assert_eq!(again.unwrap_err().0, "the arena is in use");
}

#[test]
fn classify() {
    prints_what_is_expected("classify", None);
}

#[test]
fn digits() {
    prints_what_is_expected("digits", None);
}

#[test]
fn motion() {
    prints_what_is_expected("motion", None);
}

#[test]
fn wake() {
    prints_what_is_expected("wake", None);
}

#[test]
fn g2p() {
    prints_what_is_expected("g2p", None);
}

/// Once `models/slots` is shipped.
#[test]
fn slots() {
    let blob = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/slots/model.pico");
    match blob.exists() {
        true => prints_what_is_expected("slots", None),
        false => println!("skipped: models/slots is not shipped"),
    }
}

#[test]
fn generate() {
    prints_what_is_expected("generate", None);
}

#[test]
fn layers() {
    prints_what_is_expected("layers", None);
}

/// `cargo xtask test` converts llama2.c's stories260K, which is not part of the product, and says where.
#[test]
fn stories() {
    match std::env::var("PICOFORMER_STORIES").ok().filter(|path| !path.is_empty()) {
        Some(path) => prints_what_is_expected(
            "stories",
            Some(Box::leak(Box::new(Blob::read(path.as_ref()).unwrap()))),
        ),
        None => println!("skipped: PICOFORMER_STORIES names no blob of stories260K"),
    }
}

#[test]
fn a_wrong_blob_is_refused() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let (text, result) =
        run("stories", Some(Box::leak(Box::new(Blob::read(&path).unwrap())))).unwrap();
    assert_eq!(result.unwrap_err().0, "no valid blob in its slot");
    assert_eq!(text, "");
}
