//! One count, and how the bench programs print it.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// One count. The fields are the keys of `cargo xtask bench --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The core.
    pub core: String,
    /// What was run, such as `linear/64x512/rows16`.
    pub case: String,
    /// Instructions of the whole case.
    pub instructions: u64,
    /// How many units the case covers.
    pub per: u64,
    /// MAC, pair, element, token or inference.
    pub unit: String,
    /// Bytes of weights loaded from flash, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_bytes: Option<u64>,
    /// Bytes of RAM of the model, where one was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arena_bytes: Option<u64>,
    /// Whose count it is: `ours`, or a recorded one of somebody else's code.
    pub source: String,
}

impl Row {
    /// Instructions of one unit.
    pub fn each(&self) -> f64 {
        self.instructions as f64 / self.per.max(1) as f64
    }

    /// The row of the same core and case.
    pub fn find<'r>(&self, rows: &'r [Row]) -> Option<&'r Row> {
        rows.iter().find(|row| (&row.core, &row.case) == (&self.core, &self.case))
    }

    /// The best count of others for the same core and case.
    pub fn best_peer<'p>(&self, peers: &'p [Row]) -> Option<&'p Row> {
        let same = peers.iter().filter(|p| (&p.core, &p.case) == (&self.core, &self.case));
        same.min_by_key(|peer| peer.instructions)
    }
}

/// Reads `#case NAME INSTRUCTIONS PER UNIT` and `#arena_bytes BYTES`; a `*` in a name is the model.
pub fn read(text: &str, core: &str, model: &str) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let kind = words.next().unwrap_or_default();
        let mut word = || words.next().with_context(|| format!("a word is missing in `{line}`"));
        match kind {
            "#case" => {
                let case = word()?.replace('*', model);
                let mut number = || word()?.parse().with_context(|| format!("no number: `{line}`"));
                let (count, per) = (number()?, number()?);
                rows.push(Row {
                    core: core.into(),
                    case,
                    instructions: count,
                    per,
                    unit: word()?.into(),
                    weight_bytes: None,
                    arena_bytes: None,
                    source: "ours".into(),
                });
            }
            "#arena_bytes" => {
                let bytes: u64 = word()?.parse().with_context(|| format!("no number: `{line}`"))?;
                rows.iter_mut().for_each(|row| row.arena_bytes = Some(bytes).filter(|b| *b > 0));
            }
            _ => {}
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read() {
        let rows = read("arm-dsp\n#case decode/* 1000 128 token\n#x 1\n", "M4", "tales").unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].case.as_str(), rows[0].instructions), ("decode/tales", 1000));
        assert!(read("#case decode/* many 128 token", "M4", "tales").is_err());
    }
}
