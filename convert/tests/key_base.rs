//! Keys less a base: the same attention, rounded more finely.

mod common;

use common::data;
use picoformer::Decoder;
use picoformer_convert::evaluate::divergence;
use picoformer_convert::float_model::{FloatModel, softmax};
use picoformer_convert::host::{Blob, HeapArena};
use picoformer_convert::import::llama2c;
use picoformer_convert::key_base::fit;
use picoformer_convert::writer::{Wide, write};

/// Mean divergence of the engine's predictions from those in f32, nats, over these texts.
fn loss(model: &FloatModel, float: &FloatModel, texts: &[Vec<u32>]) -> f64 {
    let blob = Blob::new(&write(model, Wide::Auto).unwrap());
    let parsed = blob.parse().unwrap();
    let mut arena = HeapArena::new(parsed.arena());
    let (mut sum, mut count) = (0.0, 0);
    for text in texts {
        let mut decoder = Decoder::new(&parsed, arena.parts()).unwrap();
        for (&token, mut p) in text.iter().zip(float.forward(text).outputs) {
            decoder.advance(token).unwrap();
            softmax(&mut p);
            sum += divergence(&p, decoder.logits());
            count += 1;
        }
    }
    sum / count as f64
}

#[test]
fn a_third_of_the_loss_was_the_rounding_of_keys() {
    let Some(folder) = data("stories260K") else { return };
    let float = llama2c::import(&folder.join("stories260K.bin")).unwrap();
    let mut less = float.clone();
    fit(&mut less, Wide::Auto).unwrap();
    // Texts that the model did not write: tokens of its vocabulary, in any order.
    let token = |i: usize| (i * 7919 + i * i * 31) as u32 % 512;
    let texts: Vec<Vec<u32>> =
        (0..8).map(|t| (0..160).map(|i| token(i + 1000 * t)).collect()).collect();
    let (before, after) = (loss(&float, &float, &texts), loss(&less, &float, &texts));
    println!("divergence from f32: {before:.5} nats, with a base {after:.5}");
    assert!(after < 0.75 * before);
}
