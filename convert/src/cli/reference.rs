//! `picoformer reference`: a checkpoint in f32, as the converter read it, and beside it what a blob made from it
//! computes. `tools/compare.py` and `tools/fidelity.py` compare them with the original library.

use clap::Args;
use miette::Result;
use picoformer::config::Architecture;
use picoformer_convert::account::Ignored;
use picoformer_convert::checkpoint::{Keep, Options};
use picoformer_convert::error::{Error, input};
use picoformer_convert::fidelity::outputs;
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::host::Blob;
use picoformer_convert::load::load_with;
use picoformer_convert::output::say;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct ReferenceArguments {
    /// The checkpoint
    checkpoint: PathBuf,
    /// A JSON list of lists of token ids, in a file; for an encoder-decoder the sources
    #[arg(long)]
    ids: PathBuf,
    /// Encoder-decoder: as many targets, the start token first
    #[arg(long)]
    targets: Option<PathBuf>,
    /// A blob of this checkpoint: its outputs are printed, too
    #[arg(long)]
    blob: Option<PathBuf>,
    /// Models that write: tokens to write at most
    #[arg(long, default_value_t = 0)]
    max_tokens: usize,
    /// As of `convert`
    #[arg(long, value_name = "KEY")]
    ignore: Vec<String>,
    /// As of `convert`: ids are then those of the smaller vocabulary
    #[arg(long, value_name = "TEXT")]
    keep_vocabulary: Option<PathBuf>,
}

/// Prints `outputs` and `written` for every list of ids, an object a line; with a blob also `engine`, what the blob
/// gives for them, as real numbers.
pub fn run(arguments: &ReferenceArguments) -> Result<()> {
    let options = Options {
        ignored: Ignored::new(&arguments.ignore),
        keep: arguments.keep_vocabulary.clone().map(Keep::Text),
        ..Options::default()
    };
    let model = load_with(&arguments.checkpoint, None, options)?.model;
    let sources = lists(&arguments.ids)?;
    let targets = arguments.targets.as_deref().map(lists).transpose()?.unwrap_or_default();
    let bytes = arguments.blob.as_deref().map(Blob::open).transpose()?;
    let blob = match (&bytes, &arguments.blob) {
        (Some(bytes), Some(path)) => Some(bytes.model(path)?),
        _ => None,
    };
    for (i, ids) in sources.iter().enumerate() {
        check(&model, ids)?;
        let mut value = match model.config.architecture {
            Architecture::EncoderDecoder => {
                let target = targets.get(i).cloned().unwrap_or_default();
                check(&model, &target)?;
                let read =
                    model.read(ids).ok_or_else(|| input("no decoder", "another checkpoint"))?;
                let config = model.config;
                let written = match config.target_context.min(arguments.max_tokens) {
                    0 => Vec::new(),
                    limit => read.search(config.beams, limit).map_err(Error::from)?,
                };
                json!({ "outputs": read.forward(&target), "written": written })
            }
            Architecture::Encoder => json!({ "outputs": model.forward(ids).outputs }),
            Architecture::Decoder => json!({
                "outputs": model.forward(ids).outputs,
                "written": model.write(ids, arguments.max_tokens),
            }),
        };
        if let Some(blob) = &blob {
            let target = targets.get(i).map_or(&[][..], Vec::as_slice);
            let one = (blob.config().output_exponent() as f64).exp2();
            let real = |row: Vec<i32>| row.iter().map(|&x| x as f64 * one).collect();
            let rows = outputs(blob, ids, target)?.into_iter().map(real);
            value["engine"] = json!(rows.collect::<Vec<Vec<f64>>>());
        }
        say(&value)?;
    }
    Ok(())
}

fn lists(path: &Path) -> Result<Vec<Vec<u32>>> {
    let value = picoformer_convert::account::parse_json(path)?;
    let number = |v: &Value| u32::try_from(v.as_u64()?).ok();
    let list = |v: &Value| v.as_array()?.iter().map(number).collect::<Option<Vec<u32>>>();
    let all = value.as_array().and_then(|all| all.iter().map(list).collect());
    Ok(all.ok_or_else(|| {
        input(format!("`{}`", path.display()), "a JSON list of lists of token ids")
    })?)
}

fn check(model: &FloatModel, ids: &[u32]) -> Result<()> {
    if ids.is_empty() || ids.len() > model.config.context.max(model.config.target_context) {
        let help = format!("1 to {} tokens", model.config.context);
        return Err(input(format!("{} tokens are not possible", ids.len()), help).into());
    }
    match ids.iter().find(|&&id| id as usize >= model.config.vocab_size) {
        Some(id) => Err(input(
            format!("token {id} is beyond the vocabulary"),
            format!("0 to {}", model.config.vocab_size.saturating_sub(1)),
        )
        .into()),
        None => Ok(()),
    }
}
