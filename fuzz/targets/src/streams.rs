//! A stream that is pushed, fed, judged and begun anew, against a new listener that is fed the same samples.

use crate::bases::{golden, small};
use picoformer::{Listener, Model};
use picoformer_convert::host::HeapArena;
use picoformer_forge::{Random, Script};

/// What a new listener says of some samples.
fn fresh(model: &Model, samples: &[i16]) -> (usize, Vec<i32>) {
    let mut arena = HeapArena::new(model.arena());
    let mut listener = Listener::new(model, arena.parts()).unwrap();
    listener.feed(samples);
    (listener.classify().unwrap().label, listener.encoder().outputs().to_vec())
}

/// A listener: what it says of its window is what a new one says of the same samples.
pub fn stream(data: &[u8]) {
    let blob = &small()[golden("plain-keyword")];
    let model = blob.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut listener = Listener::new(&model, arena.parts()).unwrap();
    let (mut script, mut samples) = (Script(data), Vec::new());
    for _ in 0..16 {
        if script.is_done() {
            return;
        }
        let (call, n, loudness) = (script.u8() % 6, 1 + script.u8() as usize, script.u8() % 16);
        let mut random = Random(u64::from(script.u8()));
        let more: Vec<i16> = (0..n).map(|_| random.draw() as i16 >> loudness).collect();
        match call {
            0 | 1 => {
                if listener.push(&more).is_ok() {
                    samples.extend(&more);
                }
            }
            2 => {
                listener.feed(&more);
                samples.extend(&more);
            }
            3 => {
                listener.reset();
                samples.clear();
            }
            4 => listener.spread(),
            _ => {
                let label = listener.classify().unwrap().label;
                let found = (label, listener.encoder().outputs().to_vec());
                assert_eq!(found, fresh(&model, &samples));
            }
        }
        assert_eq!(listener.samples(), samples.len() as u64);
    }
}
