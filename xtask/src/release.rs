//! `cargo xtask release`: every artefact with its checksum in one folder; and the checks before it.

use crate::python;
use crate::steps::{execute, root, run};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Wheels that are built here: target, and the oldest system that loads them.
const WHEELS: [(&str, &str); 4] = [
    ("x86_64-unknown-linux-gnu", "manylinux_2_28"),
    ("aarch64-unknown-linux-gnu", "manylinux_2_28"),
    ("x86_64-unknown-linux-musl", "musllinux_1_2"),
    ("aarch64-unknown-linux-musl", "musllinux_1_2"),
];
/// Bytes that a wheel may have.
const MOST: u64 = 8 << 20;

/// What is published on crates.io: package and its folder, in this order.
const CRATES: [(&str, &str); 2] = [("picoformer", "."), ("picoformer-convert", "convert")];
/// Where else the version stands.
const VERSIONS: [&str; 2] =
    ["bindings/python/pyproject.toml", "bindings/python/python/picoformer/__init__.py"];

/// A part of a release.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Crates,
    Wheels,
    C,
    Boards,
}

/// What to build.
#[derive(Args)]
pub struct Options {
    /// Only these parts
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Of the wheels, only those of this target
    #[arg(long)]
    target: Option<String>,
}

/// Builds the artefacts; fails at the end with what could not be built.
pub fn release(options: &Options) -> Result<()> {
    let version = versions()?;
    let folder = root().join(format!("target/release-{version}"));
    std::fs::create_dir_all(&folder)?;
    let mut failed = Vec::new();
    let asked = |part| options.only.is_empty() || options.only.contains(&part);
    let mut part = |name: String, work: &dyn Fn() -> Result<()>| {
        eprintln!("\n── {name} ──");
        failed.extend(work().err().map(|error| format!("{name}: {error:#}")));
    };
    if asked(Part::Crates) {
        part("crates".into(), &|| crates(&version, &folder));
    }
    if asked(Part::Wheels) {
        let wanted = |target: &str| options.target.as_deref().is_none_or(|only| only == target);
        for (target, system) in WHEELS.into_iter().filter(|(target, _)| wanted(target)) {
            part(format!("wheel for {target}"), &|| wheel(target, system, &folder));
        }
    }
    if asked(Part::C) {
        part("C packages".into(), &|| {
            run("cargo xtask dist")?;
            copy(&root().join("target/dist"), &folder.join("c"))
        });
    }
    if asked(Part::Boards) {
        part("images for boards".into(), &|| {
            run("cargo xtask boards --all")?;
            copy(&root().join("target/boards"), &folder.join("boards"))
        });
    }
    let files = checksums(&folder)?;
    println!("{} files in {}", files, folder.display());
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    Ok(())
}

/// The version, which must be the same wherever it stands.
fn versions() -> Result<String> {
    let version = manifest("Cargo.toml")?;
    for (_, folder) in CRATES {
        same(&format!("{folder}/Cargo.toml"), &version)?;
    }
    same("bindings/python/Cargo.toml", &version)?;
    for file in VERSIONS {
        let text = std::fs::read_to_string(root().join(file))?;
        if !text.lines().any(|line| {
            line.ends_with(&format!("version__ = \"{version}\""))
                || line == format!("version = \"{version}\"")
        }) {
            bail!("{file} does not have version {version}");
        }
    }
    Ok(version)
}

fn same(file: &str, version: &str) -> Result<()> {
    let found = manifest(file)?;
    if found != version {
        bail!("{file} has version {found}, Cargo.toml {version}");
    }
    Ok(())
}

/// A field of `[package]`.
fn field(file: &str, name: &str) -> Result<String> {
    let text = std::fs::read_to_string(root().join(file)).with_context(|| file.to_owned())?;
    let table: toml::Table = toml::from_str(&text).with_context(|| file.to_owned())?;
    let value = table.get("package").and_then(|package| package.get(name)?.as_str());
    Ok(value.with_context(|| format!("{file}: no `{name}`"))?.to_owned())
}

fn manifest(file: &str) -> Result<String> {
    field(file, "version")
}

/// The crates as they would be uploaded, each built from its package alone.
fn crates(version: &str, folder: &Path) -> Result<()> {
    let packages: Vec<String> =
        CRATES.iter().map(|(name, _)| format!("--package {name}")).collect();
    run(&format!("cargo package --quiet --allow-dirty {}", packages.join(" ")))?;
    for (name, _) in CRATES {
        let file = format!("{name}-{version}.crate");
        std::fs::copy(root().join("target/package").join(&file), folder.join(&file))
            .with_context(|| file.clone())?;
    }
    Ok(())
}

/// One wheel, linked by Zig, which has the C libraries of all these systems.
fn wheel(target: &str, system: &str, folder: &Path) -> Result<()> {
    execute(Command::new("rustup").args(["--quiet", "target", "add", target]))?;
    let wheel = python::cross_wheel(target, system)?;
    let size = std::fs::metadata(&wheel)?.len();
    let name = wheel.file_name().context("no name")?;
    println!("{} {size} bytes", name.to_string_lossy());
    if size > MOST {
        bail!("{size} bytes, {MOST} are allowed");
    }
    std::fs::copy(&wheel, folder.join(name))?;
    Ok(())
}

/// Copies the files of a folder, folders within it too; links are followed.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let target = to.join(path.file_name().context("no name")?);
        match path.is_dir() {
            true => copy(&path, &target)?,
            false => {
                std::fs::copy(&path, &target)?;
            }
        }
    }
    Ok(())
}

/// Writes `SHA256SUMS` of all files; how many there are.
fn checksums(folder: &Path) -> Result<usize> {
    let mut files = Vec::new();
    list(folder, &mut files)?;
    files.retain(|path| path.file_name() != Some("SHA256SUMS".as_ref()));
    files.sort();
    let mut lines = String::new();
    for path in &files {
        let digest = Sha256::digest(std::fs::read(path)?);
        let hexadecimal: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        lines += &format!("{hexadecimal}  {}\n", path.strip_prefix(folder)?.display());
    }
    std::fs::write(folder.join("SHA256SUMS"), lines)?;
    Ok(files.len())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => list(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

/// `cargo xtask msrv`: the oldest Rust that the manifests name is the one that builds and tests everything.
pub fn msrv() -> Result<()> {
    let stated = field("Cargo.toml", "rust-version")?;
    for file in [
        "convert/Cargo.toml",
        "update/Cargo.toml",
        "bindings/python/Cargo.toml",
        "bindings/c/Cargo.toml",
    ] {
        let found = field(file, "rust-version")?;
        if found != stated {
            bail!("{file} states Rust {found}, Cargo.toml {stated}");
        }
    }
    let text = std::fs::read_to_string(root().join("rust-toolchain.toml"))?;
    let table: toml::Table = toml::from_str(&text)?;
    let used = table.get("toolchain").and_then(|chain| chain.get("channel")?.as_str());
    let used = used.context("rust-toolchain.toml: no channel")?;
    if used != stated && !used.starts_with(&format!("{stated}.")) {
        // Another toolchain tests; the stated one must at least build.
        return run(&format!(
            "cargo +{stated} check --locked --package picoformer --package picoformer-convert"
        ));
    }
    println!("Rust {stated} is stated, and Rust {used} builds and tests everything");
    Ok(())
}

/// `cargo xtask semver`: what changed for users since a revision.
pub fn semver(baseline: &str) -> Result<()> {
    if !Command::new("cargo").args(["semver-checks", "--version"]).output()?.status.success() {
        println!(
            "skipped: cargo-semver-checks is missing (cargo install --locked cargo-semver-checks)"
        );
        return Ok(());
    }
    let packages: Vec<String> =
        CRATES.iter().map(|(name, _)| format!("--package {name}")).collect();
    run(&format!("cargo semver-checks --baseline-rev {baseline} {}", packages.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_agree_everywhere() {
        let version = versions().unwrap();
        assert!(same("Cargo.toml", &format!("{version}.1")).is_err());
        msrv().unwrap();
    }

    #[test]
    fn every_file_has_its_checksum() {
        let folder = std::env::temp_dir().join(format!("picoformer-sums-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("c")).unwrap();
        std::fs::write(folder.join("c/abc"), "abc").unwrap();
        std::fs::write(folder.join("nothing"), "").unwrap();
        assert_eq!((checksums(&folder).unwrap(), checksums(&folder).unwrap()), (2, 2));
        let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
        // FIPS 180-2, B.1, and the hash of nothing.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  c/abc\n\
            e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  nothing\n";
        assert_eq!(sums, known);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
