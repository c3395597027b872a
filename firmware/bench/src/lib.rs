//! What is counted: every kernel as the layers call it, in the shapes of the benchmarks, and whole
//! models. The same code on every board and, under callgrind, on the host.
#![no_std]

use core::hint::black_box;

mod attention;
mod flash;
mod linear;
mod memory;
mod models;
mod name;
mod rows;

pub use memory::Memory;
pub use models::{model, weights};
pub use name::Name;

/// One measured stretch of work.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name, such as `linear/64x512/rows16`.
    pub name: Name,
    /// How many units it covers.
    pub per: u32,
    /// MAC, pair, element, token or inference.
    pub unit: &'static str,
}

/// Counts instructions between `begin` and `end`.
pub trait Counter {
    /// Work begins.
    fn begin(&mut self);
    /// Work is done.
    fn end(&mut self, case: &Case);

    /// Whether a case is asked for.
    fn wants(&self, _: &Case) -> bool {
        true
    }

    /// Counts `work`, if it is asked for.
    fn count<R>(&mut self, case: Case, work: impl FnOnce() -> R) -> Option<R> {
        if !self.wants(&case) {
            return None;
        }
        // Putting the name together must not count.
        let case = black_box(case);
        self.begin();
        let result = work();
        self.end(&case);
        Some(result)
    }
}

/// Why nothing could be counted.
#[derive(Clone, Copy, Debug)]
pub struct Failure(pub &'static str);

/// All kernels.
pub fn kernels<C: Counter>(memory: &mut Memory, counter: &mut C) {
    linear::run(memory, counter);
    attention::run(memory, counter);
    rows::run(memory, counter);
}
