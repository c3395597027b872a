//! The constants of the format, and how bytes of a blob are read.

/// The first four bytes.
pub const MAGIC: [u8; 4] = *b"PICO";
/// Version of the format; raised whenever an old engine would misread a new blob.
pub const VERSION: u16 = 1;
/// Length of the header.
pub const HEADER_BYTES: usize = 128;
/// Every section begins at a multiple of this.
pub const ALIGN: usize = 16;
/// Where the CRC-32 stands in the header. It covers every other byte of the blob.
pub const CHECKSUM_OFFSET: usize = 12;
/// Length of the small header before a linear layer, a norm, a position table, an attention, and the
/// data of an optional section.
pub const META_BYTES: usize = 16;

/// Everything of `bytes` from `offset`, at most `len` bytes; empty beyond the end.
pub const fn part(bytes: &[u8], offset: usize, len: usize) -> &[u8] {
    match bytes.split_at_checked(offset) {
        Some((_, rest)) => match rest.split_at_checked(len) {
            Some((part, _)) => part,
            None => rest,
        },
        None => &[],
    }
}

/// Reads a byte; 0 beyond the end.
pub const fn read_u8(bytes: &[u8], offset: usize) -> u8 {
    if offset < bytes.len() { bytes[offset] } else { 0 }
}

/// Reads a `u16` at `offset`; 0 beyond the end (callers have checked the length).
pub const fn read_u16(bytes: &[u8], offset: usize) -> u16 {
    if offset < bytes.len() && offset + 1 < bytes.len() {
        u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
    } else {
        0
    }
}

/// Reads an `i16` at `offset`; 0 beyond the end.
pub const fn read_i16(bytes: &[u8], offset: usize) -> i16 {
    read_u16(bytes, offset) as i16
}

/// Reads a `u32` at `offset`; 0 beyond the end.
pub const fn read_u32(bytes: &[u8], offset: usize) -> u32 {
    read_u16(bytes, offset) as u32 | (read_u16(bytes, offset + 2) as u32) << 16
}

/// Reads an `i32` at `offset`; 0 beyond the end.
pub const fn read_i32(bytes: &[u8], offset: usize) -> i32 {
    read_u32(bytes, offset) as i32
}

/// CRC-32 (ISO-HDLC, the one of zlib and PNG) of a blob, its own checksum field left out.
pub const fn checksum(blob: &[u8]) -> u32 {
    !checksum_piece(blob, 0, blob.len(), !0)
}

/// Goes on with the checksum of a blob, for callers that do other work in between: from byte `from` to
/// `to`. `crc` is what the piece before returned, [`u32::MAX`] for the first; the checksum is the complement
/// of what the last piece returns.
///
/// ```
/// # use picoformer::blob::{checksum, checksum_piece};
/// let blob = [7; 100];
/// let first = checksum_piece(&blob, 0, 60, u32::MAX);
/// assert_eq!(!checksum_piece(&blob, 60, 100, first), checksum(&blob));
/// ```
pub const fn checksum_piece(blob: &[u8], from: usize, to: usize, mut crc: u32) -> u32 {
    // A table of 16 entries: 64 bytes of flash, four times faster than bit by bit.
    const TABLE: [u32; 16] = {
        let mut table = [0u32; 16];
        let mut i = 0;
        while i < 16 {
            let mut c = i as u32;
            let mut bit = 0;
            while bit < 4 {
                c = if c & 1 != 0 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 };
                bit += 1;
            }
            table[i] = c;
            i += 1;
        }
        table
    };
    let end = if to < blob.len() { to } else { blob.len() };
    let mut i = from;
    while i < end {
        if i < CHECKSUM_OFFSET || i >= CHECKSUM_OFFSET + 4 {
            crc ^= blob[i] as u32;
            crc = TABLE[(crc & 15) as usize] ^ (crc >> 4);
            crc = TABLE[(crc & 15) as usize] ^ (crc >> 4);
        }
        i += 1;
    }
    crc
}

/// Reads a `u64` at `offset`; 0 beyond the end.
pub const fn read_u64(bytes: &[u8], offset: usize) -> u64 {
    read_u32(bytes, offset) as u64 | (read_u32(bytes, offset + 4) as u64) << 32
}
