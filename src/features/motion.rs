//! Motion: 16-bit samples of several channels, each scaled by the model's fixed factor.

use super::front_end::FrontEnd;
use crate::blob::{part, read_u16, read_u32};
use crate::fixed::round_shift;

/// The section `Moti` of a blob. A value of a sample becomes the feature
/// `round((sample − offset) · multiplier / 2^shift)`, half up; beyond 16 bits it is the nearest number of 16 bits.
#[derive(Clone, Copy, Debug)]
pub struct MotionParameters<'m> {
    /// Values of a sample.
    pub channels: usize,
    /// Samples that make a row of the model's input.
    pub samples_per_row: usize,
    /// Samples a second, if the model says so.
    pub sample_rate: Option<u32>,
    shift: u32,
    /// Per channel: offset and multiplier, `i32` each.
    scales: &'m [u8],
}

/// Bytes before the table.
const FIELDS: usize = 16;

impl<'m> MotionParameters<'m> {
    /// Reads the section; `None` if a field is out of range or the table does not fit it.
    pub const fn parse(data: &'m [u8]) -> Option<Self> {
        let channels = read_u16(data, 0) as usize;
        let shift = read_u16(data, 4) as u32;
        if channels == 0 || shift > 46 || data.len() != FIELDS + 8 * channels {
            return None;
        }
        let samples_per_row = read_u16(data, 2) as usize;
        let scales = part(data, FIELDS, data.len());
        let sample_rate = match read_u16(data, 6) {
            0 => None,
            rate => Some(rate as u32),
        };
        Some(Self { channels, samples_per_row, sample_rate, shift, scales })
    }
}

/// The front end of a model that feels motions. A frame is one sample of all channels.
#[derive(Debug)]
pub struct Motion<'m, 'a> {
    parameters: MotionParameters<'m>,
    /// `(channels)`: the sample that is being filled.
    sample: &'a mut [i16],
    filled: usize,
}

impl<'m, 'a> Motion<'m, 'a> {
    /// A front end on a buffer of `channels` elements.
    pub fn new(parameters: MotionParameters<'m>, sample: &'a mut [i16]) -> Self {
        Self { parameters, sample, filled: 0 }
    }

    /// Its parameters.
    pub fn parameters(&self) -> &MotionParameters<'m> {
        &self.parameters
    }
}

impl FrontEnd for Motion<'_, '_> {
    const LEVELLED: bool = false;

    fn take(&mut self, samples: &mut &[i16]) -> bool {
        while let Some(to) = self.sample.get_mut(self.filled) {
            let Some((&first, rest)) = samples.split_first() else { return false };
            (*to, *samples) = (first, rest);
            self.filled += 1;
        }
        true
    }

    /// `round((sample − offset) · multiplier / 2^shift)`, half up, saturated to 16 bits.
    fn frame(&mut self, features: &mut [i16]) {
        let scales = self.parameters.scales.chunks_exact(8);
        for ((feature, &sample), scale) in features.iter_mut().zip(&*self.sample).zip(scales) {
            let (offset, multiplier) = (read_u32(scale, 0) as i32, read_u32(scale, 4) as i32);
            let product = (sample as i64 - offset as i64) * multiplier as i64;
            let scaled = round_shift(product, self.parameters.shift);
            *feature = scaled.clamp(i16::MIN as i64, i16::MAX as i64) as i16;
        }
        self.filled = 0;
    }

    fn reset(&mut self) {
        self.filled = 0;
    }

    fn samples_per_row(&self) -> usize {
        self.parameters.samples_per_row * self.parameters.channels
    }
}
