//! An estimate of cycles from instructions: the published timings of Cortex-M4 and Cortex-M0+, memory
//! without wait states. An estimate, because nobody has run it: no flash waits, no contention on the
//! bus, no prefetch that comes too late.
//!
//! - Cortex-M4 (Technical Reference Manual r0p1, 3.3.1): one cycle, but load 2, or 1 right behind
//!   another load or store that neither writes its base back nor gives this one's address; store 1 (it
//!   waits in the buffer); load or store of N registers 1 + N; taken branch 1 + 2 for the pipeline;
//!   division 7 of 2 to 12; `it` 1.
//! - Cortex-M0+ (Technical Reference Manual r0p1, 3.3): one cycle, `muls` too (the fast multiplier),
//!   but load or store 2; of N registers 1 + N; `pop` into pc 3 + N; taken branch 2, `bl` 3, `bx` and
//!   `blx` 2.

use crate::trace::Block;

/// Cores with published timings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Cortex-M4.
    M4,
    /// Cortex-M0+.
    M0Plus,
}

impl Timing {
    /// The timing of a core, if it is published and simple enough to add up.
    pub fn of(core: &str) -> Option<Self> {
        match core {
            "Cortex-M4" => Some(Self::M4),
            "Cortex-M0+" => Some(Self::M0Plus),
            _ => None,
        }
    }

    /// Cycles of every instruction of a block.
    pub fn block(self, block: &Block, branched: bool) -> Vec<u64> {
        let mut before = None;
        let last = block.instructions.len().saturating_sub(1);
        let texts = block.instructions.iter().map(|instruction| instruction.text.as_str());
        texts
            .enumerate()
            .map(|(i, text)| {
                let cycles = self.one(text, before, branched && i == last);
                before = Some(text);
                cycles
            })
            .collect()
    }

    fn one(self, text: &str, before: Option<&str>, branched: bool) -> u64 {
        let name = mnemonic(text);
        let registers = registers(text);
        match (self, class(text)) {
            (Self::M4, Class::Load) if registers > 1 => 1 + registers + 2 * branched as u64,
            (Self::M4, Class::Store) if registers > 1 => 1 + registers,
            (Self::M4, Class::Load) => {
                let hidden = before.is_some_and(|before| hides(before, text));
                if branched { 4 } else { 2 - hidden as u64 }
            }
            (Self::M4, Class::Divide) => 7,
            (Self::M4, _) => 1 + 2 * branched as u64,
            (Self::M0Plus, Class::Load) if branched => 3 + registers,
            (Self::M0Plus, Class::Load | Class::Store) => 1 + registers.max(1),
            (Self::M0Plus, _) if branched => 2 + (name == "bl") as u64,
            (Self::M0Plus, _) => 1,
        }
    }
}

/// Kinds of instructions, as a mix lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Multiplications, with or without addition, of one or two numbers.
    Multiply,
    /// Loads of one or more registers.
    Load,
    /// Stores of one or more registers.
    Store,
    /// Branches, taken or not.
    Branch,
    /// Divisions.
    Divide,
    /// What the emulator's disassembler has no name for: vectors and low-overhead loops of Armv8.1-M.
    Unnamed,
    /// Everything else.
    Arithmetic,
}

impl Class {
    /// As a table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Multiply => "multiply",
            Self::Load => "load",
            Self::Store => "store",
            Self::Branch => "branch",
            Self::Unnamed => "unnamed",
            Self::Divide => "divide",
            Self::Arithmetic => "other arithmetic",
        }
    }
}

fn mnemonic(text: &str) -> &str {
    let name = text.split(' ').next().unwrap_or_default();
    name.split('.').find(|part| *part != "c").unwrap_or(name)
}

/// The kind of an Arm or RISC-V instruction.
pub fn class(text: &str) -> Class {
    let name = mnemonic(text);
    let any = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if any(&["."]) {
        Class::Unnamed
    } else if any(&["sdiv", "udiv", "div", "rem"]) {
        Class::Divide
    } else if any(&["ld", "pop", "vld", "vpop"])
        || ["lb", "lbu", "lh", "lhu", "lw", "lwsp"].contains(&name)
    {
        Class::Load
    } else if any(&["str", "stm", "push", "vst", "vpush"])
        || ["sb", "sh", "sw", "swsp"].contains(&name)
    {
        Class::Store
    } else if any(&[
        "mul", "mla", "mls", "smul", "smla", "smml", "smmul", "smua", "smus", "umul", "umla",
        "smlal", "umlal", "vmla", "vmul", "vrmla",
    ]) {
        Class::Multiply
    } else if (any(&["b"]) && !any(&["bic", "bfc", "bfi", "bkpt"]))
        || any(&["cbz", "cbnz", "tbb", "tbh", "j", "le"]) && !any(&["lea"])
    {
        Class::Branch
    } else {
        Class::Arithmetic
    }
}

/// Registers that a load or store moves.
fn registers(text: &str) -> u64 {
    if let Some((_, list)) = text.split_once('{') {
        let list = list.trim_end_matches(['}', '^']);
        return list
            .split(',')
            .map(|item| item.split_once('-').map_or(1, |(a, b)| span(a, b)))
            .sum();
    }
    let name = mnemonic(text);
    if name.starts_with("ldrd") || name.starts_with("strd") { 2 } else { 1 }
}

/// Registers of `r4-r7`.
fn span(first: &str, last: &str) -> u64 {
    let number = |name: &str| name.trim().trim_start_matches('r').parse().unwrap_or(0u64);
    number(last).saturating_sub(number(first)) + 1
}

/// Whether a load follows a load or store so that their cycles overlap.
fn hides(before: &str, load: &str) -> bool {
    if !matches!(class(before), Class::Load | Class::Store) || registers(before) > 1 {
        return false;
    }
    // Write-back: `[r0, #4]!` or `[r0], #4`.
    if before.ends_with('!') || !before.ends_with(']') {
        return false;
    }
    let Some((operands, _)) = before.split_once('[') else { return false };
    let target = operands.split_whitespace().nth(1).unwrap_or_default().trim_end_matches(',');
    let address = load.split_once('[').map_or("", |(_, address)| address);
    class(before) == Class::Store
        || !address.split([' ', ',', ']']).any(|register| register == target)
}

#[cfg(test)]
mod tests {
    use crate::trace::{Block, Instruction};
    use super::*;

    fn cycles(timing: Timing, texts: &[&str], branched: bool) -> u64 {
        let instruction = |text: &&str| Instruction { address: 0, text: text.to_string() };
        let block = Block { instructions: texts.iter().map(instruction).collect(), end: 0 };
        timing.block(&block, branched).iter().sum()
    }

    #[test]
    fn timings_are_those_of_the_manuals() {
        let m4 = |texts: &[&str], branched| cycles(Timing::M4, texts, branched);
        assert_eq!(m4(&["ldr r0, [r1]", "ldr r2, [r1, #4]", "ldr r3, [r2]"], false), 5);
        assert_eq!(m4(&["ldrd r8, r9, [r1], #8", "ldm.w r0!, {r4, r5, r6, r7}"], false), 8);
        assert_eq!(m4(&["smlad r0, r1, r2, r0", "bne #0x40"], true), 4);
        assert_eq!(m4(&["smlad r0, r1, r2, r0", "bne #0x40"], false), 2);
        assert_eq!(m4(&["pop {r4-r7, pc}"], true), 8);
        let m0 = |texts: &[&str], branched| cycles(Timing::M0Plus, texts, branched);
        assert_eq!(m0(&["muls r0, r1, r0", "ldr r0, [r1]", "b #0x40"], true), 5);
        assert_eq!(m0(&["bl #0x40"], true), 3);
        assert_eq!(m0(&["pop {r4, pc}"], true), 5);
        assert_eq!(m0(&["ldm r0!, {r1, r2}"], false), 3);
    }

    #[test]
    fn classes_are_told_apart() {
        for (text, expected) in [
            ("bic r0, r1", Class::Arithmetic),
            ("beq.w #4", Class::Branch),
            ("ldrsb.w r0, [r1]", Class::Load),
            ("push.w {r4}", Class::Store),
            ("smmul r0, r1, r2", Class::Multiply),
            ("c.lwsp a0,4(sp)", Class::Load),
            ("lui a0,1", Class::Arithmetic),
            ("bnez a0,4", Class::Branch),
        ] {
            assert_eq!(class(text), expected, "{text}");
        }
    }
}
