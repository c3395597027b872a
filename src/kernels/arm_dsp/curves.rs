//! Activations, two numbers at a time.

use super::slow;
use crate::kernels::Curve;
use crate::kernels::asm::lines;

/// The activation of every number, times its factor if there are factors, one per number.
pub fn activate(curve: &Curve, factors: Option<&[i16]>, x: &mut [i16]) {
    let pairs = x.len() / 2;
    let mut done = 0;
    if let Some(curve) = Parameters::new(curve).filter(|_| pairs > 0) {
        let at = x.as_mut_ptr();
        // SAFETY: as many numbers as both slices hold; the table has 258 entries.
        match factors {
            None => unsafe { activate_pairs(at, pairs, &curve) },
            Some(factors) => unsafe { activate_pairs_gated(at, pairs, &curve, factors.as_ptr()) },
        }
        done = 2 * pairs;
    }
    if let Some(rest) = x.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let factors = factors.and_then(|factors| factors.get(done..)).unwrap_or_default();
        slow::activate(curve, factors, rest);
    }
}

/// An activation as the assembly wants it; see [`Curve`].
#[repr(C)]
struct Parameters {
    /// 257 entries below 2¹⁵.
    table: *const u16,
    /// From this magnitude on, the activation is the positive part.
    limit: u32,
    /// A magnitude shifted left by this is a table position with 23 fraction bits.
    position: u32,
    /// Shift of an interpolated value with 12 fraction bits to the unit of x; 12 at least.
    down: u32,
    /// Half of the last place of the interpolation and of the shift.
    half: u32,
}

impl Parameters {
    /// `None` for a curve whose values are in a coarser unit than its results.
    fn new(curve: &Curve) -> Option<Self> {
        let (limit, position) = match (curve.table, curve.position_shift) {
            (None, _) => (0, 0),
            (_, 16..) => (1, 0),
            (_, shift @ 0..) => (1 << (20 - shift), shift + 11),
            (_, shift @ -11..) => (u32::MAX, shift + 11),
            _ => (u32::MAX, 32),
        };
        // A shift that leaves nothing, or less than half, may be larger.
        let down = curve.value_shift.min(17);
        (down >= 0).then(|| Self {
            table: curve.table.map_or(core::ptr::null(), |table| table.as_ptr()),
            limit,
            position: position as u32,
            // Dividing twice, rounding down, is dividing once; to round half up, both halves are added.
            down: 12 + down as u32,
            half: 2048 + ((1 << down >> 1) << 12),
        })
    }
}

/// `h(|x|)`, to be subtracted from `max(x, 0)`; |x| is in `$x`. Clobbers r5. r1, r2, r3, r10, r11 hold the
/// curve, r7 is 4096 and r9 65535: a fraction f times r9 plus r7 is f in the upper halfword, 4096 − f in the
/// lower.
macro_rules! taken_off {
    ($x:literal, $end:literal, $beyond:literal) => {
        lines!(
            concat!("cmp ", $x, ", r2"),
            concat!("bhs ", $beyond, "f"),
            concat!("lsl ", $x, ", ", $x, ", r3"),
            concat!("ubfx r5, ", $x, ", #11, #12"),
            concat!("lsr ", $x, ", ", $x, ", #23"),
            concat!("ldr ", $x, ", [r1, ", $x, ", lsl #1]"),
            "mla r5, r5, r9, r7",
            concat!("smlad ", $x, ", ", $x, ", r5, r11"),
            concat!("lsr ", $x, ", ", $x, ", r10"),
            concat!($end, ":"),
        )
    };
}

/// The activations of two numbers at r0 in r6; r4, r5, r8 are scratch.
macro_rules! activated {
    () => {
        concat!(
            "ldr r4, [r0]\n",
            "usat16 r6, #15, r4\n",
            "ssub16 r8, r6, r4\n", // the negative part
            "uadd16 r8, r8, r6\n",
            "uxth r4, r8\n",
            taken_off!("r4", "3", "5"),
            "lsr r8, r8, #16\n",
            taken_off!("r8", "4", "6"),
            "pkhbt r4, r4, r8, lsl #16\n",
            "qsub16 r6, r6, r4\n",
        )
    };
}

/// `pairs` ≥ 1 of numbers in place.
///
/// # Safety
/// `x` holds as many numbers; `curve` is as its fields say.
#[unsafe(naked)]
unsafe extern "C" fn activate_pairs(x: *mut i16, pairs: usize, curve: &Parameters) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "mov r12, r1",
        "ldm r2, {{r1, r2, r3, r10, r11}}",
        "movw r9, #0xffff",
        "mov.w r7, #4096",
        "2:",
        activated!(),
        "str r6, [r0], #4",
        "subs.w r12, r12, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
        // Beyond the table nothing is taken off.
        "5:",
        "movs r4, #0",
        "b 3b",
        "6:",
        "mov.w r8, #0",
        "b 4b",
    )
}

/// `pairs` ≥ 1 of numbers in place, times `factors` in Q0.15.
///
/// # Safety
/// As for [`activate_pairs`]; `factors` holds as many numbers.
#[unsafe(naked)]
unsafe extern "C" fn activate_pairs_gated(
    x: *mut i16,
    pairs: usize,
    curve: &Parameters,
    factors: *const i16,
) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "mov r12, r1",
        "mov lr, r3",
        "ldm r2, {{r1, r2, r3, r10, r11}}",
        "movw r9, #0xffff",
        "mov.w r7, #4096",
        "2:",
        activated!(),
        "ldr r4, [lr], #4",
        "lsls r5, r7, #2",
        "smlabb r8, r6, r4, r5",
        "smlatt r6, r6, r4, r5",
        "ssat r8, #16, r8, asr #15",
        "ssat r6, #16, r6, asr #15",
        "pkhbt r6, r8, r6, lsl #16",
        "str r6, [r0], #4",
        "subs.w r12, r12, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
        // Beyond the table nothing is taken off.
        "5:",
        "movs r4, #0",
        "b 3b",
        "6:",
        "mov.w r8, #0",
        "b 4b",
    )
}
