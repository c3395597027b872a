//! A model of token labels against tagged texts: its entities, and the label of the whole text. Without tags,
//! against its checkpoint in f32.

use crate::error::{Error, Result, input, read_text};
use crate::evaluation::{Evaluation, Progress, at, best, encode, needs_reference, nonempty};
use crate::float_model::FloatModel;
use crate::host::HeapArena;
use picoformer::sampler::greedy;
use picoformer::{Classifier, Encoder, Model};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;

/// The label of a text that is given as null.
const NONE: &str = "none";

/// A kind, the first word, the one after the last.
type Span<'a> = (&'a str, usize, usize);

/// The entities of tagged words, as the script of CoNLL-2000 and the package seqeval count them: an `I-` without
/// its `B-` begins one.
fn spans<'a>(tags: &'a [String]) -> BTreeSet<Span<'a>> {
    let (mut found, mut open): (BTreeSet<Span>, Option<Span>) = (BTreeSet::new(), None);
    for (i, tag) in tags.iter().enumerate() {
        let (begins, kind) = match tag.split_once('-') {
            Some(("B", kind)) => (true, Some(kind)),
            Some(("I", kind)) => (false, Some(kind)),
            _ => (false, None),
        };
        if let (false, Some((own, _, end))) = (begins, &mut open)
            && Some(*own) == kind
        {
            *end = i + 1;
            continue;
        }
        found.extend(open.take());
        open = kind.map(|kind| (kind, i, i + 1));
    }
    found.extend(open);
    found
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Entities in the data, found, and found where they are.
    there: usize,
    found: usize,
    right: usize,
    /// Texts with a label, and those whose label is found.
    labelled: usize,
    labels_right: usize,
    /// Texts of which all is found.
    whole: usize,
}

impl Count {
    fn add(&mut self, found: &[String], wanted: &[String], label: Option<bool>) {
        let (found, wanted) = (spans(found), spans(wanted));
        self.there += wanted.len();
        self.found += found.len();
        self.right += found.intersection(&wanted).count();
        self.labelled += label.is_some() as usize;
        self.labels_right += (label == Some(true)) as usize;
        self.whole += (found == wanted && label != Some(false)) as usize;
    }

    /// The harmonic mean of precision and recall; 0 where there is nothing to find and nothing found.
    fn f1(&self) -> f64 {
        2.0 * self.right as f64 / (self.found + self.there).max(1) as f64
    }

    fn labels(&self) -> Option<f64> {
        (self.labelled > 0).then(|| self.labels_right as f64 / self.labelled as f64)
    }
}

#[derive(Deserialize)]
struct Row {
    text: String,
    tags: Vec<String>,
    /// Absent, or null for none.
    #[serde(default, deserialize_with = "present")]
    intent: Option<Option<String>>,
}

fn present<'de, D: serde::Deserializer<'de>>(
    value: D,
) -> std::result::Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Lines of JSON with `text`, `tags` and, if wanted, `intent`; or texts, which are compared with the checkpoint.
pub(crate) fn tags(
    model: &Model,
    reference: Option<&FloatModel>,
    data: &Path,
    progress: Progress,
) -> Result<Evaluation> {
    let content = read_text(data)?;
    let lines = content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let lines: Vec<(usize, &str)> = lines.map(|(i, line)| (i + 1, line)).collect();
    nonempty(lines.len(), data)?;
    match lines.iter().all(|(_, line)| line.trim_start().starts_with('{')) {
        true => tagged(model, reference, data, &lines, progress),
        false => agreement(model, reference, data, &lines, progress),
    }
}

fn tagged(
    model: &Model,
    reference: Option<&FloatModel>,
    data: &Path,
    lines: &[(usize, &str)],
    progress: Progress,
) -> Result<Evaluation> {
    let mut arena = HeapArena::new(model.arena());
    let mut classifier = Classifier::new(model, arena.parts())?;
    let of_text = model.text_labels();
    let name = |label: usize| model.label(label).unwrap_or_default().to_owned();
    let mut counts = [Count::default(); 2];
    for (done, &(number, line)) in lines.iter().enumerate() {
        progress(done, lines.len());
        let place = || at(format!("{}, line {number}", data.display()));
        let row: Row = serde_json::from_str(line).map_err(|error| Error::Malformed {
            path: data.into(),
            what: "JSONL file with `text`, `tags` and perhaps `intent`",
            reason: format!("line {number}: {error}"),
        })?;
        let (mut tokens, mut found) = (Vec::new(), Vec::new());
        let answer = classifier.words(&row.text, |word| {
            tokens.push(word.token);
            found.push(word.label.map_or("O".into(), name));
        });
        let answer =
            answer.map_err(|error| place()(input(error.to_string(), "shorten the text")))?;
        if found.len() != row.tags.len() {
            let message = format!("{} words, {} tags", found.len(), row.tags.len());
            return Err(place()(input(message, "one tag for every word between white space")));
        }
        let wanted = row.intent.map(|intent| intent.unwrap_or(NONE.into()));
        let wanted = wanted.filter(|_| of_text > 0);
        let right = |label: Option<String>| wanted.as_ref().map(|own| Some(own) == label.as_ref());
        counts[0].add(&found, &row.tags, right(answer.map(|answer| answer.name.into())));
        if let Some(float) = reference {
            let outputs = float.forward(&encode(model, &row.text).map_err(place())?).outputs;
            let of_word = |token: &Option<usize>| match token {
                Some(token) => name(of_text + best(&outputs[*token][of_text..])),
                None => "O".into(),
            };
            let found: Vec<String> = tokens.iter().map(of_word).collect();
            let label = (of_text > 0).then(|| name(best(&outputs[0][..of_text])));
            counts[1].add(&found, &row.tags, right(label));
        }
    }
    let [own, float] = counts;
    let n = lines.len() as f64;
    Ok(Evaluation {
        sequences: lines.len(),
        entities: Some(own.there),
        entity_f1: Some(own.f1()),
        entity_f1_reference: reference.map(|_| float.f1()),
        entity_precision: Some(own.right as f64 / own.found.max(1) as f64),
        entity_recall: Some(own.right as f64 / own.there.max(1) as f64),
        intent_accuracy: own.labels(),
        intent_accuracy_reference: reference.and_then(|_| float.labels()),
        whole_accuracy: Some(own.whole as f64 / n),
        ..Evaluation::default()
    })
}

/// A text a line: share of tokens with the same label as in f32.
fn agreement(
    model: &Model,
    reference: Option<&FloatModel>,
    data: &Path,
    lines: &[(usize, &str)],
    progress: Progress,
) -> Result<Evaluation> {
    let float = needs_reference(reference, "a model of per-token labels, on texts without tags,")?;
    let mut arena = HeapArena::new(model.arena());
    let mut encoder = Encoder::new(model, arena.parts())?;
    let (mut same, mut count) = (0, 0);
    for (done, &(number, line)) in lines.iter().enumerate() {
        progress(done, lines.len());
        let place = || at(format!("{}, line {number}", data.display()));
        let ids = encode(model, line).map_err(place())?;
        encoder.run(&ids).map_err(|e| place()(e.into()))?;
        for (row, logits) in float.forward(&ids).outputs.iter().enumerate() {
            let found = greedy(encoder.label_logits(row)?) as usize;
            same += (best(logits) == found) as usize;
            count += 1;
        }
    }
    Ok(Evaluation {
        sequences: lines.len(),
        tokens: Some(count),
        top1_agreement: Some(same as f64 / count.max(1) as f64),
        ..Evaluation::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(String::from).collect()
    }

    /// What seqeval's `f1_score` gives for the same tags, to twelve digits.
    #[test]
    fn f1_is_that_of_seqeval() {
        let cases = [
            ("O B-a I-a O B-b", "O B-a I-a O B-b"),
            ("O B-a O O B-b", "O B-a I-a O B-b"),
            ("I-a I-a I-b O O", "B-a I-a B-b I-b O"),
            ("O O O O O", "O B-a I-a O O"),
            ("B-a B-a I-a O I-c", "B-a I-a I-a O B-c"),
        ];
        let mut count = Count::default();
        for (found, wanted) in cases {
            count.add(&words(found), &words(wanted), None);
        }
        assert_eq!((count.right, count.found, count.there, count.whole), SEQEVAL);
        assert_eq!(count.labels(), None);
    }

    /// Entities right, found, there; texts of which all is right.
    const SEQEVAL: (usize, usize, usize, usize) = (5, 9, 9, 1);

    #[test]
    fn intents_may_be_absent_or_null() {
        let read = |line: &str| serde_json::from_str::<Row>(line).unwrap().intent;
        assert_eq!(read(r#"{"text": "", "tags": []}"#), None);
        assert_eq!(read(r#"{"text": "", "tags": [], "intent": null}"#), Some(None));
        assert_eq!(read(r#"{"text": "", "tags": [], "intent": "x"}"#), Some(Some("x".into())));
    }
}
