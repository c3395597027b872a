//! An encoder-decoder against a list of sources with their targets: what it writes, letter for letter.

use crate::error::{Result, input, read_text};
use crate::evaluation::{Evaluation, Progress, at, encode, nonempty};
use crate::float_model::FloatModel;
use crate::host::HeapArena;
use picoformer::task::TextStream;
use picoformer::{Model, Seq2Seq};
use std::path::Path;

/// Errors counted against the nearest of the targets listed.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    wrong: usize,
    edits: usize,
    symbols: usize,
}

impl Count {
    /// Counts what was written for one source; `view` is what of a symbol is compared.
    fn add(&mut self, written: &str, targets: &[&str], view: impl Fn(&str) -> String) {
        let symbols = |text: &str| text.split_whitespace().map(&view).collect::<Vec<_>>();
        let written = symbols(written);
        let errors = targets.iter().map(|target| {
            let target = symbols(target);
            (distance(&written, &target), target.len())
        });
        let (edits, symbols) = errors.min().unwrap_or_default();
        self.wrong += (edits > 0) as usize;
        self.edits += edits;
        self.symbols += symbols;
    }

    /// `(per, wer)`.
    fn rates(&self, words: f64) -> (f64, f64) {
        (self.edits as f64 / self.symbols.max(1) as f64, self.wrong as f64 / words)
    }
}

/// Edit distance (Levenshtein 1966).
fn distance(a: &[String], b: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let best = (diagonal + (x != y) as usize).min(row[j].min(row[j + 1]) + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

/// An ARPAbet phoneme without the digit of its stress.
fn stressless(phoneme: &str) -> String {
    phoneme.trim_end_matches(['0', '1', '2']).to_owned()
}

/// The text of a target's tokens.
pub fn text(model: &Model, tokens: &[u32]) -> String {
    let (mut stream, mut text) = (TextStream::new(), String::new());
    if let Some(tokenizer) = model.tokenizer() {
        for &token in tokens {
            // A String takes everything.
            let _ = stream.push(&tokenizer, token, &mut text);
        }
        let _ = stream.finish(&mut text);
    }
    text.trim_start().to_owned()
}

/// The best target for a source by the engine: its tokens, its log-probability in nats, whether the model
/// ended it.
///
/// # Errors
/// The engine's.
pub fn run(engine: &mut Seq2Seq, source: &[u32]) -> Result<(Vec<u32>, f64, bool)> {
    let found = engine.run(source)?;
    let mut tokens = vec![0; found.len];
    engine.tokens(&mut tokens);
    Ok((tokens, found.log_probability as f64 / 65536.0, found.complete))
}

/// A TSV: a source, then its targets, a tab between them.
pub(crate) fn targets(
    model: &Model,
    reference: Option<&FloatModel>,
    data: &Path,
    limit: Option<usize>,
    progress: Progress,
) -> Result<Evaluation> {
    let file = read_text(data)?;
    let lines = file.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let lines: Vec<_> = lines.take(limit.unwrap_or(usize::MAX)).collect();
    let n = nonempty(lines.len(), data)?;
    let mut arena = HeapArena::new(model.arena());
    let mut engine = Seq2Seq::new(model, arena.parts())?;
    let (mut counts, mut same) = ([[Count::default(); 2]; 2], 0);
    for (done, &(i, line)) in lines.iter().enumerate() {
        progress(done, lines.len());
        let place = || at(format!("{}, line {}", data.display(), i + 1));
        let mut fields = line.split('\t');
        let source = fields.next().unwrap_or_default();
        let listed: Vec<&str> = fields.collect();
        if listed.is_empty() {
            let help = "a source, then its targets, a tab between them";
            return Err(place()(input("no target is listed", help)));
        }
        let ids = encode(model, source).map_err(place())?;
        let (tokens, ..) = run(&mut engine, &ids).map_err(place())?;
        let mut count = |which: usize, tokens: &[u32]| {
            let text = text(model, tokens);
            counts[which][0].add(&text, &listed, stressless);
            counts[which][1].add(&text, &listed, str::to_owned);
        };
        count(0, &tokens);
        if let Some(read) = reference.and_then(|float| float.read(&ids)) {
            let config = model.config();
            let float = read.search(config.beams, config.target_context)?;
            count(1, &float);
            same += (float == tokens) as usize;
        }
    }
    let [[plain, stress], [float_plain, float_stress]] =
        counts.map(|pair| pair.map(|c| c.rates(n)));
    let float = |rate: f64| reference.map(|_| rate);
    Ok(Evaluation {
        sequences: lines.len(),
        beams: Some(model.config().beams),
        per: Some(plain.0),
        wer: Some(plain.1),
        per_stress: Some(stress.0),
        wer_stress: Some(stress.1),
        per_reference: float(float_plain.0),
        wer_reference: float(float_plain.1),
        per_stress_reference: float(float_stress.0),
        wer_stress_reference: float(float_stress.1),
        top1_agreement: float(same as f64 / n),
        ..Evaluation::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn distances_count_edits() {
        for (a, b, expected) in
            [("", "", 0), ("a b c", "a b c", 0), ("a b c", "a x c", 1), ("b c", "a b c d", 2)]
        {
            assert_eq!(distance(&words(a), &words(b)), expected, "{a} {b}");
            assert_eq!(distance(&words(b), &words(a)), expected, "{b} {a}");
        }
    }

    #[test]
    fn the_nearest_target_counts() {
        let mut count = Count::default();
        count.add("T AH0 M EY1 T OW2", &["T AH0 M AA1 T OW2", "T AH0 M EY1 T OW2"], str::to_owned);
        count.add("R EH0 D", &["R IY1 D", "R EH1 D"], str::to_owned);
        assert_eq!((count.wrong, count.edits, count.symbols), (1, 1, 9));
        count.add("R EH0 D", &["R IY1 D", "R EH1 D"], stressless);
        assert_eq!((count.wrong, count.edits, count.symbols), (1, 1, 12));
    }
}
