//! Sound: 16-bit samples to log-mel frames, hop by hop (`models/common/frontend.md`; the convention
//! of torchaudio's `MelSpectrogram` with HTK mels).

use super::fft::{Wave, fraction, power, transform};
use super::front_end::FrontEnd;
use super::mel::Triangles;
use crate::blob::{part, read_u16, read_u32};
use crate::slices::{first_mut, rest_mut};

/// The section `Audi` of a blob.
#[derive(Clone, Copy, Debug)]
pub struct AudioParameters<'m> {
    /// Samples a second.
    pub sample_rate: u32,
    /// Samples of a frame, a power of two.
    pub n_fft: usize,
    /// Samples from frame to frame.
    pub hop_length: usize,
    /// Bands of a frame.
    pub n_mels: usize,
    /// Frames that make a row of the model's input.
    pub frames_per_row: usize,
    wave: Wave<'m>,
    triangles: Triangles<'m>,
}

/// Bytes before the tables.
const FIELDS: usize = 16;

impl<'m> AudioParameters<'m> {
    /// Reads the section; `None` if a field is out of range or the tables do not fit it.
    pub const fn parse(data: &'m [u8]) -> Option<Self> {
        let (n_fft, hop_length, n_mels) = (read(data, 4), read(data, 6), read(data, 8));
        let (first_bin, bins) = (read(data, 12), read(data, 14));
        let n = n_fft;
        if !(n.is_power_of_two() && n >= 64 && n <= 2048 && hop_length >= 1 && hop_length <= n) {
            return None;
        }
        let (wave, weights) = (4 * (n / 4 + 1), 2 * bins);
        let fits = first_bin >= 1 && first_bin + bins <= n / 2 && n_mels >= 1 && n_mels < n;
        if !fits || data.len() != FIELDS + wave + weights + 2 * (n_mels + 1) {
            return None;
        }
        let own = Self {
            sample_rate: read_u32(data, 0),
            n_fft,
            hop_length,
            n_mels,
            frames_per_row: read(data, 10),
            wave: Wave { table: part(data, FIELDS, wave).as_chunks().0, n },
            triangles: Triangles {
                first_bin,
                weights: part(data, FIELDS + wave, weights).as_chunks().0,
                steps: part(data, FIELDS + wave + weights, data.len()).as_chunks().0,
            },
        };
        match own.sample_rate > 0 && own.is_wave() && own.all_steps() == bins {
            true => Some(own),
            false => None,
        }
    }

    /// Whether no factor of the transform is longer than 1, but for the rounding of its parts: the transform's
    /// range, and that of the powers' sum, rest on it (the entries may be others than a sine's).
    const fn is_wave(&self) -> bool {
        const LONGEST: u64 = (1 << 30) + 1;
        let table = self.wave.table;
        let mut i = 0;
        while i < table.len() {
            let sine = u32::from_le_bytes(table[i]) as u64;
            let cosine = u32::from_le_bytes(table[table.len() - 1 - i]) as u64;
            if sine > 1 << 30 || sine * sine + cosine * cosine > LONGEST * LONGEST {
                return false;
            }
            i += 1;
        }
        true
    }

    /// The bins of all steps together.
    const fn all_steps(&self) -> usize {
        let (mut sum, mut i) = (0, 0);
        while i < self.triangles.steps.len() {
            sum += u16::from_le_bytes(self.triangles.steps[i]) as usize;
            i += 1;
        }
        sum
    }
}

const fn read(data: &[u8], offset: usize) -> usize {
    read_u16(data, offset) as usize
}

/// The front end of a model that hears.
#[derive(Debug)]
pub struct Audio<'m, 'a> {
    parameters: AudioParameters<'m>,
    /// `(n_fft)`: the frame that is being filled.
    samples: &'a mut [i16],
    /// `(n_fft)`: complex numbers in the transform.
    spectrum: &'a mut [i32],
    filled: usize,
}

impl<'m, 'a> Audio<'m, 'a> {
    /// A front end on buffers of `n_fft` elements each.
    pub fn new(
        parameters: AudioParameters<'m>,
        samples: &'a mut [i16],
        spectrum: &'a mut [i32],
    ) -> Self {
        Self { parameters, samples, spectrum, filled: 0 }
    }

    /// Its parameters.
    pub fn parameters(&self) -> &AudioParameters<'m> {
        &self.parameters
    }
}

impl FrontEnd for Audio<'_, '_> {
    const LEVELLED: bool = true;

    fn take(&mut self, samples: &mut &[i16]) -> bool {
        let free = rest_mut(self.samples, self.filled);
        let taken = free.len().min(samples.len());
        let (now, later) = samples.split_at_checked(taken).unwrap_or_default();
        first_mut(free, taken).copy_from_slice(now);
        *samples = later;
        self.filled += taken;
        self.filled >= self.parameters.n_fft
    }

    fn frame(&mut self, bands: &mut [i16]) {
        let AudioParameters { n_fft, hop_length, wave, triangles, .. } = &self.parameters;
        let (data, _) = self.spectrum.as_chunks_mut::<2>();
        let gain = transform(self.samples, wave, data);
        triangles.log_mels(|k| power(data, wave, k), fraction(*n_fft, gain), bands);
        let kept = n_fft - hop_length;
        // Forwards, element by element: the parts overlap.
        for i in 0..kept {
            let sample = self.samples.get(i + hop_length).copied().unwrap_or_default();
            if let Some(to) = self.samples.get_mut(i) {
                *to = sample;
            }
        }
        self.filled = kept;
    }

    fn reset(&mut self) {
        self.filled = 0;
    }

    fn samples_per_row(&self) -> usize {
        self.parameters.hop_length * self.parameters.frames_per_row
    }
}
