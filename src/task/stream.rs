//! Classification of an endless stream of samples: a sliding window, smoothed scores, events.
//!
//! Frames are computed once, when their last sample comes, and kept in a ring. What depends on a frame's
//! place in the window (the level that is subtracted, learned positions, everything behind attention
//! without a mask) changes with every row and is computed anew.

use super::classify::{Answer, best};
use crate::arena::{ArenaParts, take};
use crate::config::{Config, Head, Problem};
use crate::encoder::Encoder;
use crate::error::RunError;
use crate::features::{Audio, Features, FrontEnd, Motion, Scores, Window};
use crate::kernels::Native;
use crate::model::Model;
use crate::progress::Progress;
use crate::target::{self, Build};

/// Something that a stream contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Detection<'m> {
    /// Index of the label.
    pub label: usize,
    /// Its name; empty if the model has none.
    pub name: &'m str,
    /// Its smoothed probability, Q0.15: 32768 is 1.
    pub confidence: u16,
    /// Values of the stream up to the end of the row in which it was detected.
    pub end: u64,
}

/// A model with its front end. [`Listener`] and [`MotionClassifier`] are the two kinds.
///
/// [`Stream::push`] gives the events of a model with a trigger. Without one, [`Stream::feed`] takes
/// samples and [`Stream::classify`] says what the newest of them are.
#[derive(Debug)]
pub struct Stream<'m, 'a, F, B: Build = Native> {
    encoder: Encoder<'m, 'a, B>,
    front: F,
    window: Window<'a>,
    scores: Option<Scores<'a>>,
    /// `(frame_len)`: scratch for a row of the input.
    row: &'a mut [i16],
    class_row: usize,
    frames_per_row: usize,
    /// Frames of the row that is not whole yet.
    frames: usize,
    /// Values so far.
    taken: u64,
    /// Where the window ends that the encoder works on.
    working_on: Option<u64>,
    /// Steps of the encoder for each frame.
    steps: usize,
}

/// A model that hears, with its front end: 16-bit samples in, events or a label out.
///
/// ```
/// use picoformer::{Listener, Model, arena, model};
///
/// static MODEL: Model = model!("../../models/digits/model.pico");
///
/// let mut ram = <arena!(MODEL)>::new(); // in firmware a static
/// let mut listener = Listener::new(&MODEL, &mut ram)?;
/// let recording = [0; 4000]; // half a second
/// let answer = listener.classify_recording(&recording)?;
/// assert!("0123456789".contains(answer.name));
/// # Ok::<(), picoformer::RunError>(())
/// ```
pub type Listener<'m, 'a, B = Native> = Stream<'m, 'a, Audio<'m, 'a>, B>;

/// A model that feels motions, with its front end: 16-bit samples of all channels in turn, events or a
/// label out.
pub type MotionClassifier<'m, 'a, B = Native> = Stream<'m, 'a, Motion<'m, 'a>, B>;

impl<'m, 'a> Listener<'m, 'a> {
    /// A listener on the kernels that this crate was built with.
    ///
    /// # Errors
    /// [`RunError::WrongModel`], [`RunError::UnsupportedPacking`], [`RunError::ArenaTooSmall`].
    pub fn new(model: &'m Model<'m>, arena: impl Into<ArenaParts<'a>>) -> Result<Self, RunError> {
        Self::new_for(model, arena)
    }
}

impl<'m, 'a> MotionClassifier<'m, 'a> {
    /// A classifier of motions on the kernels that this crate was built with.
    ///
    /// # Errors
    /// [`RunError::WrongModel`], [`RunError::UnsupportedPacking`], [`RunError::ArenaTooSmall`].
    pub fn new(model: &'m Model<'m>, arena: impl Into<ArenaParts<'a>>) -> Result<Self, RunError> {
        Self::new_for(model, arena)
    }
}

impl<'m, 'a, B: Build> Listener<'m, 'a, B> {
    /// A listener of a chosen [`Build`]: its kernels and, if it names one, its only model.
    ///
    /// # Errors
    /// As [`Listener::new`].
    pub fn new_for(
        model: &'m Model<'m>,
        arena: impl Into<ArenaParts<'a>>,
    ) -> Result<Self, RunError> {
        let features = model.features();
        let parameters =
            features.audio.ok_or(RunError::WrongModel { needed: "a model that hears" })?;
        Self::assemble(model, &features, arena.into(), |samples, spectrum| {
            Audio::new(parameters, samples, spectrum)
        })
    }

    /// Samples a second that the model wants.
    pub fn sample_rate(&self) -> u32 {
        self.front.parameters().sample_rate
    }

    /// The likeliest label of a whole recording, whatever was heard before. Of a long one, the loudest
    /// window of successive frames counts: the one with the largest sum of log-mels, the first of
    /// equals. A recording shorter than a frame is padded with zeros. The front end runs over all of
    /// it, and again over that window, after which [`Stream::samples`] says where the window ends.
    ///
    /// # Errors
    /// [`RunError::EmptyInput`]; those of [`Stream::classify`].
    pub fn classify_recording(&mut self, samples: &[i16]) -> Result<Answer<'m>, RunError> {
        if samples.is_empty() {
            return Err(RunError::EmptyInput);
        }
        self.reset();
        let (mut rest, mut loudest, mut end, mut frames) = (samples, i32::MIN, 0, 0);
        while self.next_frame(&mut rest).is_some() {
            frames += 1;
            if self.window.is_full() && self.window.sum() > loudest {
                (loudest, end) = (self.window.sum(), samples.len() - rest.len());
            }
        }
        while frames == 0 {
            frames += self.next_frame(&mut [0].as_slice()).is_some() as usize;
        }
        if end > 0 {
            let parameters = self.front.parameters();
            let hops = self.window.frames().saturating_sub(1) * parameters.hop_length;
            let first = end.saturating_sub(hops + parameters.n_fft);
            self.reset();
            self.taken = first as u64;
            self.feed(samples.get(first..end).unwrap_or_default());
        }
        self.classify()
    }
}

impl<'m, 'a, B: Build> MotionClassifier<'m, 'a, B> {
    /// A classifier of motions of a chosen [`Build`]: its kernels and, if it names one, its only model.
    ///
    /// # Errors
    /// As [`MotionClassifier::new`].
    pub fn new_for(
        model: &'m Model<'m>,
        arena: impl Into<ArenaParts<'a>>,
    ) -> Result<Self, RunError> {
        let features = model.features();
        let needed = "a model that feels motions";
        let parameters = features.motion.ok_or(RunError::WrongModel { needed })?;
        Self::assemble(model, &features, arena.into(), |sample, _| Motion::new(parameters, sample))
    }

    /// Values of a sample.
    pub fn channels(&self) -> usize {
        self.front.parameters().channels
    }

    /// Samples a second that the model wants, if it says so.
    pub fn sample_rate(&self) -> Option<u32> {
        self.front.parameters().sample_rate
    }

    /// Samples of the window.
    pub fn window(&self) -> usize {
        self.window.frames()
    }
}

impl<'m, 'a, F: FrontEnd, B: Build> Stream<'m, 'a, F, B> {
    /// Carves the front end's buffers from the arena; the rest is the encoder's.
    fn assemble(
        model: &'m Model<'m>,
        features: &Features<'m>,
        mut arena: ArenaParts<'a>,
        front: impl FnOnce(&'a mut [i16], &'a mut [i32]) -> F,
    ) -> Result<Self, RunError> {
        let config = target::config::<B>(model.config());
        let buffers = features.buffers(config);
        let size = target::lengths::<B>(config).arena().with(&buffers);
        for (part, needed, given) in
            [("halves", size.halves, arena.halves.len()), ("words", size.words, arena.words.len())]
        {
            if given < needed {
                return Err(RunError::ArenaTooSmall { part, needed, given });
            }
        }
        let [samples, frames, row, scores, spectrum] = buffers.map(|buffer| buffer.len);
        let [samples, frames, row, scores] =
            [samples, frames, row, scores].map(|len| take(&mut arena.halves, len));
        let spectrum = take(&mut arena.words, spectrum);
        let n_labels = config.n_labels;
        let (rows, frames_per_row) = (features.rows(config), features.frames_per_row());
        let width = features.width();
        let exactly = |buffer: &'a mut [i16], len| buffer.get_mut(..len).unwrap_or_default();
        Ok(Self {
            encoder: Encoder::new_for(model, arena)?,
            front: front(exactly(samples, features.samples()), spectrum),
            window: Window::new(frames, rows, frames_per_row, width),
            scores: features.trigger.map(|trigger| {
                Scores::new(exactly(scores, trigger.smooth * n_labels), trigger, n_labels)
            }),
            row: exactly(row, config.frame_len),
            class_row: config.context - rows,
            frames_per_row,
            frames: 0,
            taken: 0,
            working_on: None,
            steps: usize::MAX,
        })
    }

    /// The encoder, for the outputs of the window that was judged last; not to be changed, because its
    /// input is the stream's.
    pub fn encoder(&self) -> &Encoder<'m, 'a, B> {
        &self.encoder
    }

    /// Spreads the encoder's steps over the frames of a row, so that the work for each frame is
    /// bounded: the front end and a part of the steps. An event then comes up to one row later; its
    /// `end` does not change.
    pub fn spread(&mut self) {
        let steps = self.encoder.steps(self.config().context);
        self.steps = steps.div_ceil(self.frames_per_row.max(1));
    }

    /// Begins a new stream: nothing that came before has an effect.
    pub fn reset(&mut self) {
        self.front.reset();
        self.window.clear();
        if let Some(scores) = &mut self.scores {
            scores.clear();
        }
        (self.frames, self.taken, self.working_on) = (0, 0, None);
    }

    /// Whether [`Stream::push`] gives events: the model has a trigger.
    pub fn triggers(&self) -> bool {
        self.scores.is_some()
    }

    /// Values of the stream so far.
    pub fn samples(&self) -> u64 {
        self.taken
    }

    /// Values that one call of [`Stream::push`] takes: those from one row to the next.
    pub fn limit(&self) -> usize {
        self.front.samples_per_row()
    }

    /// Takes the next samples of a stream, as many as have come, and runs the model after every
    /// whole row: at most one inference a call.
    ///
    /// # Errors
    /// [`RunError::WrongModel`] for a model without a trigger; [`RunError::TooManySamples`] beyond
    /// [`Stream::limit`], and nothing is taken.
    pub fn push(&mut self, samples: &[i16]) -> Result<Option<Detection<'m>>, RunError> {
        if self.scores.is_none() {
            return Err(RunError::WrongModel { needed: "a model with a trigger" });
        }
        let (limit, given) = (self.limit(), samples.len());
        if given > limit {
            return Err(RunError::TooManySamples { limit, given });
        }
        let (mut rest, mut found) = (samples, None);
        while let Some(whole_row) = self.next_frame(&mut rest) {
            if whole_row {
                found = found.or(self.work(usize::MAX));
                self.begin()?;
                self.working_on = Some(self.taken);
            }
            found = found.or(self.work(self.steps));
        }
        Ok(found)
    }

    /// Takes samples, as many as there are, without running the model.
    pub fn feed(&mut self, mut samples: &[i16]) {
        while self.next_frame(&mut samples).is_some() {}
    }

    /// The likeliest label of the window as it is now. A window that [`Stream::push`] still works on is
    /// given up.
    ///
    /// # Errors
    /// [`RunError::WrongModel`] for a model without labels: a regression has values instead, its
    /// [`Stream::outputs`].
    pub fn classify(&mut self) -> Result<Answer<'m>, RunError> {
        self.labels()?;
        self.begin_window()?;
        while self.step() == Progress::Working {}
        self.answer()
    }

    /// Takes the window as it is now. Then [`Stream::step`] until done, and [`Stream::answer`]; samples
    /// that come in between go to [`Stream::feed`].
    ///
    /// # Errors
    /// [`RunError::WrongModel`] for a model without labels or values.
    pub fn begin_window(&mut self) -> Result<(), RunError> {
        if !matches!(self.config().head, Head::Classifier) {
            return Err(RunError::WrongModel { needed: "a model with labels" });
        }
        self.working_on = None;
        self.begin()
    }

    /// One piece of the work for a window, see [`Encoder::step`]. It is none for [`Stream::push`],
    /// which does its work itself.
    pub fn step(&mut self) -> Progress {
        if self.working_on.is_some() { Progress::Done } else { self.encoder.step() }
    }

    /// The likeliest label of the window taken last, once its steps are done.
    ///
    /// # Errors
    /// [`RunError::WrongModel`] for a model without labels, [`RunError::EmptyInput`] without a window,
    /// [`RunError::InFlight`] before its last step.
    pub fn answer(&self) -> Result<Answer<'m>, RunError> {
        let (problem, logits) = (self.labels()?, self.encoder.outputs());
        match (self.encoder.rows(), logits.len()) {
            (0, _) => Err(RunError::EmptyInput),
            (_, 0) => Err(RunError::InFlight),
            _ => Ok(best::<B>(self.encoder.model(), problem, logits)),
        }
    }

    /// What the labels are, if there are some.
    fn labels(&self) -> Result<Problem, RunError> {
        match (self.config().head, target::problem::<B>(self.encoder.model().problem())) {
            (Head::Classifier, problem) if problem != Problem::Regression => Ok(problem),
            _ => Err(RunError::WrongModel { needed: "a model with labels" }),
        }
    }

    /// The logits of the labels, or the values of a regression, Q15.16, of the window that was worked on last; empty before.
    pub fn outputs(&self) -> &[i32] {
        self.encoder.outputs()
    }

    fn config(&self) -> &'m Config {
        target::config::<B>(self.encoder.model().config())
    }

    fn name(&self, label: usize) -> &'m str {
        self.encoder.model().label(label).unwrap_or("")
    }

    /// Takes samples up to the next frame, and computes it; says whether it completes a row. `None`
    /// once all samples are taken.
    #[inline(never)]
    fn next_frame(&mut self, samples: &mut &[i16]) -> Option<bool> {
        let before = samples.len();
        let due = self.front.take(samples);
        self.taken += (before - samples.len()) as u64;
        if !due {
            return None;
        }
        let front = &mut self.front;
        self.window.push(|frame| front.frame(frame));
        self.frames += 1;
        let whole_row = self.frames >= self.frames_per_row;
        if whole_row {
            self.frames = 0;
        }
        Some(whole_row)
    }

    /// Gives the window to the encoder.
    #[inline(never)]
    fn begin(&mut self) -> Result<(), RunError> {
        let Self { encoder, window, row, class_row, .. } = self;
        let level = if F::LEVELLED { window.mean() } else { 0 };
        let rows = target::config::<B>(encoder.model().config()).context;
        encoder.begin_rows(rows, row, |index, frame| match index.checked_sub(*class_row) {
            Some(index) => window.row(index, level, frame),
            None => frame.fill(0),
        })
    }

    /// Steps of the encoder; after the last one, the scores.
    fn work(&mut self, steps: usize) -> Option<Detection<'m>> {
        let end = self.working_on?;
        for _ in 0..steps {
            if self.encoder.step() == Progress::Done {
                self.working_on = None;
                let (label, confidence) = self.scores.as_mut()?.push(self.encoder.outputs())?;
                return Some(Detection { label, name: self.name(label), confidence, end });
            }
        }
        None
    }
}
