//! Build attributes, in the format of the "Addenda to the ABI for the Arm Architecture", 3: what a linker
//! compares between objects. Rust's are those of its compiler and would name a float ABI; ours name only
//! what is true of the code.

/// A number in 7-bit groups, and texts, as attributes hold them.
fn number(to: &mut Vec<u8>, tag: u8, value: u8) {
    to.extend([tag, value]);
}

/// A section with one vendor and attributes of the whole file.
fn section(vendor: &str, attributes: &[u8]) -> Vec<u8> {
    let file = [&[1u8][..], &(5 + attributes.len() as u32).to_le_bytes(), attributes].concat();
    let own = [vendor.as_bytes(), &[0], &file].concat();
    [b"A", &(4 + own.len() as u32).to_le_bytes()[..], &own].concat()
}

/// An M-profile core of this architecture. No floating-point value is passed or returned, so the float ABI
/// is "compatible with both" (`Tag_ABI_VFP_args` 3), and nothing is said of enums and wide characters,
/// which do not cross the border. 64-bit numbers are aligned to 8.
pub fn arm(arch: u8, mve: bool) -> Vec<u8> {
    let mut own = Vec::new();
    number(&mut own, 6, arch); // Tag_CPU_arch
    number(&mut own, 7, b'M'); // Tag_CPU_arch_profile
    number(&mut own, 9, if arch == 11 { 1 } else { 2 }); // Tag_THUMB_ISA_use: 16-bit only, or Thumb-2
    number(&mut own, 24, 1); // Tag_ABI_align_needed: 8
    number(&mut own, 25, 1); // Tag_ABI_align_preserved: 8
    number(&mut own, 28, 3); // Tag_ABI_VFP_args: compatible
    if mve {
        number(&mut own, 48, 1); // Tag_MVE_arch: integer
    }
    section("aeabi", &own)
}

/// A RISC-V core of this name, with a stack aligned to 16.
pub fn riscv(arch: &str) -> Vec<u8> {
    let mut own = Vec::new();
    number(&mut own, 4, 16); // Tag_RISCV_stack_align
    own.push(5); // Tag_RISCV_arch
    own.extend(arch.as_bytes());
    own.push(0);
    section("riscv", &own)
}

/// Offset of `e_flags` in the header of a 32-bit ELF file.
const FLAGS: usize = 36;

/// Sets the float ABI in the flags of a RISC-V object.
pub fn set_float_abi(elf: &mut [u8], float: u32) {
    if let Some(flags) = elf.get_mut(FLAGS) {
        *flags = *flags & !6 | (float as u8 & 6);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_nested_lengths() {
        let arm = arm(11, false);
        assert_eq!(arm[0], b'A');
        assert_eq!(u32::from_le_bytes(arm[1..5].try_into().unwrap()) as usize, arm.len() - 1);
        assert_eq!(&arm[5..11], b"aeabi\0");
        assert_eq!(arm[11], 1);
        assert_eq!(u32::from_le_bytes(arm[12..16].try_into().unwrap()) as usize, arm.len() - 11);
        assert_eq!(&arm[16..20], [6, 11, 7, b'M']);
        let riscv = riscv("rv32i2p0_m2p0_c2p0");
        assert!(riscv.ends_with(b"\x05rv32i2p0_m2p0_c2p0\0"));
    }
}
