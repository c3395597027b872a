//! Numbers as text without `core::fmt`'s formatting, which would outweigh the engine.

use core::fmt::{self, Write};

/// Writes a decimal number.
///
/// # Errors
/// Those of `out`.
pub fn decimal(out: &mut dyn Write, mut value: u64) -> fmt::Result {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        let (quotient, rest) = by_ten(value);
        *digit = b'0' + rest;
        value = quotient;
        used += 1;
        if value == 0 {
            break;
        }
    }
    ascii(out, digits.iter().skip(digits.len() - used))
}

/// Quotient and rest, bit by bit: a general division of 64 bits is a kilobyte of code.
fn by_ten(value: u64) -> (u64, u8) {
    let (mut quotient, mut rest) = (0, 0);
    for bit in (0..64).rev() {
        rest = rest << 1 | (value >> bit) as u8 & 1;
        quotient <<= 1;
        if rest >= 10 {
            (quotient, rest) = (quotient | 1, rest - 10);
        }
    }
    (quotient, rest)
}

/// Writes 16 hexadecimal digits.
///
/// # Errors
/// Those of `out`.
pub fn hexadecimal(out: &mut dyn Write, value: u64) -> fmt::Result {
    let mut digits = [0u8; 16];
    for (i, digit) in digits.iter_mut().enumerate() {
        let nibble = (value >> (60 - 4 * i)) as u8 & 15;
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    }
    ascii(out, digits.iter())
}

fn ascii<'a>(out: &mut dyn Write, bytes: impl Iterator<Item = &'a u8>) -> fmt::Result {
    for &byte in bytes {
        out.write_char(byte as char)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::String;

    use super::*;

    #[test]
    fn decimals_are_what_format_writes() {
        for value in [0, 7, 10, 1234567890, u64::MAX] {
            let mut out = String::new();
            decimal(&mut out, value).unwrap();
            assert_eq!(out, std::format!("{value}"));
        }
    }

    #[test]
    fn hexadecimals_have_sixteen_digits() {
        let mut out = String::new();
        hexadecimal(&mut out, 0x0123_4567_89ab_cdef).unwrap();
        assert_eq!(out, "0123456789abcdef");
    }
}
