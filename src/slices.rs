//! Parts of buffers whose bounds follow from the [`Config`](crate::Config).
//!
//! Release images contain no panics, so there a slice out of bounds is empty. It is still a bug,
//! which must stop a test: in debug builds every function here asserts its bounds.

/// `buffer[.. middle]` and `buffer[middle ..]`.
pub const fn split<T>(buffer: &[T], middle: usize) -> (&[T], &[T]) {
    match buffer.split_at_checked(middle) {
        Some(parts) => parts,
        None => {
            debug_assert!(false, "a part ends beyond its buffer");
            (&[], &[])
        }
    }
}

/// `buffer[offset .. offset + len]`.
pub const fn part<T>(buffer: &[T], offset: usize, len: usize) -> &[T] {
    split(rest(buffer, offset), len).0
}

/// `buffer[offset ..]`.
pub const fn rest<T>(buffer: &[T], offset: usize) -> &[T] {
    split(buffer, offset).1
}

/// `buffer[offset ..]`.
pub fn rest_mut<T>(buffer: &mut [T], offset: usize) -> &mut [T] {
    debug_assert!(offset <= buffer.len(), "{offset} of {}", buffer.len());
    buffer.get_mut(offset..).unwrap_or_default()
}

/// `buffer[.. len]`.
pub fn first_mut<T>(buffer: &mut [T], len: usize) -> &mut [T] {
    debug_assert!(len <= buffer.len(), "{len} of {}", buffer.len());
    buffer.get_mut(..len).unwrap_or_default()
}

/// `buffer[offset .. offset + len]`.
pub fn part_mut<T>(buffer: &mut [T], offset: usize, len: usize) -> &mut [T] {
    debug_assert!(offset + len <= buffer.len(), "{offset} + {len} of {}", buffer.len());
    buffer.get_mut(offset..offset + len).unwrap_or_default()
}

/// Row `index` of a matrix of rows of `width` elements.
pub fn row<T>(buffer: &[T], index: usize, width: usize) -> &[T] {
    debug_assert!((index + 1) * width <= buffer.len(), "{index} × {width} of {}", buffer.len());
    buffer.get(index * width..(index + 1) * width).unwrap_or_default()
}

/// [`row`] for writing.
pub fn row_mut<T>(buffer: &mut [T], index: usize, width: usize) -> &mut [T] {
    debug_assert!((index + 1) * width <= buffer.len(), "{index} × {width} of {}", buffer.len());
    buffer.get_mut(index * width..(index + 1) * width).unwrap_or_default()
}

/// Element `index`.
pub fn at<T: Copy + Default>(buffer: &[T], index: usize) -> T {
    debug_assert!(index < buffer.len(), "{index} of {}", buffer.len());
    buffer.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn bounds_are_those_of_the_buffer() {
        let mut x = [1, 2, 3, 4, 5, 6];
        assert_eq!((part(&x, 1, 2), rest(&x, 4), rest(&x, 6)), (&[2, 3][..], &[5, 6][..], &[][..]));
        assert_eq!((row(&x, 2, 2), at(&x, 5)), (&[5, 6][..], 6));
        assert_eq!(rest_mut(&mut x, 5), [6]);
        assert_eq!(first_mut(&mut x, 1), [1]);
        assert_eq!(row_mut(&mut x, 1, 3), [4, 5, 6]);
        assert_eq!(part_mut(&mut x, 2, 2), [3, 4]);
    }

    /// Debug builds, as tests are: a wrong index never becomes an empty slice.
    #[test]
    #[cfg(debug_assertions)]
    fn a_wrong_index_stops_a_test() {
        let x = [0u8; 6];
        assert!(catch_unwind(|| part(&x, 5, 2).len()).is_err());
        assert!(catch_unwind(|| rest(&x, 7).len()).is_err());
        assert!(catch_unwind(|| row(&x, 2, 3).len()).is_err());
        assert!(catch_unwind(|| at(&x, 6)).is_err());
        assert!(catch_unwind(|| rest_mut(&mut [0u8; 6], 7).len()).is_err());
        assert!(catch_unwind(|| first_mut(&mut [0u8; 6], 7).len()).is_err());
        assert!(catch_unwind(|| part_mut(&mut [0u8; 6], 5, 2).len()).is_err());
        assert!(catch_unwind(|| row_mut(&mut [0u8; 6], 2, 3).len()).is_err());
    }
}
