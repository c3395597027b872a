//! What the compiler calls to copy and clear memory on Arm, on top of the C library's four functions: with
//! these, an archive needs nothing else. Names and order of arguments are those of the "Run-time ABI for
//! the Arm Architecture", 4.3.4.

core::arch::global_asm!(
    ".syntax unified",
    ".thumb",
    ".macro forward name, to, swap, clear",
    ".section .text.\\name, \"ax\", %progbits",
    ".balign 2",
    ".global \\name",
    ".type \\name, %function",
    ".thumb_func",
    "\\name:",
    // memset(to, byte, bytes), but __aeabi_memset(to, bytes, byte).
    ".if \\swap",
    "mov r3, r1",
    "mov r1, r2",
    "mov r2, r3",
    ".endif",
    ".if \\clear",
    "mov r2, r1",
    "movs r1, #0",
    ".endif",
    "push {{r7, lr}}",
    "bl \\to",
    "pop {{r7, pc}}",
    ".size \\name, . - \\name",
    ".endm",
    ".irp suffix, , 4, 8",
    "forward __aeabi_memcpy\\suffix, memcpy, 0, 0",
    "forward __aeabi_memmove\\suffix, memmove, 0, 0",
    "forward __aeabi_memset\\suffix, memset, 1, 0",
    "forward __aeabi_memclr\\suffix, memset, 0, 1",
    ".endr",
);
