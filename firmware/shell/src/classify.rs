//! `classify TEXT`.

use picoformer::fixed::{LOG2_E_Q30, exp2_fine};
use picoformer::probability::log_probability;
use picoformer::sampler::greedy;
use picoformer::{ArenaParts, Encoder, Model, Progress, RunError};
use picoformer_demo::hash::Hash;
use picoformer_demo::shipped::intent::{Intent, MODEL, NONE};

use crate::board::Board;
use crate::memory::Ram;
use crate::terminal::Terminal;
use crate::trouble::{Trouble, encode};

/// What a text was found to be.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The likeliest label.
    pub label: &'static str,
    /// False: the text is none of the labels, and this is the nearest.
    pub in_scope: bool,
    /// Its probability in hundredths of a percent.
    pub probability: u32,
    /// Tokens of the text.
    pub tokens: usize,
}

/// Writes what a text wants.
pub fn command<B: Board>(
    terminal: &mut Terminal<B>,
    ram: &mut Ram,
    text: &str,
) -> Result<(), Trouble> {
    let mut hash = Hash::new();
    let Answer { label, in_scope, probability, .. } = classify(terminal, ram, text, &mut hash)?;
    let (percent, rest) = (probability / 100, probability % 100);
    let hash = hash.value();
    let none = if in_scope { "" } else { NONE };
    terminal.say(format_args!("{none}{label} ({percent}.{rest:02} %), logits {hash:016x}\n"));
    Ok(())
}

/// The answer to a text, step by step.
#[inline(never)] // its frame must not be that of every command
pub fn classify<B: Board>(
    terminal: &mut Terminal<B>,
    ram: &mut Ram,
    text: &str,
    hash: &mut Hash,
) -> Result<Answer, Trouble> {
    static THE_MODEL: &Model = &MODEL;
    let mut parts: ArenaParts = ram.parts();
    let room = core::mem::take(&mut parts.tokens);
    let tokenizer = MODEL.tokenizer().ok_or(RunError::EmptyInput)?;
    let tokens = encode(&tokenizer, text, room)?;
    let mut encoder = Encoder::<Intent>::new_for(THE_MODEL, parts)?;
    terminal.step(|| encoder.begin(tokens))?;
    while terminal.step(|| encoder.step()) == Progress::Working {
        terminal.uninterrupted()?;
    }
    let logits = encoder.outputs();
    hash.add(logits);
    let (label, in_scope) = match MODEL.scope() {
        Some(scope) => (scope.nearest(logits), scope.contains(logits)),
        None => (greedy(logits) as usize, true),
    };
    Ok(Answer {
        label: MODEL.label(label).unwrap_or("?"),
        in_scope,
        probability: percent(log_probability(logits, label)),
        tokens: tokens.len(),
    })
}

/// `e^x` in hundredths of a percent, for `x` in Q15.16 and not above zero.
fn percent(x: i32) -> u32 {
    let halvings = (i64::from(x).unsigned_abs() * LOG2_E_Q30 as u64) >> 30;
    let probability = exp2_fine(halvings.min(u32::MAX.into()) as u32); // Q0.31
    ((u64::from(probability) * 10_000 + (1 << 30)) >> 31) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_rounded() {
        assert_eq!(percent(0), 10_000);
        assert_eq!(percent(-3757), 9_443); // ln 0.94428 in Q15.16
        assert_eq!(percent(i32::MIN), 0);
    }
}
