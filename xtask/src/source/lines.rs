//! How much code the engine is.

use super::tokens::tokens;
use super::tree::{Files, read};
use crate::steps::root;
use anyhow::Result;
use std::collections::BTreeSet;

/// What is not counted: the judge of the kernels, which is not linked into firmware.
const NOT_COUNTED: &str = "src/kernels/check";

/// Lines of code of the engine: no comments, no blank lines, no tests, no `kernels/check`.
pub fn engine() -> Result<usize> {
    Ok(count(&read(&root(), "src")?))
}

fn count(files: &Files) -> usize {
    let counted = files.iter().filter(|(path, _)| !path.starts_with(NOT_COUNTED));
    counted.map(|(_, text)| lines(text)).sum()
}

fn lines(text: &str) -> usize {
    let covered: BTreeSet<usize> =
        tokens(text).iter().flat_map(|token| token.line..=token.last_line).collect();
    let blank = text.lines().enumerate().filter(|(_, line)| line.trim().is_empty());
    covered.len() - blank.filter(|(i, _)| covered.contains(&(i + 1))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_counts() {
        let text = "//! Docs.\n\nfn a() { // why\n    /* no\n       code */\n    \"a\n\nb\"\n}\n\n#[cfg(test)]\nmod t {}\n";
        assert_eq!(lines(text), 4);
        let file = |path: &str| (path.to_owned(), "fn a() {}\n".to_owned());
        let files =
            ["src/a.rs", "src/kernels/check.rs", "src/kernels/check/b.rs"].map(file).to_vec();
        assert_eq!(count(&files), 1);
    }
}
