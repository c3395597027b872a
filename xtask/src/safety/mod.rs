//! Shows that a model file cannot hurt a device: fuzzing, mutations, proofs, Miri, bounds of the stack. Each is a
//! command of its own, too long for CI; what they measured is kept in `fuzz/record.json`, and `docs/SECURITY.md`
//! shows that record.

pub mod code;
pub mod document;
pub mod frames;
pub mod fuzz;
pub mod image;
pub mod miri;
pub mod prove;
pub mod record;
pub mod riscv;
pub mod rows;
pub mod soak;
pub mod stack;
pub mod thumb;
