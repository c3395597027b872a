//! The inner loops, one implementation per instruction set.
//!
//! [`Portable`] defines every result; a backend overrides inner loops and must return the same
//! integers. [`check`] compares a backend with `Portable`, on a host and on every board.
//!
//! ## Lanes
//! The input of a linear layer is not stored as int8: [`Kernels::quantize`] writes it once as
//! *lanes*. In [`Portable`], these are four 16-bit numbers for every four inputs `x0 x1 x2 x3`:
//!
//! ```text
//! 8-bit rows    x1  x3  256·x0 − x1  256·x2 − x3
//! 12-bit rows   x1  x3  x0           x2
//! ```
//!
//! With the paired weights of [`matrix`](crate::matrix), halfword `H = 256·w1 + w0`, the sum
//! `H·x1 + w0·(256·x0 − x1) = 256·(w0·x0 + w1·x1)` is exact, and only `w0` must be extracted. The
//! lanes of two rows that are multiplied together alternate: four of row 0, four of row 1, and so
//! on. Lanes for weights of four bits are those of 8-bit rows here; a backend may choose others.

#[cfg(all(target_arch = "arm", feature = "arm-dsp"))]
mod arm_dsp;
#[cfg(all(target_arch = "arm", feature = "arm-mve"))]
mod arm_mve;
#[cfg(all(target_arch = "arm", feature = "arm-v6m"))]
mod arm_v6m;
#[cfg(target_arch = "arm")]
mod asm;
pub mod check;
mod contract;
mod formats;
mod lanes;
mod nibbles;
#[cfg(any(
    all(target_arch = "arm", feature = "arm-v6m"),
    all(target_arch = "riscv32", target_feature = "m")
))]
mod pairs;
pub mod portable;
#[cfg(all(target_arch = "riscv32", target_feature = "m"))]
mod riscv;
mod rows;
mod streams;
mod weights;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use contract::{Kernels, Portable};
pub use formats::Nibbles;
pub use lanes::*;
pub use nibbles::Multiply;
pub use portable::CHUNK;
pub(crate) use rows::interpolate;
pub use rows::{Curve, Ratio, Statistics};
pub use streams::*;
pub use weights::*;

// If several features are on, the most capable core wins.
core::cfg_select! {
    all(target_arch = "arm", feature = "arm-mve") => {
        pub use arm_mve::ArmMve;
        /// The backend this crate was built with.
        pub type Native = ArmMve;
    }
    all(target_arch = "arm", feature = "arm-dsp") => {
        pub use arm_dsp::ArmDsp;
        /// The backend this crate was built with.
        pub type Native = ArmDsp;
    }
    all(target_arch = "arm", feature = "arm-v6m") => {
        pub use arm_v6m::ArmV6m;
        /// The backend this crate was built with.
        pub type Native = ArmV6m;
    }
    all(target_arch = "riscv32", target_feature = "m") => {
        pub use riscv::RiscV;
        /// The backend this crate was built with.
        pub type Native = RiscV;
    }
    target_arch = "x86_64" => {
        pub use x86::X86;
        /// The backend this crate was built with.
        pub type Native = X86;
    }
    _ => {
        /// The backend this crate was built with.
        pub type Native = Portable;
    }
}
