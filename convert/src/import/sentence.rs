//! sentence-transformers folders (Reimers & Gurevych 2019, §3): the modules behind a body, and what they do
//! to a text before it. Schemas of sentence-transformers 2 to 6.

use super::dense::{self, Dense};
use crate::account::known::Known;
use crate::account::{Document, known, parse_json, shown};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result, input, unsupported};
use picoformer::config::Pooling;
use serde_json::Value;

/// What follows the body.
#[derive(Debug)]
pub(super) struct Sentence {
    /// How rows become one.
    pub pooling: Pooling,
    /// What stands between pooling and normalisation.
    pub dense: dense::Layers,
    /// Whether nothing scales the embedding to length one.
    pub own_length: bool,
    /// Tokens at which the original cuts a text.
    pub longest: Option<usize>,
}

/// Reads the modules of a folder; one without `modules.json` pools the mean, or as `1_Pooling` says.
///
/// # Errors
/// A module, a mode or a setting that the engine does not have.
pub(super) fn read(c: &Checkpoint, width: usize) -> Result<Sentence> {
    let ignored = &c.options.ignored;
    let path = c.path.join("modules.json");
    if !path.is_file() {
        c.note("the embedding is scaled to length one, as by sentence-transformers' Normalize");
        let pooling = match c.path.join("1_Pooling/config.json").is_file() {
            true => pooling(c, "1_Pooling", width)?.0,
            false => Pooling::Mean,
        };
        let dense = dense::Layers::default();
        return Ok(Sentence { pooling, dense, own_length: false, longest: None });
    }
    let mut json = parse_json(&path)?;
    let malformed = || Error::Malformed {
        path: path.clone(),
        what: "list of modules",
        reason: "expected objects with `type` and `path`".into(),
    };
    let refuse = |module: &str, supported: &str| Error::Unsupported {
        file: "modules.json".into(),
        key: module.into(),
        found: "a module at this place".into(),
        supported: supported.into(),
    };
    let (mut pooled, mut modules, mut unit) = (None, Vec::<Dense>::new(), false);
    let name = "modules.json";
    ignored.remove(name, &mut json);
    for (i, module) in json.as_array().ok_or_else(malformed)?.iter().enumerate() {
        let module = Document::within(name, &i.to_string(), module.clone())?;
        let text = |key: &str| module.text(key)?.ok_or_else(|| module.missing(key, "a text"));
        let (kind, folder) = (text("type")?.rsplit('.').next().unwrap_or_default(), text("path")?);
        if module.count("idx")?.is_some_and(|idx| idx != i) {
            return Err(module.refuse("idx", format!("{i}, its place in the list")));
        }
        module.text("name")?;
        module.finish(&[&[Known::only("kwargs", &["[]"], "the caller's")]])?;
        let order = "Transformer, Pooling, Dense (one or several), Normalize, in this order";
        match kind {
            "Transformer" if i == 0 && folder.is_empty() => {}
            "Transformer" if i == 0 => {
                return Err(input(
                    format!("modules.json: the weights lie in `{folder}`"),
                    "move its files one folder up and set the path to \"\", or re-save with today's version",
                ));
            }
            "Pooling" if pooled.is_none() && i == 1 => pooled = Some(pooling(c, folder, width)?),
            "Dense" if pooled.is_some() && !unit => {
                let before = modules.last().map_or(width, Dense::width);
                modules.push(Dense::read(c, folder, before)?);
            }
            "Normalize" if pooled.is_some() => {
                let config = Document::open(&c.path.join(folder), "config.json", ignored)?;
                for key in ["module_input_name", "module_output_name"] {
                    if config.text(key)?.is_some_and(|name| name != "sentence_embedding") {
                        return Err(config.refuse(key, "sentence_embedding"));
                    }
                }
                config.finish(&[])?;
                unit = true;
            }
            other => return Err(refuse(other, order)),
        }
    }
    let Some((pooling, scaled)) = pooled else {
        return Err(refuse("Transformer", "a Pooling module behind it"));
    };
    if let Some(mode) = scaled
        && !(unit && modules.iter().all(Dense::keeps_scale))
    {
        let supported = match unit {
            true => "mean, where a Dense module with a bias or tanh follows: it sees the length",
            false => "mean, where no Normalize follows: the embedding keeps its length",
        };
        return Err(unsupported("1_Pooling/config.json", "pooling_mode", mode, supported));
    }
    if !unit {
        c.note(
            "modules.json has no Normalize: embeddings keep their length, in Q15.16 on the device",
        );
    }
    settings(c)?;
    let dense = dense::layers(modules, width)?;
    Ok(Sentence { pooling, dense, own_length: !unit, longest: longest(c)? })
}

/// How `folder` says that rows become one, and the name of a mode that has the direction of another one,
/// but not its length.
fn pooling(c: &Checkpoint, folder: &str, width: usize) -> Result<(Pooling, Option<&'static str>)> {
    let name = format!("{folder}/config.json");
    let config = Document::open(&c.path, &name, &c.options.ignored)?;
    if !config.exists() {
        return Err(Error::NotACheckpoint { path: c.path.join(folder), missing: "config.json" });
    }
    for key in ["word_embedding_dimension", "embedding_dimension"] {
        if config.size(key)?.is_some_and(|found| found != width) {
            return Err(config.refuse(key, format!("{width}, the body's width")));
        }
    }
    let mut modes: Vec<String> = match config.get("pooling_mode") {
        None => Vec::new(),
        Some(Value::String(mode)) => vec![mode.clone()],
        Some(Value::Array(list)) => {
            let name = |v: &Value| v.as_str().map(String::from);
            let names: Option<_> = list.iter().map(name).collect();
            names.ok_or_else(|| config.wrong("pooling_mode", "a mode or a list of modes"))?
        }
        Some(_) => return Err(config.wrong("pooling_mode", "a mode or a list of modes")),
    };
    let named = config.peek("pooling_mode").is_some();
    for (key, mode) in [
        ("pooling_mode_cls_token", "cls"),
        ("pooling_mode_max_tokens", "max"),
        ("pooling_mode_mean_tokens", "mean"),
        ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"),
        ("pooling_mode_weightedmean_tokens", "weightedmean"),
        ("pooling_mode_lasttoken", "lasttoken"),
    ] {
        // Where both schemas are there, the new one rules.
        if config.flag(key)?.unwrap_or(false) && !named {
            modes.push(mode.into());
        }
    }
    config.finish(&[known::POOLING])?;
    let key = if named { "pooling_mode" } else { "pooling_mode_*" };
    match modes.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["mean"] => Ok((Pooling::Mean, None)),
        // The original's default.
        [] => {
            c.note(format!("{name}: no mode is named: rows become their mean, as in the original"));
            Ok((Pooling::Mean, None))
        }
        // Both sums point the same way, and only that is left of them by a scaling to length one.
        ["mean_sqrt_len_tokens"] => Ok((Pooling::Mean, Some("mean_sqrt_len_tokens"))),
        ["cls"] => Ok((Pooling::First, None)),
        ["max"] => Ok((Pooling::Max, None)),
        ["lasttoken"] => Ok((Pooling::Last, None)),
        _ => Err(Error::Unsupported {
            file: name.clone(),
            key: key.into(),
            found: modes.join(" and "),
            supported: "one of mean, cls, max, lasttoken, mean_sqrt_len_tokens. Another embeds otherwise than the \
                        checkpoint was trained to"
                .into(),
        }),
    }
}

/// What is done to a text before it: prompts and lower case.
fn settings(c: &Checkpoint) -> Result<()> {
    let ignored = &c.options.ignored;
    let config = Document::open(&c.path, "config_sentence_transformers.json", ignored)?;
    if config.get("default_prompt_name").is_some() {
        let prompt = config.text("default_prompt_name")?.unwrap_or_default();
        let text = &config.root()["prompts"][prompt];
        if text.as_str() != Some("") {
            let supported = "no default prompt: put it before the text yourself";
            let found = format!("\"{prompt}\", which is {}", shown(text));
            return Err(config.refuse_found("default_prompt_name", found, supported));
        }
    }
    if let Some(Value::Object(prompts)) = config.peek("prompts")
        && prompts.values().any(|text| text.as_str() != Some(""))
    {
        c.note(
            "config_sentence_transformers.json: `prompts`: whoever embeds a text puts its prompt before it",
        );
    }
    if config.peek("truncate_dim").is_some() {
        return Err(config.refuse("truncate_dim", "null"));
    }
    config.finish(&[known::SENTENCE_TRANSFORMERS])
}

/// Whether the original lower-cases a text before its tokenizer; of a folder without sentence embeddings,
/// false.
///
/// # Errors
/// A value that is not true or false.
pub fn lower_case(c: &Checkpoint) -> Result<bool> {
    let labels = c.has("classifier.weight") || c.has("score.weight");
    if labels || !c.path.join("modules.json").is_file() {
        return Ok(false);
    }
    let config = Document::open(&c.path, "sentence_bert_config.json", &c.options.ignored)?;
    Ok(config.flag("do_lower_case")?.unwrap_or(false))
}

/// Where the original cuts a text.
fn longest(c: &Checkpoint) -> Result<Option<usize>> {
    let ignored = &c.options.ignored;
    let config = Document::open(&c.path, "sentence_bert_config.json", ignored)?;
    config.flag("do_lower_case")?;
    let own = config.size("max_seq_length")?;
    config.finish(&[known::SENTENCE_BERT])?;
    if own.is_some() {
        return Ok(own);
    }
    let path = c.path.join("tokenizer_config.json");
    let limit = match path.is_file() {
        true => parse_json(&path)?["model_max_length"].as_f64(),
        false => None,
    };
    Ok(limit.filter(|&n| (1.0..1e6).contains(&n)).map(|n| n as usize))
}
