//! What works on one row: norms, activations.

use core::hint::black_box;

use picoformer::config::{Activation, Norm};
use picoformer::kernels::{Bits, Channels, Curve, Kernels, LanesMut, Native, RowCount};
use picoformer::matrix::Packing;
use picoformer::model::NormWeights;
use picoformer::nn::activation::prepare;
use picoformer::nn::norm::{apply, normalized};
use picoformer::nn::row::Input;

use crate::memory::{Memory, Random};
use crate::{Case, Counter, Name};

const WIDEST: usize = 512;
/// ε = 1e-5.
const EPSILON: (u16, i16) = (42949, -32);

/// Norms of several widths, both activations of the shipped families.
pub(crate) fn run<C: Counter>(memory: &mut Memory, counter: &mut C) {
    let mut random = Random(0x2545_f491);
    let mut rest = memory.rest();
    let x: &mut [i16] = rest.take(WIDEST);
    let other: &mut [i16] = rest.take(WIDEST);
    let lanes: &mut [i16] = rest.take(2 * WIDEST);
    let sums: &mut [i32] = rest.take(WIDEST);
    let gains: &mut [u8] = rest.take(2 * WIDEST);
    random.bits(gains, 0x3f);
    for len in [64, 128, 256, WIDEST] {
        let x = x.get_mut(..len).unwrap_or_default();
        random.row(x, 30_000);
        counter.count(elements("row_scale/", len), || scale(x));
        for (title, norm) in [("layer_norm/", Norm::Layer), ("rms_norm/", Norm::Rms)] {
            random.row(x, 20_000);
            let rows = RowCount::One;
            let room = LanesMut::new(lanes, rows, len, Packing::Paired, Bits::Eight);
            if let Some(mut room) = room {
                counter.count(elements(title, len), || folded(x, norm, &mut room));
            }
            black_box(&mut *lanes);
        }
        random.row(x, 20_000);
        let gains = gains.get(..2 * len).unwrap_or_default();
        let weights = NormWeights {
            channels: Channels::new(gains, gains).unwrap_or(Channels::NONE),
            gain_exponent: -14,
            bias_exponent: -14,
        };
        counter.count(elements("layer_norm_explicit/", len), || explicit(x, &weights, sums));
        black_box(&mut *x);
    }
    random.row(x, 30_000);
    let gelu = prepare(Activation::GeluErf, -13);
    counter.count(elements("gelu/", x.len()), || activate(&gelu, x));
    let (x, other) =
        (x.get_mut(..172).unwrap_or_default(), other.get_mut(..172).unwrap_or_default());
    random.row(x, 30_000);
    random.row(other, 30_000);
    let silu = prepare(Activation::Silu, -12);
    counter.count(elements("silu/", x.len()), || gate(&silu, x, other));
    black_box((x, other));
}

fn elements(title: &str, len: usize) -> Case {
    Case { name: Name::new(title).number(len), per: len as u32, unit: "element" }
}

/// What a row costs that no norm has looked at before a linear layer can quantise it.
#[inline(never)]
fn scale(x: &[i16]) {
    black_box(Input::new::<Native>(x, -15, false));
}

/// A norm whose gain and bias are in the weights of the next layer: i16 in, int8 lanes out.
#[inline(never)]
fn folded(x: &[i16], norm: Norm, lanes: &mut LanesMut<Native>) {
    let input = normalized::<Native>(x, -12, norm, EPSILON, false);
    Native::quantize(x, &input.quantizer, 0, lanes);
    black_box(input.scale);
}

/// A norm with gain and bias, in place, i16 in and out.
#[inline(never)]
fn explicit(x: &mut [i16], weights: &NormWeights, sums: &mut [i32]) {
    black_box(apply::<Native>(x, -12, Norm::Layer, EPSILON, weights, sums));
}

/// As a feed-forward part without a gate does it.
#[inline(never)]
fn activate(curve: &Curve, x: &mut [i16]) {
    Native::activate(curve, x);
}

/// As a gated feed-forward part does it.
#[inline(never)]
fn gate(curve: &Curve, x: &mut [i16], factors: &[i16]) {
    Native::activate_gated(curve, factors, x);
}
