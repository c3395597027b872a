//! The command line. Answers go to standard output (as JSON with `--json`), everything else to standard
//! error.

mod answer;
pub mod encoded;
mod export_c;
mod four_bits;
pub mod in_memory;
mod inspect;
pub mod phrase;
mod reference;
mod show;
mod sign;
mod tokenize;

pub use tokenize::tokens;

use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use miette::{IntoDiagnostic, Result};
use picoformer::blob::NOTE;
use picoformer::matrix::Packing;
use picoformer_convert::account::Ignored;
use picoformer_convert::bill::bill;
use picoformer_convert::checkpoint::{Keep, Options};
use picoformer_convert::error::Error;
use picoformer_convert::evaluate::evaluate;
use picoformer_convert::evaluation::Rejection;
use picoformer_convert::fidelity;
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::generation::beam_width;
use picoformer_convert::host::Blob;
use picoformer_convert::kept::{Kept, ORIGINAL};
use picoformer_convert::key_base;
use picoformer_convert::load::load_with;
use picoformer_convert::output::{say, write_whole};
use picoformer_convert::scope::Asked;
use picoformer_convert::sections::with_section;
use picoformer_convert::writer::{self, Wide};
use serde_json::json;
use std::path::PathBuf;

/// Transformers for microcontrollers: converts, inspects, runs and evaluates.
#[derive(Parser)]
#[command(name = "picoformer", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Converts a checkpoint (Hugging Face folder, or llama2.c .bin) into a blob to be flashed
    Convert(ConvertArguments),
    /// Shows what a blob is and costs: flash by section, RAM by buffer; or, chip by chip, whether it fits
    Inspect(inspect::InspectArguments),
    /// Writes a blob as source files of a C program (docs/C.md)
    ExportC(export_c::ExportArguments),
    /// Runs a blob on a text, on token ids, or on a recording
    Run(answer::RunArguments),
    /// Shows the tokens of a text: ids and pieces
    Tokenize(tokenize::TokenizeArguments),
    /// Makes a pair of keys to sign blobs with
    Keygen(sign::KeygenArguments),
    /// Puts a signed envelope in front of a blob: product, release, length and content
    Sign(sign::SignArguments),
    /// Verifies a signed blob as a device does
    Verify(sign::VerifyArguments),
    /// Runs a checkpoint in f32, as the converter reads it (for tools/compare.py)
    Reference(reference::ReferenceArguments),
    /// Measures a blob on data, and its loss against the checkpoint in f32
    Eval {
        /// The blob
        blob: PathBuf,
        /// Decoder: folder of .txt; classifier: JSONL with `text` and `label` (`oos` or null: none of the
        /// labels), or a text, a tab or comma, and a label; token labels: JSONL with `text`, `tags` and perhaps
        /// `intent`; encoder-decoder: TSV of a source and its targets; sound, motion: folder of
        /// LABEL-anything.wav (.flac, .csv) or LABEL/…; otherwise a text a line
        #[arg(long)]
        data: PathBuf,
        /// Motion: the folder holds csv files, a sample a line
        #[arg(long)]
        csv: bool,
        /// Encoder-decoder: hypotheses kept, 1 is greedy; the blob's own by default
        #[arg(long)]
        beam: Option<usize>,
        /// Classifier: what says that a text is none of its labels, `SCORE[=THRESHOLD][,LABEL]` instead of the
        /// blob's: `log_probability` or `energy`, a number of nats, the label that stands for none
        #[arg(long, value_name = "SCORE")]
        out_of_scope: Option<Asked>,
        /// Classifier: chooses the threshold that rejects this share of the texts in scope, for example 0.05
        #[arg(long, value_name = "SHARE")]
        reject: Option<f64>,
        /// Encoder-decoder: only the first lines
        #[arg(long)]
        limit: Option<usize>,
        /// The checkpoint that the blob was made from; it is read in the same way, so that a wrong reading
        /// cannot be seen: for that, tools/compare.py asks the original library
        #[arg(long)]
        reference: Option<PathBuf>,
        /// A key that was accepted when the blob was made
        #[arg(long, value_name = "KEY")]
        ignore: Vec<String>,
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct ConvertArguments {
    /// Hugging Face folder (bart, bert, gpt2, llama, marian, mistral, t5), plain checkpoint (picoformer) or
    /// llama2.c .bin file
    checkpoint: PathBuf,
    /// Where the blob goes
    #[arg(short, long)]
    output: PathBuf,
    /// Positions; the checkpoint's own by default. RAM grows with it
    #[arg(long)]
    context: Option<usize>,
    /// Encoder-decoder: positions of the target, start token included; by default as many as the
    /// source's. RAM grows with it
    #[arg(long)]
    target_context: Option<usize>,
    /// Encoder-decoder: hypotheses that a search keeps, 1 is greedy; by default the checkpoint's own or
    /// 4. RAM grows with it; whoever runs the blob can ask for less
    #[arg(long)]
    beams: Option<usize>,
    /// Linear layers that read 12-bit rows instead of 8-bit ones
    #[arg(long, value_enum, default_value_t = WideRows::Auto)]
    wide: WideRows,
    /// What the keys of a decoder are stored less
    #[arg(long, value_enum, default_value_t = KeyBase::Auto)]
    key_base: KeyBase,
    #[command(flatten)]
    rounding: four_bits::RoundingArguments,
    /// How the weights are packed
    #[arg(long, value_enum, default_value_t = Layout::Paired)]
    layout: Layout,
    /// Rows that share one pass over the flash; RAM grows with it
    #[arg(long)]
    tile_rows: Option<usize>,
    /// Text to keep in the blob, such as the model's origin; `inspect` shows it
    #[arg(long)]
    note: Option<String>,
    /// tokenizer.json, vocab.txt, vocab.json or llama2.c's tokenizer .bin, if it does not lie beside the
    /// weights; or `bytes`, or `none` for ids in and ids out
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    /// Classifier: which texts are none of its labels, `SCORE=THRESHOLD[,LABEL]`: `log_probability` or `energy`, a
    /// number of nats, the label that stands for none. `eval --reject` chooses a threshold
    #[arg(long, value_name = "SCORE")]
    out_of_scope: Option<Asked>,
    /// Finds the names of special tokens (`</s>`, `[SEP]`) in a text, as the original does; without it they are
    /// ordinary text
    #[arg(long)]
    special_tokens: bool,
    /// A file with text as the device will read and write it: pieces of the tokenizer that it does not need are
    /// dropped, with their rows of the weights. For vocabularies beyond 65536 pieces, and to save flash
    #[arg(long, value_name = "TEXT")]
    keep_vocabulary: Option<PathBuf>,
    /// Reads the checkpoint's files as if they did not have this key (KEY, FILE:KEY or OUTER.INNER), or
    /// drops this tensor or module; may be given several times
    #[arg(long, value_name = "KEY")]
    ignore: Vec<String>,
    /// Machine-readable
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum WideRows {
    /// Those that read a norm, in encoders of 256 channels or more
    Auto,
    /// None
    Never,
    /// Those that read a norm
    Norm,
    /// All
    All,
}

#[derive(Clone, Copy, ValueEnum)]
enum KeyBase {
    /// Their mean over texts that the model writes itself: the rest is rounded more finely
    Auto,
    /// Nothing
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum Layout {
    /// For every core
    Paired,
    /// For cores with Helium (Cortex-M55, M85), which need fewer instructions for it, and the host
    Plain,
}

/// Does what the arguments say.
pub fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Convert(arguments) => convert(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::ExportC(arguments) => export_c::run(&arguments),
        Command::Run(arguments) => answer::run(&arguments),
        Command::Keygen(arguments) => sign::keygen(&arguments),
        Command::Sign(arguments) => sign::sign(&arguments),
        Command::Verify(arguments) => sign::check(&arguments),
        Command::Tokenize(arguments) => tokenize::run(&arguments),
        Command::Reference(arguments) => reference::run(&arguments),
        Command::Eval {
            blob,
            data,
            csv,
            beam,
            out_of_scope,
            reject,
            limit,
            reference,
            ignore,
            json,
        } => {
            let bytes = Blob::open(&blob)?;
            let mut model = bytes.model(&blob)?;
            if csv && model.features().motion.is_none() {
                return Err(answer::no_motion().into());
            }
            if let Some(beams) = beam {
                model = model.with_beams(beam_width(beams)?);
            }
            let options = || Options {
                ignored: Ignored::new(&ignore),
                keep: Kept::of(&model).map(Keep::Pieces),
                ..Options::default()
            };
            let read = |path: PathBuf| Ok(load_with(&path, None, options())?.model);
            let reference = reference.map(read).transpose().map_err(|e: miette::Report| e)?;
            let bar = ProgressBar::new(0).with_style(
                ProgressStyle::with_template("{bar:40} {pos}/{len} {eta}").into_diagnostic()?,
            );
            let rejection = Rejection { out_of_scope, share: reject };
            let mut show = |done, total| {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
            };
            let reference = reference.as_ref();
            let evaluation = evaluate(&model, reference, &data, limit, &rejection, &mut show)?;
            bar.finish_and_clear();
            let value = serde_json::to_value(&evaluation).into_diagnostic()?;
            if json {
                say(&value)?;
            } else if let Some(fields) = value.as_object() {
                for (name, number) in fields {
                    say(&format_args!("{name:<20} {number}"))?;
                }
            }
            Ok(())
        }
    }
}

/// A blob, and what the user should know about how it was made.
#[derive(Debug)]
pub struct Converted {
    /// The blob, which was parsed as a device will.
    pub blob: Blob,
    /// Keys that the user accepted.
    pub ignored: Vec<String>,
    /// What is no fault and yet worth a word.
    pub notes: Vec<String>,
}

/// Converts as the arguments say; writes nothing.
fn converted(arguments: &ConvertArguments) -> Result<Converted> {
    let options = Options {
        context: arguments.context,
        target_context: arguments.target_context,
        beams: arguments.beams,
        ignored: Ignored::new(&arguments.ignore),
        special_tokens: arguments.special_tokens,
        keep: arguments.keep_vocabulary.clone().map(Keep::Text),
    };
    let loaded = load_with(&arguments.checkpoint, arguments.tokenizer.as_deref(), options)?;
    let mut model = loaded.model;
    if let Some(rows) = arguments.tile_rows {
        model.config.tile_rows = rows;
    }
    model.config.packing = match arguments.layout {
        Layout::Paired => Packing::Paired,
        Layout::Plain => Packing::Plain,
    };
    let wide = match arguments.wide {
        WideRows::Auto => Wide::Auto,
        WideRows::Never => Wide::Never,
        WideRows::Norm => Wide::Norm,
        WideRows::All => Wide::All,
    };
    if matches!(arguments.key_base, KeyBase::Auto) {
        key_base::fit(&mut model, wide)?;
    }
    let asked = matches!(arguments.wide, WideRows::Norm | WideRows::All);
    let note = arguments.note.as_ref().map(|note| (NOTE, note.clone().into_bytes()));
    let kept = loaded.kept.as_ref().map(|kept| (ORIGINAL, kept.to_bytes()));
    let sections: Vec<_> = note.into_iter().chain(kept).collect();
    let blob = |model: &FloatModel| {
        let mut bytes = writer::write(model, wide)?;
        for (tag, data) in &sections {
            bytes = with_section(&bytes, *tag, data)
                .map_err(|source| Error::Blob { path: arguments.output.clone(), source })?;
        }
        match &arguments.out_of_scope {
            Some(asked) => asked.put(&Blob::new(&bytes).model(&arguments.output)?, &bytes),
            None => Ok(bytes),
        }
    };
    let size = |model: &FloatModel| Ok(blob(model)?.len());
    four_bits::round(&mut model, &arguments.rounding, asked, wide, &size)?;
    let bytes = blob(&model)?;
    let bytes = Blob::new(&bytes);
    // What was written is what a device will accept.
    let mut notes = loaded.notes;
    notes.extend(fidelity::note(&model, &bytes.model(&arguments.output)?));
    Ok(Converted { blob: bytes, ignored: loaded.ignored, notes })
}

fn convert(arguments: &ConvertArguments) -> Result<()> {
    let Converted { blob, ignored, notes } = converted(arguments)?;
    let mut inputs = vec![arguments.checkpoint.as_path()];
    inputs.extend(arguments.tokenizer.as_deref());
    inputs.extend(arguments.keep_vocabulary.as_deref());
    write_whole(&arguments.output, blob.bytes(), &inputs)?;
    let bill = bill(&blob.model(&arguments.output)?);
    if arguments.json {
        let mut value = json!(bill);
        // A name need not be UTF-8; JSON has to be.
        value["output"] = json!(arguments.output.to_string_lossy());
        value["notes"] = json!(notes);
        return Ok(say(&value)?);
    }
    for note in &notes {
        eprintln!("note: {note}");
    }
    for key in &ignored {
        eprintln!("ignored: {key}");
    }
    Ok(say(&format_args!("{bill}\n\nwritten to {}", arguments.output.display()))?)
}
