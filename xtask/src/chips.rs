//! docs/CHIPS.md: what `picoformer inspect --chips` says of the shipped models.

use crate::figures::grouped;
use crate::markers;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::process::Command;

/// Which models the table shows.
const MODELS: [&str; 3] = ["intent", "tales", "g2p"];

#[derive(Deserialize)]
struct Report {
    assumptions: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    chip: String,
    core: String,
    kernels: String,
    mhz: f64,
    flash_bytes: u64,
    ram_bytes: u64,
    needed_flash: u64,
    needed_ram: u64,
    fits: bool,
    largest_context: u64,
    milliseconds: Option<f64>,
    source: String,
    note: String,
}

/// Writes the table, or checks that it is what the command says.
///
/// # Errors
/// What the command says against it; in a check, that the table is not current.
pub fn table(check: bool) -> Result<()> {
    let reports = MODELS.iter().map(|name| inspect(name)).collect::<Result<Vec<_>>>()?;
    let table = write(&reports)?;
    markers::update("docs/CHIPS.md", &[("chips", table)], check, "cargo xtask chips")
}

fn inspect(model: &str) -> Result<Report> {
    let blob = root().join("models").join(model).join("model.pico");
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--package", "picoformer-convert", "--", "inspect"])
        .arg(blob)
        .args(["--chips", "--json"])
        .current_dir(root())
        .output()
        .context("cargo cannot be started")?;
    if !output.status.success() {
        bail!("{model}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn write(reports: &[Report]) -> Result<String> {
    let [first, ..] = reports else { bail!("no model") };
    let mut text = String::from("\n| chip | core | kernels | MHz | flash KB | RAM KB |");
    text += &MODELS.map(|name| format!(" `{name}` |")).concat();
    text += "\n| --- | --- | --- | ---: | ---: | ---: |";
    text += &" --- |".repeat(reports.len());
    text += "\n";
    for (i, row) in first.rows.iter().enumerate() {
        text += &format!(
            "| {} | {} | {} | {} | {} | {} |",
            row.chip,
            row.core,
            row.kernels,
            row.mhz,
            grouped(row.flash_bytes >> 10),
            grouped(row.ram_bytes >> 10)
        );
        for report in reports {
            text += &format!(" {} |", report.rows.get(i).context("rows differ")?.verdict());
        }
        text += "\n";
    }
    text += "\nCycles per instruction, and what else was assumed:\n\n";
    for line in &first.assumptions {
        text += &format!("- {line}\n");
    }
    text += "\nWhere the numbers stand:\n\n| chip | source | |\n| --- | --- | --- |\n";
    for row in &first.rows {
        text += &format!("| {} | {} | {} |\n", row.chip, row.source, row.note);
    }
    Ok(text + "\n")
}

impl Row {
    fn verdict(&self) -> String {
        let missing = |what: &str, needed: u64, given: u64| {
            (needed > given).then(|| format!("{} B of {what} missing", grouped(needed - given)))
        };
        let flash = missing("flash", self.needed_flash, self.flash_bytes);
        let ram = missing("RAM", self.needed_ram, self.ram_bytes);
        match (self.fits, self.milliseconds) {
            (true, Some(ms)) => {
                format!("context {}, ≈ {}", grouped(self.largest_context), time(ms))
            }
            (true, None) => format!("context {}", grouped(self.largest_context)),
            (false, _) if self.largest_context > 0 => {
                let parts: Vec<_> = flash.into_iter().chain(ram).collect();
                format!("{}; context {} fits", parts.join(", "), self.largest_context)
            }
            (false, _) => flash.into_iter().chain(ram).collect::<Vec<_>>().join(", "),
        }
    }
}

/// A time with about three digits.
fn time(milliseconds: f64) -> String {
    match milliseconds {
        ms if ms < 9.995 => format!("{ms:.2} ms"),
        ms if ms < 99.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(needed_flash: u64, needed_ram: u64, largest_context: u64) -> Row {
        Row {
            chip: String::new(),
            core: String::new(),
            kernels: String::new(),
            mhz: 1.0,
            flash_bytes: 1000,
            ram_bytes: 1000,
            needed_flash,
            needed_ram,
            fits: needed_flash <= 1000 && needed_ram <= 1000,
            largest_context,
            milliseconds: Some(1234.0),
            source: String::new(),
            note: String::new(),
        }
    }

    #[test]
    fn a_verdict_says_what_fits_or_what_is_missing() {
        assert_eq!(row(1000, 1000, 64).verdict(), "context 64, ≈ 1.23 s");
        assert_eq!(row(1001, 1000, 0).verdict(), "1 B of flash missing");
        assert_eq!(
            row(2000, 3500, 0).verdict(),
            "1,000 B of flash missing, 2,500 B of RAM missing"
        );
        assert_eq!(row(1000, 1002, 32).verdict(), "2 B of RAM missing; context 32 fits");
    }
}
