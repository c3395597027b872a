//! Gain and bias of an explicit norm.

use crate::kernels::{Channels, Quantizer, RowScale, portable};

/// Parameters of a gain.
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
gain!(gain_unbiased,);
gain!(gain_biased, "vldrh.s32 q1, [r5], #8" "vqrshl.s32 q1, r8" "vqadd.s32 q0, q0, q1");

/// See [`Kernels::gain`](crate::kernels::Kernels::gain).
pub fn gain(
    x: &[i16],
    quantizer: &Quantizer,
    channels: &Channels,
    scale: &RowScale,
    sums: &mut [i32],
) {
    let len = x.len().min(sums.len()).min(channels.len());
    // 16 bits more, and two doublings, leave 18 less than 32 to shift.
    if scale.shift < 15 {
        return portable::gain(x, quantizer, channels, scale, sums);
    }
    let kernel = if channels.has_biases() { gain_biased } else { gain_unbiased };
    let by = Gain {
        x: x.as_ptr(),
        multiply: quantizer.multiply,
        gains: channels.factors.as_ptr(),
        subtract: quantizer.subtract,
        left: quantizer.shift.wrapping_neg(),
        biases: channels.biases.as_ptr(),
        mantissa: 2 * scale.scale as u32,
        shift: 14 - scale.shift as i32,
        bias_shift: -scale.bias_shift,
    };
    // SAFETY: so many there are of everything.
    unsafe { kernel(&by, len, sums.as_mut_ptr()) }
}
