//! Is a backend equal to [`Portable`](super::Portable), bit for bit, and does it stay within its operands? Random shapes
//! that straddle every tile's edge, extremes, dirty buffers. Runs as a test on a host and as firmware on
//! a board.

mod attention;
mod hostile;
mod layers;
#[cfg(test)]
mod mutants;
mod passes;
mod random;

use super::{Channels, Kernels, RowScale};
use random::Random;

/// The result of a comparison, or the name of the method that differs.
type Verdict = Result<(), &'static str>;

/// Compares all of a backend's functions with `Portable`'s on `rounds` random cases each. Returns the
/// number of cases.
///
/// # Errors
/// The name of the function that differs.
pub fn check<K: Kernels>(rounds: u32) -> Result<u32, &'static str> {
    const PARTS: u32 = 8;
    let mut random = Random(0x2545_f491);
    for _ in 0..rounds {
        passes::measuring::<K>(&mut random)?;
        passes::adding::<K>(&mut random)?;
        passes::curves::<K>(&mut random)?;
        layers::products::<K>(&mut random)?;
        layers::rescaling::<K>(&mut random)?;
        layers::layers::<K>(&mut random)?;
        attention::caching::<K>(&mut random)?;
        attention::attending::<K>(&mut random)?;
    }
    Ok(rounds * PARTS)
}

/// Calls a backend with `operands` random operands, most of them inconsistent or extreme, and looks for
/// writes beyond the outputs. Returns how many of the operands could be made.
///
/// # Errors
/// The name of the function that wrote beyond its output.
pub fn guard<K: Kernels>(operands: u32) -> Result<u32, &'static str> {
    hostile::guard::<K>(operands)
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
    use super::*;
    use crate::kernels::{Native, Portable};

    /// A new backend is right on its first day.
    struct NewCore;
    impl Kernels for NewCore {
        const NAME: &'static str = "new";
    }

    #[test]
    fn the_native_backend_equals_portable() {
        assert_eq!(check::<Native>(2000), Ok(16000));
        assert_eq!(check::<NewCore>(100), Ok(800));
    }

    #[test]
    fn no_operand_leads_beyond_an_output() {
        let made = guard::<Native>(100_000).unwrap();
        assert!((20_000..80_000).contains(&made), "{made}");
        guard::<Portable>(20_000).unwrap();
    }
}
