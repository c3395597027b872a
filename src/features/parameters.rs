//! What the optional sections of a blob say of a front end, and the RAM that it needs.

use super::audio::AudioParameters;
use super::motion::MotionParameters;
use super::trigger::Trigger;
use crate::arena::Buffer;
use crate::blob::{AUDIO, MOTION, Sections, TRIGGER, Tag};
use crate::config::{Config, Head, Pooling};

/// Most features that a window holds: their sum fits 32 bits.
const MAX_FEATURES: usize = 1 << 15;

/// A sensor's samples to frames.
pub trait FrontEnd {
    /// The mean of the window is subtracted from its features.
    const LEVELLED: bool;

    /// Takes samples off the front of `samples`; true once there are enough for a frame.
    fn take(&mut self, samples: &mut &[i16]) -> bool;

    /// Computes the frame that is due.
    fn frame(&mut self, features: &mut [i16]);

    /// Forgets all samples.
    fn reset(&mut self);

    /// Values from one row of the model's input to the next.
    fn samples_per_row(&self) -> usize;
}

/// The front end of a model, and when its answers are events.
#[derive(Clone, Copy, Debug)]
pub struct Features<'m> {
    /// The model hears.
    pub audio: Option<AudioParameters<'m>>,
    /// The model feels motions.
    pub motion: Option<MotionParameters<'m>>,
    /// A stream gives events.
    pub trigger: Option<Trigger>,
}

impl<'m> Features<'m> {
    /// Neither front end nor trigger.
    pub const NONE: Self = Self { audio: None, motion: None, trigger: None };

    /// Reads what the sections of a blob say.
    ///
    /// # Errors
    /// The tag of a section that is not valid, or does not fit the model or the sections before it.
    pub const fn read(mut sections: Sections<'m>, config: &Config) -> Result<Self, Tag> {
        let mut own = Self::NONE;
        while let Some(section) = sections.split_first() {
            let tag = section.tag;
            match u32::from_be_bytes(tag) {
                Self::AUDIO => own.audio = AudioParameters::parse(section.data),
                Self::MOTION => own.motion = MotionParameters::parse(section.data),
                Self::TRIGGER => own.trigger = Trigger::parse(section.data),
                _ => continue,
            }
            if !own.fits(config, u32::from_be_bytes(tag)) {
                return Err(tag);
            }
        }
        Ok(own)
    }

    const AUDIO: u32 = u32::from_be_bytes(AUDIO);
    const MOTION: u32 = u32::from_be_bytes(MOTION);
    const TRIGGER: u32 = u32::from_be_bytes(TRIGGER);

    /// Whether the section just read is valid, and fits.
    const fn fits(&self, config: &Config, tag: u32) -> bool {
        let one_answer = matches!(config.head, Head::Classifier | Head::Embedding);
        let one = matches!((&self.audio, &self.motion), (Some(_), None) | (None, Some(_)));
        let whole = one && one_answer && self.rows(config) >= 1 && {
            let row = self.width() * self.frames_per_row();
            row == config.frame_len && row >= 1 && self.rows(config) <= MAX_FEATURES / row
        };
        whole && (tag != Self::TRIGGER || self.has_labels(config))
    }

    const fn has_labels(&self, config: &Config) -> bool {
        match self.trigger {
            Some(trigger) => {
                matches!(config.head, Head::Classifier)
                    && config.n_labels >= 2
                    && trigger.nothing < config.n_labels
            }
            None => false,
        }
    }

    /// Features of a frame.
    pub const fn width(&self) -> usize {
        match (&self.audio, &self.motion) {
            (Some(audio), _) => audio.n_mels,
            (_, Some(motion)) => motion.channels,
            _ => 0,
        }
    }

    /// Frames of a row.
    pub const fn frames_per_row(&self) -> usize {
        match (&self.audio, &self.motion) {
            (Some(audio), _) => audio.frames_per_row,
            (_, Some(motion)) => motion.samples_per_row,
            _ => 0,
        }
    }

    /// Values that the front end keeps until there are enough for a frame.
    pub const fn samples(&self) -> usize {
        match (&self.audio, &self.motion) {
            (Some(audio), _) => audio.n_fft,
            (_, Some(motion)) => motion.channels,
            _ => 0,
        }
    }

    /// Rows of the window: all of the context but the first, if that is pooled and holds a learned row
    /// (the class token of Berg et al. 2021), whose frame is zero.
    pub const fn rows(&self, config: &Config) -> usize {
        config.context - has_class_row(config) as usize
    }

    /// The buffers of the front end, in the order in which they are carved from the arena, before those
    /// of the encoder.
    pub const fn buffers(&self, config: &Config) -> [Buffer; BUFFERS] {
        let n_fft = match &self.audio {
            Some(audio) => audio.n_fft,
            None => 0,
        };
        let row = if self.samples() > 0 { config.frame_len } else { 0 };
        let scores = match self.trigger {
            Some(trigger) => trigger.smooth * config.n_labels,
            None => 0,
        };
        [
            Buffer::whole("samples", 2, self.samples()),
            Buffer::whole("frames", 2, row * self.rows(config)),
            Buffer::whole("row", 2, row),
            Buffer::whole("scores", 2, scores),
            Buffer::whole("spectrum", 4, n_fft),
        ]
    }
}

/// Buffers of a front end; the last one belongs to the arena's `words`, the others to its `halves`.
pub(crate) const BUFFERS: usize = 5;

/// Whether the first row of an input is a learned one.
pub(crate) const fn has_class_row(config: &Config) -> bool {
    matches!(config.pooling, Pooling::First)
}
