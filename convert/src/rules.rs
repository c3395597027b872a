//! Rules of generation as records of a blob (`picoformer::rules`).

use crate::account::Document;
use crate::error::Result;
use crate::float_weights::FloatModel;
use picoformer::blob::{RULES, Tag};
use picoformer::rules::{EarlyStop, FACTOR_BITS, Kind};
use serde_json::Value;
use std::collections::BTreeMap;

/// Rules by kind: a record each.
#[derive(Clone, Debug, Default)]
pub struct Records(BTreeMap<u16, Vec<Vec<u32>>>);

impl Records {
    /// Adds a rule; one without values is none.
    pub fn add(&mut self, kind: Kind, values: Vec<u32>) {
        if !values.is_empty() {
            self.0.entry(kind as u16).or_default().push(values);
        }
    }

    /// Whether there is a rule of a kind.
    pub fn has(&self, kind: Kind) -> bool {
        self.0.contains_key(&(kind as u16))
    }

    /// The optional section of a blob; none without rules.
    pub fn sections(&self) -> Vec<(Tag, Vec<u8>)> {
        let data = self.bytes();
        if data.is_empty() { Vec::new() } else { vec![(RULES, data)] }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, rules) in &self.0 {
            for values in rules {
                bytes.extend(kind.to_le_bytes());
                bytes.extend((values.len() as u16).to_le_bytes());
                values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
            }
        }
        bytes
    }
}

/// Lets a model name its end tokens in its rules, where it does not yet.
pub fn name_ends(model: &mut FloatModel, ends: &[usize]) {
    if model.rules().has_ends() {
        return;
    }
    // End tokens are the first kind. None is told, too: the tokenizer may know one.
    let mut data = Records(BTreeMap::from([(Kind::Ends as u16, vec![words(ends)])])).bytes();
    data.extend(model.section(RULES).unwrap_or_default());
    model.set_section(RULES, data);
}

/// Token ids as a blob holds them.
pub fn words(tokens: &[usize]) -> Vec<u32> {
    tokens.iter().map(|&token| token as u32).collect()
}

/// Most values of one rule, and most tokens.
const MOST: usize = u16::MAX as usize;

/// The file that says how to generate, and the size of the vocabulary.
pub struct Reader<'c> {
    /// The file.
    pub file: &'c Document,
    /// Tokens.
    pub vocab_size: usize,
}

impl Reader<'_> {
    /// The token ids under a key.
    pub fn tokens(&self, key: &'static str) -> Result<Vec<u32>> {
        let mut tokens = self.file.tokens(key)?;
        tokens.sort_unstable();
        tokens.dedup();
        self.check(key, &tokens)?;
        Ok(words(&tokens))
    }

    /// Words of `bad_words_ids` of one token, and longer ones. A word that is an end token alone is none,
    /// as in the original.
    pub fn words(&self, ends: &[usize]) -> Result<(Vec<u32>, Vec<Vec<u32>>)> {
        let key = "bad_words_ids";
        let wrong = || self.file.wrong(key, "a list of lists of token ids");
        let Some(value) = self.file.get(key) else { return Ok(Default::default()) };
        let (mut single, mut longer) = (Vec::new(), Vec::new());
        for word in value.as_array().ok_or_else(wrong)? {
            let word = word.as_array().filter(|word| !word.is_empty()).ok_or_else(wrong)?;
            let token = |v: &Value| v.as_u64().and_then(|token| usize::try_from(token).ok());
            let word: Vec<usize> =
                word.iter().map(token).collect::<Option<_>>().ok_or_else(wrong)?;
            self.check(key, &word)?;
            match word[..] {
                [token] if ends.contains(&token) => {}
                [token] => single.push(token as u32),
                _ => longer.push(words(&word)),
            }
        }
        Ok((single, longer))
    }

    fn check(&self, key: &'static str, tokens: &[usize]) -> Result<()> {
        let last = self.vocab_size.saturating_sub(1);
        match tokens.iter().any(|&token| token > last) || tokens.len() > MOST {
            true => Err(self.file.refuse(key, format!("at most {MOST} tokens from 0 to {last}"))),
            false => Ok(()),
        }
    }

    /// What changes the scores of tokens, and when hypotheses end: everything that decoders and
    /// encoder-decoders share, but for tokens that are never written.
    pub fn common(&self, ends: &[usize]) -> Result<Records> {
        let mut records = Records::default();
        let file = self.file;
        if let Some(penalty) = file.positive("repetition_penalty")?.filter(|&p| p != 1.0) {
            let unit = f64::from(1u32 << FACTOR_BITS);
            let factors = [penalty, 1.0 / penalty].map(|factor| (factor * unit).round());
            if factors.iter().any(|&factor| factor > f64::from(u32::MAX)) {
                return Err(file.refuse("repetition_penalty", "1/255 to 255"));
            }
            records.add(Kind::Repetition, factors.map(|factor| factor as u32).to_vec());
        }
        if let Some(size) = file.count("no_repeat_ngram_size")?.filter(|&size| size > 0) {
            records.add(Kind::NoRepeat, vec![size as u32]);
        }
        // The original lets the number of new tokens rule where both are named.
        let (length, new) = (file.count("min_length")?, file.count("min_new_tokens")?);
        let least = match (new, length) {
            (Some(new), _) => Some((Kind::LeastNew, new)).filter(|least| least.1 > 0),
            (None, length) => length.map(|n| (Kind::LeastLength, n)).filter(|least| least.1 > 1),
        };
        if let Some((kind, least)) = least.filter(|_| !ends.is_empty()) {
            records.add(kind, vec![least as u32]);
            records.add(Kind::Ends, words(ends));
        }
        records.add(Kind::SuppressedFirst, self.tokens("begin_suppress_tokens")?);
        records.add(Kind::Last, self.tokens("forced_eos_token_id")?);
        if ends.len() > 1 && !records.has(Kind::Ends) {
            records.add(Kind::Ends, words(ends));
        }
        Ok(records)
    }

    /// How a search compares hypotheses and when it ends.
    pub fn search(&self, records: &mut Records) -> Result<()> {
        let file = self.file;
        if let Some(penalty) = file.number("length_penalty")?.filter(|&penalty| penalty != 1.0) {
            if penalty.abs() > 64.0 {
                return Err(file.refuse("length_penalty", "-64 to 64"));
            }
            let fixed = (penalty * 65536.0).round() as i32;
            records.add(Kind::LengthPenalty, vec![fixed as u32]);
        }
        let stop = match file.get("early_stopping") {
            None | Some(Value::Bool(false)) => return Ok(()),
            Some(Value::Bool(true)) => EarlyStop::Always,
            Some(Value::String(text)) if text == "never" => EarlyStop::Never,
            Some(_) => return Err(file.wrong("early_stopping", "true, false or \"never\"")),
        };
        records.add(Kind::EarlyStop, vec![stop as u32]);
        Ok(())
    }
}
