//! Sequences of calls that bytes spell: a decoder against a new one, searches and samplers against what they promise.

use crate::bases::small;
use picoformer::config::{Architecture, Config, MAX_BEAMS};
use picoformer::kernels::Native;
use picoformer::rules::Rules;
use picoformer::sampler::Sampling;
use picoformer::seq2seq::Search;
use picoformer::{Decoder, Model, Progress, Sampler};
use picoformer_convert::host::HeapArena;
use picoformer_forge::Script;

/// Logits of a new decoder.
fn fresh(model: &Model, prefix: usize, text: &[u32]) -> Vec<i32> {
    let mut arena = HeapArena::new(model.arena());
    let mut decoder = Decoder::new(model, arena.parts()).unwrap();
    if prefix > 0 {
        decoder.set_prefix(prefix).unwrap();
    }
    decoder.prefill(text).unwrap();
    decoder.logits().to_vec()
}

fn tokens(script: &mut Script, vocab_size: usize) -> Vec<u32> {
    let n = script.u8() as usize % 9;
    // One of 255 is beyond the vocabulary.
    (0..n)
        .map(|_| match script.u8() {
            255 => vocab_size as u32,
            token => u32::from(token) % vocab_size as u32,
        })
        .collect()
}

/// A decoder: what it shows after any calls is what a new one shows for the same text.
pub fn decoder(data: &[u8]) {
    let mut script = Script(data);
    // Llama's, one with a window, GPT-2's, one with rules.
    let bases = [0, 1, 2, small().len() - 1];
    let blob = &small()[bases[script.u8() as usize % bases.len()]];
    let model = blob.parse().unwrap();
    let vocab_size = model.config().vocab_size;
    let mut arena = HeapArena::new(model.arena());
    let mut decoder = Decoder::new(&model, arena.parts()).unwrap();
    let (mut text, mut flight, mut prefix) = (Vec::new(), Vec::new(), 0);
    for _ in 0..24 {
        if script.is_done() {
            return;
        }
        match script.u8() % 9 {
            0 => {
                let given = tokens(&mut script, vocab_size);
                if let Ok(rows) = decoder.begin(&given) {
                    flight = given[..rows].to_vec();
                }
            }
            1 => {
                if decoder.step() == Progress::Done {
                    text.append(&mut flight);
                }
            }
            2 => {
                while decoder.step() == Progress::Working {}
                text.append(&mut flight);
            }
            3 => {
                let given = tokens(&mut script, vocab_size);
                if decoder.prefill(&given).is_ok() {
                    text.extend(given);
                }
            }
            4 => {
                let token = u32::from(script.u8());
                if decoder.advance(token).is_ok() {
                    text.push(token);
                }
            }
            5 => {
                let len = script.u8() as usize % 40;
                if decoder.truncate(len) {
                    text.truncate(len);
                    flight.clear();
                }
            }
            6 => {
                decoder.reset();
                text.clear();
                flight.clear();
                prefix = 0;
            }
            7 => {
                let given = tokens(&mut script, vocab_size);
                if decoder.score(&given, |_, _| {}).is_ok() {
                    text.extend(given);
                }
            }
            _ => {
                let n = script.u8() as usize % 5;
                if decoder.set_prefix(n).is_ok() {
                    prefix = n;
                }
            }
        }
        assert_eq!((decoder.len(), decoder.in_flight()), (text.len(), !flight.is_empty()));
        let shown = decoder.logits();
        if !shown.is_empty() {
            assert_eq!(shown, fresh(&model, prefix, &text), "{text:?}");
        }
    }
}

/// Logits of all sizes.
fn logits(script: &mut Script, n: usize) -> Vec<i32> {
    let logit = |_| {
        let x = script.u16() as i16 as i32;
        match script.u8() % 8 {
            0 => [i32::MIN, i32::MIN + 1, i32::MAX, 0][x as usize % 4],
            shift => x << (2 * shift),
        }
    };
    (0..n).map(logit).collect()
}

/// A search with any logits and rules: it ends at its limit, and tokens are of the vocabulary.
pub fn search(data: &[u8]) {
    let mut script = Script(data);
    let vocab_size = 2 + script.u8() as usize % 30;
    let token = |script: &mut Script| script.u8() as usize % vocab_size;
    let config = Config {
        vocab_size,
        beams: 1 + script.u8() as usize % MAX_BEAMS,
        target_context: 10,
        start_token: token(&mut script),
        end_token: token(&mut script),
        suppressed_token: token(&mut script),
        forced_token: token(&mut script),
        ..Config::base(Architecture::EncoderDecoder)
    };
    let mut records = Vec::new();
    for _ in 0..script.u8() % 4 {
        let n = script.u8() % 4;
        records.extend([script.u8() % 14, 0, n, 0]);
        for _ in 0..n {
            let wide = script.u8() % 4 == 0;
            let value = if wide { script.u32() } else { u32::from(script.u8()) };
            records.extend(value.to_le_bytes());
        }
    }
    let valid = Rules::are_valid(&records, &config);
    let rules = if valid { Rules::of_valid(&records) } else { Rules::NONE };
    let limit = 1 + script.u8() as usize % 10;
    let mut search = Search::new(&config, limit).unwrap();
    let mut history = vec![-1; 10 * config.beams];
    let mut steps = 0;
    while !search.is_done() {
        assert!(steps < limit, "no end after {steps} tokens");
        while search.wants().is_some() {
            let mut logits = logits(&mut script, vocab_size);
            search.add::<Native>(&config, rules, &history, &mut logits).unwrap();
            if script.u8() == 7 {
                let early = search.advance::<Native>(&config, rules, &mut history, |_, _| {});
                if early.is_ok() {
                    steps += 1;
                }
            }
        }
        if search.is_done() {
            break;
        }
        let beams = config.beams;
        let copied = |from: usize, to: usize| assert!(from < beams && to < beams && from != to);
        search.advance::<Native>(&config, rules, &mut history, copied).unwrap();
        steps += 1;
        assert!(search.live() <= beams);
    }
    let (_, len, _) = search.best().unwrap();
    let mut tokens = vec![0; 16];
    assert_eq!(search.tokens(&history, &mut tokens), len);
    assert!(len <= limit && tokens[..len].iter().all(|&token| (token as usize) < vocab_size));
}

/// A sampler: tokens of the vocabulary, the same again from the same seed, the likeliest where only it is left.
pub fn sampler(data: &[u8]) {
    let mut script = Script(data);
    let sampling = Sampling {
        temperature: script.u32() >> (script.u8() % 32),
        top_k: script.u8() as usize,
        top_p: script.u32() >> (script.u8() % 32),
        seed: u64::from(script.u32()),
    };
    let n = 1 + script.u8() as usize;
    let logits = logits(&mut script, n);
    let [mut a, mut b] = [0, 1].map(|_| Sampler::new(sampling));
    for _ in 0..3 {
        let (mut x, mut y) = (logits.clone(), logits.clone());
        let token = a.sample(&mut x);
        assert_eq!(token, b.sample(&mut y));
        assert!((token as usize) < n);
        let most = *logits.iter().max().unwrap();
        if sampling.temperature == 0 || sampling.top_k == 1 || sampling.top_p == 0 {
            assert_eq!(logits[token as usize], most, "not the likeliest");
        }
        let _ = a.sample_allowed(&mut logits.clone());
        let _ = b.sample_allowed(&mut logits.clone());
    }
}
