//! Which microcontrollers a blob fits, how large a context fits, and about how long an answer takes.
//!
//! Memory is exact: the blob's bytes, and the arena by the engine's own plan. Time is an **estimate**: the
//! instructions of the model's kernels as they were counted (`crate::work`), times cycles per instruction, over
//! the clock, with memory that never waits.

mod data;
mod fit;
mod report;

pub use data::{Chip, Chips, Core};
pub use report::{Report, Row, report};
