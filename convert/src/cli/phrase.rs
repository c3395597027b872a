//! Phrases for a model of single words: a pronunciation dictionary's model knows letters and no space.
//!
//! A phrase is split at white space, hyphens, dashes and slashes; punctuation at the ends of a word is left out.
//! Everything else must have a token: digits and letters that the model does not know are named, with the word.

use miette::Result;
use picoformer::Model;
use picoformer::tokenizer::{EncodeError, Kind};
use picoformer_convert::error::input;
use serde_json::{Value, json};

/// What stands between two words' answers.
const BETWEEN: &str = " | ";

/// Whether a model takes words and no phrases: its tokenizer has no token for a space, and none for what a word
/// does not hold.
pub fn is_of_words(model: &Model) -> bool {
    let Some(tokenizer) = model.tokenizer() else { return false };
    let refused = |text: &str| {
        let mut tokens = [0; 64];
        matches!(tokenizer.encode(text, &mut tokens), Err(EncodeError::UnknownCharacter { .. }))
    };
    // WordPiece and Unigram drop or mark spaces: what they read is a text.
    matches!(tokenizer.kind(), Kind::Bytes | Kind::Bpe) && refused("a b")
}

/// The words of a phrase.
fn words(phrase: &str) -> impl Iterator<Item = &str> {
    let between = |c: char| {
        c.is_whitespace() || matches!(c, '-' | '/' | '_' | '\u{2010}'..='\u{2015}' | '\u{2026}')
    };
    phrase.split(between).map(without_punctuation).filter(|word| !word.is_empty())
}

/// A word without the punctuation at its ends. An apostrophe stays where a letter follows or, behind the word,
/// where one stands before it (`'tis`, `dogs'`).
fn without_punctuation(word: &str) -> &str {
    let mark = |c: char| {
        c.is_ascii_punctuation() && c != '\''
            || matches!(
                c,
                '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ab}' | '\u{bb}' | '\u{a1}' | '\u{bf}'
            )
    };
    let word = word.trim_matches(mark);
    match word.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(quoted) => quoted.trim_matches(mark),
        None if word == "'" => "",
        None => word,
    }
}

/// Answers a phrase word by word with `one`. A single word has the answer that it would have alone.
///
/// # Errors
/// A phrase without words; those of `one`, which then name the word.
pub fn answer(phrase: &str, one: impl Fn(&str) -> Result<Value>) -> Result<Value> {
    let words: Vec<&str> = words(phrase).collect();
    if words.is_empty() {
        return one(phrase.trim());
    }
    let named = |word: &str| {
        one(word).map_err(|error| match words.len() {
            1 => error,
            _ => {
                let help = error.help().map(|help| help.to_string());
                input(format!("`{word}`: {error}"), help.unwrap_or_default()).into()
            }
        })
    };
    let mut answers = Vec::new();
    for word in &words {
        let mut value = named(word)?;
        value["word"] = json!(word);
        answers.push(value);
    }
    if answers.len() == 1 {
        return Ok(answers.remove(0));
    }
    let texts: Vec<&str> = answers.iter().filter_map(|value| value["text"].as_str()).collect();
    let text = texts.join(BETWEEN);
    let whole = answers.iter().all(|value| value["stop"] == "end_of_sequence");
    Ok(json!({
        "text": text,
        "stop": if whole { "end_of_sequence" } else { "limit" },
        "source_ids": answers.iter().map(|value| value["source_ids"].clone()).collect::<Vec<_>>(),
        "words": answers,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_become_words() {
        let split = |phrase: &'static str| words(phrase).collect::<Vec<_>>();
        assert_eq!(split("hello world"), ["hello", "world"]);
        assert_eq!(split("  Hello,\tworld!  "), ["Hello", "world"]);
        assert_eq!(split("well-known \u{2014} \"don't\""), ["well", "known", "don't"]);
        assert_eq!(
            split("'tis the dogs' 'house' and/or"),
            ["'tis", "the", "dogs'", "house", "and", "or"]
        );
        assert_eq!(split("mp3 caf\u{e9}"), ["mp3", "caf\u{e9}"]);
        assert_eq!(split(" ... -- ' "), [""; 0]);
    }
}
