//! Checks that a backend equals [`Portable`] bit for bit and stays within its
//! operands: random shapes on both sides of every block and chunk boundary, extreme values, buffers
//! full of other numbers. Runs as a test on a host and as firmware on a board.

mod attention;
mod hostile;
mod layers;
#[cfg(test)]
mod mutants;
mod passes;
mod random;

use super::{Channels, Kernels, Nibbles, Portable, RowScale};
use random::Random;

/// `Ok`, or the name of the method that differs.
type Verdict = Result<(), &'static str>;

/// Compares all methods of a backend with those of `Portable` on `rounds` random cases each.
/// Returns the number of cases.
///
/// # Errors
/// The name of the method that differs.
pub fn check<K: Kernels>(rounds: u32) -> Result<u32, &'static str> {
    check_from::<K>(0x2545_f491, rounds)
}

/// [`check`] with other random cases.
///
/// # Errors
/// As [`check`].
pub fn check_from<K: Kernels>(seed: u32, rounds: u32) -> Result<u32, &'static str> {
    const PARTS: u32 = 10;
    let mut random = Random(seed.max(1));
    for _ in 0..rounds {
        passes::measuring::<K>(&mut random)?;
        passes::adding::<K>(&mut random)?;
        passes::curves::<K>(&mut random)?;
        layers::products::<K, Portable>(&mut random)?;
        layers::rescaling::<K>(&mut random)?;
        layers::layers::<K, Portable>(&mut random)?;
        layers::products::<Nibbles<K>, Nibbles<Portable>>(&mut random).map_err(of_nibbles)?;
        layers::layers::<Nibbles<K>, Nibbles<Portable>>(&mut random).map_err(of_nibbles)?;
        attention::caching::<K>(&mut random)?;
        attention::attending::<K>(&mut random)?;
    }
    Ok(rounds * PARTS)
}

/// The name of a method for weights of four bits.
fn of_nibbles(name: &'static str) -> &'static str {
    match name {
        "quantize" => "quantize_nibbles",
        "matmul" => "matmul_nibbles",
        "linear" => "linear_nibbles",
        "linear_32" => "linear_32_nibbles",
        other => other,
    }
}

/// Calls a backend with `operands` random operands, most of them inconsistent or extreme, and looks
/// for writes beyond the outputs. Returns how many of the operands could be constructed.
///
/// # Errors
/// The name of the method that wrote beyond its output.
pub fn guard<K: Kernels>(operands: u32) -> Result<u32, &'static str> {
    guard_from::<K>(0x9e37_79b9, operands)
}

/// [`guard`] with other random operands.
///
/// # Errors
/// As [`guard`].
pub fn guard_from<K: Kernels>(seed: u32, operands: u32) -> Result<u32, &'static str> {
    hostile::guard::<K>(seed.max(1), operands)
}

fn same<T: PartialEq>(a: &[T], b: &[T], name: &'static str) -> Verdict {
    if a == b { Ok(()) } else { Err(name) }
}

/// The scales and biases of some channels.
struct Factors<const BYTES: usize> {
    factors: crate::Aligned<[u8; BYTES]>,
    biases: crate::Aligned<[u8; BYTES]>,
    biased: bool,
}

impl<const BYTES: usize> Factors<BYTES> {
    fn new(random: &mut Random) -> Self {
        let [mut factors, mut biases] = [[0; BYTES]; 2];
        random.bytes(&mut factors);
        factors.iter_mut().skip(1).step_by(2).for_each(|high| *high &= 0x7f);
        random.bytes(&mut biases);
        let [factors, biases] = [factors, biases].map(crate::Aligned);
        Self { factors, biases, biased: random.below(2) == 0 }
    }

    fn channels(&self) -> Channels<'_> {
        let biases = if self.biased { &self.biases.0[..] } else { &[] };
        Channels::new(&self.factors.0, biases).unwrap_or(Channels::NONE)
    }
}

/// A scale with a shift of at least `least`.
fn row_scale(random: &mut Random, least: usize) -> RowScale {
    let shift = (1 + least + random.below(62 - least)) as i32;
    RowScale::new(random.next() as u16 & 0x7fff, shift, random.below(40) as i32 - 16)
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;
    use crate::matrix::Packing;

    /// A new backend is right on its first day.
    struct NewCore;
    impl Kernels for NewCore {
        const NAME: &'static str = "new";
    }

    #[test]
    fn the_native_backend_equals_portable() {
        let rounds = if cfg!(miri) { 2 } else { 2000 };
        assert_eq!(check::<Native>(rounds), Ok(10 * rounds));
        assert_eq!(check::<NewCore>(rounds / 20), Ok(rounds / 20 * 10));
    }

    /// Default bodies honour how a backend packs its keys.
    struct PlainKeys;
    impl Kernels for PlainKeys {
        const NAME: &'static str = "plain keys";
        const KEY_PACKING: Packing = Packing::Plain;
    }

    /// Default bodies honour the power of two that a backend leaves in its products.
    struct ShiftedProducts;
    impl Kernels for ShiftedProducts {
        const NAME: &'static str = "shifted products";
        const PRODUCT_SHIFT: i32 = 0;

        fn matmul(product: &Product<Self>, sums: &mut [i32]) {
            portable::matmul(product, sums);
            if matches!(product.lanes.bits, Bits::Eight) {
                let len = 4 * product.groups(sums.len()) * product.rows().get();
                sums.iter_mut().take(len).for_each(|sum| *sum >>= 8);
            }
        }
    }

    #[test]
    fn default_bodies_are_right_for_any_constants() {
        let rounds = if cfg!(miri) { 1 } else { 300 };
        assert_eq!(check::<PlainKeys>(rounds), Ok(10 * rounds));
        assert_eq!(check::<ShiftedProducts>(rounds), Ok(10 * rounds));
    }

    /// Operands that once led beyond their slices cannot be constructed.
    #[test]
    fn unsound_operands_are_refused() {
        let bytes = crate::Aligned([1u8; 512]);
        // A distance of groups that wraps to 0.
        for stride in [usize::MAX - 3, usize::MAX / 2 + 1, 1 << (usize::BITS - 2)] {
            assert!(Matrix::with_stride(&bytes.0, Packing::Plain, 32, 16, stride).is_none());
        }
        // No group, a group that ends beyond the slice, an address between words.
        assert!(Matrix::new(&bytes.0, Packing::Plain, 0, 16).is_none());
        assert!(Matrix::new(&bytes.0, Packing::Plain, 32, 17 * 4).is_none());
        assert!(Matrix::new(&bytes.0[2..], Packing::Plain, 4, 16).is_none());
        // Two rows with room for different numbers of results, more results than outputs.
        let lanes = crate::Aligned([0i16; 32]);
        let lanes = |rows| {
            Lanes::<Portable>::new(&lanes.0, rows, 16, Packing::Paired, Bits::Eight).unwrap()
        };
        let matrix = Matrix::new(&bytes.0, Packing::Paired, 8, 16).unwrap();
        let weights = Weights::new(matrix, Channels::new(&bytes.0[..16], &[]).unwrap()).unwrap();
        let scales = [RowScale::new(1, 40, 0); 2];
        let linear = |rows, a: usize, b: usize| {
            let (mut x, mut y) = ([0i16; 16], [0i16; 16]);
            Linear::new(lanes(rows), weights, scales, [&mut x[..a], &mut y[..b]]).is_some()
        };
        assert!(linear(RowCount::Two, 8, 8) && linear(RowCount::One, 8, 0));
        assert!(!linear(RowCount::Two, 8, 7) && !linear(RowCount::One, 9, 0));
        // Keys beyond the run, a second query that sees less than the first.
        let mut sums = [0; 32];
        let mut queries = Queries::new(lanes(RowCount::Two), [1; 2], &mut sums).unwrap();
        let run = KeyRun {
            keys: &bytes.0[..256],
            key_codes: &bytes.0[..16],
            values: &bytes.0[256..],
            value_codes: &bytes.0[..16],
            stride: 256,
            code_stride: 16,
        };
        let mut sees = |run, first, second| {
            Attend::new(&mut queries, run, Visible::First([first, second]), 15).is_some()
        };
        assert!(sees(run, 0, 16) && !sees(run, 0, 17) && !sees(run, 2, 1));
        assert!(!sees(run, 0, usize::MAX));
        // Blocks in one place, so that there may be any number of them.
        let stacked = KeyRun { stride: 0, code_stride: 0, ..run };
        assert!(sees(stacked, 0, 16) && !sees(stacked, 0, 1 << 31));
        assert!(!sees(KeyRun { code_stride: 0, ..run }, 0, 17));
    }

    #[test]
    fn no_operand_leads_beyond_an_output() {
        let operands = if cfg!(miri) { 200 } else { 100_000 };
        let made = guard::<Native>(operands).unwrap();
        assert!((operands / 5..operands / 5 * 4).contains(&made), "{made}");
        guard::<Portable>(operands / 5).unwrap();
    }
    /// A long search: `cargo test --release -p picoformer million -- --ignored`.
    #[test]
    #[ignore = "long"]
    fn no_operand_of_a_million_leads_beyond_an_output() {
        guard::<Native>(1_000_000).unwrap();
        guard::<Portable>(1_000_000).unwrap();
    }
}
