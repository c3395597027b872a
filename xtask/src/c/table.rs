//! `bindings/c/packages/table.toml`: which archive a package picks, and how each ecosystem does that.

use super::target::target;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::Path;

/// A row of the table.
#[derive(Debug, Deserialize)]
pub struct Row {
    /// `arduino`, `esp-idf` or `zephyr`.
    pub package: String,
    /// The ecosystem's name of the chip or core.
    pub mcu: String,
    /// Its name of the FPU, if the core has one that is used.
    pub fpu: Option<String>,
    /// Its name of the float ABI.
    pub abi: Option<String>,
    /// The archive; none if there is no library.
    pub archive: Option<String>,
}

#[derive(Deserialize)]
struct File {
    row: Vec<Row>,
}

/// Reads the table; every archive in it exists.
pub fn read() -> Result<Vec<Row>> {
    let path = root().join("bindings/c/packages/table.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let File { row } = toml::from_str(&text).with_context(|| path.display().to_string())?;
    for archive in row.iter().filter_map(|row| row.archive.as_ref()) {
        target(archive)?;
    }
    Ok(row)
}

/// The file that an ecosystem's rule picks in a package that was laid out in `folder`; none if the package stops
/// with a message.
pub fn pick(folder: &Path, row: &Row) -> Result<Option<std::path::PathBuf>> {
    let found = match row.package.as_str() {
        // arduino-cli, legacy builder, `findExpectedPrecompiledLibFolder`: the folder of the MCU, in it first
        // the one that is named after `-mfpu` and `-mfloat-abi`.
        "arduino" => {
            let mcu = folder.join("src").join(&row.mcu);
            let parts: Vec<_> = [&row.fpu, &row.abi].into_iter().flatten().cloned().collect();
            let exact = mcu.join(parts.join("-"));
            let chosen = if !parts.is_empty() && exact.is_dir() { exact } else { mcu };
            chosen.is_dir().then(|| chosen.join("libpicoformer.a"))
        }
        // CMakeLists.txt: the folder of IDF_TARGET.
        "esp-idf" => {
            Some(folder.join("lib").join(&row.mcu).join("libpicoformer.a")).filter(|p| p.is_file())
        }
        // zephyr/CMakeLists.txt: the last choice whose symbols are all set.
        "zephyr" => {
            let script = std::fs::read_to_string(folder.join("zephyr/CMakeLists.txt"))?;
            let set: Vec<&str> = [Some(&row.mcu), row.fpu.as_ref(), row.abi.as_ref()]
                .into_iter()
                .flatten()
                .map(|s| &**s)
                .collect();
            let core = script.lines().filter_map(|line| choice(line, &set)).next_back();
            core.map(|core| folder.join("zephyr/blobs/lib").join(core).join("libpicoformer.a"))
        }
        other => bail!("no package `{other}`"),
    };
    match found {
        Some(path) if !path.is_file() => bail!("{} is not there", path.display()),
        found => Ok(found),
    }
}

/// A line `if(A AND B) set(picoformer_core NAME) endif()` whose symbols are all set.
fn choice<'l>(line: &'l str, set: &[&str]) -> Option<&'l str> {
    let (condition, rest) =
        line.trim().strip_prefix("if(CONFIG_").map(|_| line.trim()[3..].split_once(')'))??;
    let holds = condition.split(" AND ").all(|symbol| set.contains(&symbol));
    let name = rest.trim().strip_prefix("set(picoformer_core ")?.split(')').next()?;
    holds.then_some(name)
}

/// Zephyr's choices, from the table: more particular ones come later and win.
pub fn choices(rows: &[Row]) -> String {
    let mut lines = Vec::new();
    for row in rows.iter().filter(|row| row.package == "zephyr") {
        let Some(archive) = &row.archive else { continue };
        let symbols = [Some(&row.mcu), row.fpu.as_ref(), row.abi.as_ref()];
        let symbols: Vec<_> = symbols.into_iter().flatten().cloned().collect();
        lines.push(format!(
            "  if({}) set(picoformer_core {archive}) endif()",
            symbols.join(" AND ")
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_needs_all_of_its_symbols() {
        let line = "  if(CONFIG_A AND CONFIG_B) set(picoformer_core x) endif()";
        assert_eq!(choice(line, &["CONFIG_A", "CONFIG_B"]), Some("x"));
        assert_eq!(choice(line, &["CONFIG_A"]), None);
        assert_eq!(choice("  set(picoformer_core \"\")", &["CONFIG_A"]), None);
    }

    #[test]
    fn the_table_names_archives_that_exist() {
        let rows = read().unwrap();
        for package in ["arduino", "esp-idf", "zephyr"] {
            assert!(rows.iter().any(|row| row.package == package && row.archive.is_some()));
            assert!(rows.iter().any(|row| row.package == package && row.archive.is_none()));
        }
    }
}
