//! `cargo xtask prove`: the lemmas of `tools/proofs` by the solver Z3, with the tests that tie each to its function,
//! and functions of one number over their whole domain.

use super::record::{Record, merge};
use super::rows::ProofRow as Row;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::process::Command;

/// What the command is asked for.
#[derive(clap::Args)]
pub struct Options {
    /// A Python that has the package `z3-solver`
    #[arg(long, default_value = "python3")]
    python: String,
    /// Only the lemmas, not the whole domains, which take minutes
    #[arg(long)]
    lemmas: bool,
    /// Machine-readable
    #[arg(long)]
    json: bool,
    /// Keeps the rows in fuzz/record.json and shows them in docs/SECURITY.md
    #[arg(long)]
    record: bool,
}

/// What `tools/proofs/lemmas.py` prints.
#[derive(Deserialize)]
struct Lemma {
    lemma: String,
    function: String,
    test: String,
    cases: u64,
    proved: bool,
}

/// Tests that try every value, the function, and how many there are.
const DOMAINS: [(&str, &str, u64); 9] = [
    ("fixed::tests::domain_of_shift_by", "fixed::shift_by, six shifts each", 6 << 32),
    ("fixed::tests::domain_of_scale", "fixed::Scale::new", (1 << 32) - 1),
    ("fixed::tests::domain_of_exponentials", "fixed::exp2_fine, fixed::exp2_negative", 2 << 32),
    ("fixed::tests::domain_of_log2", "fixed::log2", 1 << 32),
    ("fixed::tests::domain_of_sine", "fixed::sine", 1 << 32),
    (
        "fixed::tests::shifts_of_rows_follow_the_rule",
        "fixed::RowShift, every 16-bit number",
        86 << 16,
    ),
    ("fixed::tests::scale_codes_never_fall_below_the_row", "fixed::scale_code", (1 << 15) + 1),
    ("matrix::tests::every_pair_of_weights_survives_packing", "matrix::Packing", 255 * 255 * 2),
    ("nn::exact::sums_of_the_widest_rows_lose_nothing", "sums of the widest rows, in 64 bits", 1),
];

/// Runs both.
pub fn prove(options: &Options) -> Result<()> {
    let lemmas = lemmas(&options.python)?;
    let mut wanted: Vec<&str> = lemmas.iter().map(|lemma| &*lemma.test).collect();
    let mut rows = Vec::new();
    if !options.lemmas {
        wanted.extend(DOMAINS.iter().map(|(test, ..)| test));
    }
    wanted.sort_unstable();
    wanted.dedup();
    let passed = tests(&wanted)?;
    let ok = |test: &str| passed.get(test).copied().unwrap_or(false);
    for lemma in &lemmas {
        if !ok(&lemma.test) {
            eprintln!(
                "`{}` is tied to its function by {}, which does not pass",
                lemma.lemma, lemma.test
            );
        }
        rows.push(Row {
            lemma: lemma.lemma.clone(),
            function: lemma.function.clone(),
            method: "z3".into(),
            cases: lemma.cases,
            proved: lemma.proved && ok(&lemma.test),
        });
    }
    for (test, function, cases) in DOMAINS.into_iter().filter(|_| !options.lemmas) {
        let lemma = test.rsplit("::").next().unwrap_or(test).replace('_', " ");
        let method = "every value".into();
        rows.push(Row { lemma, function: function.into(), method, cases, proved: ok(test) });
    }
    match options.json {
        true => println!("{}", serde_json::to_string(&rows)?),
        false => {
            for row in &rows {
                let word = if row.proved { "proved" } else { "FAILED" };
                println!(
                    "{word} {:<44} {:>12} {} ({})",
                    row.lemma, row.cases, row.method, row.function
                );
            }
        }
    }
    if options.record {
        let mut record = Record::read()?;
        merge(&mut record.proofs, &rows, |a, b| a.lemma == b.lemma);
        record.write()?;
        super::document::update(false)?;
    }
    if rows.iter().any(|row| !row.proved) {
        bail!("not all is proved");
    }
    Ok(())
}

/// What the solver says.
fn lemmas(python: &str) -> Result<Vec<Lemma>> {
    let output = Command::new(python)
        .arg("tools/proofs/lemmas.py")
        .current_dir(root())
        .output()
        .with_context(|| format!("`{python}` cannot be started"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    if error.contains("No module named 'z3'") {
        bail!("`{python}` has no z3: `pip install z3-solver`, or choose another by --python");
    }
    let told = String::from_utf8_lossy(&output.stdout);
    let lemmas: Vec<Lemma> =
        told.lines().map(serde_json::from_str).collect::<serde_json::Result<_>>()?;
    if lemmas.is_empty() {
        bail!("tools/proofs/lemmas.py printed nothing:\n{error}");
    }
    Ok(lemmas)
}

/// Runs tests of the engine in a release build, ignored ones too: which passed.
fn tests(names: &[&str]) -> Result<BTreeMap<String, bool>> {
    let output = Command::new("cargo")
        .args(["test", "--release", "--package", "picoformer", "--lib", "--"])
        .args(["--include-ignored", "--exact"])
        .args(names)
        .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")
        .current_dir(root())
        .output()
        .context("cargo cannot be started")?;
    let told = String::from_utf8_lossy(&output.stdout);
    eprint!("{told}");
    let result = |line: &str| {
        let (test, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
        Some((test.to_owned(), result == "ok"))
    };
    Ok(told.lines().filter_map(result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every test that a proof names is there.
    #[test]
    fn proofs_name_tests_that_exist() {
        let script = std::fs::read_to_string(root().join("tools/proofs/lemmas.py")).unwrap();
        let named = script
            .split('"')
            .filter(|text| text.contains("::tests::") || text.contains("::exact::"));
        let all = named.chain(DOMAINS.iter().map(|(test, ..)| *test));
        let mut count = 0;
        for test in all {
            let (module, name) = test.rsplit_once("::").unwrap();
            // A file of tests, or tests at the end of their module.
            let file = |module: &str| root().join(format!("src/{}.rs", module.replace("::", "/")));
            let text = std::fs::read_to_string(file(module))
                .or_else(|_| std::fs::read_to_string(file(module.trim_end_matches("::tests"))))
                .unwrap_or_else(|_| panic!("no file of {module}"));
            assert!(text.contains(&format!("fn {name}()")), "{test}");
            count += 1;
        }
        assert!(count > 20);
    }
}
