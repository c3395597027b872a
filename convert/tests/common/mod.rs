//! What the integration tests share.
#![allow(dead_code, missing_docs)] // each test file uses its part

pub mod checkpoints;
pub mod every;
pub mod front_end;
pub mod synthetic;
pub mod weights;

use picoformer::{Decoder, Encoder, Model};
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::host::{Blob, HeapArena};
use picoformer_convert::writer::{self, Wide};
use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.find(|folder| folder.join("models").is_dir()).unwrap_or(Path::new("..")).into()
}

/// The shared data folder, or a printed reason why a test is skipped.
pub fn data(folder: &str) -> Option<PathBuf> {
    let set = std::env::var_os("PICOFORMER_DATA").map(PathBuf::from);
    let found = set.unwrap_or(root().join("../shared/data")).join(folder);
    if found.exists() {
        return Some(found);
    }
    println!("skipped: set PICOFORMER_DATA to the folder that holds {folder}");
    None
}

/// The blob of a model.
pub fn blob(model: &FloatModel) -> Blob {
    Blob::new(&writer::write(model, Wide::Auto).unwrap())
}

/// Logits of every position of a decoder, fed token by token.
pub fn decode(model: &Model, ids: &[u32]) -> Vec<Vec<f32>> {
    let mut arena = HeapArena::new(model.arena());
    let mut decoder = Decoder::new(model, arena.parts()).unwrap();
    ids.iter()
        .map(|&id| {
            decoder.advance(id).unwrap();
            real(decoder.logits())
        })
        .collect()
}

/// The outputs of an encoder: one row, or a row a token.
pub fn encode(model: &Model, ids: &[u32]) -> Vec<Vec<f32>> {
    let mut arena = HeapArena::new(model.arena());
    let mut encoder = Encoder::new(model, arena.parts()).unwrap();
    let outputs = encoder.run(ids).unwrap().to_vec();
    match model.config().head {
        picoformer::config::Head::TokenLabels => {
            (0..ids.len()).map(|row| real(encoder.label_logits(row).unwrap())).collect()
        }
        picoformer::config::Head::Embedding => {
            let unit = 2f32.powi(model.config().output_exponent());
            vec![outputs.iter().map(|&x| x as f32 * unit).collect()]
        }
        _ => vec![real(&outputs)],
    }
}

/// Logits in Q15.16 as floats.
pub fn real(logits: &[i32]) -> Vec<f32> {
    logits.iter().map(|&x| x as f32 / 65536.0).collect()
}

/// Root of the mean squared difference, relative to the root mean square of `expected`.
pub fn relative_error(found: &[Vec<f32>], expected: &[Vec<f32>]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let (mut error, mut size) = (0f64, 0f64);
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.len(), expected.len());
        for (&f, &e) in found.iter().zip(expected) {
            error += (f as f64 - e as f64).powi(2);
            size += (e as f64).powi(2);
        }
    }
    (error / size).sqrt()
}
