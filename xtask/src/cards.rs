//! `models/README.md`, the table of all models, and what keeps it and the models' cards true.
//!
//! A folder of `models/` with a `model.pico` has a `figures.json`: its data, and for each test what
//! `picoformer eval` measured, with the checksum of the blob that it was measured on. The table takes
//! flash, RAM and parameters from the blob itself. A blob that is not the one measured fails the check.
//! A folder `four-bits` in it has the same for the blob with weights of four bits, of which the card tells, too.

use crate::figures::grouped;
use crate::markers;
use crate::models::{FOUR_BITS, Shipped, shipped};
use crate::steps::root;
use anyhow::{Context, Result, bail, ensure};
use picoformer::Model;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::process::Command;

/// `figures.json`.
#[derive(Serialize, Deserialize)]
struct Figures {
    /// Data sets and their licences.
    data: String,
    /// What `picoformer convert` is told, beyond the checkpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    convert: Vec<String>,
    /// Of the blob that was measured: CRC-32 in its header.
    checksum: String,
    tests: Vec<Test>,
}

#[derive(Serialize, Deserialize)]
struct Test {
    /// What was it measured on.
    on: String,
    /// Where that lies in the model's folder; otherwise `--data` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    /// More for `picoformer eval`, such as `--beam 4`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    arguments: Vec<String>,
    /// Whether f32 is measured, too.
    reference: bool,
    /// The figures that the table shows: keys of `measured`, or `false_events_an_hour`.
    show: Vec<String>,
    /// What `picoformer eval --json` said.
    measured: Map<String, Value>,
}

/// A shipped model.
struct Card {
    name: String,
    /// The first line of its README.md, behind the name.
    task: String,
    text: String,
    figures: Figures,
    checksum: String,
    parameters: u64,
    flash: u64,
    ram: u64,
}

/// Writes the table, or checks that it, the cards and the blobs agree.
///
/// # Errors
/// What does not agree, and the command that mends it.
pub fn table(check: bool) -> Result<()> {
    let cards = cards()?;
    for card in &cards {
        card.check()?;
    }
    markers::update("models/README.md", &[("models", rows(&cards))], check, "cargo xtask models")
}

/// Measures a model anew, on its own data or, test by test, on folders that are given, and writes the table.
///
/// # Errors
/// A test without data; what `picoformer eval` says.
pub fn measure(name: &str, folders: &[PathBuf]) -> Result<()> {
    let shipped = Shipped::new(name);
    let mut card = Card::read(&shipped)?;
    let mut given = folders.iter();
    for test in &mut card.figures.tests {
        let data = test.data.as_ref().map(|data| shipped.model.join(data));
        let data = data.or_else(|| given.next().cloned()).with_context(|| {
            format!("{}: say where they are with --data (models/{name}/README.md)", test.on)
        })?;
        test.measured = evaluate(&shipped, &data, test)?;
    }
    card.figures.checksum = card.checksum;
    let text = serde_json::to_string_pretty(&card.figures)?;
    std::fs::write(shipped.folder.join("figures.json"), text + "\n")?;
    table(false)
}

/// `picoformer eval`, with the optimisation of the tests.
fn evaluate(shipped: &Shipped, data: &Path, test: &Test) -> Result<Map<String, Value>> {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--profile", "test", "--package", "picoformer-convert"]);
    command.args(["--bin", "picoformer", "--", "eval", "--json"]).args(&test.arguments);
    command.arg(shipped.folder.join("model.pico")).arg("--data").arg(data);
    if test.reference {
        command.arg("--reference").arg(shipped.model.join("checkpoint"));
    }
    let output = command.current_dir(root()).output().context("cargo cannot be started")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn cards() -> Result<Vec<Card>> {
    let cards: Vec<Card> = shipped()?.iter().map(Card::read).collect::<Result<_>>()?;
    ensure!(!cards.is_empty(), "no model is shipped");
    Ok(cards)
}

impl Card {
    fn read(shipped: &Shipped) -> Result<Self> {
        let Shipped { name, folder, model } = shipped;
        let text = |path: PathBuf| {
            std::fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        let figures = serde_json::from_str(&text(folder.join("figures.json"))?);
        let figures = figures.with_context(|| format!("{name}/figures.json"))?;
        let text = text(model.join("README.md"))?;
        let first = text.lines().next().unwrap_or_default();
        let of = name.trim_end_matches(FOUR_BITS).trim_end_matches('/');
        let task = first.strip_prefix(&format!("# {of}: "));
        let task = task.with_context(|| format!("{of}/README.md begins with `{first}`"))?.into();
        let bytes = std::fs::read(folder.join("model.pico"))?;
        let model =
            Model::parse_checked(&bytes).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
        Ok(Self {
            task,
            figures,
            checksum: format!("{:08x}", model.header().checksum),
            parameters: model.header().parameters.into(),
            flash: model.flash_bytes() as u64,
            ram: model.arena().total_bytes() as u64,
            text,
            name: name.clone(),
        })
    }

    /// The figures are those of the blob, and the card tells them.
    fn check(&self) -> Result<()> {
        let Self { name, text, figures, checksum, .. } = self;
        if figures.checksum != *checksum {
            bail!(
                "models/{name}/model.pico is not the blob that figures.json was measured on; \
                 `cargo xtask models --measure {name}` measures it"
            );
        }
        let mut needed = vec![grouped(self.flash), grouped(self.ram)];
        for test in &figures.tests {
            for key in &test.show {
                needed.push(test.figure(key).with_context(|| format!("{name}: `{key}`"))?);
            }
        }
        for figure in needed {
            ensure!(text.contains(&figure), "the card of models/{name} does not say `{figure}`");
        }
        Ok(())
    }
}

impl Card {
    /// Its name, and where to read of it.
    fn link(&self) -> String {
        match self.name.strip_suffix(FOUR_BITS) {
            Some(model) => {
                format!("[{0}]({0}/README.md), weights of four bits", model.trim_end_matches('/'))
            }
            None => format!("[{0}]({0}/README.md)", self.name),
        }
    }
}

impl Test {
    fn number(&self, key: &str) -> Option<f64> {
        self.measured.get(key)?.as_f64()
    }

    /// A figure as it is written.
    fn figure(&self, key: &str) -> Option<String> {
        if key == "false_events_an_hour" {
            let hours = self.number("seconds")? / 3600.0;
            return Some(format!("{:.2}", self.number("false_events")? / hours));
        }
        let value = self.number(key)?;
        Some(match key.trim_end_matches("_reference") {
            "nll" => format!("{value:.4}"),
            "latency" => format!("{:.0} ms", value * 1000.0),
            _ => format!("{:.2} %", value * 100.0),
        })
    }

    /// All that is shown, in words.
    fn words(&self) -> String {
        let words = |key: &String| {
            let what = match key.as_str() {
                "accuracy" => "right",
                "nll" => "nats per token",
                "wer" => "words wrong",
                "latency" => "median latency",
                "false_events_an_hour" => "false events an hour",
                other => other,
            };
            let exact = self.figure(&format!("{key}_reference"));
            let exact = exact.map(|figure| format!(" (f32 {figure})")).unwrap_or_default();
            format!("{} {what}{exact}", self.figure(key).unwrap_or_default())
        };
        let all: Vec<String> = self.show.iter().map(words).collect();
        format!("{}: {}", self.on, all.join(", "))
    }
}

fn rows(cards: &[Card]) -> String {
    let mut text =
        "\n| model | task | data | measured | parameters | flash, bytes | RAM, bytes |\n\
                    | --- | --- | --- | --- | ---: | ---: | ---: |\n"
            .to_owned();
    for card in cards {
        let measured: Vec<String> = card.figures.tests.iter().map(Test::words).collect();
        text += &format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            card.link(),
            card.task,
            card.figures.data,
            measured.join("; "),
            grouped(card.parameters),
            grouped(card.flash),
            grouped(card.ram),
        );
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What CI checks, too: the table, the cards and the blobs agree.
    #[test]
    fn the_table_is_true() {
        table(true).unwrap();
    }

    #[test]
    fn another_blob_is_noticed() {
        let mut card = Card::read(&Shipped::new("digits")).unwrap();
        card.check().unwrap();
        card.text = card.text.replace(&grouped(card.flash), "1");
        assert!(card.check().unwrap_err().to_string().contains("does not say"));
        card.checksum = "0".into();
        let error = card.check().unwrap_err().to_string();
        assert!(error.contains("cargo xtask models --measure digits"), "{error}");
    }

    #[test]
    fn figures_are_written_as_in_the_cards() {
        let test = r#"{ "on": "a", "reference": true, "show": ["accuracy", "false_events_an_hour", "latency"],
            "measured": { "accuracy": 0.98058, "accuracy_reference": 0.5, "false_events": 4,
                          "seconds": 20000, "latency": 0.1921 } }"#;
        let test: Test = serde_json::from_str(test).unwrap();
        let expected =
            "a: 98.06 % right (f32 50.00 %), 0.72 false events an hour, 192 ms median latency";
        assert_eq!(test.words(), expected);
        assert_eq!(test.figure("nll"), None);
    }
}
