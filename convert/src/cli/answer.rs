//! `picoformer run`: what a model answers.

use clap::Args;
use miette::{IntoDiagnostic, Result};
use picoformer::config::{Architecture, Head, Problem};
use picoformer::probability::log_probability;
use picoformer::sampler::{ONE, Sampling, greedy};
use picoformer::task::{Event, Generator, Stop, TextStream};
use picoformer::{Encoder, Model, RunError, Seq2Seq};
use picoformer_convert::error::{Error, input, read_text};
use picoformer_convert::error_rates;
use picoformer_convert::evaluation::encode;
use picoformer_convert::generation::beam_width;
use picoformer_convert::host::{Blob, HeapArena};
use picoformer_convert::output::say;
use picoformer_convert::sensing::{Heard, Sensed, sense};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct RunArguments {
    /// The blob
    blob: PathBuf,
    /// The text
    #[arg(
        required_unless_present_any = ["ids", "file", "wav", "csv"],
        conflicts_with_all = ["ids", "file", "wav", "csv"]
    )]
    text: Option<String>,
    /// Sound: a wav or flac file of any sample rate; prints its events with their times
    #[arg(long, conflicts_with_all = ["ids", "file", "csv"])]
    wav: Option<PathBuf>,
    /// Motion: a csv file, a sample a line and a column for each channel
    #[arg(long, conflicts_with_all = ["ids", "file"])]
    csv: Option<PathBuf>,
    /// A file with a text a line: an answer a line (with --json a JSON object each). A text that cannot be
    /// answered gets an error in its line, and the command fails at the end
    #[arg(long, conflicts_with = "ids")]
    file: Option<PathBuf>,
    /// Token ids instead of a text: exactly these, none added, for example "1,5,9"
    #[arg(long)]
    ids: Option<String>,
    /// Decoder, encoder-decoder: tokens to write at most; by default to the end of the context
    #[arg(long)]
    max_tokens: Option<usize>,
    /// Encoder-decoder: hypotheses kept, 1 is greedy; the blob's own by default
    #[arg(long)]
    beam: Option<usize>,
    /// Decoder: 0 takes the likeliest token
    #[arg(long, default_value_t = 0.0)]
    temperature: f64,
    /// Decoder: only the likeliest tokens, 0 for all
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Decoder: only the likeliest tokens of this probability together
    #[arg(long, default_value_t = 1.0)]
    top_p: f64,
    /// Decoder: where the random numbers begin
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Machine-readable
    #[arg(long)]
    json: bool,
}

/// Runs the model and prints its answer.
pub fn run(arguments: &RunArguments) -> Result<()> {
    let bytes = Blob::open(&arguments.blob)?;
    let mut model = bytes.model(&arguments.blob)?;
    if let Some(beams) = arguments.beam {
        model = model.with_beams(beam_width(beams)?);
    }
    let features = model.features();
    match (&arguments.wav, &arguments.csv) {
        (Some(_), _) if features.audio.is_none() => return Err(no_sound().into()),
        (_, Some(_)) if features.motion.is_none() => return Err(no_motion().into()),
        (Some(file), _) | (_, Some(file)) => return sensed(&sense(&model, file)?, arguments.json),
        (None, None) if features.audio.is_some() => {
            return Err(input("this model hears", "give it a recording: --wav FILE").into());
        }
        (None, None) if features.motion.is_some() => {
            return Err(input("this model feels motions", "give it a recording: --csv FILE").into());
        }
        (None, None) => {}
    }
    if let Some(file) = &arguments.file {
        return answer_file(&model, file, arguments);
    }
    let ids = match (&arguments.ids, &arguments.text) {
        (Some(ids), _) => parse_ids(ids)?,
        (None, Some(text)) => encode_text(&model, text)?,
        (None, None) => Vec::new(),
    };
    let value = answer(&model, &ids, arguments)?;
    match arguments.json {
        true => Ok(say(&value)?),
        false => show(&value, arguments.text.as_deref()),
    }
}

fn no_sound() -> Error {
    input(
        "this model does not hear: it has no front end for sound",
        "--wav is for models that have one",
    )
}

/// For `--csv` with another model.
pub fn no_motion() -> Error {
    input(
        "this model feels no motions: it has no front end for them",
        "--csv is for models that have one",
    )
}

/// Prints what was found in a recording.
fn sensed(found: &Sensed, json: bool) -> Result<()> {
    if json {
        return Ok(say(&serde_json::to_string(found).into_diagnostic()?)?);
    }
    for event in &found.events {
        let Heard { label, sample, confidence, .. } = event;
        match event.time {
            Some(time) => {
                say(&format_args!("{time:>9.2} s  {:6.2} %  {label}", 100.0 * confidence))?
            }
            None => say(&format_args!("{sample:>9}  {:6.2} %  {label}", 100.0 * confidence))?,
        }
    }
    match &found.label {
        Some(label) if found.events.len() > 1 => say(&format_args!("all together: {label}"))?,
        None if found.events.is_empty() => say(&"no event")?,
        _ => {}
    }
    Ok(())
}

/// The answer for one input.
fn answer(model: &Model, ids: &[u32], arguments: &RunArguments) -> Result<Value> {
    match (model.config().architecture, model.config().head) {
        (Architecture::EncoderDecoder, _) => translate(model, ids, arguments),
        (_, Head::Vocabulary | Head::TiedVocabulary) => generate(model, ids, arguments),
        _ => encode_answer(model, ids),
    }
}

/// The tokens of a text. An encoder-decoder has nothing to say to an empty one.
fn encode_text(model: &Model, text: &str) -> Result<Vec<u32>, Error> {
    let begin = model.tokenizer().and_then(|tokenizer| tokenizer.vocabulary().begin());
    match (model.config().architecture, begin) {
        (Architecture::EncoderDecoder, _) if text.is_empty() => Err(RunError::EmptyInput.into()),
        // A decoder with a begin token writes from nothing.
        (Architecture::Decoder, Some(begin)) if text.is_empty() => Ok(vec![begin]),
        _ => encode(model, text),
    }
}

/// An answer for every line of a file.
fn answer_file(model: &Model, file: &Path, arguments: &RunArguments) -> Result<()> {
    let text = read_text(file)?;
    let mut failed = 0;
    for line in text.lines() {
        let found = encode_text(model, line).map_err(miette::Report::from);
        match (found.and_then(|ids| answer(model, &ids, arguments)), arguments.json) {
            (Ok(mut value), true) => {
                value["input"] = json!(line);
                say(&value)?;
            }
            (Ok(value), false) => match value["text"].as_str() {
                Some(text) => say(&format_args!("{line}\t{text}"))?,
                None => show(&value, Some(line))?,
            },
            (Err(error), json) => {
                failed += 1;
                match json {
                    true => say(&json!({ "input": line, "error": error.to_string() }))?,
                    false => say(&format_args!("{line}\terror: {error}"))?,
                }
            }
        }
    }
    if failed > 0 {
        let message = format!("{failed} lines of `{}` could not be answered", file.display());
        return Err(input(message, "their lines tell why").into());
    }
    Ok(())
}

/// An encoder-decoder's best target.
fn translate(model: &Model, ids: &[u32], arguments: &RunArguments) -> Result<Value> {
    let mut arena = HeapArena::try_new(model.arena())?;
    let mut engine = Seq2Seq::new(model, arena.parts()).map_err(Error::from)?;
    engine.set_limit(arguments.max_tokens.unwrap_or(usize::MAX));
    let (tokens, log_probability, complete) = error_rates::run(&mut engine, ids)?;
    Ok(json!({
        "text": error_rates::text(model, &tokens),
        "ids": tokens,
        "source_ids": ids,
        "log_probability": log_probability,
        "beams": model.config().beams,
        "stop": if complete { "end_of_sequence" } else { "limit" },
    }))
}

fn parse_ids(text: &str) -> Result<Vec<u32>> {
    let parse = |part: &str| {
        part.trim().parse().map_err(|_| {
            input(
                format!("--ids: `{part}` is not a token id"),
                "numbers with commas between: 1,5,9",
            )
        })
    };
    Ok(text.split(',').map(parse).collect::<Result<_, Error>>()?)
}

/// A non-negative number of the command line in Q16.16.
fn fixed(name: &str, value: f64, limit: f64) -> Result<u32> {
    if !(0.0..=limit).contains(&value) {
        let help = format!("between 0 and {limit}");
        return Err(input(format!("{name} {value} is out of range"), help).into());
    }
    // A temperature that is not zero must not become greedy by rounding.
    Ok(((value * ONE as f64).round() as u32).max((value > 0.0) as u32))
}

fn generate(model: &Model, ids: &[u32], arguments: &RunArguments) -> Result<Value> {
    let sampling = Sampling {
        temperature: fixed("--temperature", arguments.temperature, 100.0)?,
        top_k: arguments.top_k,
        top_p: fixed("--top-p", arguments.top_p, 1.0)?,
        seed: arguments.seed,
    };
    let mut arena = HeapArena::try_new(model.arena())?;
    let mut generator = Generator::new(model, arena.parts(), sampling).map_err(Error::from)?;
    let most = arguments.max_tokens.unwrap_or(model.config().context);
    generator.set_limit(most);
    generator.prompt_ids(ids).map_err(Error::from)?;
    let tokenizer = model.tokenizer();
    let (mut new, mut text) = (Vec::new(), String::new());
    let mut stream = TextStream::after(ids);
    let mut stop = "max_tokens";
    while new.len() < most {
        match generator.next_token().map_err(Error::from)? {
            Event::Token(token) => {
                new.push(token);
                if let Some(tokenizer) = &tokenizer {
                    // A String takes everything.
                    let _ = stream.push(tokenizer, token, &mut text);
                }
            }
            Event::Stopped(reason) => {
                stop = match reason {
                    Stop::EndOfSequence => "end_of_sequence",
                    Stop::ContextFull => "context_full",
                };
                break;
            }
            Event::Working => {}
        }
    }
    let _ = stream.finish(&mut text);
    Ok(json!({ "text": text, "ids": new, "prompt_ids": ids, "stop": stop }))
}

fn encode_answer(model: &Model, ids: &[u32]) -> Result<Value> {
    let mut arena = HeapArena::try_new(model.arena())?;
    let mut encoder = Encoder::new(model, arena.parts()).map_err(Error::from)?;
    let outputs = encoder.run(ids).map_err(Error::from)?.to_vec();
    let own = |i: usize| model.label(i).filter(|name| !name.is_empty());
    let name = |i: usize| match own(i) {
        // Labels of one name are told apart by their index.
        Some(name) if (0..outputs.len()).any(|j| j != i && own(j) == Some(name)) => {
            format!("{name} [{i}]")
        }
        Some(name) => name.to_owned(),
        None => format!("LABEL_{i}"),
    };
    Ok(match model.config().head {
        Head::Classifier => {
            let logits: Vec<f64> = outputs.iter().map(|&x| x as f64 / 65536.0).collect();
            let score = |i: usize| match model.problem() {
                Problem::SingleLabel => (log_probability(&outputs, i) as f64 / 65536.0).exp(),
                Problem::MultiLabel => 1.0 / (1.0 + (-logits[i]).exp()),
                Problem::Regression => logits[i],
            };
            let all = 0..outputs.len();
            let scores: serde_json::Map<String, Value> =
                all.clone().map(|i| (name(i), json!(score(i)))).collect();
            let label = name(greedy(&outputs) as usize);
            match model.problem() {
                Problem::Regression => json!({ "values": scores, "logits": logits, "ids": ids }),
                Problem::MultiLabel if all.len() > 1 => {
                    let right: Vec<String> = all.filter(|&i| score(i) > 0.5).map(name).collect();
                    json!({ "label": label, "labels": right, "scores": scores, "logits": logits,
                        "ids": ids })
                }
                _ => json!({ "label": label, "scores": scores, "logits": logits, "ids": ids }),
            }
        }
        Head::TokenLabels => {
            let mut labels = Vec::new();
            for row in 0..ids.len() {
                let logits = encoder.label_logits(row).map_err(Error::from)?;
                labels.push(name(greedy(logits) as usize));
            }
            let pieces: Option<Vec<String>> = model.tokenizer().map(|tokenizer| {
                let piece = |&id: &u32| tokenizer.vocabulary().piece(id).unwrap_or_default();
                ids.iter().map(|id| String::from_utf8_lossy(piece(id)).into_owned()).collect()
            });
            json!({ "labels": labels, "ids": ids, "tokens": pieces })
        }
        Head::Embedding => {
            let unit = 1.0 / (1u32 << 30) as f64;
            let embedding: Vec<f64> = outputs.iter().map(|&x| x as f64 * unit).collect();
            json!({ "embedding": embedding, "ids": ids })
        }
        _ => {
            let row = |row| {
                let (x, exponent) = encoder.hidden(row);
                x.iter().map(|&x| x as f64 * 2f64.powi(exponent)).collect::<Vec<f64>>()
            };
            json!({ "hidden": (0..ids.len()).map(row).collect::<Vec<_>>(), "ids": ids })
        }
    })
}

/// The answer for a person.
fn show(value: &Value, prompt: Option<&str>) -> Result<()> {
    if let Some(text) = value["text"].as_str() {
        match prompt {
            // What continues a prompt is shown behind it; what answers a source stands alone.
            Some(prompt) if value["source_ids"].is_null() => say(&format_args!("{prompt}{text}"))?,
            _ if text.is_empty() => say(&value["ids"])?,
            _ => say(&text)?,
        }
    } else if let Some(scores) = value["scores"].as_object() {
        let mut scores: Vec<(&String, f64)> =
            scores.iter().map(|(name, p)| (name, p.as_f64().unwrap_or(0.0))).collect();
        scores.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (name, probability) in scores.iter().take(5) {
            say(&format_args!("{:6.2} %  {name}", 100.0 * probability))?;
        }
    } else if let Some(values) = value["values"].as_object() {
        for (name, value) in values {
            say(&format_args!("{:10.4}  {name}", value.as_f64().unwrap_or(0.0)))?;
        }
    } else if let Some(labels) = value["labels"].as_array() {
        for (i, label) in labels.iter().enumerate() {
            let token = value["tokens"][i].as_str().unwrap_or_default();
            let label = label.as_str().unwrap_or_default();
            say(&format_args!("{:>6} {token:<20} {label}", value["ids"][i]))?;
        }
    } else {
        say(value.get("embedding").unwrap_or(&value["hidden"]))?;
    }
    Ok(())
}
