//! The tables of docs/SECURITY.md, written from `fuzz/record.json`.

use super::record::Record;
use crate::figures::grouped;
use crate::markers;
use anyhow::Result;

/// Writes the tables, or checks that they are current.
pub fn update(check: bool) -> Result<()> {
    let record = Record::read()?;
    let tables = [
        ("fuzz", fuzz(&record)),
        ("soak", soak(&record)),
        ("proofs", proofs(&record)),
        ("stack", stack(&record)),
    ];
    markers::update("docs/SECURITY.md", &tables, check, "cargo xtask readme")
}

fn fuzz(record: &Record) -> String {
    let mut text = String::from(
        "\n| target | core-seconds | executions | crashes | regions reached |\n| --- | ---: | ---: | ---: | ---: |\n",
    );
    for row in &record.fuzz {
        let share = 100.0 * row.regions_covered as f64 / (row.regions.max(1)) as f64;
        text += &format!(
            "| `{}` | {} | {} | {} | {} of {} ({share:.1} %) |\n",
            row.target,
            grouped(row.seconds),
            grouped(row.executions),
            row.crashes,
            grouped(row.regions_covered),
            grouped(row.regions)
        );
    }
    text + "\n"
}

fn soak(record: &Record) -> String {
    let mut text = String::from(
        "\n| campaign | mutated blobs | refused by name | run to the end | panics | hangs | differences |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in &record.soak {
        text += &format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            row.campaign,
            grouped(row.inputs),
            grouped(row.refused),
            grouped(row.safe),
            row.panics,
            row.hangs,
            row.differences
        );
    }
    text + "\n"
}

fn proofs(record: &Record) -> String {
    let mut text =
        String::from("\n| what | functions | by | cases |\n| --- | --- | --- | ---: |\n");
    for row in &record.proofs {
        let cases = if row.proved { grouped(row.cases) } else { "not proved".into() };
        text += &format!("| {} | `{}` | {} | {cases} |\n", row.lemma, row.function, row.method);
    }
    text + "\n"
}

fn stack(record: &Record) -> String {
    let mut text = String::from(
        "\n| core | image | bound, bytes | painted, bytes | indirect calls |\n| --- | --- | ---: | ---: | ---: |\n",
    );
    for row in &record.stack {
        let bound = row.bound.map_or("none".into(), grouped);
        let painted = row.painted.map_or("–".into(), grouped);
        text += &format!(
            "| {} | {} | {bound} | {painted} | {} |\n",
            row.core, row.image, row.indirect_calls
        );
    }
    text + "\n"
}
