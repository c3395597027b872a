//! Numbers of an engine on their way to an array.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Rows of whole numbers in units of a power of two: 32-bit, little-endian, and the exponent of each row's unit.
pub struct Outputs {
    bytes: Vec<u8>,
    exponents: Vec<i32>,
}

impl Outputs {
    /// No rows.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), exponents: Vec::new() }
    }

    /// Adds a row.
    pub fn add(&mut self, row: impl IntoIterator<Item = i32>, exponent: i32) {
        self.bytes.extend(row.into_iter().flat_map(i32::to_le_bytes));
        self.exponents.push(exponent);
    }

    /// For Python: the bytes of all rows, one after the other, and the exponents.
    pub fn give(self, py: Python<'_>) -> (Bound<'_, PyBytes>, Vec<i32>) {
        (PyBytes::new(py, &self.bytes), self.exponents)
    }
}
