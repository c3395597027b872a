//! What every file of this backend knows.

/// The backend for RV32IM.
#[derive(Clone, Copy, Debug)]
pub struct RiscV;
