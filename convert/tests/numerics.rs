//! Measures every fixed-point function against f64 and compares the table with the one in
//! `docs/NUMERICS.md`. `PICOFORMER_BLESS=1 cargo test --test numerics` writes the measured one there.

mod common;

use common::front_end::{errors, golden, recordings, settings};
use common::synthetic::Random;
use picoformer::config::{Activation, KEY_BLOCK, Norm};
use picoformer::fixed::*;
use picoformer::kernels::portable::weigh;
use picoformer::kernels::{Channels, Kernels, Portable, Softmax};
use picoformer::model::NormWeights;
use picoformer::nn::activation::{prepare, tanh};
use picoformer::nn::head::unit_length;
use picoformer::nn::norm::{apply, normalized};
use picoformer::nn::position::{rotary_table, sinusoid};
use picoformer::nn::row::renormalize;
use picoformer::probability::log_probability;
use picoformer::scope::{Scope, Score};
use picoformer_convert::float_model::erf;
use std::f64::consts::{FRAC_1_SQRT_2, LN_2, LOG2_E, PI, TAU};

/// The largest of some errors.
fn worst(errors: impl IntoIterator<Item = f64>) -> f64 {
    errors.into_iter().fold(0.0, f64::max)
}

fn exp2(exponent: i32) -> f64 {
    2f64.powi(exponent)
}

fn row(random: &mut Random, len: usize, size: f32, offset: f32) -> Vec<i16> {
    random.normals(len, size).iter().map(|x| (x + offset) as i16).collect()
}

/// `floor(x / 2^s + 1/2)` of a product of 32 and 31 bits.
fn requantization() -> f64 {
    let mut random = Random(1);
    worst((0..100_000).map(|_| {
        let (sum, multiplier) = (random.next() as i32 >> 4, (random.next() >> 34) as i32);
        let shift = 28 + random.below(12) as u32;
        let exact = sum as f64 * multiplier as f64 / exp2(shift as i32);
        if exact.abs() > 2e9 {
            0.0
        } else {
            (requantize(sum, multiplier, shift) as f64 - exact).abs()
        }
    }))
}

fn renormalization() -> f64 {
    let mut random = Random(2);
    worst((0..2000).map(|i| {
        let sums: Vec<i32> = (0..64).map(|_| random.next() as i32 >> (i % 20)).collect();
        let mut out = [0i16; 64];
        let exponent = renormalize::<Portable>(&sums, 0, &mut out);
        let unit = exp2(exponent as i32);
        worst(sums.iter().zip(out).map(|(&s, x)| (s as f64 / unit - x as f64).abs()))
    }))
}

fn activation(kind: Activation, exponent: i32) -> f64 {
    let exact = |x: f64| match kind {
        Activation::Relu => x.max(0.0),
        Activation::GeluErf => 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2)),
        Activation::GeluTanh => {
            0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
        }
        Activation::Silu => x / (1.0 + (-x).exp()),
    };
    let by = prepare(kind, exponent);
    worst((i16::MIN..=i16::MAX).map(|x| {
        let mut found = [x];
        Portable::activate(&by, &mut found);
        (found[0] as f64 * exp2(exponent) - exact(x as f64 * exp2(exponent))).abs()
    }))
}

fn hyperbolic_tangent() -> f64 {
    let at = |x: i32, e: i32| (tanh(x, e) as f64 / 32768.0 - (x as f64 * exp2(e)).tanh()).abs();
    worst((-(1 << 18)..1 << 18).map(|x| at(x, -15)))
}

/// Softmax over blocks of scores in steps of 1/256 of log2: the largest error of a probability.
fn softmax() -> f64 {
    let mut random = Random(3);
    worst((0..2000).map(|_| {
        let scores: [i32; KEY_BLOCK] = std::array::from_fn(|_| random.below(1 << 22) as i32);
        let maximum = scores.iter().copied().max().unwrap();
        let factor = 1 << 20 << random.below(4); // log2 units: score · factor / 2^40
        let state = Softmax { maximum, sum: 0, factor };
        let (weights, sum) = weigh(&scores, &state, &[1 << 15; KEY_BLOCK], 0xffff, 15);
        let p: Vec<f64> = scores
            .iter()
            .map(|&s| (((s - maximum) as f64 * factor as f64) / exp2(40)).exp2())
            .collect();
        let total: f64 = p.iter().sum();
        worst((0..KEY_BLOCK).map(|j| (weights[j] as f64 / sum as f64 - p[j] / total).abs()))
    }))
}

/// A normalised row as quantised input, in units of its last place (0.5 is ideal).
fn quantized_norm(norm: Norm, wide: bool) -> f64 {
    let mut random = Random(4);
    let mut cases = Vec::new();
    for (len, size, offset) in [(64, 9000.0, 0.0), (96, 90.0, 50.0), (384, 3000.0, -700.0)] {
        for exponent in [-20, -12, -3] {
            let x = row(&mut random, len, size, offset);
            let expected = exact_norm(&x, exponent, norm);
            let input = normalized::<Portable>(&x, exponent, norm, EPSILON, wide);
            let unit = input.scale.mantissa as f64 * exp2(input.scale.exponent);
            for (&x, expected) in x.iter().zip(expected) {
                cases.push((input.quantizer.quantize(x) as f64 - expected / unit).abs());
            }
        }
    }
    worst(cases)
}

/// 1e-5.
const EPSILON: (u16, i16) = (42950, -32);

fn exact_norm(x: &[i16], exponent: i32, norm: Norm) -> Vec<f64> {
    let real: Vec<f64> = x.iter().map(|&x| x as f64 * exp2(exponent)).collect();
    let d = real.len() as f64;
    let mean = if norm == Norm::Layer { real.iter().sum::<f64>() / d } else { 0.0 };
    let variance = real.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / d;
    let epsilon = EPSILON.0 as f64 * exp2(EPSILON.1 as i32);
    real.iter().map(|x| (x - mean) / (variance + epsilon).sqrt()).collect()
}

/// A norm with gain and bias as a row of the residual stream, relative to the row's largest element.
fn explicit_norm(norm: Norm) -> f64 {
    let mut random = Random(5);
    worst((0..200).map(|_| {
        let (gains, biases) =
            (row(&mut random, 96, 3000.0, 12000.0), row(&mut random, 96, 9000.0, 0.0));
        let bytes = |x: &[i16]| x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let (g, b) = (bytes(&gains), bytes(&biases));
        let biases = if norm == Norm::Layer { biases } else { vec![0; 96] };
        let channels = Channels::new(&g, if norm == Norm::Layer { &b } else { &[] }).unwrap();
        let weights = NormWeights { channels, gain_exponent: -14, bias_exponent: -15 };
        let mut x = row(&mut random, 96, 8000.0, 900.0);
        let expected: Vec<f64> = exact_norm(&x, -11, norm)
            .iter()
            .zip(gains)
            .zip(biases)
            .map(|((n, g), b)| n * g as f64 * exp2(-14) + b as f64 * exp2(-15))
            .collect();
        let unit = apply::<Portable>(&mut x, -11, norm, EPSILON, &weights, &mut [0; 96]) as i32;
        let largest = worst(expected.iter().map(|e| e.abs()));
        worst(x.iter().zip(&expected).map(|(&x, e)| (x as f64 * exp2(unit) - e).abs())) / largest
    }))
}

/// The frequencies of `n` pairs, in radians and as the blob has them.
fn frequencies(n: usize) -> (Vec<f64>, Vec<u8>) {
    let angles: Vec<f64> = (0..n).map(|i| 10000f64.powf(-(i as f64) / n as f64)).collect();
    let turns = angles.iter().map(|a| (a / TAU * 4294967296.0).round() as u64 as u32);
    (angles.clone(), turns.flat_map(u32::to_le_bytes).collect())
}

/// Rotated pairs at every position below `context`, relative to the pair's length.
fn rotary(context: usize) -> f64 {
    let (angles, bytes) = frequencies(16);
    let mut random = Random(6);
    worst((0..context).map(|position| {
        let mut table = [0i16; 32];
        rotary_table(&bytes, position, &mut table);
        // A pair may be as long as 32767: the converter's unit leaves room for it in every direction.
        let before = row(&mut random, 32, 3500.0, 0.0);
        let mut after = before.clone();
        Portable::rotate(&mut after, &table);
        worst(angles.iter().enumerate().map(|(i, angle)| {
            let (sin, cos) = (angle * position as f64).sin_cos();
            let [a, b] = [0, 1].map(|j| before[2 * i + j] as f64);
            let [x, y] = [0, 1].map(|j| after[2 * i + j] as f64);
            (x - (a * cos - b * sin)).hypot(y - (a * sin + b * cos)) / a.hypot(b).max(2000.0)
        }))
    }))
}

fn sinusoidal(context: usize) -> f64 {
    let (angles, bytes) = frequencies(16);
    worst((0..context).map(|position| {
        let exact = angles.iter().map(|a| (a * position as f64).sin());
        let exact = exact.chain(angles.iter().map(|a| (a * position as f64).cos()));
        worst(sinusoid(&bytes, position).zip(exact).map(|(x, e)| (x as f64 / 16384.0 - e).abs()))
    }))
}

/// Table entries as 16-bit numbers with one exponent, relative to the largest.
fn learned() -> f64 {
    let values = Random(7).normals(4096, 0.3);
    let largest = worst(values.iter().map(|x| x.abs() as f64));
    let (bytes, exponent) = picoformer_convert::quantize::halves(&values, 8192);
    let found = bytes.as_chunks::<2>().0.iter().map(|&b| i16::from_le_bytes(b) as f64);
    let error = |(x, v): (f64, &f32)| (x * exp2(exponent as i32) - *v as f64).abs();
    worst(found.zip(&values).map(error)) / largest
}

fn inverse_root() -> f64 {
    worst((0..20_000u64).map(|i| {
        let v = (i * i * i * 7919 + 1) << (i % 20);
        let (r, e) = rsqrt(v);
        (r as f64 * exp2(e) * (v as f64).sqrt() - 1.0).abs()
    }))
}

fn logarithm() -> f64 {
    worst((1..100_000u64).map(|i| (log2(i * i) as f64 / 65536.0 - ((i * i) as f64).log2()).abs()))
}

fn log_softmax() -> f64 {
    let mut random = Random(8);
    worst((0..300).map(|_| {
        let logits: Vec<i32> =
            random.normals(500, 4.0).iter().map(|x| (x * 65536.0) as i32).collect();
        let real: Vec<f64> = logits.iter().map(|&x| x as f64 / 65536.0).collect();
        let sum: f64 = real.iter().map(|x| x.exp()).sum();
        worst(
            (0..20).map(|i| {
                (log_probability(&logits, i) as f64 / 65536.0 - (real[i] - sum.ln())).abs()
            }),
        )
    }))
}

fn energy() -> f64 {
    let mut random = Random(18);
    let scope = Scope::new(Score::Energy, Some(150), 0);
    worst((0..300).map(|_| {
        let logits: Vec<i32> =
            random.normals(151, 4.0).iter().map(|x| (x * 65536.0) as i32).collect();
        let sum: f64 = logits[..150].iter().map(|&x| (x as f64 / 65536.0).exp()).sum();
        (scope.score(&logits) as f64 / 65536.0 - sum.ln()).abs()
    }))
}

fn length_one() -> f64 {
    let mut random = Random(9);
    worst((0..300).map(|_| {
        let x = row(&mut random, 384, 3000.0, 0.0);
        let mut out = [0; 384];
        unit_length(&x, &mut out);
        let length = x.iter().map(|&x| (x as f64).powi(2)).sum::<f64>().sqrt();
        worst(x.iter().zip(out).map(|(&x, o)| (o as f64 * exp2(-30) - x as f64 / length).abs()))
    }))
}

/// Log-mels of signals that are hard for a front end, and of some recordings.
fn log_mels(which: usize) -> f64 {
    let (name, features) = &settings()[which];
    let hard =
        golden().into_iter().filter(|(key, _)| key.starts_with(name) && key.ends_with("samples"));
    let mut signals: Vec<Vec<i16>> = hard.map(|(_, samples)| samples).collect();
    signals.extend(recordings(name, features).into_iter().take(2));
    let (worst, wrong) = errors(features, &signals);
    println!("{name}: {wrong:.5} of all log-mels are not the exact ones rounded");
    assert!(wrong < 0.01, "{name}: {wrong}");
    worst
}

fn table() -> String {
    use Activation::*;
    let numerators = worst(
        (0..4096u32)
            .map(|t| (exp2_negative(t) as f64 / 32767.0 - (-(t as f64) / 256.0).exp2()).abs()),
    );
    let fine = worst((0..16u32 << 16).step_by(37).map(|t| {
        (exp2_fine(t) as f64 / 2147483648.0 / (-(t as f64) / 65536.0).exp2() - 1.0).abs()
    }));
    let codes = worst((16..=32768u32).map(|x| decode_scale(scale_code(x)) as f64 / x as f64 - 1.0));
    let scales = worst((1..200_000u32).map(|v| {
        let s = Scale::new(v * 9973, 0);
        (s.mantissa as f64 * exp2(s.exponent) / (v * 9973) as f64 - 1.0).abs()
    }));
    let constants = worst([
        (LN_2_Q16 as f64 / 65536.0 / LN_2 - 1.0).abs(),
        (LOG2_E_Q30 as f64 / exp2(30) / LOG2_E - 1.0).abs(),
    ]);
    let units = "units of the last place";
    let mut rows: Vec<(&str, String, &str)> = vec![
        ("requantisation `round(a · m / 2^s)`", format!("{:.2}", requantization()), units),
        ("row to 16 bits (`renormalize`)", format!("{:.2}", renormalization()), units),
        ("scale of 15 bits (`Scale`)", format!("{scales:.1e}"), "relative"),
        ("8-bit scale of a cached key or value, above the row", format!("{codes:.3}"), "relative"),
        ("LayerNorm to 8-bit rows", format!("{:.2}", quantized_norm(Norm::Layer, false)), units),
        ("LayerNorm to 12-bit rows", format!("{:.2}", quantized_norm(Norm::Layer, true)), units),
        ("RMSNorm to 8-bit rows", format!("{:.2}", quantized_norm(Norm::Rms, false)), units),
        ("RMSNorm to 12-bit rows", format!("{:.2}", quantized_norm(Norm::Rms, true)), units),
        (
            "LayerNorm with gain and bias to 16 bits",
            format!("{:.1e}", explicit_norm(Norm::Layer)),
            "of the row's largest",
        ),
        (
            "RMSNorm with gain to 16 bits",
            format!("{:.1e}", explicit_norm(Norm::Rms)),
            "of the row's largest",
        ),
        ("`rsqrt`", format!("{:.1e}", inverse_root()), "relative"),
        ("softmax numerator (`exp2_negative`)", format!("{numerators:.1e}"), "absolute, of 1"),
        ("softmax probability, 16 keys", format!("{:.1e}", softmax()), "absolute, of 1"),
        ("GELU (erf), unit 2^-13", format!("{:.1e}", activation(GeluErf, -13)), "absolute"),
        ("GELU (erf), unit 2^-11", format!("{:.1e}", activation(GeluErf, -11)), "absolute"),
        ("GELU (tanh), unit 2^-13", format!("{:.1e}", activation(GeluTanh, -13)), "absolute"),
        ("GELU (tanh), unit 2^-11", format!("{:.1e}", activation(GeluTanh, -11)), "absolute"),
        ("SiLU, unit 2^-13", format!("{:.1e}", activation(Silu, -13)), "absolute"),
        ("SiLU, unit 2^-11", format!("{:.1e}", activation(Silu, -11)), "absolute"),
        ("ReLU, any unit", format!("{}", activation(Relu, -11)), "absolute"),
        ("tanh (pooler)", format!("{:.1e}", hyperbolic_tangent()), "absolute"),
        ("rotary positions 0 … 4095", format!("{:.1e}", rotary(4096)), "of the pair's length"),
        ("sinusoidal positions 0 … 4095", format!("{:.1e}", sinusoidal(4096)), "absolute"),
        ("learned positions (16-bit table)", format!("{:.1e}", learned()), "of the largest"),
        ("embedding of length one", format!("{:.1e}", length_one()), "absolute"),
        ("`exp2_fine` (sampling, probabilities)", format!("{fine:.1e}"), "relative"),
        ("`log2`", format!("{:.1e}", logarithm()), "absolute"),
        ("log-probability of a token, 500 logits", format!("{:.1e}", log_softmax()), "nats"),
        ("energy, 150 of 151 logits", format!("{:.1e}", energy()), "nats"),
        ("log-mel, 16 kHz (`wake`)", format!("{:.2}", log_mels(0)), "units of 2^-8 octaves"),
        ("log-mel, 8 kHz (`digits`)", format!("{:.2}", log_mels(1)), "units of 2^-8 octaves"),
        ("ln 2 and log2 e as constants", format!("{constants:.1e}"), "relative"),
    ];
    rows.extend(common::weights::rows());
    let mut text =
        String::from("| function | largest error against f64 | in |\n| --- | --- | --- |\n");
    rows.iter().for_each(|(name, error, unit)| text += &format!("| {name} | {error} | {unit} |\n"));
    text
}

#[test]
fn the_published_errors_are_the_measured_ones() {
    let (begin, end) = ("<!-- measured -->\n", "<!-- end -->");
    let path = common::root().join("docs/NUMERICS.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(begin).expect("docs/NUMERICS.md has a measured table");
    let (published, after) = rest.split_once(end).expect("the table ends");
    let measured = table();
    println!("{measured}");
    if std::env::var_os("PICOFORMER_BLESS").is_some() {
        std::fs::write(&path, [before, begin, &measured, end, after].concat()).unwrap();
        return;
    }
    assert_eq!(published, measured, "run with PICOFORMER_BLESS=1 if the change is meant");
}
