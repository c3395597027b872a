//! lowRISC's Ibex, simulated from its RTL by Verilator: a core that counts its true cycles. The RTL comes
//! from PyPI, pinned; the testbench is `firmware/boards/ibex-rtl/simulator`.

use super::board::home;
use super::session::{Run, SECONDS, counted};
use crate::board::have;
use crate::steps::{execute, root};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package with the RTL.
const PACKAGE: &str = "pythondata-cpu-ibex==0.0.post2937";
/// The core's files, in `rtl/` of the package.
const FILES: &str = "alu compressed_decoder controller counter csr cs_registers decoder ex_block id_stage if_stage \
                     load_store_unit multdiv_slow multdiv_fast prefetch_buffer fetch_fifo register_file_ff wb_stage \
                     core dummy_instr branch_predict icache pmp";

/// Runs a release file with so many wait states of the flash.
pub fn run(file: &Path, wait_states: u32, commands: &[String]) -> Result<Run> {
    let mut command = Command::new("timeout");
    command.args([SECONDS.as_ref(), simulator()?.as_os_str(), file.as_os_str()]);
    counted(command.arg(wait_states.to_string()).args(commands))
}

/// The simulator, built if it is not there or older than the testbench.
fn simulator() -> Result<PathBuf> {
    let folder = root().join("target/ibex");
    let (program, bench) = (folder.join("obj/simulate"), home("ibex-rtl").join("simulator"));
    let sources = ["prim_buf.sv", "top.sv", "simulate.cpp"].map(|name| bench.join(name));
    let time = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    if program.is_file() && sources.iter().all(|source| time(source) <= time(&program)) {
        return Ok(program);
    }
    if !have("verilator") {
        bail!("Ibex needs Verilator: apt-get install verilator g++ make");
    }
    let rtl = rtl(&folder)?;
    let prim = rtl.join("vendor/lowrisc_ip/ip/prim/rtl");
    let mut command = Command::new("verilator");
    command
        .args(["--cc", "--exe", "--build", "-O3", "-CFLAGS", "-O2", "--noassert", "-DSYNTHESIS"])
        .args(["--x-assign", "fast", "--x-initial", "fast", "--top-module", "top"])
        // The warnings are those of others' code.
        .args(["-Wno-fatal", "-Wno-lint", "-Wno-style", "-o", "simulate", "-Mdir"])
        .arg(folder.join("obj"))
        .arg(format!("-I{}", prim.display()))
        .arg(format!("-I{}", rtl.join("vendor/lowrisc_ip/dv/sv/dv_utils").display()))
        .args(["prim_secded_pkg.sv", "prim_cipher_pkg.sv"].map(|name| prim.join(name)))
        .arg(rtl.join("rtl/ibex_pkg.sv"))
        .args(FILES.split_whitespace().map(|name| rtl.join(format!("rtl/ibex_{name}.sv"))))
        .args(&sources);
    execute(&mut command)?;
    Ok(program)
}

/// The folder with the RTL, in a Python environment of its own.
fn rtl(folder: &Path) -> Result<PathBuf> {
    let environment = folder.join("python");
    let pip = environment.join("bin/pip");
    if !pip.is_file() {
        execute(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    }
    execute(Command::new(&pip).args(["install", "--quiet", "--no-deps", PACKAGE]))?;
    let libraries = std::fs::read_dir(environment.join("lib"))?;
    libraries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .map(|path| path.join("site-packages/pythondata_cpu_ibex/system_verilog"))
        .find(|path| path.is_dir())
        .with_context(|| format!("{PACKAGE} holds no RTL"))
}
