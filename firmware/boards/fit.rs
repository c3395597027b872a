//! Build script of the boards with a shell: the linker script from the board's memory map, and whether
//! the chosen models fit into its flash.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The models, by the feature that brings each.
const MODELS: [&str; 3] = ["intent", "tales", "g2p"];
/// Bytes of flash that are kept for code and constants.
const CODE: u64 = 96 * 1024;
/// Checked by the linker: the stack gets what the statics leave.
const STACK: &str =
    "ASSERT(_stack_start - __euninit >= 16K, \"the statics leave less than 16 KiB of stack\");\n";

fn main() {
    println!("cargo::rerun-if-changed=memory.x");
    println!("cargo::rerun-if-changed=../shell.x");
    // Where the HAL has the memory map, a file says only how much flash a program may take.
    let own = Path::new("memory.x").exists();
    let map = read(if own { "memory.x" } else { "partition.x" });
    let chosen: Vec<(&str, u64)> = MODELS
        .into_iter()
        .filter(|model| env::var_os(format!("CARGO_FEATURE_{}", model.to_uppercase())).is_some())
        .map(|model| (model, bytes(model)))
        .collect();
    let (flash, needed) = (flash(&map), chosen.iter().map(|(_, bytes)| bytes).sum::<u64>());
    if needed + CODE > flash {
        let names: Vec<_> =
            chosen.iter().map(|(model, bytes)| format!("models/{model} {bytes}")).collect();
        println!(
            "cargo::error=the models do not fit: {} has {flash} bytes of flash, {CODE} of which are for \
             code; chosen: {}; that is {} too many. Choose others with \
             `--no-default-features --features intent`",
            env::var("CARGO_PKG_NAME").unwrap_or_default(),
            names.join(", "),
            needed + CODE - flash
        );
        return;
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo::rustc-link-search={}", out.display());
    if !own {
        println!("cargo::rustc-link-arg-bins=-Tlinkall.x");
        return;
    }
    let arm = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "arm");
    let script = map + &read("../shell.x") + if arm { STACK } else { "" };
    fs::write(out.join("memory.x"), script).expect("OUT_DIR is writable");
    // Sections need not begin at multiples of a page: there are no pages.
    println!("cargo::rustc-link-arg-bins=--nmagic");
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Bytes of a shipped model.
fn bytes(model: &str) -> u64 {
    let path = format!("../../../models/{model}/model.pico");
    println!("cargo::rerun-if-changed={path}");
    fs::metadata(&path).unwrap_or_else(|error| panic!("{path}: {error}")).len()
}

/// Bytes of the region FLASH of a memory map.
fn flash(map: &str) -> u64 {
    let line = map.lines().find(|line| line.trim_start().starts_with("FLASH")).expect("FLASH");
    let (_, length) = line.split_once("LENGTH = ").expect("its LENGTH");
    let (kilo, rest) = length.split_once('K').expect("in K");
    let less = rest.trim().strip_prefix("- ").map_or(0, |less| less.parse().expect("a number"));
    kilo.parse::<u64>().expect("a number") * 1024 - less
}
