//! The tables of `docs/BENCHMARKS.md`, from the records.

use super::goals::outcomes;
use super::record;
use super::row::Row;
use crate::figures::{grouped as count, number};
use crate::qemu::{self, Row as Demo};
use anyhow::Result;

/// Every table by the name of its marker.
pub fn tables() -> Result<[(&'static str, String); 5]> {
    let (rows, peers, demos) = (record::rows()?, record::peers()?, qemu::record()?);
    let mut cores: Vec<&str> = rows.iter().map(|row| row.core.as_str()).collect();
    cores.dedup();
    Ok([
        ("goals", goals(&rows, &peers)),
        ("models", whole_models(&rows, &peers)),
        ("words", words(&demos)),
        ("listening", listening(&demos)),
        ("kernels", cores.into_iter().map(|core| kernels(core, &rows, &peers)).collect()),
    ])
}

fn goals(rows: &[Row], peers: &[Row]) -> String {
    let mut text = "\n| core | what | goal | measured | worst case | reached |\n".to_owned();
    text += "| --- | --- | --- | ---: | --- | --- |\n";
    for outcome in outcomes(rows, peers) {
        let (figure, case) = match &outcome.measured {
            Some((figure, case)) => (number(*figure), format!("`{case}`")),
            None => ("not counted".into(), String::new()),
        };
        text += &format!(
            "| {} | {} | {} | {figure} | {case} | {} |\n",
            outcome.core,
            outcome.what,
            outcome.goal,
            if outcome.reached { "yes" } else { "**no**" }
        );
    }
    text + "\n"
}

fn is_model(row: &Row) -> bool {
    matches!(row.unit.as_str(), "token" | "inference" | "word")
}

/// Our own row and the best peer's, as cells of a table.
fn against(row: &Row, peers: &[Row]) -> String {
    match row.best_peer(peers) {
        Some(peer) => format!(
            "{} | {} | {:.2} | {}",
            number(row.each()),
            number(peer.each()),
            peer.each() / row.each(),
            peer.source
        ),
        None => format!("{} | | |", number(row.each())),
    }
}

fn whole_models(rows: &[Row], peers: &[Row]) -> String {
    let mut text = "\n| core | case | ours | best of others | ratio | whose | weights loaded, bytes | RAM, bytes |\n".to_owned();
    text += "| --- | --- | ---: | ---: | ---: | --- | ---: | ---: |\n";
    for row in rows.iter().filter(|row| is_model(row)) {
        let per = row.per.max(1);
        let loaded = row.weight_bytes.map_or(String::new(), |b| count(b / per));
        let arena = row.arena_bytes.map_or(String::new(), count);
        text += &format!(
            "| {} | `{}` | {} | {loaded} | {arena} |\n",
            row.core,
            row.case,
            against(row, peers)
        );
    }
    text + "\n"
}

/// One table a core: a line per shape or length, one row and sixteen side by side.
fn kernels(core: &str, rows: &[Row], peers: &[Row]) -> String {
    let own: Vec<&Row> = rows.iter().filter(|row| row.core == core && !is_model(row)).collect();
    if own.is_empty() {
        return String::new();
    }
    let mut text = format!("\n## Kernels on {core}\n\nInstructions per multiplication (MAC).\n\n");
    text += "| linear layer | one row | best of others | ratio | whose | 16 rows | best of others | ratio | whose |\n";
    text += "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | --- |\n";
    for one in own.iter().filter(|row| row.case.ends_with("/rows1")) {
        let shape = one.case.trim_end_matches("1");
        let many = own.iter().find(|row| row.case.strip_prefix(shape) == Some("16"));
        let many = many.map_or(" | | | ".into(), |row| against(row, peers));
        let name = one.case.trim_start_matches("linear/").trim_end_matches("/rows1");
        text += &format!("| {name} | {} | {many} |\n", against(one, peers));
    }
    text += "\n| other kernels | instructions | per | each | best of others | ratio | whose |\n";
    text += "| --- | ---: | --- | ---: | ---: | ---: | --- |\n";
    for row in own.iter().filter(|row| !row.case.starts_with("linear/")) {
        let (all, unit) = (count(row.instructions), &row.unit);
        text += &format!("| `{}` | {all} | {unit} | {} |\n", row.case, against(row, peers));
    }
    text
}

/// An encoder-decoder's word by part, from the record of the demo `g2p`.
fn words(demos: &[Demo]) -> String {
    const PARTS: [&str; 7] =
        ["encoder", "source", "self_attention", "cross_attention", "feed_forward", "head", "beam"];
    let mut text = "\n| core | greedy | encoder | source | self-attention | cross-attention | feed-forward | head | beam 4 |\n".to_owned();
    text += "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
    for demo in demos.iter().filter(|demo| demo.demo == "g2p") {
        text += &format!("| {} | {} |", demo.core, count(demo.instructions));
        for part in PARTS {
            text += &demo.parts.get(part).map_or(" |".into(), |n| format!(" {} |", count(*n)));
        }
        text += "\n";
    }
    text + "\n"
}

/// A second of sound, from the record of the demos that listen to a stream.
fn listening(demos: &[Demo]) -> String {
    let mut text = "\n| core | a second of sound | front end | model and trigger | most in 10 ms | share of 100 MHz | arena | stack |\n".to_owned();
    text += "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
    for demo in demos.iter().filter(|demo| demo.unit == "second") {
        let part = |name: &str| demo.parts.get(name).copied().unwrap_or(0);
        text += &format!(
            "| {} | {} | {} | {} | {} | {:.1} % | {} | {} |\n",
            demo.core,
            count(demo.instructions),
            count(part("front_end")),
            count(demo.instructions.saturating_sub(part("front_end"))),
            count(part("longest_10_ms")),
            demo.instructions as f64 / 1e6,
            count(demo.arena_bytes),
            count(demo.stack_bytes),
        );
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_has_its_place() {
        let row = |case: &str, instructions, per, unit: &str, source: &str| Row {
            core: "Cortex-M4".into(),
            case: case.into(),
            instructions,
            per,
            unit: unit.into(),
            weight_bytes: None,
            arena_bytes: Some(1234),
            source: source.into(),
        };
        let rows = [
            row("linear/64x64/rows1", 4096, 4096, "MAC", "ours"),
            row("linear/64x64/rows16", 131072, 65536, "MAC", "ours"),
            row("gelu/512", 5120, 512, "element", "ours"),
            row("decode/tales", 128_000_000, 128, "token", "ours"),
        ];
        let peers = [row("linear/64x64/rows1", 8192, 4096, "MAC", "CMSIS-NN")];
        let demo = r#"{"core":"Cortex-M4","board":"","demo":"g2p","instructions":1200,"unit":"word",
            "arena_bytes":0,"stack_bytes":0,"text_bytes":0,"blob_bytes":0,"logits_hash":"",
            "equals_host":true,"parts":{"encoder":700,"head":20,"beam":4000}}"#;
        let demo = serde_json::from_str(demo).unwrap();
        let stream = r#"{"core":"Cortex-M4","board":"","demo":"wake","instructions":65500000,"unit":"second",
            "arena_bytes":18768,"stack_bytes":2896,"text_bytes":0,"blob_bytes":0,"logits_hash":"",
            "equals_host":true,"parts":{"front_end":5500000,"longest_10_ms":1500000}}"#;
        let stream = serde_json::from_str(stream).unwrap();
        let text = whole_models(&rows, &peers)
            + &kernels("Cortex-M4", &rows, &peers)
            + &words(&[demo])
            + &listening(&[stream]);
        for line in [
            "| Cortex-M4 | 65,500,000 | 5,500,000 | 60,000,000 | 1,500,000 | 65.5 % | 18,768 | 2,896 |",
            "| 64x64 | 1.00 | 2.00 | 2.00 | CMSIS-NN | 2.00 | | | |",
            "| `gelu/512` | 5,120 | element | 10.0 | | | |",
            "| Cortex-M4 | `decode/tales` | 1,000,000 | | | |  | 1,234 |",
            "| Cortex-M4 | 1,200 | 700 | | | | | 20 | 4,000 |",
        ] {
            assert!(text.contains(line), "`{line}` is missing in\n{text}");
        }
    }
}
