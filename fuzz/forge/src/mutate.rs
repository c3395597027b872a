//! Changes to a blob that know its structure.

use picoformer::blob::{
    AUDIO, CHECKSUM_OFFSET, HEADER_BYTES, KEY_BASE, Layout, MOTION, NOTE, PROBLEM, RULES, SCOPE,
    TEXT_LABELS, TRIGGER, Tag, checksum,
};

/// Bytes that say what is done; zeros behind the last one.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a>(pub &'a [u8]);

impl Script<'_> {
    /// Whether all bytes are used.
    pub fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn u8(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// The next two bytes.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from(self.u16()) | u32::from(self.u16()) << 16
    }

    /// A number below `n`; 0 if that is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let number = match n {
            ..=0x100 => u32::from(self.u8()),
            0x101..=0x1_0000 => u32::from(self.u16()),
            _ => self.u32(),
        };
        (number as usize).checked_rem(n).unwrap_or(0)
    }
}

/// How many places [`edge`] tells apart.
pub const EDGES: usize = 60;

/// Where section `index` of a blob begins, or a part of one of its layers: places with exponents,
/// multipliers and numbers of bits.
pub fn edge(layout: &Layout, layer: usize, index: usize) -> usize {
    let (l, d) = (&layout.layer, &layout.decoder);
    let a = &l.attention;
    let base = match index {
        0..=8 => 0,
        9..=19 => layout.layers + layer * l.bytes,
        20..=24 => 0,
        _ => d.layers + layer * d.layer_bytes,
    };
    base + match index {
        0 => HEADER_BYTES,
        1 => layout.position,
        2 => layout.embedding_norm,
        3 => layout.final_norm,
        4 => layout.pooler.offset,
        5 => layout.head.offset,
        6 => layout.tokenizer.0,
        7 => layout.labels.0,
        8 => layout.end,
        9 | 25 => a.scores,
        10 | 26 => a.q.offset,
        11 | 27 => a.k.offset,
        12 | 28 => a.v.offset,
        13 | 29 => a.o.offset,
        14 | 30 => a.norm,
        15 | 31 => l.gate.offset,
        16 | 32 => l.up.offset,
        17 | 33 => l.down.offset,
        18 | 34 => l.norm,
        20 => d.embedding.offset,
        21 => d.position,
        22 => d.embedding_norm,
        23 => d.final_norm,
        24 => d.end,
        35 => d.cross.scores,
        36 => d.cross.q.offset,
        37 => d.cross.k.offset,
        38 => d.cross.v.offset,
        39 => d.cross.o.offset,
        40 => d.cross.norm,
        _ => 0,
    }
}

/// All of [`edge`] in the first layers.
pub fn edges(layout: &Layout) -> impl Iterator<Item = usize> + '_ {
    (0..EDGES).map(|index| edge(layout, 0, index))
}

/// Sizes and offsets that things break at.
const EXTREMES: [u32; 20] = [
    0,
    1,
    2,
    3,
    7,
    8,
    15,
    16,
    17,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff0,
    0xffff_ffff,
];

/// Header fields that change no section's place: context (without learned positions), window, labels, tile,
/// decoder layers and beams, target context, relative distance, start, end, suppressed, forced token.
const FREE: [usize; 11] = [64, 68, 72, 76, 100, 104, 108, 112, 116, 120, 124];

/// Tags that one section may have instead of another's.
const TAGS: [Tag; 9] = [AUDIO, KEY_BASE, MOTION, NOTE, PROBLEM, RULES, SCOPE, TEXT_LABELS, TRIGGER];

/// Where the optional section of this number begins, or the last one.
fn optional(blob: &[u8], layout: &Layout, number: u8) -> usize {
    let mut at = layout.end;
    for _ in 0..number {
        let Some(&[a, b, c, d]) = blob.get(at + 4..).and_then(<[u8]>::first_chunk) else { break };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        match at
            .checked_add(16)
            .and_then(|data| data.checked_add(length.checked_next_multiple_of(16)?))
        {
            Some(next) if next < blob.len() => at = next,
            _ => break,
        }
    }
    at
}

fn put(blob: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = at.checked_add(bytes.len()).and_then(|end| blob.get_mut(at..end)) {
        to.copy_from_slice(bytes);
    }
}

/// Makes the checksum right again.
pub fn sign(blob: &mut [u8]) {
    if blob.len() >= HEADER_BYTES {
        let sum = checksum(blob).to_le_bytes();
        put(blob, CHECKSUM_OFFSET, &sum);
    }
}

/// Changes a good blob of this layout as the script says, up to its end, and makes the checksum right. Returns
/// how many of the bytes are still part of it.
pub fn mutate(blob: &mut [u8], layout: &Layout, mut script: Script) -> usize {
    let mut len = blob.len();
    // Bounded: a script of a fuzzer may be long.
    for _ in 0..32 {
        if script.is_done() {
            break;
        }
        let s = &mut script;
        match s.u8() % 15 {
            0 => put(blob, s.u8() as usize % HEADER_BYTES, &[s.u8()]),
            1 => {
                let (field, value) = (s.u8() as usize % 25, EXTREMES[s.below(EXTREMES.len())]);
                put(blob, 28 + 4 * field, &value.to_le_bytes());
            }
            2 => {
                let (field, value) = (FREE[s.below(FREE.len())], u32::from(s.u8()));
                put(blob, field, &value.to_le_bytes());
            }
            3 | 4 => {
                // Exponents, bits, multipliers stand at the edges of sections.
                let layer = s.u8() as usize % 3;
                let at = edge(layout, layer, s.u8() as usize % EDGES);
                put(blob, at + s.u8() as usize % 12, &[s.u8()]);
            }
            5 => {
                let at = edge(layout, s.u8() as usize % 3, s.u8() as usize % EDGES);
                let exponent = (s.u8() as i16) - 128;
                let exponent = exponent.clamp(-101, 101).to_le_bytes();
                put(blob, at + 2 * (s.u8() as usize % 3), &exponent);
            }
            6 => {
                let at = layout.tokenizer.0 + s.below(layout.tokenizer.1);
                put(blob, at, &[s.u8()]);
            }
            7 => {
                let at = layout.tokenizer.0 + (s.below(layout.tokenizer.1) & !3);
                let value = EXTREMES[s.below(EXTREMES.len())];
                put(blob, at, &value.to_le_bytes());
            }
            8 => {
                // The tokenizer's own header.
                let at = layout.tokenizer.0 + s.u8() as usize % 32;
                put(blob, at, &[s.u8()]);
            }
            9 => {
                let at = layout.end + s.below(blob.len().saturating_sub(layout.end));
                put(blob, at, &[s.u8()]);
            }
            10 => {
                let at = layout.labels.0 + s.below(layout.labels.1);
                put(blob, at, &[s.u8()]);
            }
            11 => {
                let at = s.below(blob.len());
                put(blob, at, &[s.u8()]);
            }
            12 => {
                let (from, to, n) = (s.below(blob.len()), s.below(blob.len()), s.u8() as usize);
                let n = n.min(blob.len() - from).min(blob.len() - to);
                blob.copy_within(from..from + n, to);
            }
            14 => {
                let at = optional(blob, layout, s.u8() % 4);
                match s.u8() % 4 {
                    0 => put(blob, at, &TAGS[s.below(TAGS.len())]),
                    1 => put(blob, at + 4, &u32::from(s.u8()).to_le_bytes()),
                    // The first numbers of its data, or of the next section, whose tag may come first.
                    _ => put(blob, at + 16 + 4 * (s.u8() as usize % 6), &[s.u8(), 0, 0, 0]),
                }
            }
            _ => match s.u8() {
                // The end is lost, and the header says so.
                0..16 => {
                    len = len.saturating_sub(s.below(1 << 12));
                    put(blob, 8, &(len as u32).to_le_bytes());
                }
                value => {
                    let (at, n) = (s.below(blob.len()), 1 + s.u8() as usize % 64);
                    let end = (at + n).min(blob.len());
                    blob[at..end].fill(value.wrapping_mul(0x55));
                }
            },
        }
    }
    let len = len.min(blob.len());
    sign(&mut blob[..len]);
    len
}
