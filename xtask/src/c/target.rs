//! The archives: for which cores there is one, and how it is built. The only list of them.

use anyhow::{Result, bail};

/// One archive.
#[derive(Debug)]
pub struct Target {
    /// Its folder's name.
    pub name: &'static str,
    /// Rust's name of the instruction set: without an FPU, so no instruction of one is chosen.
    pub rust: &'static str,
    /// The kernels.
    pub feature: Option<&'static str>,
    /// What the archive says of itself to a linker.
    pub marks: Marks,
}

/// Build attributes.
#[derive(Debug)]
pub enum Marks {
    /// None: the host's.
    None,
    /// `Tag_CPU_arch` ("Addenda to the ABI for the Arm Architecture", 3.3.5.2), and whether the code needs
    /// the M-profile's vectors.
    Arm {
        /// The architecture's number.
        arch: u8,
        /// Uses Helium.
        mve: bool,
    },
    /// The instruction set's name, of extensions that binutils know since 2.30, and the float ABI of the
    /// header's flags ("RISC-V ELF psABI", e_flags).
    Riscv {
        /// The name.
        arch: &'static str,
        /// 0 soft, 2 single.
        float: u32,
    },
}

const fn arm(
    name: &'static str,
    rust: &'static str,
    feature: &'static str,
    arch: u8,
    mve: bool,
) -> Target {
    Target { name, rust, feature: Some(feature), marks: Marks::Arm { arch, mve } }
}

/// RV32 without the extension `A`: it runs on every RV32IMC core, with atomic instructions or not.
const fn riscv(name: &'static str, float: u32) -> Target {
    let marks = Marks::Riscv { arch: "rv32i2p0_m2p0_c2p0", float };
    Target { name, rust: "riscv32imc-unknown-none-elf", feature: None, marks }
}

/// Every archive.
pub const TARGETS: [Target; 7] = [
    arm("cortex-m0plus", "thumbv6m-none-eabi", "arm-v6m", 11, false),
    arm("cortex-m4", "thumbv7em-none-eabi", "arm-dsp", 13, false),
    arm("cortex-m33", "thumbv8m.main-none-eabi", "arm-dsp", 17, false),
    arm("cortex-m55", "thumbv8m.main-none-eabi", "arm-mve", 21, true),
    riscv("rv32imc-ilp32", 0),
    riscv("rv32imc-ilp32f", 2),
    Target {
        name: "x86_64-linux",
        rust: "x86_64-unknown-linux-gnu",
        feature: None,
        marks: Marks::None,
    },
];

/// The archive of this name.
pub fn target(name: &str) -> Result<&'static Target> {
    match TARGETS.iter().find(|target| target.name == name) {
        Some(target) => Ok(target),
        None => {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            bail!("picoformer: no library for {name}; there are {}", names.join(", "))
        }
    }
}
