//! What quantisation cost: a blob against data, and against its checkpoint in f32.

use crate::error::{Error, Result, input, read_text};
use crate::error_rates::targets;
use crate::evaluation::{Evaluation, Progress, at, encode, nonempty};
use crate::float_model::{FloatModel, softmax};
use crate::host::HeapArena;
use crate::recordings;
use picoformer::config::{Architecture, Head, Problem};
use picoformer::probability::log_probability;
use picoformer::sampler::greedy;
use picoformer::{Decoder, Encoder, Model};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Evaluates a blob on `data`, as its head asks for it; an encoder-decoder on the first `limit` lines.
///
/// # Errors
/// Data that cannot be read or does not fit the model: the message names file and line.
pub fn evaluate(
    model: &Model,
    reference: Option<&FloatModel>,
    data: &Path,
    limit: Option<usize>,
    progress: Progress,
) -> Result<Evaluation> {
    if let Some(float) = reference {
        let (a, b) = (model.config(), &float.config);
        if (a.vocab_size, a.d_model, a.n_layers, a.head)
            != (b.vocab_size, b.d_model, b.n_layers, b.head)
        {
            return Err(input(
                "the reference is not the checkpoint that this blob was made from",
                "their vocabulary, width, layers or head differ",
            ));
        }
    }
    if model.config().architecture == Architecture::EncoderDecoder {
        return targets(model, reference, data, limit, progress);
    }
    let features = model.features();
    if features.audio.is_some() || features.motion.is_some() {
        return recordings::evaluate(model, reference, data, progress);
    }
    match model.config().head {
        Head::Vocabulary | Head::TiedVocabulary => language(model, reference, data, progress),
        Head::Classifier if model.problem() != Problem::SingleLabel => Err(input(
            "the labels of this model are no alternatives",
            "`eval` counts right labels of several; compare the scores of `run --file --json`",
        )),
        Head::Classifier => classifier(model, reference, data, progress),
        Head::Embedding => embedding(model, reference, data, progress),
        Head::TokenLabels => tags(model, reference, data, progress),
        Head::None => Err(input("this model has no head to evaluate", "convert one with a head")),
    }
}

/// The first `limit` tokens of a text, and whether that is all. A long text is encoded no further than
/// needed, to the end of a word.
fn encode_start(model: &Model, text: &str, limit: usize) -> Result<(Vec<u32>, bool)> {
    let mut bytes = 8 * limit;
    loop {
        let end = match text.get(bytes..) {
            _ if bytes >= text.len() => text.len(),
            Some(rest) => bytes + rest.find(' ').unwrap_or(rest.len()),
            None => {
                bytes += 1;
                continue;
            }
        };
        let mut tokens = encode(model, &text[..end])?;
        if end == text.len() || tokens.len() > limit + 1 {
            let whole = tokens.len() <= limit;
            tokens.truncate(limit);
            return Ok((tokens, whole));
        }
        bytes *= 2;
    }
}

fn best(x: &[f32]) -> usize {
    (1..x.len()).fold(0, |best, i| if x[i] > x[best] { i } else { best })
}

/// Folder of `.txt`: one document a file, begin-of-sequence first, cut at the context.
fn language(
    model: &Model,
    reference: Option<&FloatModel>,
    data: &Path,
    progress: Progress,
) -> Result<Evaluation> {
    let files = texts(data)?;
    let mut arena = HeapArena::new(model.arena());
    let (mut nll, mut nll_reference, mut same, mut count, mut cut) = (0f64, 0f64, 0, 0, 0);
    for (i, file) in files.iter().enumerate() {
        progress(i, files.len());
        let here = || at(file.display().to_string());
        let text = read_text(file)?;
        let (ids, whole) =
            encode_start(model, text.trim(), model.config().context).map_err(here())?;
        cut += !whole as usize;
        let mut decoder = Decoder::new(model, arena.parts())?;
        let float = reference.map(|float| float.forward(&ids));
        for (position, pair) in ids.windows(2).enumerate() {
            decoder.advance(pair[0]).map_err(|e| here()(e.into()))?;
            nll -= log_probability(decoder.logits(), pair[1] as usize) as f64 / 65536.0;
            count += 1;
            if let Some(float) = &float {
                let mut p = float.outputs[position].clone();
                same += (best(&p) == greedy(decoder.logits()) as usize) as usize;
                softmax(&mut p);
                nll_reference -= (p[pair[1] as usize] as f64).max(1e-45).ln();
            }
        }
    }
    if count == 0 {
        return Err(input("no document has two tokens", "one document a .txt file is expected"));
    }
    let n = count as f64;
    Ok(Evaluation {
        sequences: files.len(),
        tokens: Some(count),
        cut: Some(cut),
        nll: Some(nll / n),
        nll_reference: reference.map(|_| nll_reference / n),
        top1_agreement: reference.map(|_| same as f64 / n),
        ..Evaluation::default()
    })
}

/// The `.txt` files of a folder, in order.
fn texts(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).map_err(|source| Error::File { path: folder.into(), source })?;
    let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    files.sort();
    if files.is_empty() {
        return Err(input(
            format!("`{}` holds no .txt file", folder.display()),
            "a decoder is evaluated on a folder with one document a .txt file",
        ));
    }
    Ok(files)
}

#[derive(Deserialize)]
struct Example {
    text: String,
    label: String,
}

/// JSONL with `text` and `label`.
fn classifier(
    model: &Model,
    reference: Option<&FloatModel>,
    data: &Path,
    progress: Progress,
) -> Result<Evaluation> {
    let text = read_text(data)?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let names: Vec<&str> =
        (0..model.config().n_labels).map(|i| model.label(i).unwrap_or_default()).collect();
    let mut arena = HeapArena::new(model.arena());
    let mut encoder = Encoder::new(model, arena.parts())?;
    let (mut right, mut right_reference, mut same) = (0, 0, 0);
    let (mut worst, mut squares, mut logit_count) = (0f64, 0f64, 0);
    for (i, line) in lines.iter().enumerate() {
        progress(i, lines.len());
        let place = || at(format!("{}, line {}", data.display(), i + 1));
        let example: Example = serde_json::from_str(line).map_err(|error| Error::Malformed {
            path: data.into(),
            what: "JSONL file with `text` and `label`",
            reason: format!("line {}: {error}", i + 1),
        })?;
        if !names.contains(&example.label.as_str()) {
            return Err(place()(input(
                format!("the model has no label `{}`", example.label),
                format!("it has {}", names.join(", ")),
            )));
        }
        let ids = encode(model, &example.text).map_err(place())?;
        let logits = encoder.run(&ids).map_err(|e| place()(e.into()))?;
        let label = greedy(logits) as usize;
        right += (names[label] == example.label) as usize;
        if let Some(float) = reference {
            let output = &float.forward(&ids).outputs[0];
            right_reference += (names[best(output)] == example.label) as usize;
            same += (best(output) == label) as usize;
            for (f, q) in output.iter().zip(logits) {
                let error = *f as f64 - *q as f64 / 65536.0;
                worst = worst.max(error.abs());
                squares += error * error;
                logit_count += 1;
            }
        }
    }
    let n = nonempty(lines.len(), data)?;
    Ok(Evaluation {
        sequences: lines.len(),
        accuracy: Some(right as f64 / n),
        accuracy_reference: reference.map(|_| right_reference as f64 / n),
        top1_agreement: reference.map(|_| same as f64 / n),
        logit_error_max: reference.map(|_| worst),
        logit_error_rms: reference.map(|_| (squares / logit_count as f64).sqrt()),
        ..Evaluation::default()
    })
}

fn needs_reference<'a>(reference: Option<&'a FloatModel>, what: &str) -> Result<&'a FloatModel> {
    reference.ok_or_else(|| {
        input(format!("{what} is compared with its checkpoint"), "add --reference CHECKPOINT")
    })
}

/// A text a line: cosine to the embedding in f32.
fn embedding(
    model: &Model,
    reference: Option<&FloatModel>,
    data: &Path,
    progress: Progress,
) -> Result<Evaluation> {
    let float = needs_reference(reference, "an embedding")?;
    let text = read_text(data)?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut arena = HeapArena::new(model.arena());
    let mut encoder = Encoder::new(model, arena.parts())?;
    let (mut sum, mut least) = (0f64, 1f64);
    for (i, line) in lines.iter().enumerate() {
        progress(i, lines.len());
        let place = || at(format!("{}, line {}", data.display(), i + 1));
        let ids = encode(model, line).map_err(place())?;
        let found = encoder.run(&ids).map_err(|e| place()(e.into()))?;
        let cosine = cosine(&float.forward(&ids).outputs[0], found);
        sum += cosine;
        least = least.min(cosine);
    }
    let n = nonempty(lines.len(), data)?;
    Ok(Evaluation {
        sequences: lines.len(),
        cosine_mean: Some(sum / n),
        cosine_min: Some(least),
        ..Evaluation::default()
    })
}

/// Cosine of the angle between two vectors of any length.
pub fn cosine(a: &[f32], b: &[i32]) -> f64 {
    let (mut dot, mut aa, mut bb) = (0f64, 0f64, 0f64);
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (a as f64, b as f64);
        (dot, aa, bb) = (dot + a * b, aa + a * a, bb + b * b);
    }
    dot / (aa * bb).sqrt().max(f64::MIN_POSITIVE)
}

/// A text a line: share of tokens with the same label as in f32.
fn tags(
    model: &Model,
    reference: Option<&FloatModel>,
    data: &Path,
    progress: Progress,
) -> Result<Evaluation> {
    let float = needs_reference(reference, "a model of per-token labels")?;
    let text = read_text(data)?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut arena = HeapArena::new(model.arena());
    let mut encoder = Encoder::new(model, arena.parts())?;
    let (mut same, mut count) = (0, 0);
    for (i, line) in lines.iter().enumerate() {
        progress(i, lines.len());
        let place = || at(format!("{}, line {}", data.display(), i + 1));
        let ids = encode(model, line).map_err(place())?;
        encoder.run(&ids).map_err(|e| place()(e.into()))?;
        for (row, logits) in float.forward(&ids).outputs.iter().enumerate() {
            let found = greedy(encoder.label_logits(row)?) as usize;
            same += (best(logits) == found) as usize;
            count += 1;
        }
    }
    nonempty(lines.len(), data)?;
    Ok(Evaluation {
        sequences: lines.len(),
        tokens: Some(count),
        top1_agreement: Some(same as f64 / count.max(1) as f64),
        ..Evaluation::default()
    })
}
