//! Thumb's instructions. Encodings: Armv8-M Architecture Reference Manual, C2.4.

use super::code::{Code, Frame, Known, signed};

impl Code<'_> {
    /// An instruction of this length in bits.
    pub fn thumb_16(&self, a: u32, r: &mut [Known; 32], frame: &mut Frame) {
        let (low, mid) = ((a & 7) as usize, (a >> 3 & 15) as usize);
        match a {
            // PUSH
            _ if a & 0xFE00 == 0xB400 => frame.bytes += 4 * u64::from((a & 0x1FF).count_ones()),
            // SUB SP, #imm
            _ if a & 0xFF80 == 0xB080 => frame.bytes += 4 * u64::from(a & 0x7F),
            // ADD SP, Rm: a large frame, whose negative size is a constant, or its end
            _ if a & 0xFF87 == 0x4485 => match r[mid] {
                Known::Constant(value) if (value as i32) < 0 => {
                    frame.bytes += u64::from((value as i32).unsigned_abs());
                }
                Known::Constant(_) => {}
                _ => frame.opaque = true,
            },
            // LDR Rt, [PC, #imm]
            _ if a & 0xF800 == 0x4800 => {
                let at = ((self.address + 4) & !3) + u64::from(a & 0xFF) * 4;
                let value = self.image.word(at).unwrap_or(0);
                r[(a >> 8 & 7) as usize] = self.constant(value, frame);
            }
            // LDR Rt, [Rn, #imm]
            _ if a & 0xF800 == 0x6800 => r[low] = Known::Loaded((a >> 6 & 31) * 4),
            // BLX Rm
            _ if a & 0xFF87 == 0x4780 => {
                self.indirect(r[mid], frame);
                r[..4].fill(Known::Nothing);
            }
            // BX Rm; BX LR returns
            _ if a & 0xFF87 == 0x4700 && mid != 14 => self.jump_through(r[mid], frame),
            // ADR
            _ if a & 0xF800 == 0xA000 => {
                self.place(((self.address + 4) & !3) + u64::from(a & 0xFF) * 4, frame);
                r[(a >> 8 & 7) as usize] = Known::Nothing;
            }
            // B, B<c>
            _ if a & 0xF800 == 0xE000 => {
                self.branch(self.relative(signed((a & 0x7FF) << 1, 12) + 4), frame)
            }
            _ if a & 0xF000 == 0xD000 && a & 0xE00 != 0xE00 => {
                self.branch(self.relative(signed((a & 0xFF) << 1, 9) + 4), frame);
            }
            // MOV Rd, Rm
            _ if a & 0xFF00 == 0x4600 => {
                let to = (a & 7 | a >> 4 & 8) as usize;
                r[to] = r[mid];
            }
            // MOVS, ADDS, SUBS Rd, #imm8; NEGS; LSLS Rd, #imm of constants make M0's large frames
            _ if a & 0xF800 == 0x2000 => r[(a >> 8 & 7) as usize] = Known::Constant(a & 0xFF),
            _ if a & 0xF800 == 0x0000 => {
                r[low] = match r[(a >> 3 & 7) as usize] {
                    Known::Constant(value) => Known::Constant(value << (a >> 6 & 31)),
                    other if a >> 6 & 31 == 0 => other,
                    _ => Known::Nothing,
                };
            }
            _ if a & 0xFFC0 == 0x4240 => {
                r[low] = match r[(a >> 3 & 7) as usize] {
                    Known::Constant(value) => Known::Constant(value.wrapping_neg()),
                    _ => Known::Nothing,
                };
            }
            // POP, LDM
            _ if a & 0xFE00 == 0xBC00 || a & 0xF800 == 0xC800 => r[..8].fill(Known::Nothing),
            // ADD Rd, Rm
            _ if a & 0xFF00 == 0x4400 => r[(a & 7 | a >> 4 & 8) as usize] = Known::Nothing,
            // Other instructions on eight registers write the lowest field, or that of bits 8 to 10.
            0..0x2000
            | 0x4000..0x4400
            | 0x5600..0x6000
            | 0x7800..0x8000
            | 0x8800..0x9000
            | 0xB200..0xB300
            | 0xBA00..0xBB00 => r[low] = Known::Nothing,
            0x2000..0x4000 | 0x9800..0xB000 => r[(a >> 8 & 7) as usize] = Known::Nothing,
            _ => {}
        }
    }

    /// An instruction of this length in bits.
    pub fn thumb_32(&self, a: u32, b: u32, r: &mut [Known; 32], frame: &mut Frame) {
        let word = a << 16 | b;
        let (rn, rt, rd) = ((a & 15) as usize, (b >> 12 & 15) as usize, (b >> 8 & 15) as usize);
        // BL, B.W (T4)
        if a & 0xF800 == 0xF000 && matches!(b & 0xD000, 0xD000 | 0x9000) {
            let (s, j1, j2) = (a >> 10 & 1, b >> 13 & 1, b >> 11 & 1);
            let (i1, i2) = (!(j1 ^ s) & 1, !(j2 ^ s) & 1);
            let offset = s << 24 | i1 << 23 | i2 << 22 | (a & 0x3FF) << 12 | (b & 0x7FF) << 1;
            let target = self.relative(signed(offset, 25) + 4);
            match b & 0x4000 {
                0 => self.branch(target, frame),
                _ => {
                    self.jump(target, frame);
                    r[..4].fill(Known::Nothing);
                }
            }
            return;
        }
        // B<c>.W (T3)
        if a & 0xF800 == 0xF000 && b & 0xD000 == 0x8000 && a >> 6 & 15 < 14 {
            let offset = (a >> 10 & 1) << 20
                | (b >> 11 & 1) << 19
                | (b >> 13 & 1) << 18
                | (a & 0x3F) << 12
                | (b & 0x7FF) << 1;
            return self.branch(self.relative(signed(offset, 21) + 4), frame);
        }
        // VADD, VMUL, VFMA, VDIV, VCVT …: data processing of coprocessors 10 and 11. What moves floats may move integers;
        // vectors of integers belong to others.
        frame.floats += u64::from(a & 0xEF00 == 0xEE00 && b & 0x0E10 == 0x0A00);
        match word {
            // ADR.W
            _ if a & 0xFB5F == 0xF20F && a & 0xA0 != 0x20 => {
                let imm = u64::from((a >> 10 & 1) << 11 | (b >> 12 & 7) << 8 | b & 0xFF);
                let base = (self.address + 4) & !3;
                self.place(if a & 0x80 == 0 { base + imm } else { base - imm }, frame);
                r[rd] = Known::Nothing;
            }
            // PUSH.W, STMDB SP!
            _ if a == 0xE92D => frame.bytes += 4 * u64::from(b.count_ones()),
            // STR Rt, [SP, #-imm]!
            _ if a == 0xF84D && b & 0xF00 == 0xD00 => frame.bytes += u64::from(b & 0xFF),
            // STRD Rt, Rt2, [SP, #-imm]!
            _ if a == 0xE96D => frame.bytes += 4 * u64::from(b & 0xFF),
            // VPUSH
            _ if a & 0xFFBF == 0xED2D => frame.bytes += 4 * u64::from(b & 0xFF),
            // SUB.W Rd, SP, #const and SUBW: a frame if Rd is SP, or a place for an aligned one
            _ if a & 0xFBEF == 0xF1AD || a & 0xFBFF == 0xF2AD => {
                let imm = (a >> 10 & 1) << 11 | (b >> 12 & 7) << 8 | b & 0xFF;
                let value = if a & 0xFBFF == 0xF2AD { imm } else { expand(imm) };
                frame.bytes += u64::from(value);
            }
            // SUB.W SP, SP, Rm
            _ if a & 0xFFEF == 0xEBAD && rd == 13 => match r[(b & 15) as usize] {
                Known::Constant(value) => frame.bytes += u64::from(value),
                _ => frame.opaque = true,
            },
            // MOVW, MOVT
            _ if a & 0xFBF0 == 0xF240 || a & 0xFBF0 == 0xF2C0 => {
                let imm = (a & 15) << 12 | (a >> 10 & 1) << 11 | (b >> 12 & 7) << 8 | b & 0xFF;
                r[rd] = match (a & 0x80 != 0, r[rd]) {
                    (true, Known::Constant(low)) => self.constant(low & 0xFFFF | imm << 16, frame),
                    (true, _) => Known::Nothing,
                    _ => Known::Constant(imm),
                };
            }
            // LDR.W Rt, [PC, #imm]; LDR.W Rt, [Rn, #imm]
            _ if a & 0xFF7F == 0xF85F => {
                let base = (self.address + 4) & !3;
                let imm = u64::from(b & 0xFFF);
                let at = if a & 0x80 != 0 { base + imm } else { base - imm };
                r[rt] = self.constant(self.image.word(at).unwrap_or(0), frame);
            }
            _ if a & 0xFFF0 == 0xF8D0 => r[rt] = Known::Loaded(b & 0xFFF),
            // LDRD: two words in turn
            _ if a & 0xFE50 == 0xE850 && rn != 15 && a & 0x120 != 0 => {
                let imm = (b & 0xFF) * 4;
                (r[rt], r[rd]) = (Known::Loaded(imm), Known::Loaded(imm + 4));
            }
            // Loads write the one field, arithmetic the other.
            _ => (r[rt], r[rd]) = (Known::Nothing, Known::Nothing),
        }
    }
}

/// ThumbExpandImm: Armv8-M Architecture Reference Manual, C1.5.3.
fn expand(imm: u32) -> u32 {
    let byte = imm & 0xFF;
    match imm >> 8 {
        0 => byte,
        1 => byte << 16 | byte,
        2 => byte << 24 | byte << 8,
        3 => byte << 24 | byte << 16 | byte << 8 | byte,
        _ => (0x80 | imm & 0x7F).rotate_right(imm >> 7),
    }
}
