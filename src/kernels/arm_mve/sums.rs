//! Passes over 32-bit sums: rescaling, norms, the residual stream.
//!
//! A product of 30 and more bits is divided by 2^s with one rounding in two ways. Where s is large,
//! VQDMULH leaves the high bits, rounded down, and a rounding shift drops the rest, at least one bit:
//! together that is one rounding. Where it is small, both halves of the product are shifted, the low
//! one with rounding, and added.

use crate::kernels::{Channels, Ratio, RowCount, RowScale, Sums, portable};

/// Parameters of a rescaling.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Rescale {
    multipliers: *const u8,
    /// Scale of the input row; twice that where the high bits are enough.
    scale: u32,
    /// Rounding shift of the high bits or of the low half, to the left.
    shift: i32,
    biases: *const u8,
    /// To the left.
    bias_shift: i32,
    /// Shift of the high half to the left, saturating.
    high_shift: u32,
    /// High halves below this saturate whatever is added.
    lowest: i32,
}

/// `$load` fetches four sums into q0, `$divide` takes sums and factors (q1) to results, `$store` adds
/// biases and writes.
macro_rules! rescale {
    ($name:ident, $prepare:literal, $load:literal, [$($divide:literal)*] [$($store:literal)*]) => {
        /// # Safety
        /// There are `len` results, multipliers and biases (if `$store` reads them), and as many sums
        /// for each row, beginning with the row wanted. Addresses are aligned for their types.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(sums: *const i32, len: usize, out: *mut u8, by: *const Rescale) {
            helium!(
                "push {{r4-r9, lr}}",
                $prepare,
                "ldm r3, {{r3, r4, r5, r6, r7, r8, r9}}",
                "dlstp.32 lr, r1",
                "2:",
                $load,
                "vldrh.u32 q1, [r3], #8",
                "vmul.i32 q1, q1, r4",
                $($divide,)*
                $($store,)*
                "letp lr, 2b",
                "pop {{r4-r9, pc}}",
            )
        }
    };
    // All of one kind of result: of one row, of one row of two; by the high bits, by both halves.
    ($one:ident $two:ident $both_one:ident $both_two:ident [$($both:literal)*] [$($store:literal)*]) => {
        rescale!($one, "", "vldrw.u32 q0, [r0], #16",
            ["vqdmulh.s32 q0, q0, q1" "vrshl.s32 q0, r5"] [$($store)*]);
        rescale!($two, "subs r0, #32\nvidup.u32 q3, r0, #8", "vldrw.u32 q0, [q3, #32]!",
            ["vqdmulh.s32 q0, q0, q1" "vrshl.s32 q0, r5"] [$($store)*]);
        rescale!($both_one, "", "vldrw.u32 q0, [r0], #16", [$($both)*] [$($store)*]);
        rescale!($both_two, "subs r0, #32\nvidup.u32 q3, r0, #8", "vldrw.u32 q0, [q3, #32]!",
            [$($both)*] [$($store)*]);
    };
}

rescale! {
    half_1 half_2 half_both_1 half_both_2
    ["vmul.i32 q2, q0, q1" "vmulh.s32 q0, q0, q1" "vrshl.u32 q2, r5" "vqshl.s32 q0, r8"
     "vqadd.s32 q0, q0, q2"]
    ["vqmovnb.s32 q0, q0" "vstrh.32 q0, [r2], #8"]
}

rescale! {
    biased_1 biased_2 biased_both_1 biased_both_2
    ["vmul.i32 q2, q0, q1" "vmulh.s32 q0, q0, q1" "vrshl.u32 q2, r5" "vqshl.s32 q0, r8"
     "vqadd.s32 q0, q0, q2"]
    ["vldrh.s32 q1, [r6], #8" "vrshl.s32 q1, r7" "vqadd.s32 q0, q0, q1"
     "vqmovnb.s32 q0, q0" "vstrh.32 q0, [r2], #8"]
}

rescale! {
    word_1 word_2 word_both_1 word_both_2
    ["vmul.i32 q2, q0, q1" "vmulh.s32 q0, q0, q1" "vrshl.u32 q2, r5"
     "vpt.s32 lt, q0, r9" "vmovt.i32 q2, #0" "vqshl.s32 q0, r8" "vqadd.s32 q0, q0, q2"]
    ["vstrw.32 q0, [r2], #16"]
}

rescale! {
    word_biased_1 word_biased_2 word_biased_both_1 word_biased_both_2
    ["vmul.i32 q2, q0, q1" "vmulh.s32 q0, q0, q1" "vrshl.u32 q2, r5"
     "vpt.s32 lt, q0, r9" "vmovt.i32 q2, #0" "vqshl.s32 q0, r8" "vqadd.s32 q0, q0, q2"]
    ["vldrh.s32 q1, [r6], #8" "vqrshl.s32 q1, r7" "vqadd.s32 q0, q0, q1"
     "vstrw.32 q0, [r2], #16"]
}

/// Sums, results, destination, numbers.
pub type Kernel = unsafe extern "C" fn(*const i32, usize, *mut u8, *const Rescale);

/// Kernels for one row, one of two, and either by both halves; without biases, and with.
pub type KernelSet = [[Kernel; 4]; 2];

/// Those with 16-bit results.
pub const HALVES: KernelSet = [
    [half_1, half_2, half_both_1, half_both_2],
    [biased_1, biased_2, biased_both_1, biased_both_2],
];

/// Those with 32-bit results.
pub const WORDS: KernelSet = [
    [word_1, word_2, word_both_1, word_both_2],
    [word_biased_1, word_biased_2, word_biased_both_1, word_biased_both_2],
];

/// The rescaling of one row's sums, output after output.
#[derive(Clone, Copy)]
pub struct Rescaler {
    kernel: Kernel,
    by: Rescale,
}

impl Rescaler {
    /// The rescaling of one of `rows` rows; the shift is at least 2.
    pub fn new(kernels: &KernelSet, rows: RowCount, channels: &Channels, scale: &RowScale) -> Self {
        let RowScale { scale, shift, bias_shift } = *scale;
        let both = shift < 31;
        let [unbiased, biased] = kernels;
        let [one, two, both_one, both_two] = if channels.has_biases() { biased } else { unbiased };
        let kernel = match (both, rows) {
            (false, RowCount::One) => one,
            (false, RowCount::Two) => two,
            (true, RowCount::One) => both_one,
            (true, RowCount::Two) => both_two,
        };
        let by = Rescale {
            multipliers: channels.factors.as_ptr(),
            scale: if both { scale as u32 } else { 2 * scale as u32 },
            shift: if both { -(shift as i32) } else { 30 - shift as i32 },
            biases: channels.biases.as_ptr(),
            bias_shift: -bias_shift,
            high_shift: 32u32.wrapping_sub(shift),
            lowest: if both { -1 << (shift - 1) } else { 0 },
        };
        Self { kernel: *kernel, by }
    }

    /// Rescales `len` sums to `out` and goes on to the next outputs.
    ///
    /// # Safety
    /// There are channels for all results together, there is room for `len` of the kernels' kind in `out`, and `len` sums in each row, beginning with the row wanted.
    pub unsafe fn run(&mut self, sums: *const i32, len: usize, out: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { (self.kernel)(sums, len, out, &self.by) };
        self.by.multipliers = self.by.multipliers.wrapping_add(2 * len);
        self.by.biases = self.by.biases.wrapping_add(2 * len);
    }
}

/// Rescales one row's sums to results of the kernels' kind, for shifts from 2 on.
pub fn rescale<T>(
    kernels: &KernelSet,
    sums: &Sums,
    channels: &Channels,
    scale: &RowScale,
    out: &mut [T],
) {
    let len = out.len().min(sums.len()).min(channels.len());
    if len > 0 {
        // SAFETY: `Sums` and `Channels`: so many there are; `T` is of the kernels' kind.
        unsafe {
            let from = sums.data.as_ptr().add(sums.row);
            let mut rescaler = Rescaler::new(kernels, sums.rows, channels, scale);
            rescaler.run(from, len, out.as_mut_ptr().cast());
        }
    }
}

/// # Safety
/// There are `len` numbers and sums.
#[unsafe(naked)]
unsafe extern "C" fn add_shifted(x: *const i16, len: usize, left: i32, sums: *mut i32) {
    helium!(
        "push {{r7, lr}}",
        "dlstp.32 lr, r1",
        "2:",
        "vldrh.s32 q0, [r0], #8",
        "vqrshl.s32 q0, r2",
        "vldrw.u32 q1, [r3]",
        "vqadd.s32 q0, q0, q1",
        "vstrw.32 q0, [r3], #16",
        "letp lr, 2b",
        "pop {{r7, pc}}",
    )
}

/// See [`Kernels::add`](crate::kernels::Kernels::add).
pub fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
    let len = x.len().min(sums.len());
    // SAFETY: so many there are of both.
    unsafe { add_shifted(x.as_ptr(), len, -shift.clamp(-40, 40), sums.as_mut_ptr()) }
}

/// Largest magnitude of sums.
///
/// # Safety
/// There are `len` sums.
#[unsafe(naked)]
pub unsafe extern "C" fn largest(sums: *const i32, len: usize) -> u32 {
    helium!(
        "push {{r7, lr}}",
        "movs r2, #0",
        "dlstp.32 lr, r1",
        "2:",
        "vldrw.u32 q0, [r0], #16",
        "vmaxav.s32 r2, q0",
        "letp lr, 2b",
        "mov r0, r2",
        "pop {{r7, pc}}",
    )
}

/// # Safety
/// There are `len` sums and results.
#[unsafe(naked)]
unsafe extern "C" fn narrow_shifted(sums: *const i32, len: usize, left: i32, out: *mut i16) {
    helium!(
        "push {{r7, lr}}",
        "dlstp.32 lr, r1",
        "2:",
        "vldrw.u32 q0, [r0], #16",
        "vqrshl.s32 q0, r2",
        "vqmovnb.s32 q0, q0",
        "vstrh.32 q0, [r3], #8",
        "letp lr, 2b",
        "pop {{r7, pc}}",
    )
}

/// See [`Kernels::narrow`](crate::kernels::Kernels::narrow).
pub fn narrow(sums: &[i32], shift: i32, out: &mut [i16]) {
    let len = sums.len().min(out.len());
    // SAFETY: so many there are of both.
    unsafe { narrow_shifted(sums.as_ptr(), len, -shift.clamp(-40, 40), out.as_mut_ptr()) }
}

/// Divides one row's sums; `$load` fetches four.
macro_rules! divide {
    ($name:ident, $prepare:literal, $load:literal) => {
        /// # Safety
        /// There are `len` results, and as many sums for each row, beginning with the row wanted.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(
            sums: *const i32,
            len: usize,
            out: *mut i16,
            factor: u32,
            left: i32,
        ) {
            helium!(
                "push {{r7, lr}}",
                "ldr r12, [sp, #8]",
                $prepare,
                "dlstp.32 lr, r1",
                "2:",
                $load,
                "vqdmulh.s32 q0, q0, r3",
                "vrshl.s32 q0, r12",
                "vqmovnb.s32 q0, q0",
                "vstrh.32 q0, [r2], #8",
                "letp lr, 2b",
                "pop {{r7, pc}}",
            )
        }
    };
}
divide!(divide_1, "", "vldrw.u32 q0, [r0], #16");
divide!(divide_2, "subs r0, #32\nvidup.u32 q3, r0, #8", "vldrw.u32 q0, [q3, #32]!");

/// See [`Kernels::divide`](crate::kernels::Kernels::divide).
pub fn divide(sums: &Sums, ratio: &Ratio, out: &mut [i16]) {
    let Ratio { factor, shift } = *ratio;
    if shift < 19 {
        return portable::divide(sums, ratio, out);
    }
    let (from, len) = (sums.data.as_ptr().wrapping_add(sums.row), out.len().min(sums.len()));
    let kernel = if matches!(sums.rows, RowCount::One) { divide_1 } else { divide_2 };
    // The factor has 17 bits: 13 more, and the doubling, leave 18 fewer to shift.
    // SAFETY: `Sums`: so many there are.
    unsafe { kernel(from, len, out.as_mut_ptr(), factor << 13, 18 - shift as i32) }
}
