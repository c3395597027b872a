//! `selftest`: what the demos compute, with the same hash as on the host.

use picoformer_demo::hash::Hash;

use crate::board::Board;
use crate::memory::Ram;
use crate::terminal::Terminal;
use crate::trouble::Trouble;

/// Runs the demo of one model, or of all if `only` is empty, and compares the logits with the host's.
pub fn command<B: Board>(
    terminal: &mut Terminal<B>,
    ram: &mut Ram,
    only: &str,
) -> Result<(), Trouble> {
    let wanted = |name: &str| only.is_empty() || only == name;
    let (mut run, mut same) = (0, true);
    #[cfg(feature = "intent")]
    if wanted("classify") {
        let hash = classify(terminal, ram)?;
        run += 1;
        same &= compare(terminal, "classify", hash, picoformer_demo::shipped::intent::EXPECTED);
    }
    #[cfg(feature = "tales")]
    if wanted("write") {
        let hash = write(terminal, ram)?;
        run += 1;
        same &= compare(terminal, "write", hash, picoformer_demo::shipped::tales::EXPECTED);
    }
    #[cfg(feature = "g2p")]
    if wanted("say") {
        let hash = say(terminal, ram)?;
        run += 1;
        same &= compare(terminal, "say", hash, picoformer_demo::shipped::g2p::EXPECTED);
    }
    match (run, same) {
        (0, _) => Err(Trouble::Usage("selftest, or selftest and the name of a command")),
        (_, true) => Ok(()),
        (_, false) => Err(Trouble::Differs),
    }
}

/// Whether a hash is the one in the demo's text.
fn compare<B: Board>(terminal: &mut Terminal<B>, name: &str, hash: Hash, expected: &str) -> bool {
    let mut hashes = expected.lines().filter_map(|line| line.strip_prefix("logits "));
    let expected = hashes.next().and_then(|text| u64::from_str_radix(text, 16).ok());
    let hash = hash.value();
    let same = expected == Some(hash);
    let verdict = if same { "as on the host" } else { "NOT as on the host" };
    terminal.say(format_args!("{name}: logits {hash:016x}, {verdict}\n"));
    same
}

#[cfg(feature = "intent")]
fn classify<B: Board>(terminal: &mut Terminal<B>, ram: &mut Ram) -> Result<Hash, Trouble> {
    let mut hash = Hash::new();
    for sentence in picoformer_demo::shipped::intent::SENTENCES {
        crate::classify::classify(terminal, ram, sentence, &mut hash)?;
    }
    Ok(hash)
}

#[cfg(feature = "tales")]
fn write<B: Board>(terminal: &mut Terminal<B>, ram: &mut Ram) -> Result<Hash, Trouble> {
    use crate::write::{End, begin, go_on};
    use picoformer_demo::shipped::tales::{PROMPT, TOKENS};

    let mut hash = Hash::new();
    let (mut tale, _) = begin(terminal, ram, PROMPT, &mut hash)?;
    match go_on(terminal, &mut tale, TOKENS, &mut hash, |_, _, _| {})? {
        (_, End::Key) => Err(Trouble::Interrupted),
        _ => Ok(hash),
    }
}

#[cfg(feature = "g2p")]
fn say<B: Board>(terminal: &mut Terminal<B>, ram: &mut Ram) -> Result<Hash, Trouble> {
    use crate::say::{Phonemes, say};
    use picoformer_demo::shipped::g2p::{BEAM, GREEDY, WORDS};

    let mut hash = Hash::new();
    for model in [&GREEDY, &BEAM] {
        for word in WORDS {
            say(terminal, model, ram, word, &mut hash, &mut Phonemes::default())?;
        }
    }
    Ok(hash)
}
