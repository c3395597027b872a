//! Passes over one row without multiplication: extremes, residual sums, narrowing to 16 bits.

use super::backend::aligned;
use crate::kernels::asm::lines;
use crate::kernels::{Channels, RowScale, portable};
use core::arch::naked_asm;

/// Smallest and largest number of a row that is not empty, in 32 bits; `None` if it is misaligned.
pub fn extremes(x: &[i16]) -> Option<(i32, i32)> {
    let (whole, rest) = x.as_chunks::<4>();
    if whole.is_empty() || !aligned(x) {
        return None;
    }
    let ends = whole.as_ptr_range();
    // SAFETY: an aligned multiple of four numbers, at least four.
    let both = unsafe { extremes_16(ends.start.cast(), ends.end.cast()) };
    let start = (both as i32, (both >> 32) as i32);
    Some(rest.iter().fold(start, |(low, high), &x| (low.min(x as i32), high.max(x as i32))))
}

/// See [`Kernels::magnitude`](super::Kernels::magnitude).
pub fn magnitude(sums: &[i32]) -> u32 {
    let (whole, rest) = sums.as_chunks::<2>();
    let mut bits = 0;
    if !whole.is_empty() {
        let ends = whole.as_ptr_range();
        // SAFETY: an even number of numbers, at least two.
        bits = unsafe { magnitude_bits(ends.start.cast(), ends.end.cast()) };
    }
    rest.iter().fold(bits, |bits, sum| bits | sum.unsigned_abs())
}

/// Sum and sum of squares; `None` if the row is misaligned or odd.
pub fn moments(x: &[i16]) -> Option<(i32, u64)> {
    let (whole, rest) = x.as_chunks::<2>();
    if whole.is_empty() || !rest.is_empty() || !aligned(x) {
        return None;
    }
    let ends = whole.as_ptr_range();
    let mut sum = 0;
    // SAFETY: an aligned even number of numbers, at least two.
    let squares = unsafe { row_moments(ends.start.cast(), ends.end.cast(), &mut sum) };
    Some((sum, squares))
}

/// See [`Kernels::add`](super::Kernels::add); false if it must be done otherwise.
pub fn add(x: &[i16], shift: i32, sums: &mut [i32]) -> bool {
    let len = x.len().min(sums.len());
    let Some(sums) = sums.get_mut(..len).filter(|sums| !sums.is_empty()) else { return true };
    let ends = sums.as_mut_ptr_range();
    // SAFETY: as many of both, at least one.
    unsafe {
        match shift {
            1..=31 => add_right(x.as_ptr(), ends.start, ends.end, shift as u32),
            -15..=0 => add_left(x.as_ptr(), ends.start, ends.end, shift.unsigned_abs()),
            _ => return false,
        }
    }
    true
}

/// Adds as many biases as there are.
pub fn add_biases(channels: &Channels, scale: &RowScale, sums: &mut [i32]) {
    // SAFETY: any two bytes are a number; `Channels`: they are aligned. This core is little-endian as the blob.
    let (_, biases, _) = unsafe { channels.biases.align_to::<i16>() };
    if !add(biases, scale.bias_shift, sums) {
        portable::add(biases, scale.bias_shift, sums);
    }
}

/// See [`Kernels::narrow`](super::Kernels::narrow); false if it must be done otherwise.
pub fn narrow(sums: &[i32], shift: i32, out: &mut [i16]) -> bool {
    let len = sums.len().min(out.len());
    let Some(out) = out.get_mut(..len).filter(|out| !out.is_empty()) else { return true };
    if !(1..=31).contains(&shift) {
        return false;
    }
    let ends = out.as_mut_ptr_range();
    // SAFETY: as many of both, at least one.
    unsafe { narrow_right(sums.as_ptr(), ends.start, ends.end, shift as u32) };
    true
}

/// Keeps the smallest number in r2 and the largest in r3; r1 is the end.
macro_rules! extremes {
    ($x:literal) => {
        lines!(
            "cmp " $x ", r2\nbge 3f\nmov r2, " $x "\n3:";
            "cmp " $x ", r3\nble 3f\nmov r3, " $x "\n3:";
        )
    };
}

/// The bits of all magnitudes.
///
/// # Safety
/// `x` < `end` by a multiple of eight bytes, both multiples of four.
#[unsafe(naked)]
unsafe extern "C" fn magnitude_bits(x: *const i32, end: *const i32) -> u32 {
    naked_asm!(
        "push {{r4, r5, lr}}",
        "movs r3, #0",
        "2:",
        "ldmia r0!, {{r4, r5}}",
        "asrs r2, r4, #31",
        "adds r4, r4, r2",
        "eors r4, r2",
        "orrs r3, r4",
        "asrs r2, r5, #31",
        "adds r5, r5, r2",
        "eors r5, r2",
        "orrs r3, r5",
        "cmp r0, r1",
        "bne 2b",
        "mov r0, r3",
        "pop {{r4, r5, pc}}",
    )
}

/// Smallest (low word) and largest number (high word) of 16-bit numbers.
///
/// # Safety
/// `x` < `end` by a multiple of eight bytes, both multiples of four.
#[unsafe(naked)]
unsafe extern "C" fn extremes_16(x: *const i16, end: *const i16) -> u64 {
    naked_asm!(
        "push {{r4-r6, lr}}",
        "ldr r2, [r0]",
        "sxth r2, r2",
        "mov r3, r2",
        "2:",
        "ldmia r0!, {{r4, r5}}",
        "sxth r6, r4",
        extremes!("r6"),
        "asrs r4, r4, #16",
        extremes!("r4"),
        "sxth r6, r5",
        extremes!("r6"),
        "asrs r5, r5, #16",
        extremes!("r5"),
        "cmp r0, r1",
        "bne 2b",
        "mov r0, r2",
        "mov r1, r3",
        "pop {{r4-r6, pc}}",
    )
}

/// Adds `$x` to the sum r7 and its square to r2 (low) and r3 (high); r6 is 0.
macro_rules! moment {
    ($x:literal) => {
        lines!(
            "add r7, " $x;
            "muls " $x ", " $x ", " $x;
            "adds r2, r2, " $x;
            "adcs r3, r6";
        )
    };
}

/// The sum of squares of a row; its sum into `sum`.
///
/// # Safety
/// `x` < `end` by a multiple of four bytes, both multiples of four.
#[unsafe(naked)]
unsafe extern "C" fn row_moments(x: *const i16, end: *const i16, sum: *mut i32) -> u64 {
    naked_asm!(
        "push {{r2, r4-r7, lr}}",
        "movs r2, #0",
        "movs r3, #0",
        "movs r6, #0",
        "movs r7, #0",
        "2:",
        "ldmia r0!, {{r4}}",
        "sxth r5, r4",
        moment!("r5"),
        "asrs r4, r4, #16",
        moment!("r4"),
        "cmp r0, r1",
        "bne 2b",
        "pop {{r4}}",
        "str r7, [r4]",
        "mov r0, r2",
        "mov r1, r3",
        "pop {{r4-r7, pc}}",
    )
}

/// One function that adds a row to sums, saturated; `$shift` brings r4 to the sums' unit by r3 and may
/// leave a bit that rounds in the carry.
macro_rules! adder {
    ($(#[$doc:meta])* $name:ident, $shift:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// `sums` < `end` by a multiple of four bytes; `x` holds as many numbers. Addresses are aligned.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(
            x: *const i16,
            sums: *mut i32,
            end: *mut i32,
            shift: u32,
        ) {
            naked_asm!(
                "push {{r4-r6, lr}}",
                "movs r6, #0",
                "2:",
                "ldrsh r4, [r0, r6]",
                "adds r0, #2",
                "ldr r5, [r1]",
                $shift,
                "bvs 4f",
                "3:",
                "stmia r1!, {{r5}}",
                "cmp r1, r2",
                "bne 2b",
                "pop {{r4-r6, pc}}",
                "4:", // the sum's sign has turned
                "asrs r5, r5, #31",
                "movs r4, #1",
                "lsls r4, r4, #31",
                "eors r5, r4",
                "b 3b",
            )
        }
    };
}

adder! {
    /// `sums[i] += round(x[i] / 2^shift)`, saturated; `shift` is in 1 … 31.
    add_right, "asrs r4, r3
    adcs r5, r4"
}

adder! {
    /// `sums[i] += x[i] · 2^shift`, saturated; `shift` is in 0 … 15.
    add_left, "lsls r4, r3
    adds r5, r5, r4"
}

/// `out[i] = saturate(round(sums[i] / 2^shift))`; `shift` is in 1 … 31.
///
/// # Safety
/// `out` < `end` by a multiple of two bytes; `sums` holds as many numbers. Addresses are aligned.
#[unsafe(naked)]
unsafe extern "C" fn narrow_right(sums: *const i32, out: *mut i16, end: *mut i16, shift: u32) {
    naked_asm!(
        "push {{r4-r6, lr}}",
        "movs r6, #0",
        "2:",
        "ldmia r0!, {{r4}}",
        "asrs r4, r3",
        "adcs r4, r6",
        "sxth r5, r4",
        "cmp r4, r5",
        "bne 4f",
        "3:",
        "strh r4, [r1]",
        "adds r1, #2",
        "cmp r1, r2",
        "bne 2b",
        "pop {{r4-r6, pc}}",
        "4:", // 32767 or -32768
        "asrs r4, r4, #31",
        "movs r5, #1",
        "lsls r5, r5, #15",
        "subs r5, #1",
        "eors r4, r5",
        "b 3b",
    )
}
