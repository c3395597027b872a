//! A model that was converted, and everything that it can be asked.

use crate::failure::{Failure, of_float, wrong};
use crate::outputs::Outputs;
use crate::pieces::Pieces;
use crate::question::{
    Question, feed, finish, fixed, halves, ids, needs_target, room, rows, targets,
};
use crate::work::detached;
use picoformer::config::{Architecture, Head};
use picoformer::sampler::Sampling;
use picoformer::{Decoder, Encoder, Model, Progress, RunError, Seq2Seq, float};
use picoformer_convert::bill::bill;
use picoformer_convert::cli::{encoded, phrase, tokens};
use picoformer_convert::error;
use picoformer_convert::generation::beam_width;
use picoformer_convert::host::{self, HeapArena};
use picoformer_convert::{error_rates, sensing};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use self_cell::self_cell;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

self_cell!(
    /// A blob with what was read of it.
    pub struct Parsed {
        owner: host::Blob,
        #[covariant]
        dependent: Model,
    }
);

impl Parsed {
    /// The model.
    pub fn model(&self) -> &Model<'_> {
        self.borrow_dependent()
    }
}

/// Rows of whole numbers: their bytes, and the exponent of each row's unit.
type Rows<'py> = (Bound<'py, PyBytes>, Vec<i32>);

/// A parsed blob. It never changes, so threads share it; every call has an arena of its own.
#[pyclass(module = "picoformer._native", frozen)]
pub struct Blob(Arc<Parsed>);

#[pymethods]
impl Blob {
    /// Copies and parses bytes, checksum included; `name` is for messages.
    #[new]
    fn new(py: Python<'_>, bytes: &[u8], name: PathBuf) -> PyResult<Self> {
        let parsed = detached(py, |_| {
            Ok(Parsed::try_new(host::Blob::new(bytes), |blob| blob.model(&name))?)
        })?;
        Ok(Self(Arc::new(parsed)))
    }

    fn bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.borrow_owner().bytes())
    }

    /// The bill, as JSON and as text.
    fn bill(&self, py: Python<'_>) -> PyResult<(String, String)> {
        detached(py, |_| {
            let bill = bill(self.0.model());
            Ok((json!(bill).to_string(), bill.to_string()))
        })
    }

    /// What the front end or the frames need: features of a frame, samples a second, values of a sample.
    fn senses(&self) -> (usize, Option<u32>, Option<usize>) {
        let (model, features) = (self.0.model(), self.0.model().features());
        let audio = features.audio.map(|audio| (audio.sample_rate, 1));
        let motion = features.motion.map(|motion| motion.channels);
        (
            model.config().frame_len,
            audio.map(|(rate, _)| rate),
            motion.or(audio.map(|(_, one)| one)),
        )
    }

    /// Ids and pieces of a text, as JSON.
    fn tokens(&self, py: Python<'_>, text: &str) -> PyResult<String> {
        detached(py, |_| Ok(tokens(self.0.model(), text).map_err(Failure::Told)?.to_string()))
    }

    /// What an encoder says of a text or of ids, as JSON.
    fn answer(&self, py: Python<'_>, question: Question) -> PyResult<String> {
        detached(py, |signals| {
            let model = self.0.model();
            let ids = ids(model, &question)?;
            let mut arena = HeapArena::try_new(model.arena())?;
            let mut encoder = Encoder::new(model, arena.parts())?;
            encoder.begin(&ids)?;
            finish(&mut encoder, signals)?;
            let mut value = encoded::told(model, &mut encoder, &ids).map_err(Failure::Told)?;
            if let (Head::TokenLabels, Question::Text(text)) = (model.config().head, &question) {
                encoded::add_entities(model, text, &mut value).map_err(Failure::Told)?;
            }
            Ok(value.to_string())
        })
    }

    /// What an encoder says of frames, as JSON. `features` are 16-bit numbers in the model's unit, or 32-bit floats.
    fn frames(&self, py: Python<'_>, features: &[u8], floats: bool) -> PyResult<String> {
        detached(py, |signals| {
            let model = self.0.model();
            let features = match floats {
                true => {
                    let (parts, _) = features.as_chunks();
                    let parts: Vec<f32> =
                        parts.iter().map(|&part| f32::from_le_bytes(part)).collect();
                    let mut units = vec![0; parts.len()];
                    let exponent = model.header().frame_exponent.into();
                    float::features(&parts, exponent, &mut units).map_err(of_float)?;
                    units
                }
                false => halves(features),
            };
            let mut arena = HeapArena::try_new(model.arena())?;
            let mut encoder = Encoder::new(model, arena.parts())?;
            encoder.begin_frames(&features)?;
            finish(&mut encoder, signals)?;
            Ok(encoded::told(model, &mut encoder, &[]).map_err(Failure::Told)?.to_string())
        })
    }

    /// What a model with a front end says of samples, as JSON.
    fn samples(&self, py: Python<'_>, samples: &[u8]) -> PyResult<String> {
        detached(py, |_| {
            Ok(json!(sensing::sense_samples(self.0.model(), &halves(samples))?).to_string())
        })
    }

    /// An encoder-decoder's best target, as JSON.
    #[pyo3(signature = (question, max_tokens, beams))]
    fn translate(
        &self,
        py: Python<'_>,
        question: Question,
        max_tokens: Option<usize>,
        beams: Option<usize>,
    ) -> PyResult<String> {
        detached(py, |signals| {
            // A copy that may keep fewer hypotheses.
            let model = Model::parse(self.0.borrow_owner().bytes())
                .map_err(|source| error::Error::Blob { path: "blob".into(), source })?;
            let model = match beams {
                Some(beams) => model.with_beams(beam_width(beams)?),
                None => model,
            };
            let mut arena = HeapArena::try_new(model.arena())?;
            let mut engine = Seq2Seq::new(&model, arena.parts())?;
            if let Some(most) = max_tokens {
                engine.set_limit(most)?;
            }
            let engine = std::cell::RefCell::new((engine, signals));
            let one = |ids: &[u32]| -> Result<Value, Failure> {
                let (engine, signals) = &mut *engine.borrow_mut();
                engine.begin(ids)?;
                while engine.step() == Progress::Working {
                    signals.check()?;
                }
                let found = engine.found().ok_or(RunError::EmptyInput)?;
                let mut tokens = vec![0; found.len];
                engine.tokens(&mut tokens);
                Ok(json!({
                    "text": error_rates::text(&model, &tokens),
                    "ids": tokens,
                    "source_ids": ids,
                    "log_probability": found.log_probability as f64 / 65536.0,
                    "beams": model.config().beams,
                    "stop": if found.complete { "end_of_sequence" } else { "limit" },
                }))
            };
            match &question {
                Question::Text(text) if phrase::is_of_words(&model) => {
                    let raised = std::cell::Cell::new(None);
                    let answer = phrase::answer(text, |word| {
                        let ids = ids(&model, &Question::Text(word.to_owned()));
                        ids.and_then(|ids| one(&ids)).map_err(|failure| match failure {
                            Failure::Refused(error) => error.into(),
                            Failure::Told(report) => report,
                            other => {
                                raised.set(Some(other));
                                miette::miette!("interrupted")
                            }
                        })
                    });
                    match raised.into_inner() {
                        Some(failure) => Err(failure),
                        None => Ok(answer.map_err(Failure::Told)?.to_string()),
                    }
                }
                _ => Ok(one(&ids(&model, &question)?)?.to_string()),
            }
        })
    }

    /// An iterator of the pieces that a decoder writes.
    #[pyo3(signature = (question, max_tokens, temperature, top_k, top_p, seed))]
    #[allow(clippy::too_many_arguments)]
    fn generate(
        &self,
        py: Python<'_>,
        question: Question,
        max_tokens: Option<usize>,
        temperature: f64,
        top_k: usize,
        top_p: f64,
        seed: u64,
    ) -> PyResult<Pieces> {
        detached(py, |signals| {
            let sampling = Sampling {
                temperature: fixed("temperature", temperature, 100.0)?,
                top_k,
                top_p: fixed("top_p", top_p, 1.0)?,
                seed,
            };
            let ids = ids(self.0.model(), &question)?;
            Pieces::begin(self.0.clone(), &ids, sampling, max_tokens, signals)
        })
    }

    /// Log-probability of a text or of ids, token by token, in units of 2^-16 nats; for an encoder-decoder that of
    /// `target` after the source. The first token of a decoder has none.
    #[pyo3(signature = (question, target))]
    fn score(
        &self,
        py: Python<'_>,
        question: Question,
        target: Option<Question>,
    ) -> PyResult<Vec<i32>> {
        detached(py, |signals| {
            let model = self.0.model();
            let mut arena = HeapArena::try_new(model.arena())?;
            let mut scores = Vec::new();
            let ids = ids(model, &question)?;
            match (model.config().architecture, target) {
                (Architecture::EncoderDecoder, Some(target)) => {
                    let target = targets(model, &target)?;
                    let mut engine = Seq2Seq::new(model, arena.parts())?;
                    engine.score(&ids, &target, |_, value, _| scores.push(value))?;
                }
                (Architecture::EncoderDecoder, None) => return Err(needs_target()),
                (_, Some(_)) => return Err(wrong("an encoder-decoder")),
                (_, None) => {
                    let mut decoder = Decoder::new(model, arena.parts())?;
                    room(&decoder, &ids)?;
                    for tile in ids.chunks(model.config().tile_rows.max(1)) {
                        decoder.score(tile, |_, value| scores.push(value))?;
                        signals.check()?;
                    }
                }
            }
            Ok(scores)
        })
    }

    /// Logits, an embedding or hidden rows for a text or ids: a row for each position, or one for all.
    #[pyo3(signature = (question, target))]
    fn logits<'py>(
        &self,
        py: Python<'py>,
        question: Question,
        target: Option<Question>,
    ) -> PyResult<Rows<'py>> {
        let outputs = detached(py, |signals| {
            let model = self.0.model();
            let ids = ids(model, &question)?;
            let mut arena = HeapArena::try_new(model.arena())?;
            let mut outputs = Outputs::new();
            match (model.config().architecture, target) {
                (Architecture::EncoderDecoder, Some(target)) => {
                    let target = targets(model, &target)?;
                    let mut engine = Seq2Seq::new(model, arena.parts())?;
                    engine
                        .score(&ids, &target, |_, _, row| outputs.add(row.iter().copied(), -16))?;
                }
                (Architecture::EncoderDecoder, None) => return Err(needs_target()),
                (_, Some(_)) => return Err(wrong("an encoder-decoder")),
                (Architecture::Decoder, None) => {
                    let mut decoder = Decoder::new(model, arena.parts())?;
                    room(&decoder, &ids)?;
                    for &id in &ids {
                        feed(&mut decoder, &[id], signals)?;
                        outputs.add(decoder.logits().iter().copied(), -16);
                    }
                }
                (Architecture::Encoder, None) => {
                    let mut encoder = Encoder::new(model, arena.parts())?;
                    encoder.begin(&ids)?;
                    finish(&mut encoder, signals)?;
                    rows(model, &mut encoder, &mut outputs)?;
                }
            }
            Ok(outputs)
        })?;
        Ok(outputs.give(py))
    }
}
