//! How a checkpoint wants to generate: `generation_config.json`, and in its absence the same keys of an
//! older `config.json`. Each is done, changes nothing, or is refused.

use crate::account::{Document, known::GENERATION, known::Known};
use crate::checkpoint::Checkpoint;
use crate::error::{Result, input};
use picoformer::config::MAX_BEAMS;

/// Search settings of an encoder-decoder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Search {
    /// Hypotheses kept.
    pub beams: usize,
    /// Longest target, the start token counted.
    pub target_context: usize,
    /// The token that a target begins with.
    pub start_token: usize,
    /// The token that ends one.
    pub end_token: usize,
    /// A token never written, plus 1; 0: none.
    pub suppressed_token: usize,
    /// The token after the start token, plus 1; 0: any.
    pub forced_token: usize,
}

/// A beam width that the engine has.
///
/// # Errors
/// [`crate::error::Error::Input`] with the greatest width.
pub fn beam_width(beams: usize) -> Result<usize> {
    match beams {
        1..=MAX_BEAMS => Ok(beams),
        _ => Err(input(
            format!("a beam of {beams} is not possible"),
            format!("1 (greedy) to {MAX_BEAMS}"),
        )),
    }
}

/// Keys that only a sampler reads: without `do_sample` they change nothing.
const SAMPLING: &[&str] = &[
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
    "top_h",
];

/// Keys of `generation_config.json` that an older `config.json` has too.
const SHARED: &[&str] = &[
    "max_length",
    "min_length",
    "do_sample",
    "early_stopping",
    "num_beams",
    "repetition_penalty",
    "length_penalty",
    "no_repeat_ngram_size",
    "bad_words_ids",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "suppress_tokens",
    "begin_suppress_tokens",
    "max_new_tokens",
    "min_new_tokens",
    "encoder_no_repeat_ngram_size",
    "diversity_penalty",
    "num_beam_groups",
    "num_return_sequences",
    "remove_invalid_values",
    "exponential_decay_length_penalty",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
];

/// The file that says how to generate, with the special tokens of both.
struct Source<'c> {
    c: &'c Checkpoint,
    rules: &'c Document,
}

impl<'c> Source<'c> {
    fn new(c: &'c Checkpoint) -> Self {
        Self { c, rules: if c.generation.exists() { &c.generation } else { &c.config } }
    }

    /// The end tokens; those of `config.json` where `generation_config.json` names none.
    fn ends(&self) -> Result<Vec<usize>> {
        let own = self.c.config.tokens("eos_token_id")?;
        let mut ends = self.c.generation.tokens("eos_token_id")?;
        if ends.is_empty() {
            ends = own;
        }
        ends.dedup();
        Ok(ends)
    }

    /// The file that names the end tokens, for messages.
    fn of_ends(&self) -> &'c Document {
        let own = self.c.generation.peek("eos_token_id").is_some();
        if own { &self.c.generation } else { &self.c.config }
    }

    /// Refuses a key unless it is one of the values that change nothing.
    fn neutral(
        &self,
        key: &'static str,
        values: &'static [&'static str],
        help: &str,
    ) -> Result<()> {
        if let Some(value) = self.rules.get(key)
            && !values.iter().any(|&text| crate::account::same(value, text))
        {
            return Err(self.rules.refuse(key, format!("{}{help}", values.join(", "))));
        }
        Ok(())
    }

    /// What no search and no sampler of the engine does.
    fn common(&self) -> Result<()> {
        self.neutral("repetition_penalty", &["1.0"], "")?;
        self.neutral("no_repeat_ngram_size", &["0"], "")?;
        self.neutral("begin_suppress_tokens", &["[]"], "")?;
        self.neutral("min_length", &["0"], "")?;
        self.neutral("min_new_tokens", &["0"], "")?;
        Ok(())
    }

    /// Everything was looked at.
    fn finish(&self) -> Result<()> {
        if !self.c.generation.exists() {
            return Ok(());
        }
        self.c.generation.finish(&[GENERATION])?;
        for key in SHARED {
            // What rules is in the other file, and the original does not read these.
            if let (Some(old), new) = (self.c.config.get(key), self.c.generation.peek(key))
                && new.is_some_and(|new| new != old)
            {
                self.c.note(format!(
                    "config.json: `{key}` is {old}; generation_config.json, which rules, says otherwise"
                ));
            }
        }
        Ok(())
    }
}

/// Reads the settings of an encoder-decoder's search; `context` is the source's.
///
/// # Errors
/// A setting that the engine's search does not have.
pub fn search(c: &Checkpoint, context: usize, start: Option<usize>) -> Result<Search> {
    let source = Source::new(c);
    let rules = source.rules;
    let ends = source.ends()?;
    let end_token = match ends[..] {
        [end] => end,
        [] => return Err(c.config.missing("eos_token_id", "a token id")),
        _ => {
            let one = "one end token";
            return Err(source.of_ends().refuse("eos_token_id", one));
        }
    };
    let old_start = c.config.token("decoder_start_token_id")?;
    let start_token = match c.generation.token("decoder_start_token_id")?.or(old_start).or(start) {
        Some(token) => token,
        None => return Err(c.config.missing("decoder_start_token_id", "a token id")),
    };
    source.common()?;
    source.neutral("do_sample", &["false"], ": an encoder-decoder searches and does not sample")?;
    for key in SAMPLING {
        rules.get(key);
    }
    let own = rules.size("num_beams")?;
    let beams = match (c.options.beams, own) {
        (Some(beams), _) => beam_width(beams)?,
        (None, Some(beams)) if beams > MAX_BEAMS => {
            return Err(rules.refuse("num_beams", format!("1 to {MAX_BEAMS}; `--beams N` sets it")));
        }
        (None, own) => own.unwrap_or(4),
    };
    // With one hypothesis there is nothing to compare.
    let greedy: &[&str] = &["length_penalty", "early_stopping"];
    if beams > 1 {
        source.neutral("length_penalty", &["1.0"], ", or a search with one beam (`--beams 1`)")?;
        source.neutral(
            "early_stopping",
            &["false"],
            ", or a search with one beam (`--beams 1`)",
        )?;
    }
    for key in greedy {
        rules.get(key);
    }
    source.neutral("forced_eos_token_id", &["[]"], "")?;
    Ok(Search {
        beams,
        target_context: target_context(c, rules, context)?,
        start_token,
        end_token,
        suppressed_token: suppressed(rules)?,
        forced_token: rules.token("forced_bos_token_id")?.map_or(0, |token| token + 1),
    })
    .and_then(|search| source.finish().map(|()| search))
}

/// The original's id of the end token of a decoder whose `config.json` does not have the key: the default of
/// the original's class, where it is a token at all.
///
/// # Errors
/// As [`Checkpoint::original_size`].
pub fn default_end(c: &Checkpoint) -> Result<Option<usize>> {
    if c.config.root().get("eos_token_id").is_some() {
        return Ok(None);
    }
    let default = if c.config.text("model_type")? == Some("gpt2") { 50256 } else { 2 };
    let known = c.original_size()?;
    Ok(Some(default).filter(|&end| end < known))
}

/// The end token of a decoder, if it names one; `None` if it names none.
///
/// # Errors
/// A setting that the engine's sampler does not have.
pub fn decoder_end(c: &Checkpoint) -> Result<Option<usize>> {
    let source = Source::new(c);
    let rules = source.rules;
    let mut ends = source.ends()?;
    if ends.len() > 1 {
        return Err(source.of_ends().refuse("eos_token_id", "one end token"));
    }
    if ends.is_empty() {
        ends.extend(default_end(c)?.and_then(|end| c.id(end)));
    }
    source.common()?;
    source.neutral("num_beams", &["1"], ": a decoder samples and does not search")?;
    source.neutral("bad_words_ids", &["[]"], "")?;
    source.neutral("suppress_tokens", &["[]"], "")?;
    source.neutral("forced_bos_token_id", &["[]"], "")?;
    source.neutral("forced_eos_token_id", &["[]"], "")?;
    let samples = rules.flag("do_sample")?.unwrap_or(false);
    for key in SAMPLING {
        let Some(value) = rules.get(key) else { continue };
        match (*key, samples) {
            ("temperature" | "top_k" | "top_p", true) => c.note(format!(
                "{}: `{key}` is {value}; whoever runs the blob chooses how it samples",
                rules.name()
            )),
            ("min_p" | "epsilon_cutoff" | "eta_cutoff", true) => {
                source.neutral(key, &["0.0"], "")?;
            }
            ("typical_p", true) => source.neutral(key, &["1.0"], "")?,
            ("top_h", true) => source.neutral(key, &["null"], "")?,
            _ => {}
        }
    }
    // Whoever runs the blob says how many tokens it writes; a penalty of length needs a search.
    for key in ["max_length", "max_new_tokens", "length_penalty", "early_stopping"] {
        rules.get(key);
    }
    both(c, "decoder_start_token_id");
    source.finish()?;
    Ok(ends.first().copied())
}

/// An encoder writes nothing: its keys of generation change nothing.
///
/// # Errors
/// A key that nobody knows.
pub fn none(c: &Checkpoint) -> Result<()> {
    for key in SHARED.iter().chain(SAMPLING) {
        both(c, key);
    }
    both(c, "eos_token_id");
    both(c, "decoder_start_token_id");
    match c.generation.exists() {
        true => c.generation.finish(&[GENERATION]),
        false => Ok(()),
    }
}

/// A key that counts as used in both files.
fn both(c: &Checkpoint, key: &str) {
    c.config.get(key);
    c.generation.get(key);
}

/// Longest target, the start token counted: what the checkpoint generates at most, within `context`.
/// (`max_length` counts the start token, `max_new_tokens` does not but counts the end token.)
fn target_context(c: &Checkpoint, rules: &Document, context: usize) -> Result<usize> {
    let (new, all) = (rules.size("max_new_tokens")?, rules.size("max_length")?);
    if let Some(target) = c.options.target_context {
        return match target {
            0 => Err(input("--target-context 0 is not possible", "1 or more")),
            target => Ok(target),
        };
    }
    let own = new.or(all.map(|length| length.saturating_sub(1)));
    let target = own.filter(|&length| length > 0).unwrap_or(context);
    Ok(target.min(context))
}

/// The one token of `bad_words_ids` or `suppress_tokens`, plus 1; 0 without.
fn suppressed(rules: &Document) -> Result<usize> {
    let one = "one word of one token in both together";
    let listed = rules.tokens("suppress_tokens")?;
    let words = rules.get("bad_words_ids").and_then(|v| v.as_array()).map_or(&[][..], |v| &v[..]);
    let mut tokens = listed.clone();
    for word in words {
        match word.as_array().map(Vec::as_slice) {
            Some([token]) => match token.as_u64().filter(|&t| t <= 1 << 20) {
                Some(token) => tokens.push(token as usize),
                None => return Err(rules.wrong("bad_words_ids", "a list of lists of token ids")),
            },
            Some([_, ..]) => return Err(rules.refuse("bad_words_ids", one)),
            _ => return Err(rules.wrong("bad_words_ids", "a list of lists of token ids")),
        }
    }
    tokens.sort_unstable();
    tokens.dedup();
    match tokens[..] {
        [] => Ok(0),
        [token] => Ok(token + 1),
        _ => {
            let key = if words.is_empty() { "suppress_tokens" } else { "bad_words_ids" };
            Err(rules.refuse(key, one))
        }
    }
}

/// Keys of generation that `config.json` may have beside a `generation_config.json`.
pub const IN_CONFIG: &[Known] = GENERATION;
