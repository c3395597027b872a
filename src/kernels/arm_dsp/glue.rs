//! Between slices and the assembly: what it assumes is checked here.

use super::{linear, pointwise, slow};
use crate::kernels::Activate;

/// Whether a slice begins at a multiple of four bytes.
pub fn aligned<T>(x: &[T]) -> bool {
    x.as_ptr().addr().is_multiple_of(4)
}

/// The shape of a product, if the assembly can take it: words of four inputs.
pub fn words(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    groups: usize,
) -> Option<usize> {
    let words = lanes.len().checked_div(4 * rows)?;
    let needed = groups.checked_sub(1)?.checked_mul(group_bytes)?.checked_add(16 * words)?;
    let fits = lanes.len() == 4 * words * rows
        && words > 0
        && weights.len() >= needed
        && group_bytes.is_multiple_of(4);
    (fits && aligned(lanes) && aligned(weights)).then_some(words)
}

/// Sums of products by the assembly, if it can take them.
#[inline(never)]
pub fn sums(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    sums: &mut [i32],
    multiply: linear::Multiply,
) -> bool {
    let rows = if rows == 2 { 2 } else { 1 };
    let groups = sums.len() / (4 * rows);
    let whole = sums.len().is_multiple_of(4 * rows);
    let Some(words) = words(lanes, rows, weights, group_bytes, groups).filter(|_| whole) else {
        return false;
    };
    let step = if rows == 2 { group_bytes } else { group_bytes.wrapping_sub(16 * words) };
    let (weights, lanes) = (weights.as_ptr(), lanes.as_ptr());
    let core::ops::Range { start, end } = sums.as_mut_ptr_range();
    let (start, end) = (start.cast(), end.cast());
    // SAFETY: `words` has checked every length and alignment.
    unsafe { multiply(weights, lanes, words, step, start, end, linear::store, core::ptr::null()) };
    true
}

/// An activation of every number, times its factor if there are any: as many as numbers.
pub fn bend(by: &Activate, factors: Option<&[i16]>, x: &mut [i16]) {
    let pairs = x.len() / 2;
    let mut done = 0;
    if let Some(curve) = curve(by).filter(|_| pairs > 0) {
        let at = x.as_mut_ptr();
        // SAFETY: as many numbers as both slices hold.
        match factors {
            None => unsafe { pointwise::activate(at, pairs, &curve) },
            Some(factors) => unsafe {
                pointwise::activate_gated(at, pairs, &curve, factors.as_ptr());
            },
        }
        done = 2 * pairs;
    }
    if let Some(rest) = x.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let factors = factors.and_then(|factors| factors.get(done..)).unwrap_or_default();
        slow::activate(by, factors, rest);
    }
}

/// An activation as the assembly wants it; it takes none whose values are in a coarser unit than its
/// results.
fn curve(by: &Activate) -> Option<pointwise::Curve> {
    let (position, value) = (by.position_shift, by.value_shift);
    let limit = match (by.table, position) {
        (None, _) => 0,
        (_, 16..) => 1,
        (_, 0..) => 1 << (20 - position),
        _ => u32::MAX,
    };
    // A shift that leaves nothing, or less than half, may be larger.
    let down = value.min(17);
    (down >= 0).then(|| pointwise::Curve {
        table: by.table.map_or(core::ptr::null(), |table| table.as_ptr()),
        limit,
        position: if position < -11 { 32 } else { (position + 11) as u32 },
        // Dividing twice, rounding down, is dividing once; to round half up, both halves are added.
        down: 12 + down as u32,
        half: 2048 + ((1 << down >> 1) << 12),
    })
}
