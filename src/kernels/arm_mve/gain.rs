//! An explicit norm's gain and bias.

use super::sums::Factors;
use crate::kernels::{Quantizer, RowScale, defaults};

/// What a norm's gain needs.
#[repr(C)]
struct Gain {
    x: *const i16,
    multiply: i32,
    gains: *const u8,
    subtract: i32,
    /// Shift of the centred number to the left.
    left: i32,
    biases: *const u8,
    /// Twice the unit's mantissa.
    mantissa: u32,
    /// Shift of the product to the left.
    shift: i32,
    /// Shift of the bias to the left.
    bias_shift: i32,
}

/// `$bias` adds biases.
macro_rules! gain {
    ($name:ident, $($bias:literal)*) => {
        /// # Safety
        /// There are `len` numbers, gains, biases (if they are read) and sums.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(by: *const Gain, len: usize, sums: *mut i32) {
            helium!(
                "push {{r4-r11, lr}}",
                "mov r12, r2",
                "mov lr, r1",
                // x, multiply, gains, subtract, left, biases, mantissa, shift, bias shift
                "ldm r0, {{r0, r1, r2, r3, r4, r5, r6, r7, r8}}",
                "dlstp.32 lr, lr",
                "2:",
                "vldrh.s32 q0, [r0], #8",
                "vmul.i32 q0, q0, r1",
                "vsub.i32 q0, q0, r3",
                "vshl.s32 q0, r4",
                "vshl.i32 q0, q0, #16",
                "vldrh.s32 q1, [r2], #8",
                "vmul.i32 q1, q1, r6",
                "vqdmulh.s32 q0, q0, q1",
                "vrshl.s32 q0, r7",
                $($bias,)*
                "vstrw.32 q0, [r12], #16",
                "letp lr, 2b",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}
gain!(gain_plain,);
gain!(gain_biased, "vldrh.s32 q1, [r5], #8" "vqrshl.s32 q1, r8" "vqadd.s32 q0, q0, q1");

/// See [`Kernels::gain`](crate::kernels::Kernels::gain).
pub fn gain(x: &[i16], by: &Quantizer, f: &Factors, unit: RowScale, sums: &mut [i32]) {
    let len = x.len().min(sums.len());
    // 16 bits more, and two doublings, leave 18 less than 32 to shift.
    if unit.shift < 15 || !f.fit(len) {
        let RowScale { scale, shift, bias_shift } = unit;
        return defaults::gain(x, by, f.multipliers, f.biases, scale, shift, bias_shift, sums);
    }
    let kernel = if f.biases.is_empty() { gain_plain } else { gain_biased };
    let by = Gain {
        x: x.as_ptr(),
        multiply: by.multiply,
        gains: f.multipliers.as_ptr(),
        subtract: by.subtract,
        left: by.shift.wrapping_neg(),
        biases: f.biases.as_ptr(),
        mantissa: 2 * unit.scale as u32,
        shift: 14 - unit.shift as i32,
        bias_shift: -unit.bias_shift.clamp(-40, 40),
    };
    // SAFETY: every length and alignment was checked.
    unsafe { kernel(&by, len, sums.as_mut_ptr()) }
}
