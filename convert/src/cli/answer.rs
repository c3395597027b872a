//! `picoformer run`: what a model answers.

use super::show::show;
use super::{encoded, phrase};
use clap::Args;
use miette::{IntoDiagnostic, Result};
use picoformer::config::{Architecture, Head};
use picoformer::sampler::{ONE, Sampling};
use picoformer::task::{Event, Generator, Stop, TextStream};
use picoformer::{Model, RunError, Seq2Seq};
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
    let value = match (&arguments.ids, &arguments.text) {
        (Some(ids), _) => answer(&model, &parse_ids(ids)?, arguments)?,
        (None, Some(text)) => answer_text(&model, text, arguments)?,
        (None, None) => answer(&model, &[], arguments)?,
    };
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

/// The answer for one input of ids.
fn answer(model: &Model, ids: &[u32], arguments: &RunArguments) -> Result<Value> {
    match (model.config().architecture, model.config().head) {
        (Architecture::EncoderDecoder, _) => translate(model, ids, arguments),
        (_, Head::Vocabulary | Head::TiedVocabulary) => generate(model, ids, arguments),
        _ => encoded::answer(model, ids),
    }
}

/// The answer for a text; of a model of single words, the answers for its words.
fn answer_text(model: &Model, text: &str, arguments: &RunArguments) -> Result<Value> {
    if model.config().architecture == Architecture::EncoderDecoder && phrase::is_of_words(model) {
        return phrase::answer(text, |word| {
            translate(model, &encode_text(model, word)?, arguments)
        });
    }
    let mut value = answer(model, &encode_text(model, text)?, arguments)?;
    if model.config().head == Head::TokenLabels {
        encoded::add_entities(model, text, &mut value)?;
    }
    Ok(value)
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
        match (answer_text(model, line, arguments), arguments.json) {
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
    // More than the context holds is no limit.
    if let Some(most) = arguments.max_tokens.filter(|&most| most < model.config().target_context) {
        engine.set_limit(most).map_err(Error::from)?;
    }
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
