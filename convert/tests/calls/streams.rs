//! [`Listener`]: a stream that is pushed, fed, judged, spread and begun anew in any order, against a new listener
//! that is given the samples since the last beginning.

use super::common::blob;
use super::common::checkpoints::copy;
use super::common::synthetic::Random;
use super::{Calls, sequences};
use picoformer::{Encoder, Listener, Model, RunError};
use picoformer_convert::host::HeapArena;

/// A new listener that has taken some samples, none of them judged.
fn fresh<T>(model: &Model, samples: &[i16], then: impl FnOnce(&mut Listener) -> T) -> T {
    let mut arena = HeapArena::new(model.arena());
    let mut listener = Listener::new(model, arena.parts()).unwrap();
    listener.feed(samples);
    then(&mut listener)
}

/// Whoever has the encoder cannot give it an input: the outputs stay the stream's. Does not compile otherwise.
fn outputs<'l>(listener: &'l Listener) -> &'l [i32] {
    fn shared<'l, 'm, 'a>(encoder: &'l Encoder<'m, 'a>) -> &'l [i32] {
        encoder.outputs()
    }
    shared(listener.encoder())
}

#[test]
fn listeners_answer_calls_in_any_order() {
    let mut float = copy("plain-keyword").model();
    // Sure of itself, so that it hears things.
    float.head.as_mut().unwrap().weight.iter_mut().for_each(|w| *w *= 20.0);
    let blob = blob(&float);
    let model = blob.parse().unwrap();
    let mut heard = 0;
    for seed in sequences(60) {
        let (r, mut calls) = (&mut Random(seed), Calls::new(seed));
        let mut arena = HeapArena::new(model.arena());
        let mut listener = Listener::new(&model, arena.parts()).unwrap();
        let mut samples: Vec<i16> = Vec::new();
        for _ in 0..12 {
            let n = 1 + r.below(200);
            let loudness = r.below(15);
            let more: Vec<i16> = (0..n).map(|_| (r.next() as i16) >> loudness).collect();
            match r.below(6) {
                0 | 1 => {
                    calls.push("push", n);
                    let limit = listener.limit();
                    let found = listener.push(&more);
                    if n > limit {
                        calls.equal(found, Err(RunError::TooManySamples { limit, given: n }));
                        continue;
                    }
                    heard += found.unwrap().is_some() as u32;
                    samples.extend(&more);
                }
                2 => {
                    calls.push("feed", n);
                    listener.feed(&more);
                    samples.extend(&more);
                }
                3 => {
                    calls.push("reset", ());
                    listener.reset();
                    samples.clear();
                }
                4 => {
                    calls.push("spread", ());
                    listener.spread();
                }
                _ => {
                    calls.push("recording", n);
                    let found = listener.classify_recording(&more);
                    let found = found.map(|a| (a.label, a.log_probability));
                    let new = |l: &mut Listener| {
                        l.classify_recording(&more).map(|a| (a.label, a.log_probability))
                    };
                    calls.equal(found, fresh(&model, &[], new));
                    listener.reset();
                    samples.clear();
                }
            }
            calls.equal(listener.samples(), samples.len() as u64);
            if r.below(2) == 0 {
                calls.push("classify", ());
                let judge = |l: &mut Listener| (l.classify().map(|a| a.label), outputs(l).to_vec());
                calls.equal(judge(&mut listener), fresh(&model, &samples, judge));
            }
        }
    }
    assert!(heard > 0, "no event in any sequence");
}
