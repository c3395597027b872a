//! Activations and rotations.

use crate::kernels::{self, portable};

/// Parameters of an activation.
#[repr(C)]
struct Bend {
    table: *const u16,
    /// Of the magnitude to a position in the table, to the left.
    position_shift: i32,
    /// Of a table's value to the unit of x, to the left.
    value_shift: i32,
    factors: *const i16,
}

/// `max(x, 0) − h(|x|)`, `h` interpolated, in place; `$gate` multiplies q0 with more.
macro_rules! activate {
    ($name:ident, $($gate:literal)*) => {
        /// # Safety
        /// There are `len` numbers and factors (if they are read), 258 entries in the table.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(by: *const Bend, len: usize, x: *mut i16) {
            helium!(
                "push {{r4-r7, lr}}",
                "vpush {{d8-d15}}",
                "ldm r0, {{r3, r4, r5, r6}}",
                "adds r7, r3, #2",
                "mov.w r12, #0x100000", // the end of the table
                "vdup.32 q7, r12",
                "movw r12, #0xfff",
                "vdup.32 q6, r12",
                "vmov.i32 q5, #0",
                "dlstp.32 lr, r1",
                "2:",
                "vldrh.s32 q0, [r2]",
                "vabs.s32 q1, q0",
                "vqshl.u32 q1, r4",
                "vmin.u32 q1, q1, q7",
                "vand q2, q1, q6",
                "vshr.u32 q1, q1, #12",
                "vldrh.u32 q3, [r3, q1, uxtw #1]",
                "vldrh.u32 q4, [r7, q1, uxtw #1]",
                "vsub.i32 q4, q4, q3",
                "vmul.i32 q4, q4, q2",
                "vrshr.s32 q4, q4, #12",
                "vadd.i32 q3, q3, q4",
                "vqrshl.s32 q3, r5",
                "vmax.s32 q0, q0, q5",
                "vsub.i32 q0, q0, q3",
                "vqmovnb.s32 q0, q0",
                $($gate,)*
                "vstrh.32 q0, [r2], #8",
                "letp lr, 2b",
                "vpop {{d8-d15}}",
                "pop {{r4-r7, pc}}",
            )
        }
    };
}

activate!(bend,);
activate!(
    bend_gated,
    "vmovlb.s16 q0, q0"
    "vldrh.s32 q1, [r6], #8"
    "vmul.i32 q0, q0, q1"
    "vrshr.s32 q0, q0, #15"
    "vqmovnb.s32 q0, q0"
);

/// How far numbers are shifted to the left; beyond 40 bits nothing changes.
fn left(right: i32) -> i32 {
    -right.clamp(-40, 40)
}

/// By definition, shifts from 16 on lead beyond the table, shifts below −11 to its beginning.
fn position(shift: i32) -> i32 {
    match shift {
        -11..=15 => shift,
        16.. => 40,
        _ => -40,
    }
}

impl Bend {
    /// `None` for an activation with no table.
    fn new(curve: &kernels::Curve, factors: *const i16) -> Option<Self> {
        Some(Self {
            table: curve.table?.as_ptr(),
            position_shift: position(curve.position_shift),
            value_shift: left(curve.value_shift),
            factors,
        })
    }
}

/// See [`Kernels::activate`](crate::kernels::Kernels::activate).
pub fn activate(curve: &kernels::Curve, x: &mut [i16]) {
    let Some(by) = Bend::new(curve, core::ptr::null()) else {
        return portable::activate(curve, x);
    };
    // SAFETY: the length is the slice's, the table has 258 entries.
    unsafe { bend(&by, x.len(), x.as_mut_ptr()) }
}

/// See [`Kernels::activate_gated`](crate::kernels::Kernels::activate_gated).
pub fn activate_gated(curve: &kernels::Curve, factors: &[i16], x: &mut [i16]) {
    let Some(by) = Bend::new(curve, factors.as_ptr()) else {
        return portable::activate_gated(curve, factors, x);
    };
    // SAFETY: so many numbers and factors there are; the table has 258 entries.
    unsafe { bend_gated(&by, x.len().min(factors.len()), x.as_mut_ptr()) }
}

/// Rotates the pairs of `heads` heads of `len` numbers: VMULL multiplies the even or the odd ones of
/// two vectors, VREV32 swaps cosine and sine.
///
/// # Safety
/// There are `heads · len` numbers, `len` (even) entries in the table, neither being 0.
#[unsafe(naked)]
unsafe extern "C" fn rotate_heads(row: *mut i16, heads: usize, table: *const i16, len: usize) {
    helium!(
        "push {{r4, lr}}",
        "vpush {{d8-d11}}",
        "1:",
        "mov r4, r2",
        "mov r12, r0",
        "add r0, r0, r3, lsl #1",
        "dlstp.16 lr, r3",
        "2:",
        "vldrh.u16 q0, [r12]",
        "vldrh.u16 q1, [r4], #16",
        "vrev32.16 q2, q1",
        "vmullb.s16 q3, q0, q1", // a cos
        "vmullt.s16 q4, q0, q1", // b sin
        "vmullb.s16 q5, q0, q2", // a sin
        "vmullt.s16 q1, q0, q2", // b cos
        "vsub.i32 q3, q3, q4",
        "vadd.i32 q5, q5, q1",
        "vqrshrnb.s32 q0, q3, #14",
        "vqrshrnt.s32 q0, q5, #14",
        "vstrh.16 q0, [r12], #16",
        "letp lr, 2b",
        "subs r1, #1",
        "bne 1b",
        "vpop {{d8-d11}}",
        "pop {{r4, pc}}",
    )
}

/// See [`Kernels::rotate`](crate::kernels::Kernels::rotate).
pub fn rotate(row: &mut [i16], table: &[i16]) {
    let len = table.len() & !1;
    let Some(heads) = row.len().checked_div(len) else { return };
    if heads > 0 {
        // SAFETY: whole heads, whole pairs, at least one of each.
        unsafe { rotate_heads(row.as_mut_ptr(), heads, table.as_ptr(), len) }
    }
}
