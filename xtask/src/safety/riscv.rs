//! RV32IMC's instructions. Encodings: RISC-V Unprivileged ISA, 2 and 16.

use super::code::{Code, Frame, Known, signed};

impl Code<'_> {
    /// An instruction of this length in bits.
    pub fn riscv_16(&self, a: u32, r: &mut [Known; 32], frame: &mut Frame) {
        let rd = (a >> 7 & 31) as usize;
        match a {
            // C.ADDI16SP
            _ if a & 0xEF83 == 0x6101 => {
                let imm = (a >> 12 & 1) << 9
                    | (a >> 6 & 1) << 4
                    | (a >> 5 & 1) << 6
                    | (a >> 3 & 3) << 7
                    | (a >> 2 & 1) << 5;
                frame.bytes += (-signed(imm, 10)).max(0) as u64;
            }
            // C.ADDI SP, C.LI, C.ADDI, C.LUI
            _ if a & 0xE003 == 0x0001 || a & 0xE003 == 0x4001 => {
                let imm = signed((a >> 12 & 1) << 5 | a >> 2 & 31, 6);
                if a & 0xE003 == 0x4001 {
                    r[rd] = Known::Constant(imm as u32);
                } else if rd == 2 {
                    frame.bytes += (-imm).max(0) as u64;
                } else if let Known::Constant(value) = r[rd] {
                    r[rd] = self.constant(value.wrapping_add(imm as u32), frame);
                } else {
                    r[rd] = Known::Nothing;
                }
            }
            _ if a & 0xE003 == 0x6001 => {
                let imm = signed((a >> 12 & 1) << 5 | a >> 2 & 31, 6);
                r[rd] = Known::Constant((imm << 12) as u32);
            }
            // C.J, C.JAL
            _ if a & 0x6003 == 0x2001 => {
                let offset = (a >> 12 & 1) << 11
                    | (a >> 11 & 1) << 4
                    | (a >> 9 & 3) << 8
                    | (a >> 8 & 1) << 10
                    | (a >> 7 & 1) << 6
                    | (a >> 6 & 1) << 7
                    | (a >> 3 & 7) << 1
                    | (a >> 2 & 1) << 5;
                let target = self.relative(signed(offset, 12));
                match a & 0x8000 {
                    0 => self.jump(target, frame),
                    _ => self.branch(target, frame),
                }
            }
            // C.LW: the word's offset
            _ if a & 0xE003 == 0x4000 => {
                let offset = (a >> 10 & 7) << 3 | (a >> 6 & 1) << 2 | (a >> 5 & 1) << 6;
                r[8 + (a >> 2 & 7) as usize] = Known::Loaded(offset);
            }
            // C.JR, C.JALR, C.MV, C.ADD
            _ if a & 0xE003 == 0x8002 => match (a >> 12 & 1, rd, (a >> 2 & 31) as usize) {
                (0, 1, 0) => {}
                (_, rs, 0) if rs != 0 => {
                    self.indirect(r[rs], frame);
                    scratched(r);
                }
                (0, rd, rs) => r[rd] = r[rs],
                (_, 2, rs) => match r[rs] {
                    Known::Constant(value) => {
                        frame.bytes += (-i64::from(value as i32)).max(0) as u64
                    }
                    _ => frame.opaque = true,
                },
                (_, rd, _) => r[rd] = Known::Nothing,
            },
            // C.LWSP
            _ if a & 0xE003 == 0x4002 => r[rd] = Known::Nothing,
            // Arithmetic and ADDI4SPN on eight registers
            _ if a & 0xE003 == 0x8001 => r[8 + (a >> 7 & 7) as usize] = Known::Nothing,
            _ if a & 0xE003 == 0x0000 => r[8 + (a >> 2 & 7) as usize] = Known::Nothing,
            _ if a & 0xE003 == 0x0002 => r[rd] = Known::Nothing,
            _ => {}
        }
    }

    /// An instruction of this length in bits.
    pub fn riscv_32(&self, word: u32, r: &mut [Known; 32], frame: &mut Frame) {
        let (rd, rs1, rs2) =
            ((word >> 7 & 31) as usize, (word >> 15 & 31) as usize, (word >> 20 & 31) as usize);
        let imm = i64::from(word as i32 >> 20);
        let function = word >> 12 & 7;
        match word & 0x7F {
            // LUI, AUIPC
            0x37 => r[rd] = self.constant(word & 0xFFFF_F000, frame),
            0x17 => {
                let value = (self.address as u32).wrapping_add(word & 0xFFFF_F000);
                r[rd] = Known::Constant(value);
            }
            // ADDI
            0x13 if function == 0 => match (rd, rs1, r[rs1]) {
                (2, 2, _) => frame.bytes += (-imm).max(0) as u64,
                (2, 8, _) => {}
                (2, ..) => frame.opaque = true,
                (_, 0, _) => r[rd] = Known::Constant(imm as u32),
                (_, _, Known::Constant(value)) => {
                    r[rd] = self.constant(value.wrapping_add(imm as u32), frame);
                }
                _ => r[rd] = Known::Nothing,
            },
            // SUB SP, SP, rs2; ADD SP
            0x33 if rd == 2 && rs1 == 2 => match r[rs2] {
                Known::Constant(value) if word >> 30 == 1 => frame.bytes += u64::from(value),
                Known::Constant(value) => frame.bytes += (-i64::from(value as i32)).max(0) as u64,
                _ => frame.opaque = true,
            },
            // JAL
            0x6F => {
                let offset = (word >> 31) << 20
                    | (word >> 12 & 0xFF) << 12
                    | (word >> 20 & 1) << 11
                    | (word >> 21 & 0x3FF) << 1;
                let target = self.relative(signed(offset, 21));
                match rd {
                    0 => self.branch(target, frame),
                    _ => {
                        self.jump(target, frame);
                        scratched(r);
                    }
                }
            }
            // JALR: behind AUIPC a call of a known place
            0x67 => {
                match r[rs1] {
                    // A return, unless the address was made here.
                    Known::Nothing | Known::Loaded(_) if rd == 0 && rs1 == 1 => return,
                    Known::Constant(value) => {
                        self.jump(u64::from(value.wrapping_add(imm as u32)), frame);
                    }
                    other => self.indirect(other, frame),
                }
                scratched(r);
            }
            // Branches
            0x63 => {
                let offset = (word >> 31) << 12
                    | (word >> 7 & 1) << 11
                    | (word >> 25 & 0x3F) << 5
                    | (word >> 8 & 15) << 1;
                self.branch(self.relative(signed(offset, 13)), frame);
            }
            // LW
            0x03 if function == 2 => r[rd] = Known::Loaded(imm as u32),
            0x23 => {}
            _ => r[rd] = Known::Nothing,
        }
        r[0] = Known::Constant(0);
    }
}

/// Registers that a call may change: ra, t0 to t2, a0 to a7, t3 to t6.
fn scratched(r: &mut [Known; 32]) {
    for i in [1, 5, 6, 7].into_iter().chain(10..18).chain(28..32) {
        r[i] = Known::Nothing;
    }
}
