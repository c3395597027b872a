//! Matrix products with VMLADAV: sixteen int8 products per instruction.
//!
//! VLD4 takes the four interleaved outputs apart while it loads, so four vectors of one block (16
//! inputs of 4 outputs) cost no more than four plain loads. Eight sums are held in the eight even
//! registers that VMLADAV can add to: 4 outputs × 2 rows (14 instructions per 128 products) or
//! 8 outputs × 1 row (17 per 128). The loop over blocks is unrolled and entered in the middle (Duff's
//! device); inputs beyond the last whole block are gathered before, under a predicate. One LDM
//! from the frame clears the sums and rewinds the inputs for the next group of outputs.
//!
//! Halfwords of paired weights carry a borrow: adding 128 returns it to the odd weight and leaves the
//! even one with its top bit flipped, which VEOR flips back. Plain weights need neither.

use crate::kernels::asm::{lines, unrolled};
use core::mem::MaybeUninit;

/// Parameters and state of a product; the assembly writes the rest.
#[repr(C)]
pub struct Frame {
    /// The registers at the beginning of a group: zeros, pointers to the inputs, number of rounds
    /// through the unrolled loop.
    image: MaybeUninit<[usize; 12]>,
    /// Where a group begins, and where its whole blocks begin.
    labels: MaybeUninit<[usize; 2]>,
    /// Where the words of one output lie in the group's last block, which is not whole.
    offsets: MaybeUninit<[u32; 4]>,
    /// Where the rows' words beyond the last whole block lie.
    tails: MaybeUninit<[usize; 2]>,
    /// Words of four inputs beyond the last whole block of four words: 0 to 3.
    tail: usize,
    /// End of the sums.
    pub end: *mut i32,
    /// Bytes from the end of a group's whole blocks to the next group.
    skip: isize,
    /// Whole blocks.
    blocks: usize,
    /// One or two rows of inputs.
    rows: [*const i16; 2],
}

impl Frame {
    /// The frame of a product of rows of `words` words of four inputs; `step` leads from one group, or
    /// pair of groups, to the next.
    pub fn new(rows: [*const i16; 2], words: usize, step: usize, end: *mut i32) -> Self {
        Self {
            image: MaybeUninit::uninit(),
            labels: MaybeUninit::uninit(),
            offsets: MaybeUninit::uninit(),
            tails: MaybeUninit::uninit(),
            tail: words % 4,
            end,
            skip: step as isize - (words / 4 * 64) as isize,
            blocks: words / 4,
            rows,
        }
    }
}

/// Weights of a group (or of the first of two), weights of the second, sums, frame.
pub type Kernel = unsafe extern "C" fn(*const u8, *const u8, *mut i32, *mut Frame);

/// Sixteen inputs of four outputs.
macro_rules! load {
    ($pointer:literal) => {
        lines!(
            "vld40.32 {{q0, q1, q2, q3}}, [" $pointer "]";
            "vld41.32 {{q0, q1, q2, q3}}, [" $pointer "]";
            "vld42.32 {{q0, q1, q2, q3}}, [" $pointer "]";
            "vld43.32 {{q0, q1, q2, q3}}, [" $pointer "]!";
        )
    };
}

/// The last one to three words of four outputs; lanes beyond are zero. q6 is scratch.
macro_rules! load_tail {
    ($pointer:literal) => {
        lines!(
            "vldrw.u32 q6, [r9, #56]";
            "vadd.i32 q6, q6, " $pointer;
            "vpstttt";
            "vldrwt.u32 q0, [q6]";
            "vldrwt.u32 q1, [q6, #4]";
            "vldrwt.u32 q2, [q6, #8]";
            "vldrwt.u32 q3, [q6, #12]";
        )
    };
}

/// Paired weights to plain ones; q7 holds 128 in every halfword.
macro_rules! unpair {
    () => {
        concat!(
            "vadd.i16 q0, q0, q7\n",
            "vadd.i16 q1, q1, q7\n",
            "vadd.i16 q2, q2, q7\n",
            "vadd.i16 q3, q3, q7\n",
            "veor q0, q0, q7\n",
            "veor q1, q1, q7\n",
            "veor q2, q2, q7\n",
            "veor q3, q3, q7\n",
        )
    };
}

/// Four outputs times the inputs in `$x`, into four sums.
macro_rules! multiply {
    ($x:literal, $s0:literal, $s1:literal, $s2:literal, $s3:literal) => {
        lines!(
            "vmladava.s8 " $s0 ", q0, " $x;
            "vmladava.s8 " $s1 ", q1, " $x;
            "vmladava.s8 " $s2 ", q2, " $x;
            "vmladava.s8 " $s3 ", q3, " $x;
        )
    };
}

/// Begins a product: `$bytes` long is a block of the loop at label 2, 2 to the power of `$log_blocks` of
/// which are one round. `$inputs` puts the rows in r6 and r7 into the image, `$enter` enters the loop.
macro_rules! begin {
    ($inputs:literal, $enter:literal) => {
        lines!(
            "push {{r4-r11, lr}}";
            "vpush {{d8-d15}}";
            "mov r9, r3";
            "mov r11, r2";
            "mov r5, r1";
            "vmov.i32 q0, #0";
            "vstrw.32 q0, [r9]";
            "vstrw.32 q0, [r9, #16]";
            "vstrw.32 q0, [r9, #32]";
            "vmov.i16 q7, #128"; // for paired weights
            "ldrd r6, r7, [r9, #96]";
            $inputs "ldr r1, [r9, #92]";
            "adr.w r8, 4f + 1"; // Thumb
            "cbz r1, 1f";
            "subs r2, r1, #1";
            "lsrs r4, r2, #{log_blocks}";
            "adds r4, #1";
            "str r4, [r9, #{rounds}]";
            "and r2, r2, #(1 << {log_blocks}) - 1";
            "movs r4, #{bytes}";
            "adr.w r8, 2f + ((1 << {log_blocks}) - 1) * {bytes} + 1";
            "mls r8, r2, r4, r8";
            "1:";
            "ldr r2, [r9, #80]";
            "mov r4, r8";
            "cbz r2, 6f";
            "add r6, r6, r1, lsl #4";
            "add r7, r7, r1, lsl #4";
            "strd r6, r7, [r9, #72]";
            "lsls r2, r1, #5";
            "vidup.u32 q0, r2, #8";
            "vshl.i32 q0, q0, #1";
            "vstrw.32 q0, [r9, #56]";
            "adr.w r4, 3f + 1";
            "6:";
            "strd r4, r8, [r9, #48]";
            "mov r1, r0";
            $enter;
        )
    };
}

/// `$bytes` long is a block of the loop, 2 to the power of `$log_blocks` of which are one round.
macro_rules! two_rows {
    ($(#[$doc:meta])* $name:ident, $log_blocks:literal, $bytes:literal, $unpair:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// There is at least one group of four outputs: `weights` holds `16 · words` bytes for each,
        /// `sums` 8 numbers up to `frame.end`, each row `4 · words` int8 inputs; `frame.skip` leads from
        /// group to group. All addresses are multiples of four.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            weights: *const u8,
            second: *const u8,
            sums: *mut i32,
            frame: *mut Frame,
        ) {
            helium!(
                begin!(
                    "str r6, [r9, #8]\nstr r7, [r9, #16]\n",
                    "ldm r9, {{r0, r2, r3, r4, r5, r6, r7, r8, r10, r12, lr}}\nldr pc, [r9, #48]\n"
                ),
                "3:",
                "ldr r7, [r9, #80]",
                "vctp.32 r7",
                load_tail!("r1"),
                $unpair,
                "ldr r7, [r9, #72]",
                "vpst",
                "vldrwt.u32 q4, [r7]",
                "ldr r7, [r9, #76]",
                "vpst",
                "vldrwt.u32 q5, [r7]",
                multiply!("q4", "r0", "r4", "r8", "r12"),
                multiply!("q5", "r2", "r6", "r10", "lr"),
                "ldr r7, [r9, #{rounds}]",
                "ldr pc, [r9, #52]",
                ".p2align 2",
                "2:",
                ".rept 1 << {log_blocks}",
                load!("r1"),
                $unpair,
                "vldrb.u8 q4, [r3], #16",
                "vldrb.u8 q5, [r5], #16",
                multiply!("q4", "r0", "r4", "r8", "r12"),
                multiply!("q5", "r2", "r6", "r10", "lr"),
                ".endr",
                "7:",
                unrolled!("2b", "7b", "(1 << {log_blocks}) * {bytes}"),
                "subs r7, #1",
                "bne.w 2b",
                "4:",
                "stm r11!, {{r0, r2, r4, r6, r8, r10, r12, lr}}",
                "ldrd r7, r5, [r9, #84]",
                "cmp r11, r7",
                "beq 5f",
                "add r1, r5",
                "ldm r9, {{r0, r2, r3, r4, r5, r6, r7, r8, r10, r12, lr}}",
                "ldr pc, [r9, #48]",
                "5:",
                "vpop {{d8-d15}}",
                "pop {{r4-r11, pc}}",
                log_blocks = const $log_blocks,
                bytes = const $bytes,
                rounds = const 24,
            )
        }
    };
}

two_rows! {
    /// `sums[2 o + r] = Σ w x` of two rows and plain weights.
    plain_2, 3, 56, ""
}

two_rows! {
    /// `sums[2 o + r] = Σ w x` of two rows and paired weights.
    paired_2, 2, 88, unpair!()
}

macro_rules! one_row {
    ($(#[$doc:meta])* $name:ident, $log_blocks:literal, $bytes:literal, $unpair:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// There is at least one pair of groups of four outputs, one beginning at `weights`, the other
        /// at `second`: each holds `16 · words` bytes, `sums` 8 numbers up to `frame.end`, the row
        /// `4 · words` int8 inputs; `frame.skip` leads from pair to pair. All addresses are multiples of
        /// four.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            weights: *const u8,
            second: *const u8,
            sums: *mut i32,
            frame: *mut Frame,
        ) {
            helium!(
                begin!(
                    "str r6, [r9, #8]\n",
                    "ldm r9, {{r0, r2, r3, r4, r6, r7, r8, r10, r12, lr}}\nldr pc, [r9, #48]\n"
                ),
                "3:",
                "ldr r7, [r9, #80]",
                "vctp.32 r7",
                load_tail!("r1"),
                $unpair,
                "ldr r7, [r9, #72]",
                "vpst",
                "vldrwt.u32 q4, [r7]",
                multiply!("q4", "r0", "r2", "r4", "r6"),
                load_tail!("r5"),
                $unpair,
                multiply!("q4", "r8", "r10", "r12", "lr"),
                "ldr r7, [r9, #{rounds}]",
                "ldr pc, [r9, #52]",
                ".p2align 2",
                "2:",
                ".rept 1 << {log_blocks}",
                load!("r1"),
                $unpair,
                "vldrb.u8 q4, [r3], #16",
                multiply!("q4", "r0", "r2", "r4", "r6"),
                load!("r5"),
                $unpair,
                multiply!("q4", "r8", "r10", "r12", "lr"),
                ".endr",
                "7:",
                unrolled!("2b", "7b", "(1 << {log_blocks}) * {bytes}"),
                "subs r7, #1",
                "bne.w 2b",
                "4:",
                "stm r11!, {{r0, r2, r4, r6, r8, r10, r12, lr}}",
                "ldrd r7, r3, [r9, #84]",
                "cmp r11, r7",
                "beq 5f",
                "add r1, r3",
                "add r5, r3",
                "ldm r9, {{r0, r2, r3, r4, r6, r7, r8, r10, r12, lr}}",
                "ldr pc, [r9, #48]",
                "5:",
                "vpop {{d8-d15}}",
                "pop {{r4-r11, pc}}",
                log_blocks = const $log_blocks,
                bytes = const $bytes,
                rounds = const 20,
            )
        }
    };
}

one_row! {
    /// `sums[o] = Σ w x` of one row and plain weights.
    plain_1, 5, 68, ""
}

one_row! {
    /// `sums[o] = Σ w x` of one row and paired weights.
    paired_1, 2, 132, unpair!()
}
