//! Line after line.

use crate::board::Board;
use crate::commands::execute;
use crate::memory::Ram;
use crate::meter::Meter;
use crate::terminal::{Pressed, Terminal};

/// The shell of one board.
#[derive(Debug)]
pub struct Shell<'r, B> {
    terminal: Terminal<B>,
    ram: &'r mut Ram,
    /// Bytes of input lost so far that have been told of.
    lost: u32,
}

impl<'r, B: Board> Shell<'r, B> {
    /// Says hello and asks for a line.
    pub fn new(board: B, ram: &'r mut Ram) -> Self {
        let mut shell = Self { terminal: Terminal::new(board), ram, lost: 0 };
        shell.greet();
        shell
    }

    fn greet(&mut self) {
        let name = self.terminal.board.about().name;
        self.terminal.say(format_args!("\npicoformer on {name}; help lists the commands\n"));
        self.terminal.prompt();
    }

    /// Serves the port, and does what a line says if one is complete.
    pub fn poll(&mut self) {
        self.terminal.rest();
        if self.terminal.board.greet() {
            self.greet();
        }
        if self.terminal.editor.complete() {
            self.execute();
        }
    }

    /// For ever.
    pub fn run(mut self) -> ! {
        loop {
            self.poll();
        }
    }

    fn execute(&mut self) {
        let Self { terminal, ram, lost } = self;
        let line = terminal.editor.take();
        terminal.pressed = Pressed::default();
        terminal.meter = Meter::default();
        let so_far = terminal.board.lost();
        if so_far != *lost {
            let more = so_far.wrapping_sub(*lost);
            *lost = so_far;
            terminal.say(format_args!("error: {more} bytes of input were lost\n"));
        }
        match line.text() {
            Err(error) => terminal.say(format_args!("error: {error}\n")),
            Ok(text) => {
                if let Err(trouble) = execute(terminal, ram, text) {
                    terminal.say(format_args!("error: {trouble}\n"));
                }
            }
        }
        terminal.prompt();
    }

    /// The board.
    pub fn board(&mut self) -> &mut B {
        &mut self.terminal.board
    }
}
