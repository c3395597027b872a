//! Intel HEX, which programmers of many makers take (Intel, "Hexadecimal Object File Format
//! Specification", 1988).

use anyhow::{Context, Result, bail, ensure};

const DATA: u8 = 0;
const END: u8 = 1;
const UPPER_ADDRESS: u8 = 4;

/// A file for bytes from an address on.
pub fn encode(start: u32, bytes: &[u8]) -> String {
    let (mut text, mut upper) = (String::new(), None);
    for (i, line) in bytes.chunks(16).enumerate() {
        let address = start + 16 * i as u32;
        if upper != Some(address >> 16) {
            upper = Some(address >> 16);
            record(&mut text, 0, UPPER_ADDRESS, &((address >> 16) as u16).to_be_bytes());
        }
        record(&mut text, address as u16, DATA, line);
    }
    record(&mut text, 0, END, &[]);
    text
}

fn record(text: &mut String, address: u16, kind: u8, data: &[u8]) {
    let [high, low] = address.to_be_bytes();
    let mut bytes = vec![data.len() as u8, high, low, kind];
    bytes.extend(data);
    let sum = bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    bytes.push(sum.wrapping_neg());
    *text += ":";
    bytes.iter().for_each(|byte| *text += &format!("{byte:02X}"));
    *text += "\n";
}

/// What a file writes: from which address, which bytes. Refuses gaps, wrong sums, a missing end.
pub fn decode(text: &str) -> Result<(u32, Vec<u8>)> {
    let (mut start, mut bytes, mut upper) = (None, Vec::new(), 0);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let digits = line.strip_prefix(':').context("a line without a colon")?;
        ensure!(digits.len().is_multiple_of(2) && digits.is_ascii(), "half a byte: {line}");
        let record: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16))
            .collect::<Result<_, _>>()?;
        let sum = record.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
        let [len, high, low, kind, data @ .., _] = &record[..] else { bail!("too short: {line}") };
        ensure!(sum == 0 && usize::from(*len) == data.len(), "a damaged line: {line}");
        match *kind {
            UPPER_ADDRESS if data.len() == 2 => {
                upper = u32::from(u16::from_be_bytes([data[0], data[1]])) << 16;
            }
            DATA => {
                let address = upper | u32::from(u16::from_be_bytes([*high, *low]));
                let next = *start.get_or_insert(address) + bytes.len() as u32;
                ensure!(address == next, "a line for {address:#x}, {next:#x} comes next");
                bytes.extend(data);
            }
            END => {
                ensure!(lines.next().is_none(), "lines after the end");
                return Ok((start.context("no data")?, bytes));
            }
            _ => bail!("a line of kind {kind}"),
        }
    }
    bail!("no end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let bytes: Vec<u8> = (0..70_000u32).map(|i| i as u8).collect();
        for start in [0, 0x0800_0000, 0x2_7000] {
            let text = encode(start, &bytes);
            assert_eq!(decode(&text).unwrap(), (start, bytes.clone()));
        }
        // An example of Intel's specification has this form.
        assert!(encode(0x100, b"!F\x01").starts_with(":020000040000FA\n:0301000021460194\n"));
    }

    #[test]
    fn damaged_files_are_refused() {
        let text = encode(0, &[1; 40]);
        for (from, to) in [("01", "02"), (":00000001FF\n", ""), (":", ""), ("10", "11")] {
            assert!(decode(&text.replacen(from, to, 1)).is_err(), "{from}");
        }
    }
}
