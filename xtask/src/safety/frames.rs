//! What a function does to the stack, and whom it calls: from its instructions.
//!
//! Every instruction that lowers the stack pointer counts, also those of paths that exclude each other: a bound, not
//! less than the frame.

use super::code::{Code, Frame, Known};
use super::image::{Function, Image};

/// Reads a function.
pub fn frame(image: &Image, function: &Function) -> Frame {
    let mut frame = Frame::default();
    let half = |at: usize| {
        function.code.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]) as u32)
    };
    let (mut at, mut registers) = (0, [Known::Nothing; 32]);
    while at + 2 <= function.code.len() {
        let address = function.start + at as u64;
        if let Some((_, end)) =
            function.data.iter().find(|(from, to)| (*from..*to).contains(&address))
        {
            at = (end - function.start) as usize;
            continue;
        }
        let (a, b) = (half(at), half(at + 2));
        let length = match image.thumb {
            true => 2 + 2 * usize::from(a >> 11 >= 0b11101),
            false => 2 + 2 * usize::from(a & 3 == 3),
        };
        let code = Code { image, function, address };
        match (image.thumb, length) {
            (true, 2) => code.thumb_16(a, &mut registers, &mut frame),
            (true, _) => code.thumb_32(a, b, &mut registers, &mut frame),
            (false, 2) => code.riscv_16(a, &mut registers, &mut frame),
            (false, _) => code.riscv_32(a | b << 16, &mut registers, &mut frame),
        }
        at += length;
    }
    frame.calls.sort_unstable();
    frame.calls.dedup();
    frame
}

/// The functions of an image that compute with floats by instructions; [`crate::elf`] tells of those that do by
/// functions.
pub fn floats(image: &Image) -> Vec<&str> {
    let own = image.functions.values().filter(|function| frame(image, function).floats > 0);
    own.map(|function| function.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn read(thumb: bool, code: &[u8]) -> Frame {
        let function = |start, code: &[u8]| Function {
            name: "f".into(),
            start,
            code: code.to_vec(),
            data: Vec::new(),
        };
        let functions =
            BTreeMap::from([(0x100, function(0x100, code)), (0x1000, function(0x1000, &[0; 4]))]);
        let image = Image { thumb, entry: 0x100, functions, words: BTreeMap::new() };
        frame(&image, &image.functions[&0x100])
    }

    fn thumb(halves: &[u16]) -> Frame {
        read(true, &halves.iter().flat_map(|half| half.to_le_bytes()).collect::<Vec<_>>())
    }

    #[test]
    fn frames_of_thumb_are_summed() {
        // push {r4, lr}; sub sp, #16
        assert_eq!(thumb(&[0xb510, 0xb084]).bytes, 8 + 16);
        // push.w {r4-r11, lr}; sub.w sp, sp, #1024; vpush {d8-d9}
        assert_eq!(thumb(&[0xe92d, 0x4ff0, 0xf5ad, 0x6d80, 0xed2d, 0x8b04]).bytes, 36 + 1024 + 16);
        // str lr, [sp, #-8]!; subw sp, sp, #4095
        assert_eq!(thumb(&[0xf84d, 0xed08, 0xf6ad, 0x7dff]).bytes, 8 + 4095);
        // movs r7, #255; lsls r7, #4; negs r7, r7; add sp, r7
        assert_eq!(thumb(&[0x27ff, 0x013f, 0x427f, 0x44bd]).bytes, 255 << 4);
        // add sp, r7 of an unknown one
        assert!(thumb(&[0x44bd]).opaque);
    }

    #[test]
    fn floats_are_told_from_vectors_of_integers() {
        // vadd.f32 s0, s1, s2; vcvt.s32.f32 s0, s0; vfma.f64 d0, d1, d2; vsel.f32 s0, s1, s2
        for code in [[0xee30, 0x0a81], [0xeebd, 0x0ac0], [0xeea1, 0x0b02], [0xfe00, 0x0a81]] {
            assert_eq!(thumb(&code).floats, 1, "{code:x?}");
        }
        // vmov s0, r1; vldr s0, [r0]; vmov.32 q0[0], r1; vmladav.s16 r0, q0, q1; mul r0, r1, r2
        for code in [
            [0xee00, 0x1a10],
            [0xed90, 0x0a00],
            [0xee00, 0x1b10],
            [0xeef0, 0x0e02],
            [0xfb01, 0xf002],
        ] {
            assert_eq!(thumb(&code).floats, 0, "{code:x?}");
        }
    }

    #[test]
    fn calls_of_thumb_are_found() {
        // bl 0x1000 from 0x100: 0x1000 - 0x104 = 0xefc
        let frame = thumb(&[0xf000, 0xff7e]);
        assert_eq!(frame.calls, [0x1000]);
        // ldr r3, [r0, #12]; blx r3: the word at offset 12
        assert_eq!(thumb(&[0x68c3, 0x4798]).indirect, [Some(12)]);
        // blx r3 of an unknown one; bx lr
        assert_eq!(thumb(&[0x4798, 0x4770]).indirect, [None]);
        // adr r5 of the third instruction; bx r12: a loop of assembly
        assert_eq!(thumb(&[0xa500, 0xbf00, 0xbf00, 0x4760]).indirect, []);
        // bx r12 of an unknown one, and where only a place behind the code was made
        assert_eq!(thumb(&[0x4760]).indirect, [None]);
        assert_eq!(thumb(&[0xa501, 0xbf00, 0x4760]).indirect, [None]);
        // movw r3, #0x1001; movt r3, #0; blx r3
        let frame = thumb(&[0xf241, 0x0301, 0xf2c0, 0x0300, 0x4798]);
        assert_eq!((frame.calls, frame.indirect), (vec![0x1000], vec![]));
    }

    #[test]
    fn frames_and_calls_of_riscv_are_found() {
        let read = |words: &[u32]| {
            read(false, &words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
        };
        // addi sp, sp, -64
        assert_eq!(read(&[0xfc01_0113]).bytes, 64);
        // lui t0, 1; sub sp, sp, t0
        assert_eq!(read(&[0x0000_12b7, 0x4051_0133]).bytes, 4096);
        // auipc ra, 1; jalr ra, -256(ra): 0x100 + 0x1000 - 0x100
        assert_eq!(read(&[0x0000_1097, 0xf000_80e7]).calls, [0x1000]);
        // lw a5, 12(a1); jalr a5
        assert_eq!(read(&[0x00c5_a783, 0x0007_80e7]).indirect, [Some(12)]);
        // c.addi16sp sp, -64 twice
        assert_eq!(read(&[0x7139_7139]).bytes, 128);
    }
}
