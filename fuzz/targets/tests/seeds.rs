//! Every fuzz target on the inputs that are kept, and on a few random ones: on the stable compiler, without libFuzzer.

use picoformer::FormatError;
use picoformer_forge::Random;
use picoformer_fuzz_targets::TARGETS;
use picoformer_fuzz_targets::bases::{contradictory, root};
use std::collections::BTreeSet;

/// Random inputs of each target. Beyond that: `PICOFORMER_INPUTS=100000 cargo test -p picoformer-fuzz-targets`.
fn inputs() -> u32 {
    let more = std::env::var("PICOFORMER_INPUTS").ok().and_then(|n| n.parse().ok());
    more.unwrap_or(150)
}

fn run(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).unwrap();
    let mut seeds = 0;
    for entry in std::fs::read_dir(root().join("fuzz/seeds").join(name)).unwrap() {
        target(&std::fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 0, "no seed of {name}");
    for index in 0..inputs() {
        let mut random = Random(u64::from(index));
        let mut data = vec![0; random.below(90) as usize];
        random.fill(&mut data);
        // Mostly small numbers, as a fuzzer's are.
        if index % 2 == 0 {
            data.iter_mut().skip(1).step_by(3).for_each(|byte| *byte &= 15);
        }
        target(&data);
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        /// A target has a program of libFuzzer's and a test here.
        #[test]
        fn every_target_is_run() {
            let known: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(known, BTreeSet::from([$(stringify!($name)),*]));
            let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
            for name in known {
                let path = format!("fuzz_targets/{name}.rs");
                assert!(manifest.contains(&path) && root().join("fuzz").join(path).is_file(), "{name}");
            }
        }
    };
}

targets! {
    blob kernels tokenizer_section tokenizer_ids tokenizer_json decoder_calls search_calls sampler_calls
    stream_calls safetensors config torch llama2c
}

/// What mutations of good blobs do not become is among the blobs that are made so.
#[test]
fn contradictions_are_refused_by_name() {
    let field = |blob: &picoformer_convert::host::Blob| match blob.parse().err() {
        Some(FormatError::Contradiction { field, .. } | FormatError::BadConfig { field }) => field,
        other => panic!("{other:?}"),
    };
    let found: Vec<_> = contradictory().iter().map(field).collect();
    assert_eq!(found, ["input", "vocab_size", "context", "forced_token", "total_bytes"]);
}
