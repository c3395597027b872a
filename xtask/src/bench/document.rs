//! `docs/BENCHMARKS.md`, from the counts.

use super::Row;
use super::goals::{count, number, outcomes};
use super::profile::{Cost, Profile};
use super::symbols::PARTS;
use super::table::best_peer;
use crate::qemu::Row as Demo;

const HEAD: &str = "\
# Benchmarks

Written by `cargo xtask bench --bless`; `cargo xtask bench --check` fails when a count has grown by
more than 1 % over the record (`bench/record.json`).

Counted are instructions, exactly and the same in every run: of Arm and RISC-V cores under QEMU 7.2
with `-icount`, of the host under callgrind, which emulates an x86-64 with AVX2 (the program is built
for `x86-64-v3`). What others need (`bench/peers.json`) was measured once, the same way, on the same
emulated cores and shapes; each figure's source stands beside it.

- A linear layer's count includes quantising and widening the row, bias, requantisation, saturation and
  store. CMSIS-NN's begins with int8 rows and ends with them; ours begins with a row of 16 bits whose
  scale is known (a norm, or what wrote the row, has found it) and ends with 16 bits. Finding the scale
  of a row that nothing has looked at, which CMSIS-NN has no like of, is `row_scale`. Packing weights
  offline is not counted.
- Attention: one head, all queries on all keys, from 16-bit queries to 16-bit results; keys and values
  are in the cache.
- `layer_norm`: 16-bit row in, int8 row out, gain and bias folded into the next layer. `explicit`: with
  gain and bias, 16 bits in and out, as post-norm models need it.
- `decode`: mean of 128 tokens from nothing, always the likeliest, choosing included. `prefill`: 64
  tokens in tiles; `advance`: the same one by one. `token …/16`: one token with 16 in the cache.

Instructions are not cycles: QEMU has no pipeline, no wait states of the flash, no caches. The cycles
below are an **estimate** from the published timings of Cortex-M4 and Cortex-M0+ and the instructions
really executed, with memory that never waits (Cortex-M4: load 2, or 1 behind another; store 1; N
registers 1 + N; taken branch 3; division 7. Cortex-M0+: load or store 2, N registers 1 + N, taken
branch 2, `bl` 3, multiplication 1). No silicon was at hand.
";

/// Why a goal is not reached: the instructions of the inner loops, which the profile shows again.
const BOUNDS: &str = "
What bounds the goals that are not reached, and what was tried:

- **Decode on Cortex-M4.** 259,328 products a token go through `paired_1`: 27 instructions for 32 of them
  (16 SMLAD, 8 SXTB16, 3 LDM), so at least 219,000 of the 420,000. Only weights of 16 bits would spare SXTB16,
  for twice the flash. Attention to 64 keys on average instead of 16 takes 79,000 (`decode` less `token`);
  a token with 16 keys spends 76,000 on attention, 17,000 on activation and 27,000 on rescaling. Done: one assembly walk over a head's blocks, sums rescaled in
  registers, two activations at a time, a build that knows its model (the demo `stories`: 2 % less).
- **Prefill on Cortex-M4.** Two rows share what unpacks a weight: 12 instructions for 16 products instead of
  13.5. Attention, activation and norms cost a row the same in a tile as alone, and rows cannot share more
  registers. Tiles of eight rows instead of two gave 0.5 % (less of the layers' Rust).
";

/// The one thing here that a clock has measured, and so no record can hold.
const CLOCK: &str = "
## Tokens per second on a computer

stories260K on one thread of an x86-64 server core (AVX-512), best of 90 runs, one program after the
other within two minutes. A clock's answer differs from run to run and machine to machine: nothing is
tested by it. Ours: `cargo run --release --package picoformer-convert --example tokens_per_second --
BLOB POSITIONS`; `native` with `RUSTFLAGS=\"-C target-cpu=native\"`. Theirs: `forward` of llama2.c's
runq.c (int8, groups of 64, hidden width padded to 192) on weights of the same shapes, its file loader
left out, GCC 12.2.

| | 128 positions | 512 positions |
| --- | ---: | ---: |
| picoformer | 27,769 | 15,461 |
| picoformer, native | 32,267 | 17,766 |
| runq.c -O3 | 12,864 | 7,572 |
| runq.c -O3 -march=native | 14,951 | 8,293 |
| runq.c -Ofast -march=native | 21,697 | 15,840 |
";

/// The whole document.
pub fn document(rows: &[Row], peers: &[Row], profiles: &[Profile], demos: &[Demo]) -> String {
    let mut text = HEAD.to_owned();
    text += "\n## Goals\n\n| core | what | goal | measured | worst case | reached |\n";
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
    text += BOUNDS;
    text += &whole_models(rows, peers);
    text += CLOCK;
    text += &parts(profiles);
    text += &words(demos);
    text += &cycles(profiles);
    let mut cores: Vec<&str> = rows.iter().map(|row| row.core.as_str()).collect();
    cores.dedup();
    for core in cores {
        text += &kernels(core, rows, peers);
    }
    text
}

fn is_model(row: &Row) -> bool {
    matches!(row.unit.as_str(), "token" | "inference" | "word")
}

/// Our own row and the best peer's, as cells of a table.
fn against(row: &Row, peers: &[Row]) -> String {
    match best_peer(row, peers) {
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
    let mut text = "\n## Whole models\n\nInstructions per token or inference.\n\n".to_owned();
    text += "| core | case | ours | best of others | ratio | whose | weights loaded, bytes | RAM, bytes |\n";
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
    text
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

fn parts(profiles: &[Profile]) -> String {
    let shown: Vec<&Profile> = profiles.iter().filter(|p| p.whole_model()).collect();
    if shown.is_empty() {
        return String::new();
    }
    let mut text = "\n## By part\n\nWhere the instructions of one token or inference go, from the \
                    emulator's log of every instruction (`cargo xtask bench --profile`).\n\n"
        .to_owned();
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let header = shown.iter().map(|p| format!("{} `{}`", p.core, p.case));
    text += &row([String::from("part")].into_iter().chain(header).collect());
    text += &row([String::from("---")]
        .into_iter()
        .chain(shown.iter().map(|_| "---:".into()))
        .collect());
    for part in PARTS {
        let cells = shown.iter().map(|profile| {
            let cost = profile.parts.get(part).copied().unwrap_or_default();
            let share = 100.0 * cost.instructions as f64 / profile.total.instructions.max(1) as f64;
            format!("{} ({share:.1} %)", count(cost.instructions))
        });
        text += &row([part.to_owned()].into_iter().chain(cells).collect());
    }
    let totals = shown.iter().map(|profile| count(profile.total.instructions));
    text += &row([String::from("altogether")].into_iter().chain(totals).collect());
    text
}

/// An encoder-decoder's word by part, from the record of the demo `g2p`.
fn words(demos: &[Demo]) -> String {
    const PARTS: [&str; 7] =
        ["encoder", "source", "self_attention", "cross_attention", "feed_forward", "head", "beam"];
    let mut text = "\n## A word by part\n\nInstructions of a word with `models/g2p`, the mean of four \
                    words (`cargo xtask qemu --demo g2p`): letters to phonemes, always the likeliest; \
                    `source` is the cross-attention's keys and values, once a word. The last column is \
                    the same words with a beam of four.\n\n"
        .to_owned();
    text += "| core | greedy | encoder | source | self-attention | cross-attention | feed-forward | head | beam 4 |\n";
    text += "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
    for demo in demos.iter().filter(|demo| demo.demo == "g2p") {
        text += &format!("| {} | {} |", demo.core, count(demo.instructions));
        for part in PARTS {
            text += &demo.parts.get(part).map_or(" |".into(), |n| format!(" {} |", count(*n)));
        }
        text += "\n";
    }
    text
}

fn cycles(profiles: &[Profile]) -> String {
    let mut text = "\n## Cycles, estimated\n\nAn estimate with the assumptions above, not a measurement.\n\n\
                    | core | case | instructions | cycles | cycles per instruction | multiply | load | store | branch |\n\
                    | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for profile in profiles {
        let Cost { instructions, cycles: Some(cycles) } = profile.total else { continue };
        let share = |kind: &str| {
            let times = profile.mix.get(kind).copied().unwrap_or(0);
            format!("{:.1} %", 100.0 * times as f64 / instructions.max(1) as f64)
        };
        text += &format!(
            "| {} | `{}` | {} | ≈ {} | {:.2} | {} | {} | {} | {} |\n",
            profile.core,
            profile.case,
            count(instructions),
            count(cycles),
            cycles as f64 / instructions.max(1) as f64,
            share("multiply"),
            share("load"),
            share("store"),
            share("branch")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

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
        let cost = Cost { instructions: 200, cycles: Some(300) };
        let profile = Profile {
            core: "Cortex-M4".into(),
            case: "token/tales/16".into(),
            total: cost,
            parts: BTreeMap::from([("linear".into(), cost)]),
            mix: BTreeMap::from([("load".into(), 50)]),
            functions: Vec::new(),
        };
        let demo = r#"{"core":"Cortex-M4","board":"","demo":"g2p","instructions":1200,"unit":"word",
            "arena_bytes":0,"stack_bytes":0,"text_bytes":0,"blob_bytes":0,"logits_hash":"",
            "equals_host":true,"parts":{"encoder":700,"head":20,"beam":4000}}"#;
        let demo = serde_json::from_str(demo).unwrap();
        let text = document(&rows, &peers, &[profile], &[demo]);
        for line in [
            "| 64x64 | 1.00 | 2.00 | 2.00 | CMSIS-NN | 2.00 | | | |",
            "| `gelu/512` | 5,120 | element | 10.0 | | | |",
            "| Cortex-M4 | `decode/tales` | 1,000,000 | | | |  | 1,234 |",
            "| linear | 200 (100.0 %) |",
            "| Cortex-M4 | 1,200 | 700 | | | | | 20 | 4,000 |",
            "| Cortex-M4 | `token/tales/16` | 200 | ≈ 300 | 1.50 | 0.0 % | 25.0 % | 0.0 % | 0.0 % |",
        ] {
            assert!(text.contains(line), "`{line}` is missing in\n{text}");
        }
    }
}
