//! Editing of one line: characters, Backspace, Ctrl-U; and why a line is no text.

use core::fmt;

/// Bytes of the longest line.
pub const ROOM: usize = 240;

const INTERRUPT: u8 = 3;
const BACKSPACE: u8 = 8;
const TAB: u8 = 9;
const KILL: u8 = 21;
const ESCAPE: u8 = 27;
const DELETE: u8 = 127;

/// What a byte did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// The second half of a line's end: no key.
    Nothing,
    /// A key that shows nothing.
    Key,
    /// It is part of the line and should be shown.
    Shown(u8),
    /// The last character is gone.
    Erased,
    /// The line is gone: so many characters of it had been shown.
    Killed(usize),
    /// Ctrl-C; the line is gone.
    Interrupt,
    /// The line is complete.
    Line,
}

/// Why a line is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineError {
    /// More than [`ROOM`] bytes came.
    TooLong {
        /// How many.
        given: usize,
    },
    /// A control character came, NUL for example.
    Control(u8),
    /// The bytes are not UTF-8 from this place on.
    NotUtf8 {
        /// The place.
        at: usize,
    },
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { given } => {
                write!(f, "the line is too long: {given} bytes, there is room for {ROOM}")
            }
            Self::Control(byte) => write!(f, "the line holds the control character {byte:#04x}"),
            Self::NotUtf8 { at } => write!(f, "the line is not UTF-8 from byte {at} on"),
        }
    }
}

/// A line as it came.
#[derive(Clone, Debug)]
pub struct Line {
    bytes: [u8; ROOM],
    /// Bytes that came; those beyond [`ROOM`] are counted only.
    given: usize,
    control: Option<u8>,
}

impl Line {
    const fn new() -> Self {
        Self { bytes: [0; ROOM], given: 0, control: None }
    }

    /// Its bytes, without those that found no room.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.given).unwrap_or(&self.bytes)
    }

    /// The line as a text.
    ///
    /// # Errors
    /// Says why it is none. Nothing of a line is executed if something of it is missing.
    pub fn text(&self) -> Result<&str, LineError> {
        if self.given > ROOM {
            return Err(LineError::TooLong { given: self.given });
        }
        if let Some(byte) = self.control {
            return Err(LineError::Control(byte));
        }
        core::str::from_utf8(self.bytes())
            .map_err(|error| LineError::NotUtf8 { at: error.valid_up_to() })
    }

    fn push(&mut self, byte: u8) -> Fed {
        let to = self.bytes.get_mut(self.given);
        self.given += 1;
        match to {
            Some(to) => {
                *to = byte;
                Fed::Shown(byte)
            }
            None => Fed::Key,
        }
    }

    /// Takes the last character away; of one that found no room, a byte.
    fn erase(&mut self) -> Fed {
        if self.given == 0 || self.given > ROOM {
            self.given = self.given.saturating_sub(1);
            return Fed::Key;
        }
        while self.given > 0 {
            self.given -= 1;
            if self.bytes.get(self.given).is_none_or(|byte| byte & 0xC0 != 0x80) {
                break;
            }
        }
        Fed::Erased
    }

    fn characters(&self) -> usize {
        self.bytes().iter().filter(|&byte| byte & 0xC0 != 0x80).count()
    }
}

/// Where in the sequence of an arrow or a function key we are; such keys do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sequence {
    None,
    Escape,
    Parameters,
}

/// The line being typed.
#[derive(Clone, Debug)]
pub struct Editor {
    line: Line,
    complete: bool,
    after_return: bool,
    sequence: Sequence,
}

impl Editor {
    /// An empty line.
    pub const fn new() -> Self {
        Self { line: Line::new(), complete: false, after_return: false, sequence: Sequence::None }
    }

    /// Whether the line's end has come. Nothing may be fed then until [`Editor::take`].
    pub const fn complete(&self) -> bool {
        self.complete
    }

    /// The line so far.
    pub const fn line(&self) -> &Line {
        &self.line
    }

    /// Takes the line, and begins a new one.
    pub fn take(&mut self) -> Line {
        self.complete = false;
        core::mem::replace(&mut self.line, Line::new())
    }

    /// Takes the next byte from the port.
    pub fn feed(&mut self, byte: u8) -> Fed {
        let second_half = core::mem::replace(&mut self.after_return, byte == b'\r');
        match (self.sequence, byte) {
            (Sequence::Escape, b'[' | b'O') => {
                self.sequence = Sequence::Parameters;
                return Fed::Key;
            }
            (Sequence::Parameters, 0x20..=0x3F) => return Fed::Key,
            (Sequence::Parameters, 0x40..=0x7E) => {
                self.sequence = Sequence::None;
                return Fed::Key;
            }
            _ => self.sequence = Sequence::None,
        }
        match byte {
            b'\n' if second_half => Fed::Nothing,
            b'\r' | b'\n' => {
                self.complete = true;
                Fed::Line
            }
            INTERRUPT => {
                self.take();
                Fed::Interrupt
            }
            KILL => Fed::Killed(self.take().characters()),
            BACKSPACE | DELETE => self.line.erase(),
            ESCAPE => {
                self.sequence = Sequence::Escape;
                Fed::Key
            }
            TAB => self.line.push(b' '),
            0..0x20 => {
                self.line.control.get_or_insert(byte);
                Fed::Key
            }
            _ => self.line.push(byte),
        }
    }
}

impl Default for Editor {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::{String, ToString};

    /// The line that some bytes make.
    fn typed(bytes: &[u8]) -> Result<String, LineError> {
        let mut editor = Editor::new();
        bytes.iter().for_each(|&byte| {
            editor.feed(byte);
        });
        editor.take().text().map(ToString::to_string)
    }

    #[test]
    fn keys_edit() {
        assert_eq!(typed("crêpe\u{7f}\u{8}\u{8}eme".as_bytes()).unwrap(), "creme");
        assert_eq!(typed(b"\x7f\x7fa\x15b\tc").unwrap(), "b c");
        assert_eq!(typed(b"a\x1b[A\x1b[15~\x1bOPb").unwrap(), "ab");
        assert_eq!(typed(b"abc\x03d").unwrap(), "d");
    }

    #[test]
    fn every_end_of_a_line_is_one() {
        for end in ["\r", "\n", "\r\n"] {
            let mut editor = Editor::new();
            let bytes = std::format!("a{end}b{end}{end}c").into_bytes();
            let lines = bytes.iter().filter(|&&byte| editor.feed(byte) == Fed::Line).count();
            assert_eq!(lines, 3, "{end:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let long = [b'x'; 1000];
        assert_eq!(typed(&long[..ROOM]).unwrap().len(), ROOM);
        assert_eq!(typed(&long[..=ROOM]), Err(LineError::TooLong { given: ROOM + 1 }));
        assert_eq!(typed(&long), Err(LineError::TooLong { given: 1000 }));
        assert_eq!(typed(b"a\0b"), Err(LineError::Control(0)));
        assert_eq!(typed(b"ab\xFFc"), Err(LineError::NotUtf8 { at: 2 }));
        assert_eq!(typed(b"ab\xC3"), Err(LineError::NotUtf8 { at: 2 }));
        let text = LineError::TooLong { given: 1000 }.to_string();
        assert_eq!(text, "the line is too long: 1000 bytes, there is room for 240");
    }

    #[test]
    fn what_found_no_room_can_be_erased() {
        let mut bytes = [b'x'; ROOM + 3];
        bytes[ROOM + 1..].fill(DELETE);
        assert_eq!(typed(&bytes).unwrap().len(), ROOM - 1);
    }
}
