//! How a checkpoint wants to generate: `generation_config.json`, and in its absence the same keys of an
//! older `config.json`. Each is done, changes nothing, or is refused.

use crate::account::{Document, known::GENERATION, known::Known};
use crate::checkpoint::Checkpoint;
use crate::error::{Result, input};
use crate::rules::{Reader, Records};
use picoformer::config::MAX_BEAMS;
use picoformer::rules::Kind;

/// Search settings of an encoder-decoder.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Hypotheses kept.
    pub beams: usize,
    /// Longest target, the start token counted.
    pub target_context: usize,
    /// The token that a target begins with.
    pub start_token: usize,
    /// The token that ends one; of several, the first.
    pub end_token: usize,
    /// A token never written, plus 1; 0: none, or several, which are rules.
    pub suppressed_token: usize,
    /// The token after the start token, plus 1; 0: any.
    pub forced_token: usize,
    /// What no field says.
    pub rules: Records,
}

/// How a decoder's texts end, and its rules.
#[derive(Clone, Debug, Default)]
pub struct Writing {
    /// The end tokens.
    pub ends: Vec<usize>,
    /// What a tokenizer's section does not say.
    pub rules: Records,
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
        ends.sort_unstable();
        ends.dedup();
        Ok(ends)
    }

    /// The end tokens that the model has, in ascending order.
    fn checked_ends(&self, vocab_size: usize) -> Result<Vec<usize>> {
        let ends = self.ends()?;
        let own = self.c.generation.peek("eos_token_id").is_some();
        let file = if own { &self.c.generation } else { &self.c.config };
        match ends.iter().find(|&&end| end >= vocab_size) {
            Some(_) => {
                let last = vocab_size.saturating_sub(1);
                Err(file.refuse("eos_token_id", format!("tokens of the vocabulary, 0 to {last}")))
            }
            None => Ok(ends),
        }
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
    let (rules, vocab_size) = (source.rules, c.config.needed("vocab_size")?);
    let reader = Reader { file: rules, vocab_size };
    let ends = source.checked_ends(vocab_size)?;
    let Some(&end_token) = ends.first() else {
        return Err(c.config.missing("eos_token_id", "a token id"));
    };
    let old_start = c.config.token("decoder_start_token_id")?;
    let start_token = match c.generation.token("decoder_start_token_id")?.or(old_start).or(start) {
        Some(token) => token,
        None => return Err(c.config.missing("decoder_start_token_id", "a token id")),
    };
    let mut records = reader.common(&ends)?;
    reader.search(&mut records)?;
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
    let forced = rules.token("forced_bos_token_id")?;
    let suppressed_token = match suppressed(&reader, &mut records, &ends, forced)?[..] {
        [] => 0,
        [token] => token as usize + 1,
        ref several => {
            records.add(Kind::Suppressed, several.to_vec());
            0
        }
    };
    let target_context = target_context(c, rules, context)?;
    source.finish()?;
    Ok(Search {
        beams,
        target_context,
        start_token,
        end_token,
        suppressed_token,
        forced_token: forced.map_or(0, |token| token + 1),
        rules: records,
    })
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

/// How a decoder's texts end, and its rules.
///
/// # Errors
/// A setting that the engine's sampler does not have.
pub fn decoder(c: &Checkpoint) -> Result<Writing> {
    let source = Source::new(c);
    let (rules, vocab_size) = (source.rules, c.config.needed("vocab_size")?);
    let reader = Reader { file: rules, vocab_size };
    let mut ends = source.checked_ends(vocab_size)?;
    if ends.is_empty() {
        ends.extend(default_end(c)?.and_then(|end| c.id(end)));
    }
    let mut records = reader.common(&ends)?;
    source.neutral("num_beams", &["1"], ": a decoder samples and does not search")?;
    let forced = reader.tokens("forced_bos_token_id")?;
    let first = forced.first().map(|&token| token as usize);
    let banned = suppressed(&reader, &mut records, &ends, first)?;
    records.add(Kind::Suppressed, banned);
    records.add(Kind::First, forced);
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
    Ok(Writing { ends, rules: records })
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

/// The tokens that are never written, those of `suppress_tokens` and of bad words of one token; longer
/// words become records.
fn suppressed(
    reader: &Reader,
    records: &mut Records,
    ends: &[usize],
    forced: Option<usize>,
) -> Result<Vec<u32>> {
    let mut tokens = reader.tokens("suppress_tokens")?;
    let last = reader.tokens("forced_eos_token_id")?;
    let first: Vec<u32> = forced.iter().map(|&token| token as u32).collect();
    for (key, forced) in [("forced_bos_token_id", &first), ("forced_eos_token_id", &last)] {
        if !forced.is_empty() && forced.iter().all(|token| tokens.contains(token)) {
            let supported = format!("not all the tokens that `{key}` demands");
            return Err(reader.file.refuse("suppress_tokens", supported));
        }
    }
    let (single, longer) = reader.words(ends)?;
    // What is forced comes although it is a bad word, but not although it is suppressed.
    let (words, single): (Vec<u32>, Vec<u32>) =
        single.into_iter().partition(|token| first.contains(token) || last.contains(token));
    let words = words.into_iter().map(|token| vec![token]);
    longer.into_iter().chain(words).for_each(|word| records.add(Kind::Word, word));
    tokens.extend(single);
    tokens.sort_unstable();
    tokens.dedup();
    Ok(tokens)
}

/// Keys of generation that `config.json` may have beside a `generation_config.json`.
pub const IN_CONFIG: &[Known] = GENERATION;
