//! Tokens to text as they come.

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

    /// Goes on behind `token`, whose text was shown elsewhere (a prompt's last).
    pub const fn after(token: Token) -> Self {
        Self { previous: Some(token), pending: [0; 4], len: 0 }
    }

    /// Writes what `token` completes. A token outside the vocabulary writes U+FFFD.
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
        let pending = self.pending.get(..self.len).unwrap_or_default();
        match core::str::from_utf8(pending) {
            Ok(text) => {
                self.len = 0;
                out.write_str(text)
            }
            Err(error) if error.error_len().is_some() => self.replace(out),
            Err(_) => Ok(()),
        }
    }
}
