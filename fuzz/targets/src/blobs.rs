//! Forged blobs through every task, and kernels with random operands: the kernels of this core against `Portable`.

use crate::bases::{contradictory, shipped, small};
use picoformer::kernels::check::{check_from, guard_from};
use picoformer::kernels::{Native, Portable};
use picoformer::tokenizer::Vocabulary;
use picoformer::{Config, Model};
use picoformer_forge::{Script, mutate};
use picoformer_soak::{Bytes, exactly};

/// The first byte chooses a good blob, the others say how it is forged: refused by name, or run to the end with the
/// same bits by both kernel sets.
pub fn blob(data: &[u8]) {
    let Some((&which, script)) = data.split_first() else { return };
    let (small, shipped) = (small(), shipped());
    let which = which as usize;
    // Shipped blobs are large, hence rare; contradictory ones are few.
    let base = match which {
        250.. => &shipped[which - 250].1,
        240.. => &contradictory()[which % contradictory().len()],
        _ => &small[which % small.len()],
    };
    let mut copy = base.bytes().to_vec();
    let len = match base.parse() {
        Ok(model) => mutate(&mut copy, model.layout(), Script(script)),
        Err(_) => copy.len(),
    };
    if let Ok(model) = base.parse() {
        let (at, n) = model.layout().tokenizer;
        let section = copy.get(at..at + n).unwrap_or_default();
        told(&Vocabulary::parse(section).err());
        let tile_rows = script.first().map_or(0, |&byte| byte as usize);
        told(&Config { tile_rows, ..*model.config() }.validate().err());
    }
    let forged = Bytes::new(&copy[..len]);
    told(&Model::parse(forged.get()).err());
    let outcome = exactly::<Native>(&forged, true);
    assert!(!outcome.hung, "a task does not end");
    assert_eq!(outcome, exactly::<Portable>(&forged, true), "kernels differ");
    // Without the checksum, as at compile time: the same verdict.
    assert_eq!(Model::parse(forged.get()).is_ok(), outcome.accepted, "`parse` differs");
}

/// A refusal can be told, whatever the fault.
fn told(error: &Option<impl std::fmt::Display>) {
    if let Some(error) = error {
        assert!(!error.to_string().is_empty());
    }
}

/// Random operands from a seed: as `Portable`, and nothing beyond an output is written.
pub fn kernels(data: &[u8]) {
    for seed in data.chunks(4) {
        let seed = seed
            .iter()
            .fold(1u32, |seed, &byte| (seed ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        check_from::<Native>(seed, 2).unwrap();
        guard_from::<Native>(seed, 64).unwrap();
        guard_from::<Portable>(seed, 16).unwrap();
    }
}
