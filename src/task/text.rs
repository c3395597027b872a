//! Incremental conversion of tokens to text.

use crate::tokenizer::{Token, Tokenizer};
use core::fmt::{Result, Write};

/// Turns tokens into UTF-8 text, holding back the bytes of a character until it is whole.
#[derive(Clone, Debug, Default)]
pub struct TextStream {
    previous: Option<Token>,
    pending: [u8; 4],
    len: usize,
}

impl TextStream {
    /// At the beginning of a text.
    pub const fn new() -> Self {
        Self { previous: None, pending: [0; 4], len: 0 }
    }

    /// Continues the text of `tokens` (a prompt), which is not written again.
    pub const fn after(tokens: &[Token]) -> Self {
        let previous = match tokens.last() {
            Some(&last) => Some(last),
            None => None,
        };
        Self { previous, pending: [0; 4], len: 0 }
    }

    /// Writes the characters that `token` completes; U+FFFD for a token outside the vocabulary.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn push(&mut self, tokenizer: &Tokenizer, token: Token, out: &mut dyn Write) -> Result {
        let Some(piece) = tokenizer.decode(self.previous, token) else {
            return self.replace(out);
        };
        self.previous = Some(token);
        if piece.space {
            self.byte(b' ', out)?;
        }
        match piece.byte {
            Some(byte) => self.byte(byte, out),
            None => piece.bytes.iter().try_for_each(|&byte| self.byte(byte, out)),
        }
    }

    /// Ends the text: an unfinished character becomes U+FFFD.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(&mut self, out: &mut dyn Write) -> Result {
        self.previous = None;
        if self.len > 0 { self.replace(out) } else { Ok(()) }
    }

    fn replace(&mut self, out: &mut dyn Write) -> Result {
        self.len = 0;
        out.write_char(char::REPLACEMENT_CHARACTER)
    }

    fn byte(&mut self, byte: u8, out: &mut dyn Write) -> Result {
        if self.len > 0 && byte & 0xC0 != 0x80 {
            self.replace(out)?; // a character broke off
        }
        if let Some(to) = self.pending.get_mut(self.len) {
            *to = byte;
            self.len += 1;
        }
        match self.character() {
            Pending::Whole(character) => {
                self.len = 0;
                out.write_char(character)
            }
            Pending::Broken => self.replace(out),
            Pending::Part => Ok(()),
        }
    }

    /// The character that begins with the pending bytes; all except the first are continuation
    /// bytes (Unicode 16, table 3-7). The library's check of whole texts would be four times as
    /// much code.
    fn character(&self) -> Pending {
        let [first, second, ..] = self.pending;
        let (needed, broken) = match first {
            0..=0x7F => (1, false),
            0xC2..=0xDF => (2, false),
            0xE0 => (3, second < 0xA0),
            0xED => (3, second >= 0xA0),
            0xE1..=0xEF => (3, false),
            0xF0 => (4, second < 0x90),
            0xF4 => (4, second >= 0x90),
            0xF1..=0xF3 => (4, false),
            _ => return Pending::Broken,
        };
        if broken && self.len > 1 {
            return Pending::Broken;
        }
        if self.len < needed {
            return Pending::Part;
        }
        let mut code = if needed == 1 { first as u32 } else { first as u32 & (0x7F >> needed) };
        for &byte in self.pending.iter().take(needed).skip(1) {
            code = code << 6 | (byte & 0x3F) as u32;
        }
        char::from_u32(code).map_or(Pending::Broken, Pending::Whole)
    }
}

/// The state of the bytes held back.
enum Pending {
    Whole(char),
    Broken,
    Part,
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    /// What a stream of bytes gives.
    fn streamed(bytes: &[u8]) -> String {
        let (mut stream, mut out) = (TextStream::new(), String::new());
        bytes.iter().for_each(|&byte| stream.byte(byte, &mut out).unwrap());
        stream.finish(&mut out).unwrap();
        out
    }

    #[test]
    #[cfg_attr(miri, ignore = "every character of Unicode")]
    fn every_character_survives() {
        for c in (0..=0x10FFFF).step_by(7).filter_map(char::from_u32) {
            let mut buffer = [0; 4];
            let text = c.encode_utf8(&mut buffer);
            assert_eq!(streamed(text.as_bytes()), *text);
        }
    }

    #[test]
    fn bytes_are_whole_broken_or_part_as_the_library_says() {
        let edges = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF];
        let edges = edges.into_iter().chain(0xE0..=0xF5).chain([0xFF]);
        let edges: Vec<u8> = edges.collect();
        for &first in &edges {
            for &second in &edges {
                for third in [0x80, 0xBF] {
                    for len in 1..=4 {
                        let pending = [first, second, third, 0x80];
                        // Only continuations come behind the first byte.
                        if pending.iter().take(len).skip(1).any(|byte| byte & 0xC0 != 0x80) {
                            continue;
                        }
                        let found = TextStream { previous: None, pending, len }.character();
                        match (core::str::from_utf8(&pending[..len]), found) {
                            (Ok(text), Pending::Whole(c)) => assert!(text.starts_with(c)),
                            // Bytes behind a whole or a broken character never come.
                            (Err(e), Pending::Broken) => assert!(e.error_len().is_some()),
                            (Err(e), Pending::Whole(_)) => assert!(e.valid_up_to() > 0),
                            (Err(e), Pending::Part) => assert!(e.error_len().is_none()),
                            (text, _) => panic!("{pending:x?} {len} {text:?}"),
                        }
                    }
                }
            }
        }
    }
}
