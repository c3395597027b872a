//! Build script of the demos: says whether the slot filler is shipped.

use std::path::Path;

fn main() {
    let blob = "../../models/slots/model.pico";
    println!("cargo:rustc-check-cfg=cfg(has_slots)");
    println!("cargo:rerun-if-changed={blob}");
    if Path::new(blob).exists() {
        println!("cargo:rustc-cfg=has_slots");
    }
}
