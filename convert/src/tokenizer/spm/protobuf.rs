//! The wire format of protocol buffers: as much of it as a SentencePiece model needs.

/// The value of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field<'a> {
    /// A number or a flag.
    Number(u64),
    /// A text, bytes, or a message.
    Bytes(&'a [u8]),
    /// A number of 32 bits.
    Word(u32),
    /// A number of 64 bits, which no field that is read has.
    Long,
}

impl<'a> Field<'a> {
    pub(super) fn number(self) -> Option<u64> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    pub(super) fn bytes(self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub(super) fn float(self) -> Option<f32> {
        if let Self::Word(bits) = self { Some(f32::from_bits(bits)) } else { None }
    }
}

/// The fields of a message with their numbers, in order; none if it is damaged.
pub(super) fn fields(mut message: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut message)?),
            1 => {
                message.split_off(..8)?;
                Field::Long
            }
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Field::Bytes(message.split_off(..length)?)
            }
            5 => Field::Word(u32::from_le_bytes(*message.split_off(..4)?.first_chunk()?)),
            _ => return None,
        };
        fields.push((tag >> 3, field));
    }
    Some(fields)
}

/// A number of seven bits a byte, the lowest first.
fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let byte = *message.split_off_first()?;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_damage_is_seen() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 0, 0, 0x80, 0x3f];
        let found = fields(&message).unwrap();
        assert_eq!(found[0].1.number(), Some(150));
        assert_eq!(found[1].1.bytes(), Some(&b"hi"[..]));
        assert_eq!((found[2].0, found[2].1.float()), (3, Some(1.0)));
        for end in [1, 2, 4, 5, 6, 8, 11] {
            assert!(fields(&message[..end]).is_none(), "{end}");
        }
        assert!(fields(&[0x0b]).is_none(), "a group");
        assert!(fields(&[0x80; 11]).is_none(), "a number without end");
    }
}
