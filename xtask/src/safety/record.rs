//! What the commands measured, as kept in the repository.

use super::rows::{FuzzRow, ProofRow, SoakRow, StackRow};
use crate::steps::root;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// Of `cargo xtask fuzz --record`, a row a target.
    #[serde(default)]
    pub fuzz: Vec<FuzzRow>,
    /// Of `cargo xtask soak --record`, a row a campaign.
    #[serde(default)]
    pub soak: Vec<SoakRow>,
    /// Of `cargo xtask prove --record`, a row a lemma or domain.
    #[serde(default)]
    pub proofs: Vec<ProofRow>,
    /// Of `cargo xtask stack --record`, a row an image.
    #[serde(default)]
    pub stack: Vec<StackRow>,
}

fn path() -> PathBuf {
    root().join("fuzz/record.json")
}

impl Record {
    /// Reads it.
    pub fn read() -> Result<Self> {
        let text = std::fs::read_to_string(path()).context("fuzz/record.json")?;
        serde_json::from_str(&text).context("fuzz/record.json")
    }

    /// Writes it, a row a line.
    pub fn write(&self) -> Result<()> {
        fn part<T: Serialize>(name: &str, rows: &[T]) -> Result<String> {
            let rows: Vec<String> =
                rows.iter().map(serde_json::to_string).collect::<std::result::Result<_, _>>()?;
            let rows = rows.iter().map(|row| format!("\n    {row}")).collect::<Vec<_>>();
            Ok(format!("  \"{name}\": [{}\n  ]", rows.join(",")))
        }
        let parts = [
            part("fuzz", &self.fuzz)?,
            part("soak", &self.soak)?,
            part("proofs", &self.proofs)?,
            part("stack", &self.stack)?,
        ];
        Ok(std::fs::write(path(), format!("{{\n{}\n}}\n", parts.join(",\n")))?)
    }
}

/// Puts rows in the place of those of the same name, or behind the others.
pub fn merge<T: Clone>(known: &mut Vec<T>, rows: &[T], same: impl Fn(&T, &T) -> bool) {
    for row in rows {
        match known.iter_mut().find(|old| same(old, row)) {
            Some(old) => *old = row.clone(),
            None => known.push(row.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_same_name_are_replaced() {
        let mut known = vec![("a", 1), ("b", 2)];
        merge(&mut known, &[("b", 3), ("c", 4)], |x, y| x.0 == y.0);
        assert_eq!(known, [("a", 1), ("b", 3), ("c", 4)]);
    }
}
