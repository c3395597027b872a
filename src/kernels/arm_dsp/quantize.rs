//! From 16-bit rows to lanes, see [`Quantizer`].

use super::ArmDsp;
use crate::kernels::{Quantizer, RowLanes, portable};

/// See [`Kernels::quantize`](crate::kernels::Kernels::quantize).
pub fn run(x: &[i16], quantizer: &Quantizer, lanes: RowLanes<ArmDsp>) {
    // A shift to the left is part of the factor, as far as that has room, or of the first one.
    let up = quantizer.bits + 1 + quantizer.shift.min(0).unsigned_abs();
    let over = up.saturating_sub(quantizer.inverse().leading_zeros().saturating_sub(1)).min(15);
    let multiply = quantizer.multiply << over;
    let fits = multiply >> 15 == 0 && x.as_ptr().addr().is_multiple_of(4);
    let fours = if fits { (x.len() / 4).min(lanes.words) } else { 0 };
    let rows = lanes.rows.get();
    if fours > 0 {
        let parameters = Quantize {
            wide: (quantizer.bits != 8) as usize,
            fours,
            multiply,
            offset: quantizer.subtract.wrapping_neg() << over,
            shift: quantizer.shift.max(0) as u32,
            inverse: quantizer.inverse << (up - over),
            stride: 8 * rows,
        };
        let scaled =
            quantizer.shift <= 0 && quantizer.bits == 8 && multiply == 1 && quantizer.subtract == 0;
        let at = lanes.data.as_mut_ptr().wrapping_add(4 * lanes.row);
        // SAFETY: `fours` of them lie in both; `RowLanes` begin at a multiple of four bytes, as `x` does.
        unsafe {
            if scaled {
                quantize_scaled(x.as_ptr(), at, &parameters);
            } else {
                quantize(x.as_ptr(), at, &parameters);
            }
        }
    }
    // The last inputs, and rows that are next to nothing.
    if let Some(rest) = x.get(4 * fours..).filter(|rest| !rest.is_empty()) {
        let data = lanes.data.get_mut(4 * rows * fours..).unwrap_or_default();
        portable::quantize(rest, quantizer, RowLanes { data, words: lanes.words - fours, ..lanes });
    }
}

/// What [`quantize`] and [`quantize_scaled`] need besides pointers.
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

/// 8-bit lanes of `round(x · inverse / 2^32)`: SMLAW leaves the result in the upper halfword. Of the parameters it
/// needs only fours, inverse and stride.
///
/// # Safety
/// As for [`quantize`].
#[unsafe(naked)]
unsafe extern "C" fn quantize_scaled(x: *const i16, lanes: *mut i16, parameters: &Quantize) {
    naked_asm!(
        "push {{r4-r9, lr}}",
        "ldr r3, [r2, #4]",
        "ldrd r8, r2, [r2, #20]",
        "mov.w r9, #0x8000",
        // Four times a round; what is left of a round comes first.
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
