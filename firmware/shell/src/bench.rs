//! `bench`: what the core's own counter says.

use picoformer_demo::hash::Hash;

use crate::board::Board;
use crate::macs;
use crate::memory::Ram;
use crate::meter::Meter;
use crate::terminal::Terminal;
use crate::trouble::Trouble;

/// Counts the cycles of each model's work.
pub fn command<B: Board>(terminal: &mut Terminal<B>, ram: &mut Ram) -> Result<(), Trouble> {
    #[cfg(feature = "intent")]
    classify(terminal, ram)?;
    #[cfg(feature = "tales")]
    write(terminal, ram)?;
    #[cfg(feature = "g2p")]
    say(terminal, ram)?;
    Ok(())
}

/// Writes what was counted for `times` times a unit.
fn report<B: Board>(
    terminal: &mut Terminal<B>,
    name: &str,
    unit: &str,
    times: usize,
    macs: Option<usize>,
) {
    let Meter { total, longest } = terminal.meter;
    if total == 0 {
        return terminal.say(format_args!("{name}: the cycle counter stands still here\n"));
    }
    let hertz = u64::from(terminal.board.about().hertz);
    let each = total / times.max(1) as u64;
    let microseconds = each * 1_000_000 / hertz;
    let (ms, rest) = (microseconds / 1000, microseconds % 1000 / 10);
    terminal.say(format_args!("{name}: {each} cycles per {unit}, {ms}.{rest:02} ms"));
    if let Some(macs) = macs {
        let per_mac = total * 1000 / macs.max(1) as u64;
        let (whole, rest) = (per_mac / 1000, per_mac % 1000);
        terminal.say(format_args!(", {whole}.{rest:03} cycles per multiplication"));
    }
    let longest = u64::from(longest) * 1_000_000 / hertz;
    terminal.say(format_args!(", longest step {longest} us\n"));
}

#[cfg(feature = "intent")]
fn classify<B: Board>(terminal: &mut Terminal<B>, ram: &mut Ram) -> Result<(), Trouble> {
    use picoformer_demo::shipped::intent::{MODEL, SENTENCES};

    terminal.meter = Meter::default();
    let answer = crate::classify::classify(terminal, ram, SENTENCES[0], &mut Hash::new())?;
    let macs = macs::encoder(MODEL.config(), answer.tokens);
    report(terminal, "classify", "inference", 1, Some(macs));
    Ok(())
}

#[cfg(feature = "tales")]
fn write<B: Board>(terminal: &mut Terminal<B>, ram: &mut Ram) -> Result<(), Trouble> {
    use crate::write::{End, begin, go_on};
    use picoformer_demo::shipped::tales::{MODEL, PROMPT};

    const TOKENS: usize = 8;
    let mut hash = Hash::new();
    let (mut tale, _) = begin(terminal, ram, PROMPT, &mut hash)?;
    let from = tale.decoder().len();
    terminal.meter = Meter::default();
    let (tokens, end) = go_on(terminal, &mut tale, TOKENS, &mut hash, |_, _, _| {})?;
    if end == End::Key {
        return Err(Trouble::Interrupted);
    }
    let macs = macs::decoder(MODEL.config(), from, from + tokens);
    report(terminal, "write", "token", tokens, Some(macs));
    Ok(())
}

#[cfg(feature = "g2p")]
fn say<B: Board>(terminal: &mut Terminal<B>, ram: &mut Ram) -> Result<(), Trouble> {
    use picoformer_demo::shipped::g2p::{BEAM, WORDS};

    terminal.meter = Meter::default();
    let mut phonemes = crate::say::Phonemes::default();
    crate::say::say(terminal, &BEAM, ram, WORDS[0], &mut Hash::new(), &mut phonemes)?;
    report(terminal, "say", "word of 5 letters", 1, None);
    Ok(())
}
