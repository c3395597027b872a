//! Products of int8 rows and packed weights: what the assembly assumes is checked here.

use super::linear::{Frame, Kernel, paired_1, paired_2, plain_1, plain_2};
use crate::matrix::Packing;

/// One or two int8 rows of `words` words of four inputs, in a buffer of lanes.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The buffer.
    pub lanes: &'a [i16],
    /// Where the rows begin.
    pub starts: [usize; 2],
    /// 1 or 2.
    pub rows: usize,
    /// Inputs / 4.
    pub words: usize,
}

/// A packed matrix: see [`Kernels::matmul`](super::Kernels::matmul).
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    /// How the words are packed.
    pub layout: Packing,
    /// From the first group of outputs on.
    pub bytes: &'a [u8],
    /// From one group to the next.
    pub group_bytes: usize,
}

impl Inputs<'_> {
    /// Inputs `4 · word …` of a row.
    fn word(&self, row: usize, word: usize) -> [i32; 4] {
        let start = self.starts.get(row).copied().unwrap_or(0) + 2 * word;
        let pair = self.lanes.get(start..).unwrap_or_default().first_chunk::<2>();
        let [a, b] = pair.copied().unwrap_or_default().map(i16::to_le_bytes);
        [a[0], a[1], b[0], b[1]].map(|x| x as i8 as i32)
    }
}

/// Whether the assembly can take this product of `groups` groups of four outputs.
pub fn fits(x: &Inputs, w: &Weights, groups: usize) -> bool {
    let needed = groups.saturating_sub(1).saturating_mul(w.group_bytes) + 16 * x.words;
    let end = x.starts.iter().take(x.rows).max().map_or(0, |start| start + 2 * x.words);
    groups > 0
        && (1..=2).contains(&x.rows)
        && x.lanes.len() >= end
        && w.bytes.len() >= needed
        && w.group_bytes.is_multiple_of(4)
        && x.starts.iter().all(|start| start.is_multiple_of(2))
        && x.lanes.as_ptr().addr().is_multiple_of(4)
        && w.bytes.as_ptr().addr().is_multiple_of(4)
}

/// `sums[o · rows + r] = Σ w x` of `groups` groups of four outputs.
///
/// # Safety
/// The product [`fits`], and the sums have room for `4 · rows · groups`.
pub unsafe fn products(x: &Inputs, w: &Weights, groups: usize, sums: *mut i32) {
    // SAFETY: the caller's promise.
    unsafe {
        match x.rows {
            1 => one_row(x, w, groups, sums),
            _ => two_rows(x, w, groups, sums),
        }
    }
}

/// `sums[o · rows + r] = Σ w x`.
pub fn multiply(x: &Inputs, w: &Weights, sums: &mut [i32]) {
    let groups = sums.len() / (4 * x.rows.max(1));
    if sums.len() == 4 * x.rows * groups && fits(x, w, groups) {
        // SAFETY: it fits, and so long the sums are.
        unsafe { products(x, w, groups, sums.as_mut_ptr()) }
    } else {
        scalar(x, w, sums);
    }
}

/// The same one by one, for shapes and addresses that no model has.
#[cold]
fn scalar(x: &Inputs, w: &Weights, sums: &mut [i32]) {
    for (i, sum) in sums.iter_mut().enumerate() {
        let (output, row) = (i / x.rows.max(1), i % x.rows.max(1));
        let at = (output / 4).saturating_mul(w.group_bytes).saturating_add(4 * (output % 4));
        *sum = 0;
        let words = w.bytes.get(at..).unwrap_or_default().chunks(16);
        for (word, bytes) in words.enumerate().take(x.words) {
            let bytes = bytes.first_chunk::<4>().copied().unwrap_or_default();
            let weights = w.layout.unpack(u32::from_le_bytes(bytes));
            for (w, x) in weights.into_iter().zip(x.word(row, word)) {
                *sum += w as i32 * x;
            }
        }
    }
}

/// # Safety
/// `groups` ≥ 1; weights, inputs and sums are as long as they must be, at multiples of four.
unsafe fn two_rows(x: &Inputs, w: &Weights, groups: usize, sums: *mut i32) {
    let weights = w.bytes.as_ptr();
    // SAFETY: the caller's promise.
    unsafe {
        let rows = x.starts.map(|start| x.lanes.as_ptr().add(start));
        let mut frame = Frame::new(rows, x.words, w.group_bytes, sums.add(8 * groups));
        kernel(2, w.layout)(weights, weights, sums, &mut frame);
    }
}

/// Two groups at a time; a last one without a partner is its own.
///
/// # Safety
/// As for [`two_rows`].
unsafe fn one_row(x: &Inputs, w: &Weights, groups: usize, sums: *mut i32) {
    let kernel = kernel(1, w.layout);
    let (pairs, step) = (groups / 2, 2 * w.group_bytes);
    // SAFETY: the caller's promise; a single group's sums go to a buffer of eight.
    unsafe {
        let rows = [x.lanes.as_ptr().add(x.starts[0]); 2];
        let weights = w.bytes.as_ptr();
        if pairs > 0 {
            let mut frame = Frame::new(rows, x.words, step, sums.add(8 * pairs));
            kernel(weights, weights.add(w.group_bytes), sums, &mut frame);
        }
        if groups % 2 == 1 {
            let mut last = [0i32; 8];
            let mut frame = Frame::new(rows, x.words, step, last.as_mut_ptr_range().end);
            let weights = weights.add(pairs * step);
            kernel(weights, weights, last.as_mut_ptr(), &mut frame);
            sums.add(8 * pairs).copy_from_nonoverlapping(last.as_ptr(), 4);
        }
    }
}

/// The kernel for 1 or 2 rows.
#[inline(always)]
pub fn kernel(rows: usize, layout: Packing) -> Kernel {
    match (rows, layout) {
        (1, Packing::Paired) => paired_1,
        (1, Packing::Plain) => plain_1,
        (_, Packing::Paired) => paired_2,
        (_, Packing::Plain) => plain_2,
    }
}
