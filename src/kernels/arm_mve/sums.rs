//! Passes over 32-bit sums: rescaling, norms, the residual stream.
//!
//! A product of 30 and more bits is divided by 2^s with one rounding in two ways. Where s is large,
//! VQDMULH leaves the high bits, rounded down, and a rounding shift drops the rest, at least one bit:
//! together that is one rounding. Where it is small, both halves of the product are shifted, the low
//! one with rounding, and added.

use super::aligned;
use crate::kernels::{RowScale, defaults};

/// What a rescaling needs besides sums and results.
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
    wide_1 wide_2 wide_both_1 wide_both_2
    ["vmul.i32 q2, q0, q1" "vmulh.s32 q0, q0, q1" "vrshl.u32 q2, r5"
     "vpt.s32 lt, q0, r9" "vmovt.i32 q2, #0" "vqshl.s32 q0, r8" "vqadd.s32 q0, q0, q2"]
    ["vstrw.32 q0, [r2], #16"]
}

rescale! {
    wide_biased_1 wide_biased_2 wide_biased_both_1 wide_biased_both_2
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
pub const NARROW: KernelSet = [
    [half_1, half_2, half_both_1, half_both_2],
    [biased_1, biased_2, biased_both_1, biased_both_2],
];

/// Those with 32-bit results.
pub const WIDE: KernelSet = [
    [wide_1, wide_2, wide_both_1, wide_both_2],
    [wide_biased_1, wide_biased_2, wide_biased_both_1, wide_biased_both_2],
];

/// Multipliers and biases of a layer's outputs.
#[derive(Clone, Copy)]
pub struct Factors<'a> {
    /// Little-endian `u16`.
    pub multipliers: &'a [u8],
    /// Little-endian `i16`, or empty.
    pub biases: &'a [u8],
}

impl Factors<'_> {
    /// Whether there are as many as the kernels read for `len` results, at even addresses.
    pub fn fit(&self, len: usize) -> bool {
        self.multipliers.len() >= 2 * len
            && aligned(self.multipliers, 2)
            && (self.biases.is_empty() || self.biases.len() >= 2 * len && aligned(self.biases, 2))
    }
}

/// The rescaling of one row's sums, output after output.
#[derive(Clone, Copy)]
pub struct Rescaler {
    kernel: Kernel,
    by: Rescale,
}

impl Rescaler {
    /// The rescaling of one of `rows` (1 or 2) rows; `by.shift` is at least 2.
    pub fn new(kernels: &KernelSet, rows: usize, factors: &Factors, by: RowScale) -> Self {
        let both = by.shift < 31;
        let [plain, biased] = kernels;
        let [one, two, both_one, both_two] = if factors.biases.is_empty() { plain } else { biased };
        let kernel = match (both, rows) {
            (false, 1) => one,
            (false, _) => two,
            (true, 1) => both_one,
            (true, _) => both_two,
        };
        let shift = by.shift as i32;
        let by = Rescale {
            multipliers: factors.multipliers.as_ptr(),
            scale: if both { by.scale as u32 } else { 2 * by.scale as u32 },
            shift: if both { -shift } else { 30 - shift },
            biases: factors.biases.as_ptr(),
            bias_shift: -by.bias_shift.clamp(-40, 40),
            high_shift: 32u32.wrapping_sub(by.shift),
            lowest: if both { -1 << (shift - 1) } else { 0 },
        };
        Self { kernel: *kernel, by }
    }

    /// Rescales `len` sums to `out` and goes on to the next outputs.
    ///
    /// # Safety
    /// The factors [`fit`](Factors::fit) all results together, there is room for `len` of the
    /// kernels' kind in `out`, and `len` sums in each row, beginning with the row wanted.
    pub unsafe fn run(&mut self, sums: *const i32, len: usize, out: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { (self.kernel)(sums, len, out, &self.by) };
        self.by.multipliers = self.by.multipliers.wrapping_add(2 * len);
        self.by.biases = self.by.biases.wrapping_add(2 * len);
    }
}

/// Rescales row `row` of `rows`; false if this cannot.
fn rescale_row<T>(
    kernels: &KernelSet,
    sums: &[i32],
    (rows, row): (usize, usize),
    factors: &Factors,
    by: RowScale,
    out: &mut [T],
) -> bool {
    let fits = (1..=2).contains(&rows)
        && row < rows
        && by.shift >= 2
        && sums.len() / rows >= out.len()
        && factors.fit(out.len());
    if fits {
        // SAFETY: every length and alignment was checked; `T` is of the kernels' kind.
        unsafe {
            let sums = sums.as_ptr().add(row);
            Rescaler::new(kernels, rows, factors, by).run(sums, out.len(), out.as_mut_ptr().cast());
        }
    }
    fits
}

/// See [`Kernels::rescale`](crate::kernels::Kernels::rescale); false if this cannot.
pub fn rescale(
    sums: &[i32],
    at: (usize, usize),
    f: &Factors,
    by: RowScale,
    out: &mut [i16],
) -> bool {
    rescale_row(&NARROW, sums, at, f, by, out)
}

/// See [`Kernels::rescale_32`](crate::kernels::Kernels::rescale_32); false if this cannot.
pub fn rescale_32(
    sums: &[i32],
    at: (usize, usize),
    f: &Factors,
    by: RowScale,
    out: &mut [i32],
) -> bool {
    rescale_row(&WIDE, sums, at, f, by, out)
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
pub fn divide(sums: &[i32], rows: usize, row: usize, factor: u32, shift: u32, out: &mut [i16]) {
    let from = sums.get(row..).unwrap_or_default();
    let len = out.len();
    let fits = shift >= 19
        && factor >> 17 == 0
        && (1..=2).contains(&rows)
        && row < rows
        && sums.len() / rows >= len;
    if !fits {
        return defaults::divide(sums, rows, row, factor, shift, out);
    }
    let kernel = if rows == 1 { divide_1 } else { divide_2 };
    // The factor has 17 bits: 13 more, and the doubling, leave 18 fewer to shift.
    // SAFETY: the lengths were checked.
    unsafe { kernel(from.as_ptr(), len, out.as_mut_ptr(), factor << 13, 18 - shift as i32) }
}
