//! Build script: with `PICOFORMER_MODEL=model.pico`, the library is for that model alone.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-env-changed=PICOFORMER_MODEL");
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let text = match env::var("PICOFORMER_MODEL") {
        Ok(path) => {
            println!("cargo:rerun-if-changed={path}");
            // Only what is known of the model is used, while compiling: its bytes are not linked.
            format!(
                "/// The library is for one model.\npub type Engine = Only;\n\
                 picoformer::specialize!(/** The model. */ pub Only, picoformer::model!({path:?}));\n"
            )
        }
        Err(_) => {
            "/// The library is for every model.\npub type Engine = picoformer::kernels::Native;\n"
                .into()
        }
    };
    fs::write(out.join("engine.rs"), text).expect("OUT_DIR is writable");
}
