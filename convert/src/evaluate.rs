//! What quantisation cost: a blob against data, and against its checkpoint in f32.

use crate::classification::classifier;
use crate::error::{Error, Result, input, read_text};
use crate::error_rates::targets;
use crate::evaluation::{
    Evaluation, Progress, Rejection, at, best, encode, needs_reference, nonempty,
};
use crate::float_model::{FloatModel, softmax};
use crate::host::HeapArena;
use crate::recordings;
use crate::scope::not_for;
use crate::tagging::tags;
use picoformer::config::{Architecture, Head, Problem};
use picoformer::probability::log_probability;
use picoformer::sampler::greedy;
use picoformer::task::TextStream;
use picoformer::{Decoder, Encoder, Model};
use std::f64::consts::LN_2;
use std::path::{Path, PathBuf};

/// Evaluates a blob on `data`, as its head asks for it; an encoder-decoder on the first `limit` lines, a
/// classifier with this `rejection`.
///
/// # Errors
/// Data that cannot be read or does not fit the model: the message names file and line.
pub fn evaluate(
    model: &Model,
    reference: Option<&FloatModel>,
    data: &Path,
    limit: Option<usize>,
    rejection: &Rejection,
    progress: Progress,
) -> Result<Evaluation> {
    let features = model.features();
    let sensing = features.audio.is_some() || features.motion.is_some();
    let alternatives =
        model.config().head == Head::Classifier && model.problem() == Problem::SingleLabel;
    if rejection.is_asked_for() && (sensing || !alternatives) {
        return Err(not_for("--out-of-scope, --reject"));
    }
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
    if sensing {
        return recordings::evaluate(model, reference, data, progress);
    }
    match model.config().head {
        Head::Vocabulary | Head::TiedVocabulary => language(model, reference, data, progress),
        Head::Classifier if model.problem() != Problem::SingleLabel => Err(input(
            "the labels of this model are no alternatives",
            "`eval` counts right labels of several; compare the scores of `run --file --json`",
        )),
        Head::Classifier => classifier(model, reference, data, rejection, progress),
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

/// Bytes of text that the tokens behind the first stand for: those that are predicted.
fn predicted_bytes(model: &Model, ids: &[u32]) -> usize {
    let (Some(tokenizer), Some((first, rest))) = (model.tokenizer(), ids.split_first()) else {
        return 0;
    };
    let (mut stream, mut text) = (TextStream::after(&[*first]), String::new());
    for &id in rest {
        // A String takes everything.
        let _ = stream.push(&tokenizer, id, &mut text);
    }
    let _ = stream.finish(&mut text);
    text.len()
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
    let (mut nll, mut nll_reference, mut kl, mut same) = (0f64, 0f64, 0f64, 0);
    let (mut count, mut cut, mut bytes) = (0, 0, 0);
    for (i, file) in files.iter().enumerate() {
        progress(i, files.len());
        let here = || at(file.display().to_string());
        let text = read_text(file)?;
        let (ids, whole) =
            encode_start(model, text.trim(), model.config().context).map_err(here())?;
        cut += !whole as usize;
        bytes += predicted_bytes(model, &ids);
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
                kl += divergence(&p, decoder.logits());
            }
        }
    }
    if count == 0 {
        return Err(input("no document has two tokens", "one document a .txt file is expected"));
    }
    let n = count as f64;
    let per_byte = |nll: f64| (bytes > 0).then(|| nll / LN_2 / bytes as f64);
    Ok(Evaluation {
        sequences: files.len(),
        tokens: Some(count),
        cut: Some(cut),
        bytes: Some(bytes).filter(|&bytes| bytes > 0),
        bits_per_byte: per_byte(nll),
        bits_per_byte_reference: reference.and_then(|_| per_byte(nll_reference)),
        nll: Some(nll / n),
        nll_reference: reference.map(|_| nll_reference / n),
        kl: reference.map(|_| kl / n),
        top1_agreement: reference.map(|_| same as f64 / n),
        ..Evaluation::default()
    })
}

/// The Kullback-Leibler divergence in nats of logits (Q15.16) from probabilities `p`.
pub fn divergence(p: &[f32], logits: &[i32]) -> f64 {
    let real = |&logit: &i32| logit as f64 / 65536.0;
    let largest = logits.iter().map(real).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (real(logit) - largest).exp()).sum();
    let terms = p.iter().zip(logits).filter(|(p, _)| **p > 0.0);
    let term = |(&p, logit): (&f32, &i32)| {
        p as f64 * ((p as f64).ln() - (real(logit) - largest) + sum.ln())
    };
    terms.map(term).sum()
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
