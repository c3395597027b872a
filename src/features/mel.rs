//! From the powers of bins to log-mel energies.

use crate::fixed::log2;

/// Added to every energy, in squared units of a sample: the noise of 16-bit samples.
const FLOOR: u64 = 1024;

/// Triangles of height 1, each from the peak of the one before to that of the next: a bin between
/// two peaks belongs to both triangles, with weights that sum to 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Triangles<'m> {
    /// The first bin above the lowest edge.
    pub first_bin: usize,
    /// Per bin, from there on: its weight in the rising triangle, Q0.16, little-endian.
    pub weights: &'m [[u8; 2]],
    /// Bins from each edge to the next, little-endian; one more than there are bands.
    pub steps: &'m [[u8; 2]],
}

impl Triangles<'_> {
    /// The log-mel of every band from the powers of the bins: `log2(energy + 1024)` in units of 2⁻⁸
    /// octaves, rounded half up. Powers have `fraction` fractional bits and sum to less than 2⁴⁷, so that
    /// 16 more bits for the weights fit.
    pub fn log_mels(&self, power: impl Fn(usize) -> u64, fraction: i32, bands: &mut [i16]) {
        let mut weights = self.weights.iter().zip(self.first_bin..);
        let mut bands = bands.iter_mut();
        let mut rising_before = 0;
        for (edge, &step) in self.steps.iter().enumerate() {
            let (mut rising, mut all) = (0, 0);
            for (&weight, bin) in weights.by_ref().take(u16::from_le_bytes(step).into()) {
                let power = power(bin);
                rising += power * u64::from(u16::from_le_bytes(weight));
                all += power;
            }
            if edge > 0
                && let Some(band) = bands.next()
            {
                *band = octaves(rising_before + (all << 16) - rising, fraction + 16);
            }
            rising_before = rising;
        }
    }
}

/// `log2(energy + 1024)` of an energy with so many fractional bits, in units of 2⁻⁸.
fn octaves(energy: u64, fraction: i32) -> i16 {
    let floor = FLOOR << fraction.clamp(0, 52);
    let octaves = log2(energy.saturating_add(floor)) as i32 - (fraction << 16);
    ((octaves + (1 << 7)) >> 8) as i16
}
