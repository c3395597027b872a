//! Addresses on their way into assembly. `.addr()` takes the provenance away without exposing it, so the
//! compiler may assume that the assembly touches nothing of what the pointer points to:
//! `.expose_provenance()` belongs there. `.addr()` may only ask for an alignment.

use super::tokens::{Token, tokens};
use super::tree::Files;

/// Where the rule holds.
pub const FOLDER: &str = "src/kernels";

/// Places at which `.addr()` is more than a question about alignment: file and line.
pub fn wrong(files: &Files) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (path, text) in files {
        let tokens = tokens(text);
        let calls = (0..tokens.len()).filter(|&at| is(&tokens, at, &[".", "addr", "(", ")"]));
        let wrong = calls.filter(|&at| !asks_for_alignment(&tokens, at));
        found.extend(wrong.map(|at| (path.clone(), tokens[at].line)));
    }
    found
}

fn is(tokens: &[Token], at: usize, texts: &[&str]) -> bool {
    tokens
        .get(at..at + texts.len())
        .is_some_and(|found| found.iter().zip(texts).all(|(f, t)| f.text == *t))
}

/// `a.addr().is_multiple_of(4)`, or addresses joined by `|`: `a.addr() | b.addr()`, also
/// `a.addr() | if c { b.addr() } …`.
fn asks_for_alignment(tokens: &[Token], at: usize) -> bool {
    if is(tokens, at + 4, &[".", "is_multiple_of", "("]) || is(tokens, at + 4, &["|"]) {
        return true;
    }
    const JOINED: [&str; 5] = [".", "addr", "(", ")", "|"];
    let start = receiver(tokens, at);
    let before = |back: usize| start.checked_sub(back).is_some_and(|at| is(tokens, at, &JOINED));
    before(5) || before(8) && is(tokens, start - 3, &["if"]) && is(tokens, start - 1, &["{"])
}

/// Where the expression begins whose method is called at `at`.
fn receiver(tokens: &[Token], at: usize) -> usize {
    let (mut start, mut open) = (at, 0);
    while let Some(token) = start.checked_sub(1).map(|before| tokens[before]) {
        match token.text {
            ")" | "]" => open += 1,
            "(" | "[" if open > 0 => open -= 1,
            "." | "::" => {}
            _ if open > 0 || token.is_name() => {}
            _ => break,
        }
        start -= 1;
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(code: &str) -> Vec<usize> {
        let files = vec![(String::from("a.rs"), code.to_owned())];
        wrong(&files).into_iter().map(|(_, line)| line).collect()
    }

    #[test]
    fn alignment_may_be_asked_for() {
        for code in [
            "x.as_ptr().addr().is_multiple_of(4)",
            "let words = a.as_ptr().addr() | b.as_ptr().addr() | len;",
            "let halves = a.as_ptr().addr() | if biased { b.as_ptr().addr() } else { 0 };",
            "x.expose_provenance()",
            "// x.addr()",
        ] {
            assert!(lines(code).is_empty(), "{code}");
        }
    }

    #[test]
    fn addresses_must_be_exposed() {
        for code in [
            "let at = out.each_mut().map(|out| out.as_mut_ptr().addr());",
            "by.biases = biases.addr().wrapping_sub(2);",
            "Rescale { end: ends.end.addr() }",
            "let moved = cursor.addr() + 8;",
            "f(a.addr(), b)",
        ] {
            assert_eq!(lines(&format!("\n{code}")), [2], "{code}");
        }
    }
}
