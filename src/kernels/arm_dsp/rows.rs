//! Passes over one row: moments, range, quantisation, sums and their way back to 16 bits.
//!
//! Rows may begin at any halfword, so they are read with LDR, which takes every address; LDM, LDRD and
//! STRD do not.

/// Sum (into `sum`) and sum of squares of `n` numbers.
///
/// # Safety
/// `x` holds `n` numbers.
#[unsafe(naked)]
pub unsafe extern "C" fn moments(x: *const i16, n: usize, sum: &mut i32) -> u64 {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "movs r3, #0",
        "mov r12, r3",
        "mov r4, r3",
        "mov.w r5, #0x00010001",
        "subs r1, #4",
        "blo 3f",
        "2:",
        "ldr r6, [r0], #4",
        "ldr r7, [r0], #4",
        "smlad r4, r6, r5, r4",
        "smlald r3, r12, r6, r6",
        "smlad r4, r7, r5, r4",
        "smlald r3, r12, r7, r7",
        "subs r1, #4",
        "bhs 2b",
        "3:",
        "adds r1, #4",
        "beq 5f",
        "4:",
        "ldrsh r6, [r0], #2",
        "adds r4, r4, r6",
        "smlalbb r3, r12, r6, r6",
        "subs r1, #1",
        "bne 4b",
        "5:",
        "str r4, [r2]",
        "mov r0, r3",
        "mov r1, r12",
        "pop {{r4-r7, pc}}",
    )
}

/// Smallest (low half) and largest (high half) of `n` numbers.
///
/// # Safety
/// `n` ≥ 1; `x` holds `n` numbers.
#[unsafe(naked)]
pub unsafe extern "C" fn range(x: *const i16, n: usize) -> u32 {
    naked_asm!(
        "push {{r4, lr}}",
        "ldrh r2, [r0]",
        "pkhbt r2, r2, r2, lsl #16", // minima of the even and of the odd elements
        "mov r3, r2",                // maxima
        "subs r1, #8",
        "blo 3f",
        "2:",
        ".rept 4",
        "ldr r12, [r0], #4",
        "ssub16 lr, r12, r3",
        "sel r3, r12, r3",
        "ssub16 lr, r12, r2",
        "sel r2, r2, r12",
        ".endr",
        "subs r1, #8",
        "bhs 2b",
        "3:",
        "adds r1, #8",
        "beq 5f",
        "4:",
        "ldrh r12, [r0], #2",
        "pkhbt r12, r12, r12, lsl #16",
        "ssub16 lr, r12, r3",
        "sel r3, r12, r3",
        "ssub16 lr, r12, r2",
        "sel r2, r2, r12",
        "subs r1, #1",
        "bne 4b",
        "5:",
        "ror r0, r2, #16",
        "ssub16 lr, r0, r2",
        "sel r2, r2, r0",
        "ror r0, r3, #16",
        "ssub16 lr, r0, r3",
        "sel r3, r0, r3",
        "pkhbt r0, r2, r3, lsl #16",
        "pop {{r4, pc}}",
    )
}

/// What [`quantize`] and [`quantize_plain`] need besides pointers.
#[repr(C)]
pub struct Quantize {
    /// Bytes from one four of lanes to the next.
    pub stride: usize,
    /// Fours of inputs, at least 1.
    pub fours: usize,
    /// See [`Quantizer`](crate::kernels::Quantizer); below 2¹⁵.
    pub multiply: i32,
    /// `−subtract`.
    pub offset: i32,
    /// Shift right.
    pub shift: u32,
    /// Multiplies the shifted number.
    pub inverse: i32,
    /// Half of the last place.
    pub half: i32,
    /// What brings the result to the upper halfword: 7 for 8-bit lanes, 3 for 12-bit ones.
    pub up: u32,
}

/// Any quantiser.
///
/// # Safety
/// `x` holds `4 · fours` numbers and `lanes` four at every stride.
#[unsafe(naked)]
pub unsafe extern "C" fn quantize(x: *const i16, lanes: *mut i16, by: &Quantize) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "ldm r2, {{r2, r3, r8-r12, lr}}",
        "2:",
        "ldr r5, [r0], #4",
        "ldr r7, [r0], #4",
        "smlabb r4, r5, r8, r9",
        "smlatb r5, r5, r8, r9",
        "smlabb r6, r7, r8, r9",
        "smlatb r7, r7, r8, r9",
        "asrs r4, r10",
        "asrs r5, r10",
        "asrs r6, r10",
        "asrs r7, r10",
        "mla r4, r4, r11, r12",
        "mla r5, r5, r11, r12",
        "mla r6, r6, r11, r12",
        "mla r7, r7, r11, r12",
        "asrs r4, lr",
        "asrs r5, lr",
        "asrs r6, lr",
        "asrs r7, lr",
        "pkhtb r5, r7, r5, asr #16",
        "pkhtb r4, r6, r4, asr #16",
        "cmp lr, #7",
        "bne 3f",
        "uxtb16 r4, r4",
        "lsls r4, r4, #8",
        "ssub16 r4, r4, r5",
        "3:",
        "str r5, [r1]",
        "str r4, [r1, #4]",
        "add r1, r2",
        "subs r3, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}

/// 8-bit lanes of `round(x · inverse / 2^23)`: `inverse` is given times 2⁹, so that SMLAW leaves the
/// result in the upper halfword. `by` needs only stride, fours and inverse.
///
/// # Safety
/// As for [`quantize`]; `lanes` is aligned to four bytes.
#[unsafe(naked)]
pub unsafe extern "C" fn quantize_plain(x: *const i16, lanes: *mut i16, by: &Quantize) {
    naked_asm!(
        "push {{r4-r9, lr}}",
        "ldr r8, [r2, #20]",
        "ldrd r2, r3, [r2]",
        "mov.w r9, #0x8000",
        "adds r3, #1",
        "lsrs r3, r3, #1", // twice a round; an odd number begins in the middle
        "bcc 3f",
        "2:",
        quantize_step!(),
        "3:",
        quantize_step!(),
        "subs r3, #1",
        "bne 2b",
        "pop {{r4-r9, pc}}",
    )
}

/// Four inputs of [`quantize_plain`].
macro_rules! quantize_step {
    () => {
        "ldr r5, [r0], #4
        ldr r7, [r0], #4
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
use quantize_step;

/// `sums[i] = saturate(sums[i] + (x[i] · up + half) / 2^down)`: `up` is a power of two below 2¹⁵.
///
/// # Safety
/// Both slices hold `n` numbers.
#[unsafe(naked)]
pub unsafe extern "C" fn add(x: *const i16, sums: *mut i32, n: usize, by: &[i32; 3]) {
    naked_asm!(
        "push {{r4-r8, lr}}",
        "ldm r3, {{r6-r8}}", // up, half, down
        "subs r2, #2",
        "blo 3f",
        "2:",
        "ldr r3, [r0], #4",
        "ldrd r4, r5, [r1]",
        "smlabb r12, r3, r6, r7",
        "smlatb r3, r3, r6, r7",
        "asr r12, r12, r8",
        "asr r3, r3, r8",
        "qadd r4, r4, r12",
        "qadd r5, r5, r3",
        "strd r4, r5, [r1], #8",
        "subs r2, #2",
        "bhs 2b",
        "3:",
        "adds r2, #2",
        "beq 4f",
        "ldrsh r3, [r0]",
        "ldr r4, [r1]",
        "smlabb r3, r3, r6, r7",
        "asrs r3, r8",
        "qadd r4, r4, r3",
        "str r4, [r1]",
        "4:",
        "pop {{r4-r8, pc}}",
    )
}

/// The bitwise or of `n` magnitudes.
///
/// # Safety
/// `sums` holds `n` numbers.
#[unsafe(naked)]
pub unsafe extern "C" fn magnitude(sums: *const i32, n: usize) -> u32 {
    naked_asm!(
        "push {{r4, lr}}",
        "movs r2, #0",
        "subs r1, #2",
        "blo 3f",
        "2:",
        "ldrd r3, r4, [r0], #8",
        "eor r12, r3, r3, asr #31",
        "sub r12, r12, r3, asr #31",
        "orr r2, r2, r12",
        "eor r12, r4, r4, asr #31",
        "sub r12, r12, r4, asr #31",
        "orr r2, r2, r12",
        "subs r1, #2",
        "bhs 2b",
        "3:",
        "adds r1, #2",
        "beq 4f",
        "ldr r3, [r0]",
        "eor r12, r3, r3, asr #31",
        "sub r12, r12, r3, asr #31",
        "orr r2, r2, r12",
        "4:",
        "mov r0, r2",
        "pop {{r4, pc}}",
    )
}

/// `out[i] = saturate(sums[i] / 2^shift)`, rounded; a negative shift goes left. ADC adds the bit that
/// ASRS shifted out last.
///
/// # Safety
/// Both slices hold `n` numbers; `shift` is in −15 … 33.
#[unsafe(naked)]
pub unsafe extern "C" fn narrow(sums: *const i32, out: *mut i16, n: usize, shift: i32) {
    naked_asm!(
        "push {{r4, lr}}",
        "cmp r3, #0",
        "bgt 3f",
        "negs r3, r3",
        "2:",
        "ldr r4, [r0], #4",
        "ssat r4, #16, r4",
        "lsls r4, r3",
        "ssat r4, #16, r4",
        "strh r4, [r1], #2",
        "subs r2, #1",
        "bne 2b",
        "pop {{r4, pc}}",
        "3:",
        "subs r2, #2",
        "blo 5f",
        "4:",
        "ldrd r4, r12, [r0], #8",
        "asrs r4, r3",
        "adc r4, r4, #0",
        "asrs.w r12, r12, r3",
        "adc r12, r12, #0",
        "ssat r4, #16, r4",
        "ssat r12, #16, r12",
        "pkhbt r4, r4, r12, lsl #16",
        "str r4, [r1], #4",
        "subs r2, #2",
        "bhs 4b",
        "5:",
        "adds r2, #2",
        "beq 6f",
        "ldr r4, [r0]",
        "asrs r4, r3",
        "adc r4, r4, #0",
        "ssat r4, #16, r4",
        "strh r4, [r1]",
        "6:",
        "pop {{r4, pc}}",
    )
}
