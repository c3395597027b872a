//! The order of the house (`docs/DECISIONS.md`): floors, no circles, and no address that reaches assembly
//! without its provenance.

use super::addresses;
use super::circles::circles;
use super::imports::{Uses, uses};
use super::tree::read;
use crate::steps::root;
use anyhow::{Result, bail};

/// Floors from the ground up, by the first part of a module's path.
const FLOORS: &[&[&str]] = &[
    &["config", "error", "matrix", "progress", "slices"],
    &["fixed", "float"],
    &["arena", "blob", "features", "kernels", "probability", "rules", "scope", "tokenizer"],
    &["target"],
    &["model"],
    &["nn", "sampler", "signed"],
    &["decoder", "encoder", "seq2seq"],
    &["task"],
    &["macros"],
];

/// The crates whose files must not form circles: folder and name.
const CRATES: [(&str, &str); 3] =
    [("src", "picoformer"), ("convert/src", "picoformer_convert"), ("xtask/src", "xtask")];

/// Checks the order of the house.
pub fn check() -> Result<()> {
    let mut wrong = Vec::new();
    for (folder, name) in CRATES {
        let files = read(&root(), folder)?;
        let uses = uses(folder, name, &files);
        if uses.uses.is_empty() {
            bail!("no import was found in {folder}: the check does not see the code");
        }
        let circles = circles(&uses);
        if folder == "src" {
            wrong.extend(climbs(&uses));
        }
        wrong.extend(circles.into_iter().map(|circle| circle.message));
    }
    wrong.extend(unexposed()?);
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

/// The floor of a file of the engine, by its path.
fn floor(path: &str) -> Option<usize> {
    let module = path.trim_start_matches("src/").trim_end_matches(".rs").split('/').next()?;
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// Files that stand on no floor, and uses of a floor above.
fn climbs(uses: &Uses) -> Vec<String> {
    let inside = uses.files.iter().filter(|path| *path != "src/lib.rs");
    let lost = inside.filter(|path| floor(path).is_none());
    let mut wrong: Vec<String> = lost.map(|path| format!("{path} stands on no floor")).collect();
    for (&(user, used), name) in uses.uses.iter().chain(&uses.passed_on) {
        let (user, used) = (&uses.files[user], &uses.files[used]);
        if let (Some(own), Some(other)) = (floor(user), floor(used))
            && other > own
        {
            wrong.push(format!("{user} uses `{name}` of {used}, which stands above it"));
        }
    }
    wrong
}

/// Addresses in the kernels that are not exposed.
fn unexposed() -> Result<Vec<String>> {
    let message = |(path, line): (String, usize)| {
        format!("{path}:{line}: `.addr()` on its way into assembly: `.expose_provenance()`")
    };
    Ok(addresses::wrong(&read(&root(), addresses::FOLDER)?).into_iter().map(message).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_above_are_out_of_reach() {
        let climbs = |files: &[(&str, &str)]| {
            let files = files.iter().map(|(p, t)| (p.to_string(), t.to_string())).collect();
            climbs(&uses("src", "picoformer", &files))
        };
        let lib = ("src/lib.rs", "mod fixed; mod model; mod decoder; pub use model::Model;");
        let model = ("src/model.rs", "use crate::fixed::f; pub struct Model;");
        let decoder = ("src/decoder.rs", "use crate::Model;");
        assert!(climbs(&[lib, model, decoder, ("src/fixed.rs", "pub fn f() {}")]).is_empty());
        for text in ["fn g(m: &crate::model::Model) {}", "pub use crate::Model;"] {
            let wrong = climbs(&[lib, model, decoder, ("src/fixed.rs", text)]);
            assert_eq!(wrong.len(), 1, "{wrong:?}");
            assert!(wrong[0].contains("of src/model.rs, which stands above it"), "{wrong:?}");
        }
        assert_eq!(climbs(&[lib, ("src/attic.rs", "")]), ["src/attic.rs stands on no floor"]);
    }
}
