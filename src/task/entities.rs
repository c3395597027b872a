//! Labels of words, entities, and the label of the text: models that tag.

use super::classify::{Answer, Classifier, answer, row_label, wrong};
use super::{TaskError, encode};
use crate::config::{Head, Problem};
use crate::sampler::greedy;
use crate::slices::part;
use crate::target::{self, Build};
use crate::tokenizer::{EncodeError, Kind, Tokenizer};

/// Words of a text that together name something: the artist of a song, the time of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Entity<'m, 't> {
    /// What it is: its label without `B-` or `I-`.
    pub kind: &'m str,
    /// Its words, without punctuation behind them.
    pub text: &'t str,
    /// The index of its first word. Words are what stands between white space.
    pub first: usize,
    /// The index after its last word.
    pub end: usize,
}

/// A word of a text with its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Word<'m, 't> {
    /// The word: what stands between white space.
    pub text: &'t str,
    /// The index of its first token; `None` for a word of characters that the tokenizer drops.
    pub token: Option<usize>,
    /// The index of that token's label.
    pub label: Option<usize>,
    /// The label's name; empty if there is none.
    pub name: &'m str,
}

impl<'m, B: Build> Classifier<'m, '_, B> {
    /// The entities of a text: calls `each` for one after the other. Returns the label of the whole text if
    /// the model has labels for it ([`Model::text_labels`](crate::Model::text_labels)).
    ///
    /// The labels of words are `O`, or `B-` or `I-` and a kind. As in the script of CoNLL-2000 (Tjong Kim
    /// Sang & Buchholz 2000), an entity begins with `B-`, or with an `I-` of another kind than the word
    /// before, and goes on while words have an `I-` of its kind.
    ///
    /// # Errors
    /// As [`Classifier::words`].
    pub fn entities<'t>(
        &mut self,
        text: &'t str,
        mut each: impl FnMut(Entity<'m, 't>),
    ) -> Result<Option<Answer<'m>>, TaskError> {
        let mut spans = Spans { text, open: None, index: 0 };
        let answer = self.words(text, |word| {
            if let Some(entity) = spans.push(word) {
                each(entity);
            }
        })?;
        if let Some(entity) = spans.close() {
            each(entity);
        }
        Ok(answer)
    }

    /// Labels every word of a text, which is what stands between white space: calls `each` for one after
    /// the other. A word's label is that of its first token. Returns the label of the whole text if the
    /// model has labels for it ([`Model::text_labels`](crate::Model::text_labels)), which is that of the first token.
    ///
    /// # Errors
    /// As [`Classifier::outputs`]; [`RunError::WrongModel`](crate::RunError::WrongModel) without per-token
    /// labels, or with another tokenizer than WordPiece: only there no token reaches from one word into the
    /// next.
    pub fn words<'t>(
        &mut self,
        text: &'t str,
        mut each: impl FnMut(Word<'m, 't>),
    ) -> Result<Option<Answer<'m>>, TaskError> {
        if !matches!(self.head(), Head::TokenLabels) {
            return Err(wrong("a model with per-token labels"));
        }
        let tokenizer = self.tokenizer;
        let method = target::tokenizer::<B>(&tokenizer);
        if !matches!(method.kind, Kind::WordPiece) {
            return Err(wrong("a model with tokens of words (WordPiece)"));
        }
        self.encoder.abandon();
        let model = self.encoder.model();
        let tokens = encode::<B>(&tokenizer, text, self.tokens)?;
        self.encoder.run(tokens)?;
        self.input = self.encoder.input();
        let of_text = target::text_labels::<B>(model.text_labels());
        let mut row = tokenizer.vocabulary().begin().is_some() as usize;
        for word in words(&tokenizer, text) {
            // Counted as what finds no room.
            let count = match tokenizer.encode_by(method, word, &mut []) {
                Err(EncodeError::TooLong { needed, .. }) => needed,
                other => other?,
            };
            let count = count.saturating_sub(tokenizer.specials());
            let mut found = Word { text: word, token: None, label: None, name: "" };
            if count > 0 {
                let label = row_label(self.encoder.label_logits(row)?, row, of_text);
                let name = model.label(label).unwrap_or("");
                found = Word { token: Some(row), label: Some(label), name, ..found };
            }
            each(found);
            row += count;
        }
        if of_text == 0 {
            return Ok(None);
        }
        let logits = part(self.encoder.label_logits(0)?, 0, of_text);
        Ok(Some(answer(model, Problem::SingleLabel, logits, greedy(logits) as usize)))
    }
}

/// What stands between characters that the tokenizer takes for white space.
fn words<'t>(tokenizer: &Tokenizer, text: &'t str) -> impl Iterator<Item = &'t str> {
    let vocabulary = *tokenizer.vocabulary();
    let space = move |c: char| matches!(vocabulary.character(c as u32), Some((1, _)));
    text.split(space).filter(|word| !word.is_empty())
}

/// The kind of an entity that a word's label names, and whether one begins there.
fn kind(name: &str) -> Option<(&str, bool)> {
    match (name.strip_prefix("B-"), name.strip_prefix("I-")) {
        (Some(kind), _) => Some((kind, true)),
        (_, Some(kind)) => Some((kind, false)),
        _ => None,
    }
}

/// Joins words to entities.
struct Spans<'m, 't> {
    text: &'t str,
    open: Option<Entity<'m, 't>>,
    index: usize,
}

impl<'m, 't> Spans<'m, 't> {
    /// Takes a word; the entity that ended before it, if one did.
    fn push(&mut self, word: Word<'m, 't>) -> Option<Entity<'m, 't>> {
        let index = self.index;
        self.index += 1;
        let found = kind(word.name);
        if let (Some(open), Some((kind, false))) = (&mut self.open, found)
            && open.kind == kind
        {
            open.end = index + 1;
            open.text = reaching(self.text, open.text, word.text);
            return None;
        }
        let ended = self.close();
        self.open =
            found.map(|(kind, _)| Entity { kind, text: word.text, first: index, end: index + 1 });
        ended
    }

    /// The last entity.
    fn close(&mut self) -> Option<Entity<'m, 't>> {
        let entity = self.open.take()?;
        Some(Entity { text: without_punctuation(entity.text), ..entity })
    }
}

/// The part of `text` from the beginning of one of its parts to the end of a later one.
fn reaching<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let start = text.as_ptr().addr();
    let begin = from.as_ptr().addr().wrapping_sub(start);
    let end = to.as_ptr().addr().wrapping_sub(start).wrapping_add(to.len());
    text.get(begin..end).unwrap_or_default()
}

/// A text without `, ; : ! ?` at its end, and without a full stop there if its last word has no other
/// (`a.m.` keeps its own). A text of nothing else is left as it is.
fn without_punctuation(text: &str) -> &str {
    let ends = |c: char| matches!(c, ',' | ';' | ':' | '!' | '?');
    let mut rest = text.trim_end_matches(ends);
    if let Some(before) = rest.strip_suffix('.') {
        // Not by `rsplit`, which calls itself: a stack has a bound.
        let begin = before.trim_end_matches(|c: char| !c.is_whitespace()).len();
        let word = before.get(begin..).unwrap_or_default();
        if !word.contains('.') {
            rest = before;
        }
    }
    if rest.is_empty() { text } else { rest }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn entities(labels: &[&'static str]) -> Vec<(&'static str, usize, usize)> {
        let text = "a b c d e f g h";
        let mut spans = Spans { text, open: None, index: 0 };
        let words = text.split(' ').zip(labels);
        let words = words.map(|(text, &name)| Word { text, token: None, label: None, name });
        let mut found: Vec<Entity> = words.filter_map(|word| spans.push(word)).collect();
        found.extend(spans.close());
        for entity in &found {
            assert_eq!(entity.text, &text[2 * entity.first..2 * entity.end - 1]);
        }
        found.iter().map(|entity| (entity.kind, entity.first, entity.end)).collect()
    }

    /// What `seqeval.metrics.sequence_labeling.get_entities` (1.2.2) gives, ends counted from behind.
    #[test]
    fn words_are_joined_as_by_conlleval() {
        assert_eq!(entities(&["O", "B-x", "I-x", "O", "B-y"]), [("x", 1, 3), ("y", 4, 5)]);
        assert_eq!(entities(&["B-x", "B-x", "I-x"]), [("x", 0, 1), ("x", 1, 3)]);
        assert_eq!(
            entities(&["I-x", "I-x", "I-y", "I-x"]),
            [("x", 0, 2), ("y", 2, 3), ("x", 3, 4)]
        );
        assert_eq!(entities(&["B-x", "I-y", "I-y", "O"]), [("x", 0, 1), ("y", 1, 3)]);
        assert_eq!(entities(&["O", "I-x", "B-x", "I-x"]), [("x", 1, 2), ("x", 2, 4)]);
        assert_eq!(entities(&["O"; 8]), []);
        assert_eq!(entities(&["B-x"; 2]), [("x", 0, 1), ("x", 1, 2)]);
    }

    #[test]
    fn punctuation_behind_an_entity_is_none_of_it() {
        for (text, expected) in [
            ("jazz,", "jazz"),
            ("home.", "home"),
            ("seven a.m.", "seven a.m."),
            ("u.s. bank.", "u.s. bank"),
            ("what?!", "what"),
            ("?", "?"),
            ("", ""),
        ] {
            assert_eq!(without_punctuation(text), expected);
        }
    }
}
