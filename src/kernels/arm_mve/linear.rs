//! Matrix products with VMLADAV: sixteen int8 products an instruction.
//!
//! VLD4 takes the four interleaved outputs apart while it loads, so four vectors of one block (16
//! inputs of 4 outputs) cost no more than four plain loads. Eight sums are held in the eight even
//! registers that VMLADAV can add to: 4 outputs × 2 rows (14 instructions per 128 products) or
//! 8 outputs × 1 row (17 per 128). The loop over blocks is unrolled and entered in the middle (Duff's
//! device); inputs beyond the last whole block are gathered under a predicate. One LDM
//! from the frame clears the sums and rewinds the inputs for the next group of outputs.
//!
//! Halfwords of paired weights carry a borrow: adding 128 returns it to the odd weight and leaves the
//! even one with its top bit flipped, which VEOR flips back. Plain weights need neither.

use core::mem::MaybeUninit;

/// What a product needs; the kernels write the rest.
#[repr(C)]
pub struct Frame {
    /// The registers at the beginning of a group: zeros, pointers to the inputs, number of rounds
    /// through the unrolled loop.
    image: MaybeUninit<[usize; 12]>,
    /// Where a group begins, and where its whole blocks end.
    labels: MaybeUninit<[usize; 2]>,
    /// Where a word of one output lies in a block.
    offsets: MaybeUninit<[u32; 4]>,
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
        concat!(
            "vld40.32 {{q0, q1, q2, q3}}, [",
            $pointer,
            "]\n",
            "vld41.32 {{q0, q1, q2, q3}}, [",
            $pointer,
            "]\n",
            "vld42.32 {{q0, q1, q2, q3}}, [",
            $pointer,
            "]\n",
            "vld43.32 {{q0, q1, q2, q3}}, [",
            $pointer,
            "]!\n",
        )
    };
}

/// The last one to three words of four outputs; lanes beyond are zero. q6 is scratch.
macro_rules! load_tail {
    ($pointer:literal) => {
        concat!(
            "vldrw.u32 q6, [r9, #56]\n",
            "vadd.i32 q6, q6, ",
            $pointer,
            "\n",
            "vpstttt\n",
            "vldrwt.u32 q0, [q6]\n",
            "vldrwt.u32 q1, [q6, #4]\n",
            "vldrwt.u32 q2, [q6, #8]\n",
            "vldrwt.u32 q3, [q6, #12]\n",
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
        concat!(
            "vmladava.s8 ",
            $s0,
            ", q0, ",
            $x,
            "\n",
            "vmladava.s8 ",
            $s1,
            ", q1, ",
            $x,
            "\n",
            "vmladava.s8 ",
            $s2,
            ", q2, ",
            $x,
            "\n",
            "vmladava.s8 ",
            $s3,
            ", q3, ",
            $x,
            "\n",
        )
    };
}

/// Begins a product: `$bytes` long is a block of the loop at label 2, 2 to the power of `$log_blocks` of
/// which are one round. `$inputs` puts the rows in r6 and r7 into the image, `$enter` enters the loop.
macro_rules! begin {
    ($inputs:literal, $enter:literal) => {
        concat!(
            "push {{r4-r11, lr}}\n",
            "vpush {{d8-d15}}\n",
            "mov r9, r3\n",
            "mov r11, r2\n",
            "mov r5, r1\n",
            "vmov.i32 q0, #0\n",
            "vstrw.32 q0, [r9]\n",
            "vstrw.32 q0, [r9, #16]\n",
            "vstrw.32 q0, [r9, #32]\n",
            "vmov.i16 q7, #128\n", // for paired weights
            "ldrd r6, r7, [r9, #88]\n",
            $inputs,
            "adr.w r8, 4f + 1\n", // Thumb
            "ldr r6, [r9, #72]\n",
            "cbz r6, 6f\n",
            "adr.w r8, 3f + 1\n",
            "movs r6, #0\n",
            "vidup.u32 q0, r6, #8\n",
            "vshl.i32 q0, q0, #1\n",
            "vstrw.32 q0, [r9, #56]\n",
            "6:\n",
            "mov r7, r8\n",
            "ldr r1, [r9, #84]\n",
            "cbz r1, 1f\n",
            "subs r1, #1\n",
            "lsrs r2, r1, #{log_blocks}\n",
            "adds r2, #1\n",
            "str r2, [r9, #{rounds}]\n",
            "and r1, r1, #(1 << {log_blocks}) - 1\n",
            "movs r2, #{bytes}\n",
            "adr.w r7, 2f + ((1 << {log_blocks}) - 1) * {bytes} + 1\n",
            "mls r7, r1, r2, r7\n",
            "1:\n",
            "strd r7, r8, [r9, #48]\n",
            "mov r1, r0\n",
            $enter,
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
                "subs r7, #1",
                "bne.w 2b",
                "ldr pc, [r9, #52]",
                "3:",
                "ldr r7, [r9, #72]",
                "vctp.32 r7",
                load_tail!("r1"),
                $unpair,
                "vpstt",
                "vldrwt.u32 q4, [r3]",
                "vldrwt.u32 q5, [r5]",
                multiply!("q4", "r0", "r4", "r8", "r12"),
                multiply!("q5", "r2", "r6", "r10", "lr"),
                "4:",
                "stm r11!, {{r0, r2, r4, r6, r8, r10, r12, lr}}",
                "ldrd r7, r5, [r9, #76]",
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
                "subs r7, #1",
                "bne.w 2b",
                "ldr pc, [r9, #52]",
                "3:",
                "ldr r7, [r9, #72]",
                "vctp.32 r7",
                load_tail!("r1"),
                $unpair,
                "vpst",
                "vldrwt.u32 q4, [r3]",
                multiply!("q4", "r0", "r2", "r4", "r6"),
                load_tail!("r5"),
                $unpair,
                multiply!("q4", "r8", "r10", "r12", "lr"),
                "4:",
                "stm r11!, {{r0, r2, r4, r6, r8, r10, r12, lr}}",
                "ldrd r7, r3, [r9, #76]",
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
    plain_1, 4, 68, ""
}

one_row! {
    /// `sums[o] = Σ w x` of one row and paired weights.
    paired_1, 2, 132, unpair!()
}
