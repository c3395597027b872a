//! `cargo xtask stack`: how deep the stack of an image can get, by its instructions: the frames of the deepest chain of
//! calls. A call through a register may reach whatever lies at that place of a table of methods (or, if the place is
//! not seen, whatever function has its address taken). Recursion has no bound and is named. What a panic takes is left
//! out: the demos have none, and in the device that updates itself none is reached (docs/SECURITY.md).

use super::code::Frame;
use super::frames::frame;
use super::image::Image;
use super::record::{Record, merge};
use super::rows::StackRow as Row;
use crate::board::{BOARDS, Board, setup};
use crate::qemu::{self, DEMOS};
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};

/// The device that updates itself, a demo and its feature, and where it runs (`cargo xtask update`).
const UPDATE: &str = "update";
const UPDATING: [&str; 2] = ["mps2-an386", "mps2-an385"];

/// What a panic calls first.
const PANIC: &str = "core::panicking::";

/// What the command is asked for.
#[derive(clap::Args)]
pub struct Options {
    /// Only this board
    #[arg(long)]
    board: Option<String>,
    /// Only this demo
    #[arg(long)]
    demo: Option<String>,
    /// Machine-readable
    #[arg(long)]
    json: bool,
    /// Keeps the rows in fuzz/record.json and shows them in docs/SECURITY.md
    #[arg(long)]
    record: bool,
}

/// Bounds every demo on every core.
pub fn stack(options: &Options) -> Result<()> {
    setup()?;
    let record = qemu::record()?;
    let mut rows = Vec::new();
    for name in
        BOARDS.into_iter().filter(|name| options.board.as_deref().is_none_or(|b| b == *name))
    {
        let board = Board::read(name)?;
        let updating = UPDATING.contains(&name).then_some((UPDATE, &[UPDATE][..]));
        let demos = DEMOS.into_iter().map(|demo| (demo, &[][..])).chain(updating);
        let demos = demos.filter(|(d, _)| options.demo.as_deref().is_none_or(|demo| demo == *d));
        for (demo, features) in demos {
            let image = Image::read(&board.build(demo, features)?)?;
            let known = record.iter().find(|row| row.board == name && row.demo == demo);
            let painted = known.map(|row| row.stack_bytes);
            rows.push(bound(&image, &board.core, demo, painted));
        }
    }
    match options.json {
        true => println!("{}", serde_json::to_string(&rows)?),
        false => rows.iter().for_each(|row| print!("{}", told(row))),
    }
    if options.record {
        let mut record = Record::read()?;
        merge(&mut record.stack, &rows, |a, b| (&a.core, &a.image) == (&b.core, &b.image));
        record.write()?;
        super::document::update(false)?;
    }
    let wrong = rows.iter().find(|row| row.bound.zip(row.painted).is_some_and(|(b, p)| b < p));
    if let Some(row) = wrong {
        bail!("{} on {}: painted deeper than its bound", row.image, row.core);
    }
    Ok(())
}

fn told(row: &Row) -> String {
    let painted = row.painted.map_or("nothing".into(), |bytes| bytes.to_string());
    let mut text = match row.bound {
        Some(bound) => {
            format!("{:<12} {:<9} at most {bound} bytes, {painted} painted\n", row.core, row.image)
        }
        None => {
            format!("{:<12} {:<9} no bound: {}\n", row.core, row.image, row.unbounded.join(", "))
        }
    };
    row.chain.iter().for_each(|line| text += &format!("    {line}\n"));
    text
}

/// The bound of an image.
pub fn bound(image: &Image, core: &str, demo: &str, painted: Option<u64>) -> Row {
    let frames: BTreeMap<u64, Frame> =
        image.functions.iter().map(|(&start, function)| (start, frame(image, function))).collect();
    let mut taken: BTreeSet<u64> =
        image.words.values().filter_map(|&word| image.pointed(word)).collect();
    // What only a panic takes the address of, only its message is written by.
    let own = frames.iter().filter(|(address, _)| !name(image, **address).starts_with(PANIC));
    taken.extend(own.flat_map(|(_, frame)| &frame.taken));
    let indirect_calls = frames.values().map(|frame| frame.indirect.len() as u64).sum();
    let mut search = Search {
        image,
        frames: &frames,
        taken: &taken,
        known: BTreeMap::new(),
        open: Vec::new(),
        unbounded: BTreeSet::new(),
    };
    let (depth, _) = search.depth(image.entry);
    let interrupt = search.interrupt(core);
    let unbounded: Vec<String> = search.unbounded.iter().cloned().collect();
    let (mut chain, mut at) = (Vec::new(), Some(image.entry));
    while let Some(address) = at.filter(|_| chain.len() < 64) {
        let bytes = frames.get(&address).map_or(0, |frame| frame.bytes);
        chain.push(format!("{bytes} {}", name(image, address)));
        at = search.known.get(&address).and_then(|(_, next)| *next);
    }
    if interrupt > 0 {
        chain.push(format!("{interrupt} an interrupt in the deepest place: {TICK}"));
    }
    Row {
        core: core.into(),
        image: demo.into(),
        bound: unbounded.is_empty().then_some(depth + interrupt),
        painted,
        indirect_calls,
        unbounded,
        chain,
    }
}

/// The one interrupt of the demos: it counts. It may come in the deepest place.
const TICK: &str = "SysTick";

fn name(image: &Image, address: u64) -> String {
    image.functions.get(&address).map_or_else(|| format!("{address:#x}"), |f| f.name.clone())
}

/// The deepest chain from each function on.
struct Search<'a> {
    image: &'a Image,
    frames: &'a BTreeMap<u64, Frame>,
    taken: &'a BTreeSet<u64>,
    known: BTreeMap<u64, (u64, Option<u64>)>,
    open: Vec<u64>,
    unbounded: BTreeSet<String>,
}

impl Search<'_> {
    /// What the interrupt takes, if the image has it: the eight words that the core pushes, eighteen more where vector
    /// registers are in use, a word that aligns (ARMv7-M ARM, B1.5.7; ARMv8-M ARM, B3.19), and its own chain.
    fn interrupt(&mut self, core: &str) -> u64 {
        let Some(tick) = self.image.functions.values().find(|function| function.name == TICK)
        else {
            return 0;
        };
        let vectors = if core == "Cortex-M55" { 4 * 18 } else { 0 };
        4 * 8 + vectors + 4 + self.depth(tick.start).0
    }

    fn depth(&mut self, address: u64) -> (u64, Option<u64>) {
        if let Some(&known) = self.known.get(&address) {
            return known;
        }
        if let Some(first) = self.open.iter().position(|&open| open == address) {
            let circle: Vec<String> =
                self.open[first..].iter().map(|&f| name(self.image, f)).collect();
            self.unbounded.insert(format!("a circle of {}", circle.join(" → ")));
            return (0, None);
        }
        let Some(frame) = self.frames.get(&address) else { return (0, None) };
        if name(self.image, address).starts_with(PANIC) {
            return (0, None);
        }
        if frame.opaque {
            self.unbounded.insert(format!("the frame of {}", name(self.image, address)));
        }
        self.open.push(address);
        let mut callees: BTreeSet<u64> = frame.calls.iter().copied().collect();
        for slot in &frame.indirect {
            callees.extend(self.reached(*slot));
        }
        let (mut deepest, mut next) = (0, None);
        for callee in callees {
            let (depth, _) = self.depth(callee);
            if depth >= deepest {
                (deepest, next) = (depth, Some(callee));
            }
        }
        self.open.pop();
        let found = (frame.bytes + deepest, next);
        self.known.insert(address, found);
        found
    }

    /// What a call through a register may reach: methods at this place of a table (drop, size, alignment, methods), or
    /// whatever has its address taken.
    fn reached(&self, slot: Option<u32>) -> Vec<u64> {
        let words = &self.image.words;
        let Some(slot) = slot.map(u64::from).filter(|slot| *slot >= 12 && *slot < 256) else {
            return self.taken.iter().copied().collect();
        };
        let is_table = |start: u64| {
            let word = |i: u64| words.get(&(start + 4 * i)).copied();
            let drop = word(0).is_some_and(|w| w == 0 || self.image.pointed(w).is_some());
            let size = word(1).is_some_and(|size| size < 1 << 16);
            drop && size && word(2).is_some_and(|align| align.is_power_of_two() && align <= 16)
        };
        let found: Vec<u64> = words
            .iter()
            .filter(|(at, _)| at.checked_sub(slot).is_some_and(is_table))
            .filter_map(|(_, &word)| self.image.pointed(word))
            .collect();
        if found.is_empty() { self.taken.iter().copied().collect() } else { found }
    }
}

#[cfg(test)]
mod tests {
    use super::super::image::Function;
    use super::*;

    fn image(functions: &[(u64, &[u16])], words: &[(u64, u32)]) -> Image {
        let function = |&(start, halves): &(u64, &[u16])| {
            let code = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
            (start, Function { name: format!("f{start:x}"), start, code, data: Vec::new() })
        };
        let functions = functions.iter().map(function).collect();
        Image { thumb: true, entry: 0x100, functions, words: words.iter().copied().collect() }
    }

    /// push {lr}; bl +offset
    const CALL: [u16; 3] = [0xb500, 0xf000, 0xf8fe];

    #[test]
    fn the_deepest_chain_is_found() {
        // 0x100 calls 0x302 - 0x100: the place behind bl is 0x106, so 0x106 + 0x1fc = 0x302.
        let image = image(&[(0x100, &CALL), (0x302, &[0xb5f0, 0xb082])], &[]);
        let row = bound(&image, "core", "demo", Some(30));
        assert_eq!((row.bound, row.chain.len()), (Some(4 + 20 + 8), 2));
    }

    #[test]
    fn an_interrupt_may_come_in_the_deepest_place() {
        let mut image = image(&[(0x100, &CALL), (0x302, &[0xb5f0]), (0x400, &[0xb082])], &[]);
        image.functions.get_mut(&0x400).unwrap().name = TICK.into();
        assert_eq!(bound(&image, "Cortex-M4", "demo", None).bound, Some(4 + 20 + 36 + 8));
        assert_eq!(bound(&image, "Cortex-M55", "demo", None).bound, Some(4 + 20 + 108 + 8));
    }

    #[test]
    fn recursion_is_named() {
        // bl to itself
        let image = image(&[(0x100, &[0xb500, 0xf7ff, 0xfffd])], &[]);
        let row = bound(&image, "core", "demo", None);
        assert_eq!((row.bound, row.unbounded.len()), (None, 1));
        assert!(row.unbounded[0].contains("f100"));
    }

    #[test]
    fn methods_are_reached_by_their_place() {
        // ldr r3, [r1, #12]; blx r3, and a table whose first method is 0x200, the second 0x300.
        let words = [(0x400, 0), (0x404, 8), (0x408, 4), (0x40c, 0x201), (0x410, 0x301)];
        let functions: [(u64, &[u16]); 3] =
            [(0x100, &[0x68cb, 0x4798]), (0x200, &[0xb082]), (0x300, &[0xb0ff])];
        let row = bound(&image(&functions, &words), "core", "demo", None);
        assert_eq!((row.bound, row.indirect_calls), (Some(8), 1));
    }
}
