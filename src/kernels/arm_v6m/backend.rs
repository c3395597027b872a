//! What every file of this backend knows.

/// The backend for ARMv6-M.
#[derive(Clone, Copy, Debug)]
pub struct ArmV6m;

/// Whether a slice begins at a multiple of four bytes.
pub fn aligned<T>(x: &[T]) -> bool {
    x.as_ptr().addr().is_multiple_of(4)
}
