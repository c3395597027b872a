//! Mutants: one wrong backend per method; [`check`] must name the method.

use super::super::*;
use super::check;

/// A backend that is right except for the lowest bit of the result of method `METHOD`.
struct Wrong<const METHOD: usize>;

/// Names of the methods, indexed by `METHOD`.
const METHODS: [&str; 23] = [
    "largest",
    "statistics",
    "quantize",
    "matmul",
    "rescale",
    "rescale_32",
    "linear",
    "linear_32",
    "gain",
    "add",
    "magnitude",
    "narrow",
    "activate",
    "activate_gated",
    "rotate",
    "write_key",
    "write_value",
    "divide",
    "attend",
    "quantize_nibbles",
    "matmul_nibbles",
    "linear_nibbles",
    "linear_32_nibbles",
];

/// Flips the lowest bit of the first number.
macro_rules! flip {
    ($method:literal, $out:expr) => {
        if METHOD == $method {
            if let Some(first) = $out.first_mut() {
                *first ^= 1;
            }
        }
    };
}

impl<const METHOD: usize> Kernels for Wrong<METHOD> {
    const NAME: &'static str = "wrong";

    fn largest(x: &[i16]) -> u32 {
        portable::largest(x) ^ (METHOD == 0) as u32
    }

    fn statistics(x: &[i16]) -> Statistics {
        let statistics = portable::statistics(x);
        Statistics { squares: statistics.squares ^ (METHOD == 1) as u64, ..statistics }
    }

    fn quantize(x: &[i16], quantizer: &Quantizer, row: usize, lanes: &mut LanesMut<Self>) {
        portable::quantize(x, quantizer, row, lanes);
        flip!(2, lanes.data.get_mut(4 * row..).unwrap_or_default());
    }

    fn matmul(product: &Product<Self>, sums: &mut [i32]) {
        portable::matmul(product, sums);
        flip!(3, sums);
    }

    fn rescale(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i16]) {
        portable::rescale(sums, channels, scale, out);
        flip!(4, out);
    }

    fn rescale_32(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i32]) {
        portable::rescale_32(sums, channels, scale, out);
        flip!(5, out);
    }

    fn linear(linear: Linear<Self, i16>) {
        let [a, b] = linear.out;
        portable::linear(Linear { out: [&mut *a, b], ..linear }, Self::matmul, Self::rescale);
        flip!(6, a);
    }

    fn linear_32(linear: Linear<Self, i32>) {
        let [a, b] = linear.out;
        portable::linear(Linear { out: [&mut *a, b], ..linear }, Self::matmul, Self::rescale_32);
        flip!(7, a);
    }

    fn quantize_nibbles(
        x: &[i16],
        quantizer: &Quantizer,
        row: usize,
        lanes: &mut LanesMut<Nibbles<Self>>,
    ) {
        portable::quantize(x, quantizer, row, lanes);
        flip!(19, lanes.data.get_mut(4 * row..).unwrap_or_default());
    }

    fn matmul_nibbles(product: &Product<Nibbles<Self>>, sums: &mut [i32]) {
        portable::matmul_nibbles(product, sums);
        flip!(20, sums);
    }

    fn linear_nibbles(linear: Linear<Nibbles<Self>, i16>) {
        let [a, b] = linear.out;
        let linear = Linear { out: [&mut *a, b], ..linear };
        portable::linear(linear, Self::matmul_nibbles, Self::rescale);
        flip!(21, a);
    }

    fn linear_32_nibbles(linear: Linear<Nibbles<Self>, i32>) {
        let [a, b] = linear.out;
        let linear = Linear { out: [&mut *a, b], ..linear };
        portable::linear(linear, Self::matmul_nibbles, Self::rescale_32);
        flip!(22, a);
    }

    fn gain(
        x: &[i16],
        quantizer: &Quantizer,
        channels: &Channels,
        scale: &RowScale,
        sums: &mut [i32],
    ) {
        portable::gain(x, quantizer, channels, scale, sums);
        flip!(8, sums);
    }

    fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
        portable::add(x, shift, sums);
        flip!(9, sums);
    }

    fn magnitude(sums: &[i32]) -> u32 {
        // The contract determines only the highest bit.
        portable::magnitude(sums) << (METHOD == 10) as u32
    }

    fn narrow(sums: &[i32], shift: i32, out: &mut [i16]) {
        portable::narrow(sums, shift, out);
        flip!(11, out);
    }

    fn activate(curve: &Curve, x: &mut [i16]) {
        portable::activate(curve, x);
        flip!(12, x);
    }

    fn activate_gated(curve: &Curve, factors: &[i16], x: &mut [i16]) {
        portable::activate_gated(curve, factors, x);
        flip!(13, x);
    }

    fn rotate(row: &mut [i16], table: &[i16]) {
        portable::rotate(row, table);
        flip!(14, row);
    }

    fn write_key(x: &[i16], scale: HeadScale, out: &mut [u8]) {
        portable::write_key::<Self>(x, scale, out);
        flip!(15, out);
    }

    fn write_value(x: &[i16], scale: HeadScale, out: &mut [u8]) {
        portable::write_value(x, scale, out);
        flip!(16, out);
    }

    fn divide(sums: &Sums, ratio: &Ratio, out: &mut [i16]) {
        portable::divide(sums, ratio, out);
        flip!(17, out);
    }

    fn attend(attend: Attend<Self>) {
        let queries = attend.queries;
        portable::attend(Attend { queries: &mut *queries, ..attend }, Self::matmul);
        flip!(18, queries.sums);
    }
}

/// The name that [`check`] reports.
fn named<const METHOD: usize>() -> &'static str {
    check::<Wrong<METHOD>>(300).expect_err(METHODS[METHOD])
}

#[test]
#[cfg_attr(miri, ignore = "300 rounds of 24 backends take an hour")]
fn a_wrong_method_is_named() {
    macro_rules! mutants {
        ($($method:literal)*) => {
            [$(named::<$method>(),)*]
        };
    }
    let named = mutants!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22);
    for (name, method) in named.iter().zip(METHODS) {
        let first = name.split(':').next();
        assert_eq!(first, Some(method));
    }
    assert_eq!(check::<Wrong<23>>(20), Ok(200));
}
