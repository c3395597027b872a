//! What a checkpoint in f32 says of a recording: behind the engine's front end, window and trigger, the
//! forward pass of [`FloatModel`]. The difference from [`crate::sensing`] is what quantisation cost.

use crate::error::Result;
use crate::float_model::FloatModel;
use crate::sensing::{Heard, Sensed, no_front_end};
use picoformer::Model;
use picoformer::config::Config;
use picoformer::features::{Audio, Features, FrontEnd, Motion, Scores, Window};
use picoformer::probability::log_probability;
use picoformer::sampler::greedy;

/// Runs a checkpoint over samples, behind the front end of its blob.
///
/// # Errors
/// A model without a front end.
pub fn sense(model: &Model, float: &FloatModel, samples: &[i16]) -> Result<Sensed> {
    let (features, config) = (model.features(), model.config());
    let mut ring = vec![0; features.rows(config) * config.frame_len];
    let rows = features.rows(config);
    let window = Window::new(&mut ring, rows, features.frames_per_row(), features.width());
    let mut held = vec![0; features.samples()];
    if let Some(parameters) = features.audio {
        let mut spectrum = vec![0; parameters.n_fft];
        let front = Audio::new(parameters, &mut held, &mut spectrum);
        let rate = Some(parameters.sample_rate as f64);
        let mut stream = Stream { model, float, front, window, rate, values: 1, taken: 0 };
        return Ok(match features.trigger {
            Some(_) => stream.events(&features, samples),
            None => stream.loudest(samples),
        });
    }
    match features.motion {
        Some(parameters) => {
            let front = Motion::new(parameters, &mut held);
            let (rate, values) = (parameters.sample_rate.map(f64::from), parameters.channels);
            let mut stream = Stream { model, float, front, window, rate, values, taken: 0 };
            Ok(match features.trigger {
                Some(_) => stream.events(&features, samples),
                None => stream.halves(samples),
            })
        }
        None => Err(no_front_end()),
    }
}

struct Stream<'m, 'a, F> {
    model: &'a Model<'m>,
    float: &'a FloatModel,
    front: F,
    window: Window<'a>,
    /// Samples a second.
    rate: Option<f64>,
    /// Values of a sample.
    values: usize,
    /// Values so far.
    taken: usize,
}

impl<F: FrontEnd> Stream<'_, '_, F> {
    /// Takes values up to the next frame; false once there are none left.
    fn frame(&mut self, samples: &mut &[i16]) -> bool {
        let before = samples.len();
        let due = self.front.take(samples);
        self.taken += before - samples.len();
        let front = &mut self.front;
        if due {
            self.window.push(|frame| front.frame(frame));
        }
        due
    }

    /// The window as the model's input, in the integers that the engine reads.
    fn rows(&self) -> Vec<Vec<i16>> {
        let config: &Config = self.model.config();
        let level = if F::LEVELLED { self.window.mean() } else { 0 };
        let class = config.context - self.model.features().rows(config);
        let row = |index: usize| {
            let mut row = vec![0; config.frame_len];
            if let Some(index) = index.checked_sub(class) {
                self.window.row(index, level, &mut row);
            }
            row
        };
        (0..config.context).map(row).collect()
    }

    /// Logits of such rows, in f32 and then in the engine's Q15.16.
    fn logits(&self, rows: &[Vec<i16>]) -> Vec<i32> {
        let unit = (self.float.frame_exponent as f32).exp2();
        let real = |row: &Vec<i16>| row.iter().map(|&x| x as f32 * unit).collect();
        let rows: Vec<Vec<f32>> = rows.iter().map(real).collect();
        let outputs = self.float.forward_frames(&rows).outputs;
        outputs.iter().flatten().map(|x| (x * 65536.0).round() as i32).collect()
    }

    fn heard(&self, label: usize, confidence: f64) -> Heard {
        let name = self.model.label(label).unwrap_or_default();
        Heard::new(name, (self.taken / self.values) as u64, self.rate, confidence)
    }

    fn seconds(&self, samples: &[i16]) -> Option<f64> {
        Some((samples.len() / self.values) as f64 / self.rate?)
    }

    fn events(&mut self, features: &Features, samples: &[i16]) -> Sensed {
        let Some(trigger) = features.trigger else { return Sensed::default() };
        let labels = self.model.config().n_labels;
        let mut ring = vec![0; trigger.smooth * labels];
        let mut scores = Scores::new(&mut ring, trigger, labels);
        let (mut rest, mut frames, mut events) = (samples, 0, Vec::new());
        while self.frame(&mut rest) {
            frames += 1;
            if frames % features.frames_per_row() == 0 {
                let found = scores.push(&self.logits(&self.rows()));
                events.extend(found.map(|(label, q15)| self.heard(label, q15 as f64 / 32768.0)));
            }
        }
        Sensed { events, label: None, seconds: self.seconds(samples) }
    }

    /// The window with the largest sum of features, the first of equals.
    fn loudest(&mut self, samples: &[i16]) -> Sensed {
        let (mut rest, mut frames) = (samples, 0);
        let mut best: Option<(i32, Vec<Vec<i16>>, usize)> = None;
        while self.frame(&mut rest) {
            frames += 1;
            let sum = self.window.sum();
            if self.window.is_full() && best.as_ref().is_none_or(|(most, ..)| sum > *most) {
                best = Some((sum, self.rows(), self.taken));
            }
        }
        while frames == 0 {
            frames += self.frame(&mut [0].as_slice()) as usize;
        }
        let (_, rows, taken) = best.unwrap_or_else(|| (0, self.rows(), self.taken));
        self.taken = taken;
        let sums = [self.judge(&rows)];
        self.whole(&sums, samples)
    }

    /// Windows that overlap by a half.
    fn halves(&mut self, samples: &[i16]) -> Sensed {
        let window = self.window.frames() * self.values;
        let half = (self.window.frames() / 2).max(1) * self.values;
        let (first, rest) = samples.split_at(window.min(samples.len()));
        let mut judged = Vec::new();
        for mut piece in std::iter::once(first).chain(rest.chunks_exact(half)) {
            while self.frame(&mut piece) {}
            let rows = self.rows();
            judged.push(self.judge(&rows));
        }
        self.whole(&judged, samples)
    }

    /// Log-probabilities of a window's labels, and its event.
    fn judge(&self, rows: &[Vec<i16>]) -> (Vec<f64>, Heard) {
        let logits = self.logits(rows);
        let real = |label| log_probability(&logits, label) as f64 / 65536.0;
        let all: Vec<f64> = (0..logits.len()).map(real).collect();
        let best = greedy(&logits) as usize;
        let event = self.heard(best, all[best].exp());
        (all, event)
    }

    /// The label with the largest sum of log-probabilities.
    fn whole(&self, judged: &[(Vec<f64>, Heard)], samples: &[i16]) -> Sensed {
        let sum = |label: usize| judged.iter().map(|(all, _)| all[label]).sum::<f64>();
        let best = (1..self.model.config().n_labels)
            .fold(0, |best, i| if sum(i) > sum(best) { i } else { best });
        let label = self.model.label(best).unwrap_or_default().to_owned();
        let events = judged.iter().map(|(_, event)| event.clone()).collect();
        Sensed { events, label: Some(label), seconds: self.seconds(samples) }
    }
}
