//! Quantisation of 16-bit rows to lanes, see [`Quantizer`].

use super::backend::ArmDsp;
use super::slow;
use crate::kernels::{LanesMut, Quantizer};

/// See [`Kernels::quantize`](crate::kernels::Kernels::quantize).
pub fn run(x: &[i16], quantizer: &Quantizer, row: usize, lanes: &mut LanesMut<ArmDsp>) {
    let Quantizer { multiply, subtract, shift, inverse, bits } = *quantizer;
    // A shift to the left is part of the factor, as far as that has room, or of the first one.
    let up = bits + 1 + shift.min(0).unsigned_abs();
    let over = (up + 1).saturating_sub(quantizer.inverse().leading_zeros()).min(15);
    let first = multiply << over;
    let fits = first >> 15 == 0 && x.as_ptr().addr().is_multiple_of(4);
    let fours = if fits { (x.len() / 4).min(lanes.words) } else { 0 };
    if fours > 0 {
        let inverse = inverse << (up - over);
        let stride = 8 * lanes.rows.get();
        let (from, to) = (x.as_ptr(), lanes.data.as_mut_ptr().wrapping_add(4 * row));
        // SAFETY: `fours` of them lie in both; `LanesMut` begin at a multiple of four bytes, as `x` does.
        if shift <= 0 && bits == 8 && first == 1 && subtract == 0 {
            unsafe { quantize_scaled(from, to, stride, fours, inverse) };
        } else {
            let (wide, offset) = ((bits != 8) as usize, subtract.wrapping_neg() << over);
            let shift = shift.max(0) as u32;
            let parameters =
                Quantize { wide, fours, multiply: first, offset, shift, inverse, stride };
            unsafe { quantize(from, to, &parameters) };
        }
    }
    if 4 * fours < x.len() {
        slow::quantize(x, quantizer, row, lanes, fours);
    }
}

/// Parameters of [`quantize`].
#[repr(C)]
struct Quantize {
    /// Whether lanes have 12 bits instead of 8.
    wide: usize,
    /// Fours of inputs, at least 1.
    fours: usize,
    /// See [`Quantizer`]; below 2¹⁵.
    multiply: i32,
    /// `−subtract`.
    offset: i32,
    /// Shift right.
    shift: u32,
    /// Multiplies the shifted number; the upper word of the product, rounded, is the result.
    inverse: i32,
    /// Bytes from one four of lanes to the next.
    stride: usize,
}

/// Any quantiser.
///
/// # Safety
/// `x` holds `4 · fours` numbers and `lanes` four at every stride, both aligned to four bytes.
#[unsafe(naked)]
unsafe extern "C" fn quantize(x: *const i16, lanes: *mut i16, parameters: &Quantize) {
    naked_asm!(
        "push {{r4-r12, lr}}",
        "ldm r2, {{r2, r3, r8-r12}}",
        "2:",
        "ldrd r5, r7, [r0], #8",
        "smlabb r4, r5, r8, r9",
        "smlatb r5, r5, r8, r9",
        "smlabb r6, r7, r8, r9",
        "smlatb r7, r7, r8, r9",
        "asrs r4, r10",
        "asrs r5, r10",
        "asrs r6, r10",
        "asrs r7, r10",
        "smmulr r4, r4, r11",
        "smmulr r5, r5, r11",
        "smmulr r6, r6, r11",
        "smmulr r7, r7, r11",
        "pkhbt r5, r5, r7, lsl #16",
        "pkhbt r4, r4, r6, lsl #16",
        "cbnz r2, 3f",
        "uxtb16 r4, r4",
        "lsls r4, r4, #8",
        "ssub16 r4, r4, r5",
        "3:",
        "strd r5, r4, [r1]",
        "add r1, r12",
        "subs r3, #1",
        "bne 2b",
        "pop {{r4-r12, pc}}",
    )
}

/// Four inputs of [`quantize_scaled`].
macro_rules! quantize_step {
    () => {
        "ldrd r5, r7, [r0], #8
        smlawb r4, r8, r5, r9
        smlawt r5, r8, r5, r9
        smlawb r6, r8, r7, r9
        smlawt r7, r8, r7, r9
        pkhtb r4, r6, r4, asr #16
        pkhtb r6, r7, r5, asr #16
        uxtb16 r4, r4
        lsls r4, r4, #8
        ssub16 r7, r4, r6
        strd r6, r7, [r1]
        add r1, r2"
    };
}

/// 8-bit lanes of `round(x · inverse / 2^32)`: SMLAW leaves the result in the upper halfword.
///
/// # Safety
/// As for [`quantize`].
#[unsafe(naked)]
unsafe extern "C" fn quantize_scaled(
    x: *const i16,
    lanes: *mut i16,
    stride: usize,
    fours: usize,
    inverse: i32,
) {
    naked_asm!(
        "push {{r4-r9, lr}}",
        "ldr r8, [sp, #28]",
        "mov.w r9, #0x8000",
        // Four fours a round; an incomplete round comes first.
        "and r4, r3, #3",
        "tbb [pc, r4]",
        "7:",
        ".byte (2f - 7b) / 2, (5f - 7b) / 2, (4f - 7b) / 2, (3f - 7b) / 2",
        "2:",
        quantize_step!(),
        "3:",
        quantize_step!(),
        "4:",
        quantize_step!(),
        "5:",
        quantize_step!(),
        "subs r3, #4",
        "bgt 2b",
        "pop {{r4-r9, pc}}",
    )
}
