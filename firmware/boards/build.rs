//! Build script of the firmware crates: picks the board's memory map.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-env-changed=PICOFORMER_BOARD");
    let board = env::var("PICOFORMER_BOARD")
        .expect("choose a board: cargo build --config ../boards/mps2-an386.toml");
    let boards = Path::new("../boards");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut script = String::new();
    for part in [format!("{board}.x"), "blob.x".into()] {
        let path = boards.join(part);
        println!("cargo:rerun-if-changed={}", path.display());
        script += &fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("no board `{board}`: {}: {error}", path.display()));
    }
    fs::write(out.join("memory.x"), script).expect("OUT_DIR is writable");
    println!("cargo:rustc-link-search={}", out.display());
    // Sections need not begin at multiples of a page: there are no pages.
    println!("cargo:rustc-link-arg-bins=--nmagic");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    if env::var_os("CARGO_FEATURE_DEFMT").is_some() {
        println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    }
}
