//! The record of our counts and that of others', in `bench/`.

use super::row::Row;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// By how many percent a count may grow unnoticed.
const GROWTH: u64 = 1;

fn path(name: &str) -> PathBuf {
    root().join("bench").join(name)
}

fn read(name: &str) -> Result<Vec<Row>> {
    let path = path(name);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// Counts of others' code on the same emulated cores and shapes, measured once.
pub fn peers() -> Result<Vec<Row>> {
    read("peers.json")
}

/// Our recorded counts; none before the first `--bless`.
pub fn rows() -> Result<Vec<Row>> {
    if path("record.json").exists() { read("record.json") } else { Ok(Vec::new()) }
}

/// Writes our counts, a row per line, so that changes are seen.
pub fn write(rows: &[Row]) -> Result<()> {
    let line = |row| Ok(format!("  {}", serde_json::to_string(row)?));
    let lines: Vec<String> = rows.iter().map(line).collect::<Result<_>>()?;
    Ok(std::fs::write(path("record.json"), format!("[\n{}\n]\n", lines.join(",\n")))?)
}

/// Fails when a count has grown, or was never recorded, and says which.
pub fn check(rows: &[Row], known: &[Row]) -> Result<()> {
    let mut wrong = Vec::new();
    for row in rows {
        match row.find(known) {
            None => wrong.push(format!("{} {}: not recorded", row.core, row.case)),
            Some(old) => {
                let limit = old.instructions * row.per * (100 + GROWTH);
                if row.instructions * old.per * 100 > limit {
                    wrong.push(format!(
                        "{} {}: {} instructions, {:.1} % more than the recorded {}",
                        row.core,
                        row.case,
                        row.instructions,
                        100.0 * (row.each() / old.each() - 1.0),
                        old.instructions
                    ));
                }
            }
        }
    }
    if !wrong.is_empty() {
        bail!("slower than recorded in bench/record.json:\n{}", wrong.join("\n"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_beyond_one_percent_is_named() {
        let row = |instructions| Row {
            core: "M4".into(),
            case: "linear/64x64/rows1".into(),
            instructions,
            per: 4096,
            unit: "MAC".into(),
            weight_bytes: None,
            arena_bytes: None,
            source: "ours".into(),
        };
        assert!(check(&[row(1010)], &[row(1000)]).is_ok());
        assert!(check(&[row(900)], &[row(1000)]).is_ok());
        let error = check(&[row(1011)], &[row(1000)]).unwrap_err().to_string();
        assert!(error.contains("M4 linear/64x64/rows1: 1011"), "{error}");
        assert!(check(&[row(1000)], &[]).is_err());
    }
}
