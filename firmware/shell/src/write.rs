//! `write PROMPT`.

use picoformer::task::{Event, Generator, Stop, TextStream};
use picoformer::tokenizer::Token;
use picoformer::{Decoder, Model, Progress, RunError};
use picoformer_demo::hash::Hash;
use picoformer_demo::shipped::tales::{MODEL, SAMPLING, Tales};

use crate::board::Board;
use crate::memory::Ram;
use crate::terminal::Terminal;
use crate::trouble::{Trouble, encode};

/// Why a tale ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The model ended it or the context is full.
    Model(Stop),
    /// A key was pressed.
    Key,
    /// It has as many tokens as were asked for.
    Length,
}

/// A tale under way.
type Tale<'a> = Generator<'static, 'a, Tales>;

/// Goes on with a tale until a key is pressed. The same prompt gives the same tale.
pub fn command<B: Board>(
    terminal: &mut Terminal<B>,
    ram: &mut Ram,
    prompt: &str,
) -> Result<(), Trouble> {
    let mut hash = Hash::new();
    let (mut tale, mut stream) = begin(terminal, ram, prompt, &mut hash)?;
    terminal.text(prompt);
    let (tokens, end) =
        go_on(terminal, &mut tale, usize::MAX, &mut hash, |terminal, tale, token| {
            if let Some(tokenizer) = tale.tokenizer() {
                // A terminal does not fail.
                let _ = stream.push(tokenizer, token, terminal);
            }
        })?;
    let _ = stream.finish(terminal);
    let why = match end {
        End::Model(Stop::EndOfSequence) => "its end",
        End::Model(Stop::ContextFull) => "the context is full",
        End::Key => "a key was pressed",
        End::Length => "long enough",
    };
    let hash = hash.value();
    terminal.say(format_args!("\n[{tokens} tokens, {why}], logits {hash:016x}\n"));
    Ok(())
}

/// Feeds a prompt, layer by layer.
#[inline(never)] // its frame must not be that of every command
pub fn begin<'a, B: Board>(
    terminal: &mut Terminal<B>,
    ram: &'a mut Ram,
    prompt: &str,
    hash: &mut Hash,
) -> Result<(Tale<'a>, TextStream), Trouble> {
    static THE_MODEL: &Model = &MODEL;
    let mut parts = ram.parts();
    let room = core::mem::take(&mut parts.tokens);
    let mut decoder = Decoder::<Tales>::new_for(THE_MODEL, parts)?;
    let tokenizer = MODEL.tokenizer().ok_or(RunError::EmptyInput)?;
    let tokens = encode(&tokenizer, prompt, room)?;
    if tokens.len() > decoder.remaining() {
        let (needed, given) = (tokens.len(), decoder.remaining());
        return Err(RunError::TooLong { needed, given }.into());
    }
    let stream = TextStream::after(tokens);
    let mut fed = 0;
    while let Some(rest) = tokens.get(fed..).filter(|rest| !rest.is_empty()) {
        fed += terminal.step(|| decoder.begin(rest))?;
        while terminal.step(|| decoder.step()) == Progress::Working {
            terminal.uninterrupted()?;
        }
    }
    hash.add(decoder.logits());
    Ok((Generator::from_decoder(decoder, room, SAMPLING), stream))
}

/// Draws tokens and runs them, layer by layer, until a key is pressed: how many, and why no more.
#[inline(never)]
pub fn go_on<B: Board>(
    terminal: &mut Terminal<B>,
    tale: &mut Tale<'_>,
    at_most: usize,
    hash: &mut Hash,
    mut each: impl FnMut(&mut Terminal<B>, &Tale<'_>, Token),
) -> Result<(usize, End), Trouble> {
    let mut tokens = 0;
    while tokens < at_most {
        let token = loop {
            match terminal.step(|| tale.step())? {
                Event::Token(token) => break token,
                Event::Stopped(stop) => return Ok((tokens, End::Model(stop))),
                Event::Working => {}
            }
        };
        while terminal.step(|| tale.settle())? {}
        hash.add(tale.decoder().logits());
        tokens += 1;
        each(terminal, tale, token);
        if terminal.pressed.any {
            return Ok((tokens, End::Key));
        }
    }
    Ok((tokens, End::Length))
}
