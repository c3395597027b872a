//! `make_seeds SCRIPTS`: tries random scripts on the good blobs and keeps, in `fuzz/seeds/blob`, the shortest one for
//! every reason to refuse a blob: what a fuzzer would find first, and a parser's coverage rests on.

use picoformer::Model;
use picoformer_forge::{Script, mutate};
use picoformer_fuzz_targets::bases::{root, small};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// The reason without its numbers: offsets differ from blob to blob.
fn reason(error: &picoformer::FormatError) -> String {
    let told = format!("{error:?}").replace(' ', "");
    told.chars().filter(|c| !c.is_ascii_digit() && !matches!(c, '[' | ']' | '"')).collect()
}

fn main() -> ExitCode {
    let scripts = std::env::args().nth(1).and_then(|number| number.parse::<u32>().ok());
    let Some(scripts) = scripts else {
        eprintln!("usage: make_seeds SCRIPTS");
        return ExitCode::from(2);
    };
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as u32
    };
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for _ in 0..scripts {
        let len = 4 + random() as usize % 12;
        let mut script: Vec<u8> = (0..len).map(|_| (random() >> 11) as u8).collect();
        script[0] %= small().len() as u8;
        let blob = &small()[script[0] as usize];
        let mut copy = blob.bytes().to_vec();
        let layout = *blob.parse().expect("a good blob").layout();
        let len = mutate(&mut copy, &layout, Script(&script[1..]));
        if let Err(error) = Model::parse(&copy[..len]) {
            let known = found.entry(reason(&error)).or_insert_with(|| script.clone());
            if script.len() < known.len() {
                *known = script;
            }
        }
    }
    let folder = root().join("fuzz/seeds/blob");
    for (number, (reason, script)) in found.iter().enumerate() {
        println!("{reason}");
        if let Err(error) = std::fs::write(folder.join(format!("refused-{number:03}")), script) {
            eprintln!("{}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
