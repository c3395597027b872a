//! Rescaling to 16 bits, eight outputs at a time: loads separate even and odd sums, so that multipliers
//! and biases need one load each and results one store.

use super::backend::ArmMve;
use crate::kernels::Linear;

/// How one or two rows are rescaled, and where the next eight outputs are.
#[repr(C)]
pub struct Eights {
    multipliers: *const u8,
    /// Null where there are none.
    biases: *const u8,
    out: [*mut i16; 2],
    /// To the left.
    bias_shift: i32,
    /// Of the high bits, to the left.
    shifts: [i32; 2],
    scales: [u32; 2],
}

impl Eights {
    /// The rescaling of a layer of `ROWS` rows; `None` where the products' upper bits are not enough
    /// (VQDMULH drops 31, and a rounding shift needs at least one more).
    #[inline(always)]
    pub fn new<const ROWS: usize>(linear: &mut Linear<ArmMve, i16>) -> Option<Self> {
        let [a, b] = [&linear.scales[0], &linear.scales[ROWS - 1]];
        let high = a.shift > 31 && b.shift > 31 && a.bias_shift == b.bias_shift;
        let (channels, [first, second]) = (&linear.channels, &mut linear.out);
        let first = first.as_mut_ptr();
        high.then(|| Self {
            multipliers: channels.factors.as_ptr(),
            biases: match channels.biases {
                [] => core::ptr::null(),
                biases => biases.as_ptr(),
            },
            out: [first, if ROWS == 1 { first } else { second.as_mut_ptr() }],
            // Beyond 16, nothing is left.
            bias_shift: -a.bias_shift.max(0).min(31),
            shifts: [31 - a.shift as i32, 31 - b.shift as i32],
            scales: [a.scale as u32, b.scale as u32],
        })
    }
}

/// Rescales `eights` times eight outputs and goes on to the next ones: `$divide` fetches sums and takes
/// them to results, `$bias` adds biases, `$store` writes.
macro_rules! eights {
    ($(#[$doc:meta])* $name:ident, [$($prepare:literal)*] [$($divide:literal)*] [$($bias:literal)*]
        [$($store:literal)*]) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// There is at least one eight, and so many sums for each row, multipliers, biases (unless
        /// null) and places in each row's `out`, at addresses aligned for their types.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(sums: *const i32, eights: usize, by: *mut Eights) {
            helium!(
                "push {{r4-r11, lr}}",
                "vpush {{d8-d15}}",
                "ldm r2, {{r3-r11}}",
                $($prepare,)*
                "dls lr, r1",
                "cmp r4, #0",
                "beq 3f",
                "2:",
                $($divide,)*
                "vldrh.u16 q5, [r4], #16",
                "vrshl.s16 q5, r7",
                $($bias,)*
                $($store,)*
                "le lr, 2b",
                "b 4f",
                "3:",
                $($divide,)*
                $($store,)*
                "le lr, 3b",
                "4:",
                "stm r2, {{r3-r6}}",
                "vpop {{d8-d15}}",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

eights! {
    /// Rescales sums of one row.
    one_row,
    ["vdup.16 q6, r10"]
    ["vld20.32 {{q0, q1}}, [r0]"
     "vld21.32 {{q0, q1}}, [r0]!"
     "vldrh.u16 q5, [r3], #16"
     "vmullb.u16 q4, q5, q6"
     "vqdmulh.s32 q0, q0, q4"
     "vmullt.u16 q4, q5, q6"
     "vqdmulh.s32 q1, q1, q4"
     "vrshl.s32 q0, r8"
     "vrshl.s32 q1, r8"]
    ["vmovlb.s16 q4, q5"
     "vqadd.s32 q0, q0, q4"
     "vmovlt.s16 q4, q5"
     "vqadd.s32 q1, q1, q4"]
    ["vqmovnb.s32 q0, q0"
     "vqmovnt.s32 q0, q1"
     "vstrh.16 q0, [r5], #16"]
}

eights! {
    /// Rescales sums of two rows.
    two_rows,
    ["vdup.16 q6, r10" "vdup.16 q7, r11"]
    ["vld40.32 {{q0, q1, q2, q3}}, [r0]"
     "vld41.32 {{q0, q1, q2, q3}}, [r0]"
     "vld42.32 {{q0, q1, q2, q3}}, [r0]"
     "vld43.32 {{q0, q1, q2, q3}}, [r0]!"
     "vldrh.u16 q5, [r3], #16"
     "vmullb.u16 q4, q5, q6"
     "vqdmulh.s32 q0, q0, q4"
     "vmullb.u16 q4, q5, q7"
     "vqdmulh.s32 q1, q1, q4"
     "vmullt.u16 q4, q5, q6"
     "vqdmulh.s32 q2, q2, q4"
     "vmullt.u16 q4, q5, q7"
     "vqdmulh.s32 q3, q3, q4"
     "vrshl.s32 q0, r8"
     "vrshl.s32 q1, r9"
     "vrshl.s32 q2, r8"
     "vrshl.s32 q3, r9"]
    ["vmovlb.s16 q4, q5"
     "vqadd.s32 q0, q0, q4"
     "vqadd.s32 q1, q1, q4"
     "vmovlt.s16 q4, q5"
     "vqadd.s32 q2, q2, q4"
     "vqadd.s32 q3, q3, q4"]
    ["vqmovnb.s32 q0, q0"
     "vqmovnt.s32 q0, q2"
     "vstrh.16 q0, [r5], #16"
     "vqmovnb.s32 q1, q1"
     "vqmovnt.s32 q1, q3"
     "vstrh.16 q1, [r6], #16"]
}
