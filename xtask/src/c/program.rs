//! C programs on emulated cores: compiled by `arm-none-eabi-gcc` with newlib, as its users do.

use super::target::target;
use super::{archive, check};
use crate::board::Board;
use crate::models::export_c;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A core that is emulated.
#[derive(Debug)]
pub struct Core {
    /// As reports call it.
    pub name: &'static str,
    /// Its archive.
    pub archive: &'static str,
    /// The compiler's name for it.
    pub cpu: &'static str,
    /// QEMU's board.
    pub board: &'static str,
    /// The float ABI of its examples.
    pub float: &'static str,
}

/// The cores on which CI runs all examples, and more for `--all`.
pub const CORES: [Core; 5] = [
    core("Cortex-M4", "cortex-m4", "cortex-m4", "mps2-an386", "soft"),
    core("Cortex-M0+", "cortex-m0plus", "cortex-m0plus", "mps2-an385", "soft"),
    core("Cortex-M33", "cortex-m33", "cortex-m33", "mps2-an505", "soft"),
    core("Cortex-M55", "cortex-m55", "cortex-m55", "mps3-an547", "hard"),
    core("Cortex-M7", "cortex-m4", "cortex-m7", "mps2-an500", "soft"),
];

const fn core(
    name: &'static str,
    archive: &'static str,
    cpu: &'static str,
    board: &'static str,
    float: &'static str,
) -> Core {
    Core { name, archive, cpu, board, float }
}

/// A program to be compiled for a core.
#[derive(Debug)]
pub struct Program<'a> {
    /// What its file is called.
    pub name: &'a str,
    /// Its source, below `bindings/c`.
    pub source: &'a str,
    /// The models that it reads.
    pub models: &'a [&'a str],
    /// The float ABI.
    pub float: &'a str,
    /// More for the compiler, libraries among it.
    pub more: Vec<String>,
}

/// Where examples are made.
pub fn folder() -> PathBuf {
    root().join("bindings/c/target/examples")
}

/// Writes the models of the examples and tests as C.
pub fn export() -> Result<()> {
    let models = ["digits", "g2p", "intent", "motion", "slots", "tales"];
    let blob = |model: &str| root().join("models").join(model).join("model.pico");
    models.iter().try_for_each(|model| export_c(&blob(model), &folder(), false))
}

/// The source file of a model, as it was exported.
pub fn source_of(model: &str) -> PathBuf {
    let assembly = folder().join(format!("{model}.S"));
    if assembly.is_file() { assembly } else { folder().join(format!("{model}.c")) }
}

/// Runs a compiler; `-Wall -Wextra -pedantic` find nothing.
pub fn compile(compiler: &str, arguments: &[String]) -> Result<()> {
    let mut command = Command::new(compiler);
    command
        .args(["-Wall", "-Wextra", "-pedantic", "-Werror"])
        .args(arguments)
        .current_dir(folder());
    command.args(["-I", "."]);
    for include in ["bindings/c/include", "bindings/c/examples"] {
        command.arg("-I").arg(root().join(include));
    }
    let output = command.output().with_context(|| format!("{compiler} cannot be started"))?;
    if !output.status.success() {
        bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Where a core's archive lies, once it was built.
pub fn library(core: &Core) -> PathBuf {
    root().join("bindings/c/target/archive").join(core.archive).join("libpicoformer.a")
}

/// Builds and checks a core's archive.
pub fn build_library(core: &Core) -> Result<check::Found> {
    let target = target(core.archive)?;
    check::check(&archive::build(target, None)?, target)
}

/// Compiles a program against an archive; returns the ELF file and its map.
pub fn build(core: &Core, program: &Program, library: &Path) -> Result<(PathBuf, PathBuf)> {
    let own = |path: &str| root().join(path).to_string_lossy().into_owned();
    let name = format!("{}-{}-{}", program.name, core.cpu, program.float);
    let read = |path: String| std::fs::read_to_string(&path).context(path);
    let script = read(own(&format!("firmware/boards/{}.x", core.board)))?;
    let script = script + &read(own("bindings/c/examples/qemu/sections.ld"))?;
    std::fs::write(folder().join(format!("{name}.ld")), script)?;
    let mut arguments: Vec<String> = vec![
        format!("-mcpu={}", core.cpu),
        "-mthumb".into(),
        format!("-mfloat-abi={}", program.float),
        format!("-T{name}.ld"),
        format!("-Wl,-Map={name}.map"),
        format!("-o{name}.elf"),
        own(&format!("bindings/c/{}", program.source)),
        own("bindings/c/examples/qemu/startup.c"),
    ];
    let flags = "-std=c99 -Os -ffunction-sections -fdata-sections -nostartfiles --specs=nano.specs \
                 --specs=rdimon.specs -Wl,--gc-sections -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack";
    arguments.extend(flags.split_whitespace().map(str::to_owned));
    if program.float != "soft" {
        arguments.push("-DPICOFORMER_FPU".into());
    }
    arguments
        .extend(program.models.iter().map(|model| source_of(model).to_string_lossy().into_owned()));
    arguments.extend(program.more.iter().cloned());
    arguments.push(library.to_string_lossy().into_owned());
    compile("arm-none-eabi-gcc", &arguments)?;
    Ok((folder().join(format!("{name}.elf")), folder().join(format!("{name}.map"))))
}

/// Runs a program: what it printed, and the stack that it used.
pub fn run(core: &Core, elf: &Path) -> Result<(String, u64)> {
    let printed = Board::read(core.board)?.run(elf, None)?;
    let stack = printed.lines().find_map(|line| line.strip_prefix("#stack_bytes "));
    let stack = stack.and_then(|n| n.parse().ok()).context("no stack was told")?;
    let text = printed.lines().filter(|line| !line.starts_with('#'));
    Ok((text.map(|line| line.to_owned() + "\n").collect(), stack))
}
