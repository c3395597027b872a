//! The commands, and those that are a line or two.

use picoformer::Model;
use picoformer::kernels::{Kernels, Native};

use crate::board::{About, Board, Stack};
use crate::memory::Ram;
use crate::terminal::Terminal;
use crate::trouble::Trouble;
use crate::{bench, selftest};

/// The models in the image: name, what their command is called with, themselves.
const MODELS: &[(&str, &str, &Model)] = &[
    #[cfg(feature = "intent")]
    ("intent", "classify TEXT", &picoformer_demo::shipped::intent::MODEL),
    #[cfg(feature = "tales")]
    ("tales", "write PROMPT", &picoformer_demo::shipped::tales::MODEL),
    #[cfg(feature = "g2p")]
    ("g2p", "say WORDS", &picoformer_demo::shipped::g2p::BEAM),
];

/// Does what a line says.
pub fn execute<B: Board>(
    terminal: &mut Terminal<B>,
    ram: &mut Ram,
    line: &str,
) -> Result<(), Trouble> {
    let line = line.trim();
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim_start();
    match command {
        "" => {}
        "help" => help(terminal),
        "info" => info(terminal),
        "stack" => stack(terminal),
        _ => return work(terminal, ram, command, rest),
    }
    Ok(())
}

/// Does what runs a model.
fn work<B: Board>(
    terminal: &mut Terminal<B>,
    ram: &mut Ram,
    command: &str,
    rest: &str,
) -> Result<(), Trouble> {
    match command {
        "bench" => bench::command(terminal, ram),
        "selftest" => selftest::command(terminal, ram, rest),
        #[cfg(feature = "intent")]
        "classify" if !rest.is_empty() => crate::classify::command(terminal, ram, rest),
        #[cfg(feature = "tales")]
        "write" if !rest.is_empty() => crate::write::command(terminal, ram, rest),
        #[cfg(feature = "g2p")]
        "say" if !rest.is_empty() => crate::say::command(terminal, ram, rest),
        "classify" => Err(usage("intent", "classify TEXT")),
        "write" => Err(usage("tales", "write PROMPT")),
        "say" => Err(usage("g2p", "say WORDS")),
        _ => Err(Trouble::Usage("help lists the commands")),
    }
}

/// Why a model's command is not run: nothing behind it, or the model is not in this image.
fn usage(model: &str, usage: &'static str) -> Trouble {
    match MODELS.iter().any(|(name, ..)| *name == model) {
        true => Trouble::Usage(usage),
        false => Trouble::Absent(usage),
    }
}

fn help<B: Board>(terminal: &mut Terminal<B>) {
    for (name, usage, _) in MODELS {
        let more = if *name == "tales" { ", until a key is pressed" } else { "" };
        terminal.say(format_args!("{usage:<16}asks models/{name}{more}\n"));
    }
    terminal.text(
        "bench           cycles of each model\n\
         selftest [NAME] compares logits with the host's; NAME is a command\n\
         info            board, clock, models\n\
         stack           how deep it went\n\
         Ctrl-C stops a command, Backspace and Ctrl-U edit the line.\n",
    );
}

fn info<B: Board>(terminal: &mut Terminal<B>) {
    let About { name, core, clock, hertz, counter, weights } = terminal.board.about();
    let version = env!("CARGO_PKG_VERSION");
    terminal.say(format_args!("picoformer {version} on {name}\n"));
    terminal.say(format_args!("core     {core}, {hertz} Hz ({clock})\n"));
    terminal.say(format_args!("kernels  {}\n", Native::NAME));
    terminal.say(format_args!("counter  {counter}\n"));
    terminal.say(format_args!("weights  {weights}\n"));
    for (name, usage, model) in MODELS {
        let (flash, ram) = (model.flash_bytes(), model.arena().total_bytes());
        let context = model.config().context;
        terminal.say(format_args!(
            "model    {name} for `{usage}`: {flash} bytes of flash, {ram} of RAM, context {context}\n"
        ));
    }
    terminal.say(format_args!("RAM      {} bytes for all models, in turn\n", size_of::<Ram>()));
}

fn stack<B: Board>(terminal: &mut Terminal<B>) {
    match terminal.board.stack() {
        Some(Stack { used, room }) => {
            terminal.say(format_args!("{used} of {room} bytes were used at most\n"));
        }
        None => terminal.text("not counted here\n"),
    }
}
