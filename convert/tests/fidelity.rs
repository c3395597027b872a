//! A blob that eight bits have made another model is told of when it is converted.

mod common;

use common::checkpoints::copy;
use picoformer_convert::fidelity;
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::host::Blob;
use picoformer_convert::writer::{Wide, write};

fn tried(model: &FloatModel) -> (f64, Option<String>) {
    let blob = Blob::new(&write(model, Wide::Auto).unwrap());
    let parsed = blob.parse().unwrap();
    (fidelity::of(model, &parsed).unwrap().unwrap(), fidelity::note(model, &parsed).unwrap())
}

/// The cause of Marians that lose a part of their answers: scores that spread over tens of nats, here by larger
/// queries. The same weights with scores of a few nats lose nothing.
#[test]
fn peaked_attention_is_told() {
    for name in ["marian", "marian-separate", "bart", "t5-tied", "t5-gated", "gpt2-tied", "mistral"]
    {
        let mut model = copy(name).model();
        let (cosine, note) = tried(&model);
        assert!(cosine > 0.99 && note.is_none(), "{name}: {cosine} {note:?}");
        let own = model.layers.iter_mut().map(|layer| &mut layer.score_scale);
        let decoder = model.decoder.iter_mut();
        let others = decoder.flat_map(|decoder| {
            let own = decoder.layers.iter_mut().map(|layer| &mut layer.score_scale);
            own.chain(decoder.cross.iter_mut().map(|cross| &mut cross.score_scale))
        });
        own.chain(others).for_each(|scale| *scale *= 1000.0);
        let (peaked, note) = tried(&model);
        println!("{name}: {cosine:.4}, with a thousand times the scores {peaked:.4}");
        assert!(peaked < cosine, "{name}");
        assert_eq!(note.is_some(), peaked < 0.98, "{name}");
        if name == "marian" {
            let note = note.unwrap();
            assert!(
                note.contains(&format!("{peaked:.3}")) && note.contains("--reference"),
                "{note}"
            );
        }
    }
}
