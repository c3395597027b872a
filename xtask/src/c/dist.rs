//! `cargo xtask dist`: archives, headers and packages in `target/dist`, from the same sources.

use super::archive::{build, model_name};
use super::check::check;
use super::program::compile;
use super::table::{self, Row};
use super::target::{TARGETS, Target, target};
use crate::board::install;
use crate::models::export_c;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is wanted.
#[derive(Args)]
pub struct Options {
    /// A library for this model alone: smaller, and refuses every other blob
    #[arg(long)]
    model: Option<PathBuf>,
    /// Only this archive, such as cortex-m4; no packages then
    #[arg(long)]
    core: Option<String>,
}

/// Bytes of stack for `printf`, an RTOS's frames and interrupts, on top of the library's, which the bill tells:
/// `cargo xtask c` finds 2.8 KB for newlib's `printf` by painting.
const ON_TOP: usize = 4096;

/// Builds what is wanted and says where it lies.
pub fn dist(options: &Options) -> Result<()> {
    let folder = root().join("target/dist");
    let targets: Vec<&Target> = match &options.core {
        Some(core) => vec![target(core)?],
        None => TARGETS.iter().collect(),
    };
    let names: Vec<_> = targets.iter().map(|target| target.rust).collect();
    install(&names, &[("arm-none-eabi-gcc", "gcc-arm-none-eabi")])?;
    let library = match &options.model {
        Some(model) => folder.join(format!("c-{}", model_name(model)?)),
        None => folder.join("c"),
    };
    for header in ["picoformer.h", "picoformer.hpp"] {
        copy(
            &root().join("bindings/c/include").join(header),
            &library.join("include").join(header),
        )?;
    }
    for target in targets {
        let archive = build(target, options.model.as_deref())?;
        let found = check(&archive, target)?;
        copy(&archive, &library.join("lib").join(target.name).join("libpicoformer.a"))?;
        println!(
            "{:<16} {:>7} bytes of code and constants if all is used",
            target.name, found.bytes
        );
    }
    println!("{}", library.display());
    if let Some(model) = &options.model {
        return export_c(&model.canonicalize()?, &library.join("model"), false);
    }
    if options.core.is_some() {
        return Ok(());
    }
    let rows = table::read()?;
    for package in ["arduino", "esp-idf", "zephyr"] {
        let place = folder.join(package).join("picoformer");
        lay_out(package, &place, &library, &rows)?;
        replay(package, &place, &library, &rows)?;
        println!("{} (layout only: not built by its own tools)", place.display());
    }
    messages(&folder.join("arduino/picoformer"))?;
    pack(&folder.join("esp-idf/picoformer"))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to.parent().context("no folder")?)?;
    std::fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Every file below a folder, relative to it.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut left) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| next.display().to_string())? {
            let path = entry?.path();
            if path.is_symlink() {
                bail!("{} is a link, which Arduino's Library Manager refuses", path.display());
            } else if path.is_dir() {
                left.push(path);
            } else {
                found.push(path.strip_prefix(folder)?.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Lays a package out anew: its own files with the figures filled in, headers, archives, the example's model.
fn lay_out(package: &str, place: &Path, library: &Path, rows: &[Row]) -> Result<()> {
    let _ = std::fs::remove_dir_all(place);
    let own = || rows.iter().filter(|row| row.package == package);
    let (include, model) = match package {
        "arduino" => ("src", "examples/Classify"),
        "esp-idf" => ("include", "examples/classify/main"),
        _ => ("include", "samples/classify/src"),
    };
    for header in ["picoformer.h", "picoformer.hpp"] {
        copy(&library.join("include").join(header), &place.join(include).join(header))?;
    }
    for row in own() {
        let Some(archive) = &row.archive else { continue };
        let to = match package {
            "arduino" => place.join("src").join(&row.mcu),
            "esp-idf" => place.join("lib").join(&row.mcu),
            _ => place.join("zephyr/blobs/lib").join(archive),
        };
        copy(
            &library.join("lib").join(archive).join("libpicoformer.a"),
            &to.join("libpicoformer.a"),
        )?;
    }
    for license in ["LICENSE-APACHE", "LICENSE-MIT"] {
        copy(&root().join(license), &place.join(license))?;
    }
    let intent = root().join("models/intent/model.pico");
    export_c(&intent, &place.join(model), true)?;
    let header = std::fs::read_to_string(place.join(model).join("intent.h"))?;
    let number = |name: &str| {
        let line =
            header.lines().find_map(|line| line.strip_prefix(&format!("#define INTENT_{name} ")));
        let digits = |line: &str| line.chars().take_while(char::is_ascii_digit).collect::<String>();
        line.map(digits).with_context(|| format!("no {name} in intent.h"))
    };
    let stack: usize = number("STACK_BYTES")?.parse()?;
    let stack = (stack + ON_TOP).next_multiple_of(1024);
    let chips: Vec<_> =
        own().filter(|row| row.archive.is_some()).map(|row| row.mcu.as_str()).collect();
    let values = [
        ("@VERSION@", env!("CARGO_PKG_VERSION").to_owned()),
        ("@STACK@", stack.to_string()),
        ("@FLASH@", number("BLOB_BYTES")?),
        ("@ARENA@", number("ARENA_BYTES")?),
        ("@CHIPS@", chips.join(", ")),
        (
            "@TARGETS@",
            chips.iter().map(|chip| format!("  - {chip}")).collect::<Vec<_>>().join("\n"),
        ),
        ("@CHOICES@", table::choices(rows)),
        ("@BLOBS@", if package == "zephyr" { blobs(place)? } else { String::new() }),
    ];
    let source = root().join("bindings/c/packages").join(package);
    for file in files(&source)? {
        let text = std::fs::read_to_string(source.join(&file))?;
        let text = values.iter().fold(text, |text, (name, value)| text.replace(name, value));
        if let Some(at) = text.find(" @").filter(|_| package != "arduino") {
            bail!("{}: something is not filled in: {:.20}", file.display(), &text[at..]);
        }
        let file = if file.ends_with("picoformer_arduino.h") {
            Path::new("src").join(&file)
        } else {
            file
        };
        let to = place.join(file);
        std::fs::create_dir_all(to.parent().context("no folder")?)?;
        std::fs::write(&to, text)?;
    }
    Ok(())
}

/// Zephyr's list of archives, with what its rules for blobs ask for.
fn blobs(place: &Path) -> Result<String> {
    let folder = place.join("zephyr/blobs");
    let mut text = String::new();
    for file in files(&folder)? {
        let output =
            Command::new("sha256sum").arg(folder.join(&file)).output().context("sha256sum")?;
        let sum = String::from_utf8(output.stdout)?;
        let sum = sum.split_whitespace().next().context("no sum")?;
        text += &format!(
            "  - path: {}\n    sha256: {sum}\n    type: lib\n    version: \"{}\"\n    license-path: LICENSE-MIT\n    \
             url: https://github.com/picoformer/picoformer/releases\n    description: picoformer for {}\n",
            file.display(),
            env!("CARGO_PKG_VERSION"),
            file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy(),
        );
    }
    Ok(text)
}

/// The ecosystem's rule over all rows: exactly the table's archive, to the byte, or none.
fn replay(package: &str, place: &Path, library: &Path, rows: &[Row]) -> Result<()> {
    for row in rows.iter().filter(|row| row.package == package) {
        let picked = table::pick(place, row)?;
        let wanted =
            row.archive.as_ref().map(|name| library.join("lib").join(name).join("libpicoformer.a"));
        let same = match (&picked, &wanted) {
            (None, None) => true,
            (Some(picked), Some(wanted)) => std::fs::read(picked)? == std::fs::read(wanted)?,
            _ => false,
        };
        if !same {
            bail!("{package}, {row:?}: picked {picked:?}, not {wanted:?}");
        }
    }
    Ok(())
}

/// A core without an archive stops the compiler by name; those with one compile.
fn messages(arduino: &Path) -> Result<()> {
    let header = arduino.join("src/picoformer_arduino.h").to_string_lossy().into_owned();
    let arguments = |cpu: &[&str]| {
        let mut all: Vec<String> = cpu.iter().map(|&flag| flag.to_owned()).collect();
        all.extend(["-xc", "-std=c99", "-fsyntax-only", "-include"].map(str::to_owned));
        all.extend([header.clone(), "/dev/null".into(), "-Wno-pedantic".into()]);
        all
    };
    std::fs::create_dir_all(super::program::folder())?;
    for cpu in [
        "cortex-m0",
        "cortex-m0plus",
        "cortex-m3",
        "cortex-m4",
        "cortex-m7",
        "cortex-m33",
        "cortex-m55",
    ] {
        compile("arm-none-eabi-gcc", &arguments(&["-mthumb", &format!("-mcpu={cpu}")]))?;
    }
    for (flags, message) in [
        (&["-D__XTENSA__"][..], "picoformer: no library for Xtensa"),
        (&["-D__AVR__"], "picoformer: no library for AVR"),
        (&["-D__riscv", "-D__riscv_xlen=64"], "picoformer: no library for this RISC-V core"),
        (&[], "picoformer: no library for this core"),
    ] {
        match compile("gcc", &arguments(flags)) {
            Err(error) if error.to_string().contains(message) => {}
            other => bail!("{flags:?} should stop with `{message}`: {other:?}"),
        }
    }
    Ok(())
}

/// Packs the component with Espressif's own tool, where that is installed.
fn pack(component: &Path) -> Result<()> {
    let tool = std::env::var_os("COMPOTE").unwrap_or_else(|| "compote".into());
    let version = env!("CARGO_PKG_VERSION");
    let output = Command::new(&tool)
        .args(["component", "pack", "--name", "picoformer", "--version", version, "--project-dir"])
        .arg(component)
        .current_dir(component)
        .output();
    let Ok(output) = output else {
        println!(
            "compote (pip install idf-component-manager) is not installed: the component is not packed"
        );
        return Ok(());
    };
    if !output.status.success() {
        bail!("compote refuses the component:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    println!("{}", String::from_utf8_lossy(&output.stdout).trim());
    Ok(())
}
