//! The port, the light, the watchdog and the counter, as commands use them.

use core::fmt;

use crate::board::Board;
use crate::line::{Editor, Fed};
use crate::meter::{Meter, difference};
use crate::trouble::Trouble;

/// How often a byte of output is offered before it is dropped: some tens of milliseconds. A serial line
/// takes it after at most 0.1 ms, a USB host that is there after a few.
pub const PATIENCE: u32 = 200_000;

/// What was pressed during a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressed {
    /// Any key.
    pub any: bool,
    /// Ctrl-C.
    pub interrupt: bool,
}

/// A board with what is under way on it.
#[derive(Debug)]
pub struct Terminal<B> {
    /// The board.
    pub board: B,
    /// The line being typed, also during a command.
    pub editor: Editor,
    /// What was pressed during this command.
    pub pressed: Pressed,
    /// What this command's steps took.
    pub meter: Meter,
    /// Bytes of output dropped since the last one that was taken.
    dropped: u64,
    lit: bool,
    /// The counter when [`Terminal::rest`] last looked, and its cycles since the light changed.
    seen: u32,
    dark: u32,
}

impl<B: Board> Terminal<B> {
    /// Nothing typed, nothing written.
    pub fn new(board: B) -> Self {
        Self {
            board,
            editor: Editor::new(),
            pressed: Pressed::default(),
            meter: Meter::default(),
            dropped: 0,
            lit: false,
            seen: 0,
            dark: 0,
        }
    }

    /// One step of a command's work, counted. Afterwards the watchdog is fed, the light changes and what
    /// was typed is taken.
    pub fn step<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let before = self.board.ticks();
        let done = work();
        self.meter.add(before, self.board.ticks(), B::TICK_BITS);
        self.switch();
        self.pull(false);
        done
    }

    /// What happens while nothing is to be done: the watchdog is fed, the light blinks once a second, what
    /// is typed is taken and shown.
    pub fn rest(&mut self) {
        let now = self.board.ticks();
        self.dark = self.dark.saturating_add(difference(self.seen, now, B::TICK_BITS));
        self.seen = now;
        if self.dark > self.board.about().hertz / 2 {
            self.dark = 0;
            self.switch();
        }
        self.pull(true);
    }

    /// Whether the command may go on.
    ///
    /// # Errors
    /// [`Trouble::Interrupted`] once Ctrl-C was pressed.
    pub fn uninterrupted(&self) -> Result<(), Trouble> {
        if self.pressed.interrupt { Err(Trouble::Interrupted) } else { Ok(()) }
    }

    fn switch(&mut self) {
        self.lit = !self.lit;
        self.board.led(self.lit);
    }

    /// Takes bytes from the port up to the end of a line; those after it wait in the port.
    fn pull(&mut self, show: bool) {
        self.board.feed();
        self.admit();
        while !self.editor.complete() {
            let Some(byte) = self.board.read() else { break };
            let fed = self.editor.feed(byte);
            self.pressed.any |= fed != Fed::Nothing;
            self.pressed.interrupt |= fed == Fed::Interrupt;
            match fed {
                _ if !show => {}
                Fed::Shown(byte) => self.put(byte),
                Fed::Erased => self.rub(1),
                Fed::Killed(characters) => self.rub(characters),
                Fed::Line => self.text("\n"),
                Fed::Interrupt => {
                    self.text("^C\n");
                    self.prompt();
                }
                Fed::Nothing | Fed::Key => {}
            }
        }
    }

    /// Asks for a line, and shows what has been typed of it.
    pub fn prompt(&mut self) {
        self.text("> ");
        for i in 0.. {
            let Some(&byte) = self.editor.line().bytes().get(i) else { break };
            self.put(byte);
        }
        if self.editor.complete() {
            self.text("\n");
        }
    }

    /// Writes a text.
    pub fn text(&mut self, text: &str) {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.put(b'\r');
            }
            self.put(byte);
        }
    }

    fn rub(&mut self, characters: usize) {
        (0..characters).for_each(|_| self.text("\u{8} \u{8}"));
    }

    /// Writes a byte, or drops it and counts. Once one is dropped, so are all until a host is back.
    fn put(&mut self, byte: u8) {
        if self.admit() {
            for _ in 0..PATIENCE {
                if self.board.write(byte) {
                    return;
                }
                self.board.feed();
            }
        }
        self.dropped += 1;
    }

    /// If output has been dropped, offers a byte; when it is taken, says how many were dropped. Whether
    /// there is a host.
    fn admit(&mut self) -> bool {
        if self.dropped == 0 {
            return true;
        }
        if !self.board.write(b'\r') {
            return false;
        }
        let dropped = core::mem::take(&mut self.dropped);
        self.say(format_args!("\n[{dropped} bytes of output were dropped]\n"));
        self.dropped == 0
    }

    /// Writes what `write!` gives.
    pub fn say(&mut self, what: fmt::Arguments<'_>) {
        // `write_str` below does not fail.
        let _ = fmt::write(self, what);
    }
}

impl<B: Board> fmt::Write for Terminal<B> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text);
        Ok(())
    }
}
