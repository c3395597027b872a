//! A blob that eight bits have made another model is told of when it is converted.

mod common;

use common::checkpoints::copy;
use picoformer_convert::fidelity;
use picoformer_convert::float_model::{FloatLinear, FloatModel};
use picoformer_convert::host::Blob;
use picoformer_convert::writer::{Wide, write};

fn tried(model: &FloatModel) -> (f64, Option<String>) {
    let blob = Blob::new(&write(model, Wide::Auto).unwrap());
    let parsed = blob.parse().unwrap();
    (fidelity::of(model, &parsed).unwrap(), fidelity::note(model, &parsed))
}

/// Scores a thousand times as large, and attention that counts ten times as much as the row it is added to.
fn peak(scale: &mut f32, o: &mut FloatLinear) {
    *scale *= 1000.0;
    o.weight.iter_mut().for_each(|w| *w *= 10.0);
}

/// The cause of Marians that lose a part of their answers: scores that spread over tens of nats. The same weights
/// with scores of a few nats lose nothing.
#[test]
fn peaked_attention_is_told() {
    let mut told = 0;
    for name in ["marian", "marian-separate", "bart", "t5-tied", "t5-gated", "gpt2-tied", "mistral"]
    {
        let mut model = copy(name).model();
        let (cosine, note) = tried(&model);
        assert!(cosine > 0.99 && note.is_none(), "{name}: {cosine} {note:?}");
        let decoder = model.decoder.as_mut();
        let (own, cross) =
            decoder.map_or((&mut [][..], &mut [][..]), |d| (&mut d.layers, &mut d.cross));
        for layer in model.layers.iter_mut().chain(own) {
            peak(&mut layer.score_scale, &mut layer.o);
        }
        cross.iter_mut().for_each(|cross| peak(&mut cross.score_scale, &mut cross.o));
        let (peaked, note) = tried(&model);
        println!("{name}: {cosine:.4}, with a thousand times the scores {peaked:.4}");
        assert!(peaked < cosine, "{name}");
        assert_eq!(note.is_some(), peaked < 0.98, "{name}");
        if let Some(note) = note {
            let number = format!("{peaked:.3}");
            assert!(note.contains(&number) && note.contains("--reference"), "{note}");
            told += 1;
        }
    }
    assert!(told > 0, "no model of these is peaked enough");
}
