//! The measured figures in README.md and docs/BENCHMARKS.md, written from the records.

use crate::bench::document;
use crate::figures::grouped;
use crate::qemu::{Row, record};
use crate::safety::record::Record;
use crate::safety::rows::StackRow;
use crate::steps::root;
use crate::{boards, chips, image, markers, safety};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// The command that writes what is checked here.
const COMMAND: &str = "cargo xtask readme";

/// Writes the figures into README.md and the documents that hold some, or checks that they are current.
pub fn figures(check: bool) -> Result<()> {
    let tables = [("figures", tables()?), ("boards", boards::table()?)];
    markers::update("README.md", &tables, check, COMMAND)?;
    safety::document::update(check)?;
    chips::table(check)?;
    benchmarks(check)
}

/// Those of docs/BENCHMARKS.md alone.
pub fn benchmarks(check: bool) -> Result<()> {
    markers::update("docs/BENCHMARKS.md", &document::tables()?, check, COMMAND)
}

/// Every command shown in README.md prints what is shown there. `…` stands for lines left out.
pub fn commands() -> Result<()> {
    let text = std::fs::read_to_string(root().join("README.md"))?;
    let examples: Vec<&str> = text.split("\n$ picoformer ").skip(1).collect();
    if examples.is_empty() {
        bail!("README.md shows no command");
    }
    for example in examples {
        let mut lines = example.lines().take_while(|line| !line.starts_with("```"));
        let words = words(lines.next().unwrap_or_default());
        let shown: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        if shown == ["…"] {
            continue; // takes long, and tests have an eye on its numbers
        }
        let mut command = Command::new("cargo");
        command.args(["run", "--quiet", "--package", "picoformer-convert", "--"]).args(&words);
        let output = command.current_dir(root()).output().context("cargo cannot be started")?;
        let printed = squeezed(&String::from_utf8_lossy(&output.stdout));
        for line in shown.into_iter().filter(|line| line.trim() != "…") {
            if !printed.contains(&squeezed(line)) {
                let line = line.trim();
                bail!(
                    "README.md shows `{line}`, but picoformer {} says\n{printed}",
                    words.join(" ")
                );
            }
        }
    }
    Ok(())
}

/// Words of a command line; double quotes keep some together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in line.split('"').enumerate() {
        if i % 2 == 1 {
            words.push(part.into());
        } else {
            words.extend(part.split_whitespace().map(String::from));
        }
    }
    words
}

/// Without the breaks and columns that are for the eye only.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn tables() -> Result<String> {
    let rows = record()?;
    Ok(format!(
        "\n{}\n{}\n{}\n",
        instructions(&rows)?,
        memory(&rows, &Record::read()?.stack)?,
        minimal()?
    ))
}

/// What a field of the rows holds, each value once, in the record's order.
fn distinct(rows: &[Row], field: fn(&Row) -> &str) -> Vec<&str> {
    let mut found = Vec::new();
    for value in rows.iter().map(field) {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

fn instructions(rows: &[Row]) -> Result<String> {
    let mut text = String::from("Guest instructions (`cargo xtask qemu`):\n\n| core |");
    let demos = distinct(rows, |row| &row.demo);
    for &demo in &demos {
        let row =
            rows.iter().find(|row| row.demo == demo).context("a demo is not in the record")?;
        text += &format!(" {demo}, per {} |", row.unit);
    }
    text += "\n| --- |";
    text += &" ---: |".repeat(demos.len());
    text += "\n";
    for core in distinct(rows, |row| &row.core) {
        text += &format!("| {core} |");
        for &demo in &demos {
            let row = rows.iter().find(|row| row.core == core && row.demo == demo);
            text += &row.map_or(" |".into(), |row| format!(" {} |", grouped(row.instructions)));
        }
        text += "\n";
    }
    Ok(text)
}

fn memory(rows: &[Row], bounds: &[StackRow]) -> Result<String> {
    let mut text = String::from(
        "Memory in bytes (`cargo xtask qemu`); stack and code are the largest of all cores; 'engine' is what the \
         symbols and the debug information of the Cortex-M4's image attribute to the crate `picoformer`. Stack: the \
         deepest that a run painted, and the most that the code can take (`cargo xtask stack`), per core in \
         docs/SECURITY.md; a program's own interrupts come on top:\n\n\
         | demo | model in flash | code in flash | engine on a Cortex-M4 | RAM: arena | RAM: stack | stack, at most |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for demo in distinct(rows, |row| &row.demo) {
        let largest = |field: fn(&Row) -> u64| {
            grouped(rows.iter().filter(|row| row.demo == demo).map(field).max().unwrap_or(0))
        };
        let engine = rows.iter().find(|row| row.demo == demo && row.core == "Cortex-M4");
        // No bound on one core is no bound.
        let of_demo = bounds.iter().filter(|row| row.image == demo);
        for (row, bound) in of_demo.clone().filter_map(|row| Some((row, row.bound?))) {
            let run = rows.iter().find(|run| run.demo == demo && run.core == row.core);
            if let Some(run) = run.filter(|run| run.stack_bytes > bound) {
                bail!(
                    "{demo} on {}: {} bytes of stack are more than {bound} (cargo xtask stack --record)",
                    row.core,
                    run.stack_bytes
                );
            }
        }
        let bound: Option<Vec<u64>> = of_demo.map(|row| row.bound).collect();
        let bound = bound.and_then(|bounds| bounds.into_iter().max());
        let bound = bound.map_or("–".into(), grouped);
        text += &format!(
            "| {demo} | {} | {} | {} | {} | {} | {bound} |\n",
            largest(|row| row.blob_bytes),
            largest(|row| row.text_bytes),
            grouped(engine.map_or(0, |row| row.engine_bytes)),
            largest(|row| row.arena_bytes),
            largest(|row| row.stack_bytes),
        );
    }
    Ok(text)
}

fn minimal() -> Result<String> {
    let mut text = String::from(
        "The smallest decoder: parse a blob at run time with its checksum, write tokens for ever \
         (`cargo xtask size`):\n\n\
         | core | code and constants | calls of a panic | soft-float functions |\n\
         | --- | ---: | ---: | ---: |\n",
    );
    for row in image::record()? {
        text += &format!(
            "| {} | {} | {} | {} |\n",
            row.core,
            grouped(row.text_bytes),
            row.panic_sites,
            row.soft_float.len()
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_words_together() {
        assert_eq!(words("run a \"b c\" -n 5"), ["run", "a", "b c", "-n", "5"]);
    }

    /// The largest bound of all cores is no bound for each of them.
    #[test]
    fn a_stack_beyond_the_bound_of_its_core_is_refused() {
        let rows = record().unwrap();
        let bound = |row: &Row, bytes| StackRow {
            core: row.core.clone(),
            image: row.demo.clone(),
            bound: Some(bytes),
            painted: None,
            indirect_calls: 0,
            unbounded: Vec::new(),
            chain: Vec::new(),
        };
        let mut bounds: Vec<_> = rows.iter().map(|row| bound(row, row.stack_bytes)).collect();
        assert!(memory(&rows, &bounds).is_ok());
        bounds[0].bound = Some(rows[0].stack_bytes - 1);
        let refused = memory(&rows, &bounds).unwrap_err().to_string();
        assert!(
            refused.starts_with(&format!("{} on {}:", rows[0].demo, rows[0].core)),
            "{refused}"
        );
    }
}
