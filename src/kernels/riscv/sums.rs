//! Passes between 32-bit sums and results, four at a time; each function returns how many it has done.
//!
//! 16-bit results are clamped; two instructions detect whether that is necessary. 32-bit sums never
//! overflow in a sound model: overflow is only accumulated by OR and ends the pass, and the portable code
//! takes over.

use crate::kernels::{Channels, Quantizer, RowScale, Sums};
use core::arch::asm;

/// A loop over fours in assembly: `$each` is repeated with `\\i` from 0 to 3, then `$step` moves the
/// pointers and may leave to label 3. Returns how many numbers are done.
macro_rules! pass {
    (
        $out:expr, $size:literal, $count:expr, [$($each:literal)*], [$($step:literal)*],
        $($operands:tt)*
    ) => {{
        let (start, fours) = ($out.as_mut_ptr(), $count.min($out.len()) / 4);
        let mut end = start;
        if fours > 0 {
            // SAFETY: the callers see to it that there are as many of everything as results.
            unsafe {
                asm!(
                    "2:",
                    ".irp i, 0, 1, 2, 3",
                    $($each,)*
                    ".endr",
                    $($step,)*
                    concat!("addi {out}, {out}, 4*", $size),
                    "bne {out}, {end}, 2b",
                    "3:",
                    out = inout(reg) end,
                    end = in(reg) start.wrapping_add(4 * fours),
                    $($operands)*
                    options(nostack),
                );
            }
        }
        // SAFETY: both point into the results.
        unsafe { end.offset_from(start) as usize }
    }};
}

/// One row of sums, `STRIDE` bytes from one to the next, beside the multipliers of its outputs.
#[derive(Clone, Copy, Debug)]
pub struct Outputs<const STRIDE: usize> {
    sums: *const i32,
    multipliers: *const u16,
    count: usize,
}

impl<const STRIDE: usize> Outputs<STRIDE> {
    /// Of as many rows as `STRIDE` says.
    #[inline(always)]
    pub fn new(sums: &Sums, channels: &Channels) -> Self {
        Self {
            sums: sums.data.as_ptr().wrapping_add(sums.row),
            multipliers: channels.factors.as_ptr().cast(),
            count: (sums.data.len() / (STRIDE / 4)).min(channels.len()),
        }
    }

    /// See [`Kernels::rescale`](crate::kernels::Kernels::rescale), for shifts from 33 on: half a unit and
    /// the shift then reach only the upper half of the product.
    #[inline(always)]
    pub fn rescale(self, channels: &Channels, scale: &RowScale, out: &mut [i16]) -> usize {
        let RowScale { scale, shift, bias_shift } = *scale;
        match channels.has_biases() {
            true => {
                let biases = channels.biases.as_ptr().cast();
                self.rescale_biased(scale, shift, biases, bias_shift.max(0) as u32, out)
            }
            false => self.rescale_unbiased(scale, shift, out),
        }
    }

    #[inline(always)]
    fn rescale_unbiased(self, scale: u16, shift: u32, out: &mut [i16]) -> usize {
        pass!(
            out, "2", self.count,
            [
                "lw {a}, {stride}*\\i({sums})"
                "lhu {m}, 2*\\i({multipliers})"
                "mul {m}, {m}, {scale}"
                "mulhsu {a}, {a}, {m}"
                "add {a}, {a}, {half}"
                "sra {a}, {a}, {shift}"
                "add {m}, {a}, {bound}"
                "bltu {m}, {range}, 4f"
                "srai {a}, {a}, 31"
                "xor {a}, {a}, {limit}"
                "4:"
                "sh {a}, 2*\\i({out})"
            ],
            ["addi {multipliers}, {multipliers}, 8" "addi {sums}, {sums}, 4*{stride}"],
            sums = inout(reg) self.sums => _,
            stride = const STRIDE,
            multipliers = inout(reg) self.multipliers => _,
            scale = in(reg) scale as u32,
            half = in(reg) 1 << (shift - 33),
            shift = in(reg) shift - 32,
            bound = in(reg) 1 << 15,
            range = in(reg) 1 << 16,
            limit = in(reg) 0x7fff,
            a = out(reg) _,
            m = out(reg) _,
        )
    }

    #[inline(always)]
    fn rescale_biased(
        self,
        scale: u16,
        shift: u32,
        biases: *const i16,
        bias_shift: u32,
        out: &mut [i16],
    ) -> usize {
        // From 16 on all biases become 0, and so they do with 16.
        let bias_shift = bias_shift.min(16);
        pass!(
            out, "2", self.count,
            [
                "lw {a}, {stride}*\\i({sums})"
                "lhu {m}, 2*\\i({multipliers})"
                "lh {b}, 2*\\i({biases})"
                "mul {m}, {m}, {scale}"
                "add {b}, {b}, {bias_half}"
                "sra {b}, {b}, {bias_shift}"
                "mulhsu {a}, {a}, {m}"
                "add {a}, {a}, {half}"
                "sra {a}, {a}, {shift}"
                "add {a}, {a}, {b}"
                "add {m}, {a}, {bound}"
                "bltu {m}, {range}, 4f"
                "srai {a}, {a}, 31"
                "xor {a}, {a}, {limit}"
                "4:"
                "sh {a}, 2*\\i({out})"
            ],
            ["addi {multipliers}, {multipliers}, 8" "addi {sums}, {sums}, 4*{stride}" "addi {biases}, {biases}, 8"],
            sums = inout(reg) self.sums => _,
            stride = const STRIDE,
            multipliers = inout(reg) self.multipliers => _,
            biases = inout(reg) biases => _,
            scale = in(reg) scale as u32,
            half = in(reg) 1 << (shift - 33),
            shift = in(reg) shift - 32,
            bias_half = in(reg) (1 << bias_shift) >> 1,
            bias_shift = in(reg) bias_shift,
            bound = in(reg) 1 << 15,
            range = in(reg) 1 << 16,
            limit = in(reg) 0x7fff,
            a = out(reg) _,
            b = out(reg) _,
            m = out(reg) _,
        )
    }

    /// See [`Kernels::rescale_32`](crate::kernels::Kernels::rescale_32), without bias.
    #[inline(always)]
    pub fn rescale_32(self, scale: &RowScale, out: &mut [i32]) -> usize {
        let RowScale { scale, shift, .. } = *scale;
        if shift >= 32 {
            return self.rescale_high(scale, shift, out);
        }
        pass!(
            out, "4", self.count,
            [
                "lw {a}, {stride}*\\i({sums})"
                "lh {m}, 2*\\i({multipliers})"
                "mul {m}, {m}, {scale}"
                "mul {low}, {a}, {m}"
                "mulh {a}, {a}, {m}"
                "add {low}, {low}, {half}"
                "sltu {m}, {low}, {half}" // carry
                "add {a}, {a}, {m}"
                "srl {low}, {low}, {shift}"
                "sll {m}, {a}, {left}"
                "or {low}, {low}, {m}"
                "add {a}, {a}, {half}" // the result has 32 bits if this has `shift`
                "or {over}, {over}, {a}"
                "sw {low}, 4*\\i({out})"
            ],
            ["srl {over}, {over}, {shift}" "bnez {over}, 3f" "addi {multipliers}, {multipliers}, 8" "addi {sums}, {sums}, 4*{stride}"],
            sums = inout(reg) self.sums => _,
            stride = const STRIDE,
            multipliers = inout(reg) self.multipliers => _,
            scale = in(reg) scale as u32,
            half = in(reg) 1u32 << (shift - 1),
            shift = in(reg) shift,
            left = in(reg) 32 - shift,
            over = inout(reg) 0u32 => _,
            a = out(reg) _,
            low = out(reg) _,
            m = out(reg) _,
        )
    }

    /// For shifts from 32 on: the scale is doubled, so that the shift is at least 33.
    #[inline(always)]
    fn rescale_high(self, scale: u16, shift: u32, out: &mut [i32]) -> usize {
        pass!(
            out, "4", self.count,
            [
                "lw {a}, {stride}*\\i({sums})"
                "lh {m}, 2*\\i({multipliers})"
                "mul {m}, {m}, {scale}"
                "mulh {a}, {a}, {m}"
                "add {a}, {a}, {half}"
                "sra {a}, {a}, {shift}"
                "sw {a}, 4*\\i({out})"
            ],
            ["addi {multipliers}, {multipliers}, 8" "addi {sums}, {sums}, 4*{stride}"],
            sums = inout(reg) self.sums => _,
            stride = const STRIDE,
            multipliers = inout(reg) self.multipliers => _,
            scale = in(reg) (scale as u32) << 1,
            half = in(reg) 1 << (shift - 32),
            shift = in(reg) shift - 31,
            a = out(reg) _,
            m = out(reg) _,
        )
    }
}

/// See [`Kernels::add`](crate::kernels::Kernels::add), for shifts from −15 on. Sums up to 2^30 plus
/// numbers up to 2^30 cannot overflow.
#[inline(always)]
pub fn add(x: &[i16], shift: i32, sums: &mut [i32]) -> usize {
    let (left, right) = (shift.min(0).wrapping_neg(), shift.clamp(0, 16));
    pass!(
        sums, "4", x.len(),
        [
            "lw {a}, 4*\\i({out})"
            "lh {b}, 2*\\i({x})"
            "add {m}, {a}, {bound}"
            "or {over}, {over}, {m}"
            "sll {b}, {b}, {left}"
            "add {b}, {b}, {half}"
            "sra {b}, {b}, {right}"
            "add {a}, {a}, {b}"
            "sw {a}, 4*\\i({out})"
        ],
        ["bltz {over}, 3f" "addi {x}, {x}, 8"],
        x = inout(reg) x.as_ptr() => _,
        bound = in(reg) 1 << 30,
        left = in(reg) left,
        right = in(reg) right,
        half = in(reg) (1 << right) >> 1,
        over = inout(reg) 0u32 => _,
        a = out(reg) _,
        b = out(reg) _,
        m = out(reg) _,
    )
}

/// See [`Kernels::narrow`](crate::kernels::Kernels::narrow), for shifts in 2 … 31.
#[inline(always)]
pub fn narrow(sums: &[i32], shift: u32, out: &mut [i16]) -> usize {
    pass!(
        out, "2", sums.len(),
        [
            "lw {a}, 4*\\i({sums})"
            "sra {a}, {a}, {shift}"
            "addi {a}, {a}, 1"
            "srai {a}, {a}, 1"
            "add {m}, {a}, {bound}"
            "bltu {m}, {range}, 4f"
            "srai {a}, {a}, 31"
            "xor {a}, {a}, {limit}"
            "4:"
            "sh {a}, 2*\\i({out})"
        ],
        ["addi {sums}, {sums}, 16"],
        sums = inout(reg) sums.as_ptr() => _,
        shift = in(reg) shift - 1,
        bound = in(reg) 1 << 15,
            range = in(reg) 1 << 16,
        limit = in(reg) 0x7fff,
        a = out(reg) _,
        m = out(reg) _,
    )
}

/// See [`Kernels::gain`](crate::kernels::Kernels::gain), without bias, for shifts below 32.
#[inline(always)]
pub fn gain(
    x: &[i16],
    quantizer: &Quantizer,
    channels: &Channels,
    scale: &RowScale,
    out: &mut [i32],
) -> usize {
    let RowScale { scale, shift, .. } = *scale;
    pass!(
        out, "4", x.len().min(channels.len()),
        [
            "lh {a}, 2*\\i({x})"
            "lh {m}, 2*\\i({gains})"
            "mul {a}, {a}, {multiply}"
            "mul {m}, {m}, {mantissa}"
            "sub {a}, {a}, {subtract}"
            "sll {a}, {a}, {by_left}"
            "sra {a}, {a}, {by_right}"
            "mul {low}, {a}, {m}"
            "mulh {a}, {a}, {m}"
            "add {low}, {low}, {half}"
            "sltu {m}, {low}, {half}"
            "add {a}, {a}, {m}"
            "srl {low}, {low}, {shift}"
            "sll {m}, {a}, {left}"
            "or {low}, {low}, {m}"
            "add {a}, {a}, {half}"
            "or {over}, {over}, {a}"
            "sw {low}, 4*\\i({out})"
        ],
        ["srl {over}, {over}, {shift}" "bnez {over}, 3f" "addi {x}, {x}, 8" "addi {gains}, {gains}, 8"],
        x = inout(reg) x.as_ptr() => _,
        gains = inout(reg) channels.factors.as_ptr() => _,
        multiply = in(reg) quantizer.multiply,
        subtract = in(reg) quantizer.subtract,
        by_left = in(reg) quantizer.shift.min(0).wrapping_neg(),
        by_right = in(reg) quantizer.shift.max(0),
        mantissa = in(reg) scale as u32,
        half = in(reg) 1u32 << (shift - 1),
        shift = in(reg) shift,
        left = in(reg) 32 - shift,
        over = inout(reg) 0u32 => _,
        a = out(reg) _,
        low = out(reg) _,
        m = out(reg) _,
    )
}
