//! The record of profiles, and the tables of `docs/PROFILES.md`.

use crate::profile::{Cost, Profile};
use crate::symbols::PARTS;
use anyhow::Result;
use xtask::figures::grouped as count;
use xtask::{markers, steps};

/// Writes `bench/profiles.json`, an entry per line, and the tables of the document.
pub fn record(profiles: &[Profile]) -> Result<()> {
    let line = |profile| Ok(format!("  {}", serde_json::to_string(profile)?));
    let lines: Vec<String> = profiles.iter().map(line).collect::<Result<_>>()?;
    let path = steps::root().join("bench/profiles.json");
    std::fs::write(path, format!("[\n{}\n]\n", lines.join(",\n")))?;
    let tables = [("parts", parts(profiles)), ("cycles", cycles(profiles))];
    markers::update("docs/PROFILES.md", &tables, false, "")
}

fn parts(profiles: &[Profile]) -> String {
    let shown: Vec<&Profile> = profiles.iter().filter(|p| p.whole_model()).collect();
    let mut text = String::from("\n");
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
    text + "\n"
}

fn cycles(profiles: &[Profile]) -> String {
    let mut text = "\n| core | case | instructions | cycles | cycles per instruction | multiply | load | store | branch |\n\
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
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_figure_has_its_place() {
        let cost = Cost { instructions: 200, cycles: Some(300) };
        let profile = Profile {
            core: "Cortex-M4".into(),
            case: "token/tales/16".into(),
            total: cost,
            parts: BTreeMap::from([("linear".into(), cost)]),
            mix: BTreeMap::from([("load".into(), 50)]),
            functions: Vec::new(),
        };
        let profiles = [profile];
        assert!(parts(&profiles).contains("| linear | 200 (100.0 %) |"));
        let line = "| Cortex-M4 | `token/tales/16` | 200 | ≈ 300 | 1.50 | 0.0 % | 25.0 % | 0.0 % | 0.0 % |";
        assert!(cycles(&profiles).contains(line));
    }
}
