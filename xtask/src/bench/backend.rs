//! Is the backend that a board asks for really in its image? Without this check, a feature that was
//! lost on the way gives the right results, slowly.

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use std::path::Path;

/// What gives a backend away.
enum Sign {
    /// An instruction that nothing else uses: its name, and whether two halfwords are one.
    Instruction(&'static str, fn(u16, u16) -> bool),
    /// Functions of the backend: a part of their names.
    Functions(&'static str),
}

/// How often an instruction must occur at least: constants between the code can look like one.
const TIMES: usize = 8;

/// `smlad`: Arm v7-M Architecture Reference Manual, A7.7.139, encoding T1 (`Ra` of 15 is `smuad`).
fn smlad(first: u16, second: u16) -> bool {
    first & 0xFFF0 == 0xFB20 && second & 0x00E0 == 0 && second >> 12 != 15
}

/// `vmladava` (also written `vmlava`): Arm v8-M Architecture Reference Manual, C2.4, encodings T1
/// and T2, signed, accumulating.
fn vmladava(first: u16, second: u16) -> bool {
    first & 0xFFF0 == 0xEEF0 && second & 0x0EF1 == 0x0E20
}

fn sign(core: &str) -> Result<Sign> {
    Ok(match core {
        "Cortex-M4" | "Cortex-M7" | "Cortex-M33" => Sign::Instruction("smlad", smlad),
        "Cortex-M55" => Sign::Instruction("vmladava", vmladava),
        "Cortex-M0+" => Sign::Functions("kernels::arm_v6m::"),
        "RV32IMAC" => Sign::Functions("kernels::riscv::"),
        _ => bail!("no backend is known for {core}"),
    })
}

/// Fails when a core's image does not hold the backend that it should.
pub fn check(core: &str, image: &Path) -> Result<()> {
    let bytes = std::fs::read(image).with_context(|| image.display().to_string())?;
    let file = object::File::parse(&*bytes)?;
    let (what, found) = match sign(core)? {
        Sign::Instruction(name, is) => {
            let mut found = 0;
            for section in file.sections().filter(|s| s.kind() == SectionKind::Text) {
                found += count(section.data()?, is);
            }
            (format!("instructions `{name}`"), found / TIMES)
        }
        Sign::Functions(part) => {
            let texts = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
            let found = texts.filter(|symbol| {
                let name = rustc_demangle::demangle(symbol.name().unwrap_or_default());
                name.to_string().contains(part)
            });
            (format!("functions of `{part}`"), found.count())
        }
    };
    if found == 0 {
        bail!("{core}: {} holds no {what}: another backend was built", image.display());
    }
    Ok(())
}

fn count(code: &[u8], is: fn(u16, u16) -> bool) -> usize {
    let halves: Vec<u16> =
        code.as_chunks::<2>().0.iter().map(|&half| u16::from_le_bytes(half)).collect();
    halves.windows(2).filter(|pair| is(pair[0], pair[1])).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_recognised() {
        // smlad r2, r8, r4, r2; smuad r0, r1, r2; smlsd r0, r1, r2, r3
        assert!(smlad(0xFB28, 0x2204));
        assert!(!smlad(0xFB21, 0xF002));
        assert!(!smlad(0xFB41, 0x3002));
        // vmladava.s8 r10, q7, q6; vmladava.s16 r0, q0, q1; vmladav.s8 r2, q1, q2 adds nothing up
        assert!(vmladava(0xEEFE, 0xAF2C));
        assert!(vmladava(0xEEF0, 0x0E22));
        assert!(!vmladava(0xEEF2, 0x2F04));
        assert_eq!(count(&[0x28, 0xFB, 0x04, 0x22, 0x28, 0xFB, 0x04, 0x22], smlad), 2);
    }
}
