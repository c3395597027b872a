//! `say WORDS`.

use core::fmt::Write;

use picoformer::seq2seq::Part;
use picoformer::{Model, Progress, Translator};
use picoformer_demo::hash::Hash;
use picoformer_demo::shipped::g2p::{BEAM, Words};

use crate::board::Board;
use crate::memory::Ram;
use crate::terminal::Terminal;
use crate::trouble::Trouble;

/// Writes the phonemes of words, one after the other; the hash is that of all their logits.
pub fn command<B: Board>(
    terminal: &mut Terminal<B>,
    ram: &mut Ram,
    phrase: &str,
) -> Result<(), Trouble> {
    let (mut hash, mut said) = (Hash::new(), false);
    for word in words(phrase) {
        let mut phonemes = Phonemes::default();
        if let Err(trouble) = say(terminal, &BEAM, ram, word, &mut hash, &mut phonemes) {
            // What is said of words before it stands on a line of its own.
            terminal.text(if said { "\n" } else { "" });
            return Err(trouble);
        }
        terminal.say(format_args!("{}{}", if said { " | " } else { "" }, phonemes.text()));
        said = true;
    }
    let hash = hash.value();
    match said {
        true => terminal.say(format_args!(", logits {hash:016x}\n")),
        false => return Err(Trouble::Usage("say WORDS")),
    }
    Ok(())
}

/// The words of a phrase, without punctuation at their ends, as `picoformer run` splits it.
fn words(phrase: &str) -> impl Iterator<Item = &str> {
    let between = |c: char| c.is_whitespace() || matches!(c, '-' | '/' | '_');
    let mark = |c: char| c.is_ascii_punctuation() && c != '\'';
    let words = phrase.split(between).map(move |word| word.trim_matches(mark));
    words.filter(|word| !word.is_empty() && *word != "'")
}

/// Pronounces a word, step by step, with as many hypotheses as the model says.
#[inline(never)] // its frame must not be that of every command
pub fn say<B: Board>(
    terminal: &mut Terminal<B>,
    model: &'static Model<'static>,
    ram: &mut Ram,
    word: &str,
    hash: &mut Hash,
    out: &mut dyn Write,
) -> Result<(), Trouble> {
    let mut translator = Translator::<Words>::new_for(model, ram)?;
    terminal.step(|| translator.begin(word))?;
    loop {
        let head = translator.engine().part() == Part::Head;
        let progress = terminal.step(|| translator.engine().step());
        if head {
            hash.add(translator.engine().logits());
        }
        if progress == Progress::Done {
            break;
        }
        terminal.uninterrupted()?;
    }
    translator.write(out)?;
    Ok(())
}

/// Room for the phonemes of the longest word.
#[derive(Debug)]
pub struct Phonemes {
    bytes: [u8; 256],
    len: usize,
}

impl Default for Phonemes {
    fn default() -> Self {
        Self { bytes: [0; 256], len: 0 }
    }
}

impl Phonemes {
    /// What was written.
    pub fn text(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Write for Phonemes {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let to = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(core::fmt::Error)?;
        to.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}
