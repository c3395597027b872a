//! The examples on an emulated RISC-V core, compiled by `riscv64-unknown-elf-gcc` with picolibc.

use super::program::{compile, folder, source_of};
use super::row::{Row, row};
use super::{archive, check, map, target};
use crate::board::install;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};

/// Where QEMU's board `virt` has memory: half of it stands for flash.
const MEMORY: &str = "-Wl,--defsym=__flash=0x80000000 -Wl,--defsym=__flash_size=4M \
                      -Wl,--defsym=__ram=0x80400000 -Wl,--defsym=__ram_size=4M \
                      -Wl,--defsym=__stack_size=64K";
const FLAGS: &str = "--specs=picolibc.specs --oslib=semihost --crt0=hosted -std=c99 -Os -ffunction-sections \
                     -fdata-sections -Wl,--gc-sections";
/// `-icount`: an instruction takes a nanosecond, and `minstret` counts instructions.
const EMULATOR: &str = "60 qemu-system-riscv32 -machine virt -bios none -nographic -monitor none -serial none \
                        -chardev stdio,id=text -semihosting-config enable=on,target=native,chardev=text \
                        -icount shift=0 -kernel";

/// What a program is compiled for.
#[derive(Clone, Copy, Debug)]
pub struct Abi {
    /// The compiler's name of the instruction set.
    arch: &'static str,
    /// Its name of the ABI, and part of the archive's.
    name: &'static str,
}

/// Both float ABIs that boards use.
pub const ABIS: [Abi; 2] =
    [Abi { arch: "rv32imac", name: "ilp32" }, Abi { arch: "rv32imafc", name: "ilp32f" }];

/// Runs examples with both float ABIs: `classify`, or `all`.
pub fn rows(all: bool, examples: &[(&str, &str, &str)]) -> Result<Vec<Row>> {
    let packages = "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf";
    install(
        &["riscv32imc-unknown-none-elf"],
        &[("riscv64-unknown-elf-gcc", packages), ("qemu-system-riscv32", "qemu-system-misc")],
    )?;
    let mut rows = Vec::new();
    for abi in ABIS {
        let target = target::target(&format!("rv32imc-{}", abi.name))?;
        let archive = archive::build(target, None)?;
        let found = check::check(&archive, target)?;
        for (example, model, demo) in examples.iter().take(if all { examples.len() } else { 1 }) {
            let name = format!("{example}-{}", abi.name);
            build(abi, &name, &format!("examples/{example}.c"), &[model], &[])?;
            let map = std::fs::read_to_string(folder().join(format!("{name}.map")))?;
            let row = row("RV32IMAC", example, demo, abi.name, &run(&name)?)?;
            rows.push(Row {
                panic_symbols: found.panic_symbols.len(),
                code_bytes: map::code_bytes(&map, "libpicoformer"),
                ..row
            });
        }
    }
    Ok(rows)
}

/// Compiles a program, whose source lies below `bindings/c`, against its archive, which was built before.
pub fn build(abi: Abi, name: &str, source: &str, models: &[&str], more: &[&str]) -> Result<()> {
    let own = |path: String| root().join(path).to_string_lossy().into_owned();
    let flags = [FLAGS, MEMORY].into_iter().flat_map(str::split_whitespace);
    let mut arguments: Vec<String> = flags.map(str::to_owned).collect();
    arguments.extend([
        format!("-march={}", abi.arch),
        format!("-mabi={}", abi.name),
        format!("-Wl,-Map={name}.map"),
        format!("-o{name}.elf"),
        own(format!("bindings/c/{source}")),
    ]);
    arguments.extend(models.iter().map(|model| source_of(model).to_string_lossy().into_owned()));
    arguments.extend(more.iter().map(|&flag| flag.to_owned()));
    arguments.push(own(format!("bindings/c/target/archive/rv32imc-{}/libpicoformer.a", abi.name)));
    compile("riscv64-unknown-elf-gcc", &arguments)
}

/// Runs a program that was built: what it printed.
pub fn run(name: &str) -> Result<String> {
    let output = Command::new("timeout")
        .args(EMULATOR.split_whitespace())
        .arg(folder().join(format!("{name}.elf")))
        .stdin(Stdio::null())
        .output()
        .context("the emulator cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{name} on RISC-V ({}):\n{text}", output.status);
    }
    Ok(text)
}
