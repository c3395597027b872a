//! Follows a program instruction by instruction: the emulator logs every block of code when it
//! translates it (`-d in_asm`) and whenever it executes it (`-d exec,nochain`). A low-overhead loop (WLS,
//! LE) may leave a block early, so that the log tells of more than is run: on a core that has them, a
//! block is one instruction (`-singlestep`).

use crate::symbols::{Part, Symbols};
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

/// One instruction as the emulator's disassembler writes it.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// Where it lies.
    pub address: u64,
    /// Mnemonic and operands.
    pub text: String,
}

/// Instructions without a branch between them.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// In order.
    pub instructions: Vec<Instruction>,
    /// Address behind the last.
    pub end: u64,
}

/// How often a block was executed, by who called it and whether its last instruction branched.
pub type Counts = HashMap<(usize, Option<Part>, bool), u64>;

/// What was executed in each measured region.
#[derive(Default)]
pub struct Trace {
    /// Every block that was translated.
    pub blocks: Vec<Block>,
    /// Executions, region by region.
    pub regions: Vec<Counts>,
}

/// A call that has not returned.
struct Call {
    returns_to: u64,
    caller: Option<Part>,
    begins_region: bool,
}

struct Follower<'s, 'd> {
    single: bool,
    symbols: &'s mut Symbols<'d>,
    trace: Trace,
    by_pointer: HashMap<u64, usize>,
    calls: Vec<Call>,
    inside: Option<Counts>,
    begin: u64,
    end: u64,
}

impl Trace {
    /// Reads the log of a program that calls `Meter::begin` and `Meter::elapsed` around what is
    /// measured. What comes before the first region, and between them, is not kept. `single`: whether
    /// blocks are of one instruction.
    pub fn follow(log: impl Read, symbols: &mut Symbols, single: bool) -> Result<Self> {
        let (begin, end) = (symbols.address("Probe>::begin")?, symbols.address("Meter::elapsed")?);
        let mut follower = Follower {
            single,
            symbols,
            trace: Self::default(),
            by_pointer: HashMap::new(),
            calls: Vec::new(),
            inside: None,
            begin,
            end,
        };
        follower.run(log)?;
        Ok(follower.trace)
    }
}

impl Follower<'_, '_> {
    fn run(&mut self, log: impl Read) -> Result<()> {
        let mut log = BufReader::with_capacity(1 << 20, log);
        let mut bytes = Vec::new();
        // The block that was translated last, and the one being executed.
        let (mut translated, mut current): (Block, Option<(usize, u64)>) = (Block::default(), None);
        loop {
            bytes.clear();
            if log.read_until(b'\n', &mut bytes)? == 0 {
                return Ok(());
            }
            let line = std::str::from_utf8(&bytes).unwrap_or_default().trim_end();
            if let Some(rest) = line.strip_prefix("Trace 0: 0x") {
                let (pointer, pc) = executed(rest).context("the emulator's log has changed")?;
                if let Some((block, _)) = current.take() {
                    self.execute(block, pc);
                }
                let starts_here = translated.instructions.first().is_some_and(|i| i.address == pc);
                if starts_here && !self.by_pointer.contains_key(&pointer) {
                    if self.single {
                        // What the disassembler does not know it writes in two lines.
                        translated.instructions.truncate(1);
                    }
                    self.by_pointer.insert(pointer, self.trace.blocks.len());
                    self.trace.blocks.push(std::mem::take(&mut translated));
                }
                let Some(&block) = self.by_pointer.get(&pointer) else {
                    bail!("the emulator executes a block that it has not translated: {line}")
                };
                current = Some((block, pointer));
            } else if line.starts_with("0x") {
                translated.add(line)?;
            } else if line.starts_with("IN:") {
                translated = Block::default();
            } else if line.starts_with("Stopped execution") {
                // It was interrupted before its first instruction and will be executed again.
                current = None;
            }
        }
    }

    /// A block was executed and `next` follows.
    fn execute(&mut self, index: usize, next: u64) {
        let Block { instructions, end } = &self.trace.blocks[index];
        let Some(last) = instructions.last() else { return };
        let (end, last_address, call) = (*end, last.address, is_call(&last.text));
        let branched = next != end;
        let caller = self.calls.last().and_then(|call| call.caller);
        if let Some(counts) = &mut self.inside {
            *counts.entry((index, caller, branched)).or_default() += 1;
        }
        if call && branched {
            let caller = self.symbols.part(last_address, caller);
            let begins_region = next == self.begin;
            self.calls.push(Call { returns_to: end, caller, begins_region });
        } else if self.calls.last().is_some_and(|call| call.returns_to == next)
            && let Some(call) = self.calls.pop()
            && call.begins_region
        {
            self.inside = Some(Counts::new());
        }
        if next == self.end
            && let Some(counts) = self.inside.take()
        {
            self.trace.regions.push(counts);
        }
    }
}

impl Block {
    /// Adds a line `0x00000400:  f001 f8d2  bl       #0x15a8`.
    fn add(&mut self, line: &str) -> Result<()> {
        let (address, rest) = line.split_once(':').context("an instruction without address")?;
        let address = u64::from_str_radix(address.trim_start_matches("0x"), 16)?;
        // The encoding is in hexadecimal, in groups; the text begins with a letter further on.
        let mut size = 0;
        let mut rest = rest.trim_start();
        while let Some((word, more)) = rest.split_once(' ') {
            if size > 0 && (word.len() != 4 || !word.bytes().all(|b| b.is_ascii_hexdigit())) {
                break;
            }
            size += word.len() as u64 / 2;
            rest = more.trim_start();
            if size >= 4 {
                break;
            }
        }
        let text = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        self.instructions.push(Instruction { address, text });
        self.end = address + size;
        Ok(())
    }
}

/// `7f0bb4000100 [00800408/00000400/00000110/ff020200] Reset`: the block's pointer, its address.
fn executed(rest: &str) -> Option<(u64, u64)> {
    let (pointer, rest) = rest.split_once(" [")?;
    let pc = rest.split('/').nth(1)?;
    Some((u64::from_str_radix(pointer, 16).ok()?, u64::from_str_radix(pc, 16).ok()?))
}

fn is_call(text: &str) -> bool {
    let mut words = text.split([' ', ',']);
    match words.next() {
        Some("bl" | "blx") => true,
        Some("jal" | "jalr" | "c.jal" | "c.jalr") => words.next() == Some("ra"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_read() {
        let mut block = Block::default();
        block.add("0x00000400:  f001 f8d2  bl       #0x15a8").unwrap();
        assert_eq!((block.end, block.instructions[0].text.as_str()), (0x404, "bl #0x15a8"));
        block.add("0x00000404:  480e       ldr      r0, [pc, #0x38]").unwrap();
        assert_eq!(
            (block.end, block.instructions[1].text.as_str()),
            (0x406, "ldr r0, [pc, #0x38]")
        );
        block.add("0x80000000:  00000297          auipc           t0,0").unwrap();
        assert_eq!((block.end, block.instructions[2].text.as_str()), (0x8000_0004, "auipc t0,0"));
        let line = "7f0bb4000100 [00800408/00000400/00000110/ff020200] Reset";
        assert_eq!(executed(line), Some((0x7f0b_b400_0100, 0x400)));
        assert!(is_call("bl #0x15a8") && is_call("jal ra,128") && !is_call("j 12"));
    }
}
