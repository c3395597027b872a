//! Names of cases without `core::fmt`'s formatting.

/// A short text in a buffer of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Name {
    bytes: [u8; 32],
    len: usize,
}

impl Name {
    /// A name that begins with `text`.
    pub fn new(text: &str) -> Self {
        Self::default().text(text)
    }

    /// Appends a text; what does not fit is cut off.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        for &byte in text.as_bytes() {
            if let Some(to) = self.bytes.get_mut(self.len) {
                *to = byte;
                self.len += 1;
            }
        }
        self
    }

    /// Appends a number.
    #[must_use]
    pub fn number(self, value: usize) -> Self {
        let head = if value >= 10 { self.number(value / 10) } else { self };
        let digit = [b'0' + (value % 10) as u8];
        head.text(core::str::from_utf8(&digit).unwrap_or_default())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.bytes.get(..self.len).unwrap_or_default()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_together() {
        let name = Name::new("linear/").number(64).text("x").number(512).text("/rows").number(1);
        assert_eq!(name.as_str(), "linear/64x512/rows1");
        assert_eq!(Name::new("").number(0).as_str(), "0");
    }
}
