//! The newest frames of an endless stream, as rows of a model's input.

use crate::fixed::saturate_16;
use crate::slices::{row, row_mut};

/// A ring of frames. Frames that the stream has not had yet are the oldest ones, and zero.
#[derive(Debug)]
pub struct Window<'a> {
    /// `(frames, width)`.
    ring: &'a mut [i16],
    width: usize,
    frames: usize,
    frames_per_row: usize,
    /// Where the next frame goes: on the oldest one, once all places are taken.
    next: usize,
    /// Frames that are there.
    count: usize,
    /// Of all features that are there; below 2³¹, as there are at most 2¹⁵ of them.
    sum: i32,
}

impl<'a> Window<'a> {
    /// An empty window of `rows` rows of `frames_per_row` frames of `width` features.
    pub fn new(ring: &'a mut [i16], rows: usize, frames_per_row: usize, width: usize) -> Self {
        let frames = rows * frames_per_row;
        Self { ring, width, frames, frames_per_row, next: 0, count: 0, sum: 0 }
    }

    /// Forgets all frames.
    pub fn clear(&mut self) {
        (self.next, self.count, self.sum) = (0, 0, 0);
    }

    /// Takes a frame, which `write` writes.
    pub fn push(&mut self, write: impl FnOnce(&mut [i16])) {
        let full = self.is_full();
        let frame = row_mut(self.ring, self.next, self.width);
        if full {
            self.sum -= total(frame);
        }
        write(frame);
        self.sum += total(frame);
        self.count += !full as usize;
        self.next = if self.next + 1 < self.frames { self.next + 1 } else { 0 };
    }

    /// Frames that it holds.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Whether all frames are there.
    pub fn is_full(&self) -> bool {
        self.count >= self.frames
    }

    /// The sum of all features.
    pub fn sum(&self) -> i32 {
        self.sum
    }

    /// The mean of all features that are there, rounded half up.
    pub fn mean(&self) -> i32 {
        let n = (self.count * self.width) as i32;
        match n {
            1.. => (self.sum + n / 2).div_euclid(n),
            _ => 0,
        }
    }

    /// Writes row `index` of the model's input, from every feature `level` subtracted.
    pub fn row(&self, index: usize, level: i32, out: &mut [i16]) {
        let missing = self.frames - self.count;
        let frames = out.chunks_exact_mut(self.width.max(1)).take(self.frames_per_row);
        for (i, to) in frames.enumerate() {
            let age = index * self.frames_per_row + i;
            if age < missing {
                to.fill(0);
                continue;
            }
            let at = self.next + age;
            let at = if at < self.frames { at } else { at - self.frames };
            for (to, &x) in to.iter_mut().zip(row(self.ring, at, self.width)) {
                *to = saturate_16(x as i32 - level);
            }
        }
    }
}

fn total(frame: &[i16]) -> i32 {
    frame.iter().map(|&x| x as i32).sum()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn rows(window: &Window, level: i32) -> Vec<i16> {
        let mut out = [0; 8];
        let (first, second) = out.split_at_mut(4);
        window.row(0, level, first);
        window.row(1, level, second);
        out.to_vec()
    }

    #[test]
    fn the_newest_frames_are_the_last() {
        let mut ring = [99; 8];
        let mut window = Window::new(&mut ring, 2, 2, 2);
        assert_eq!((rows(&window, 0), window.mean()), ([0; 8].to_vec(), 0));
        for i in 1..=3 {
            window.push(|frame| frame.fill(i));
        }
        assert_eq!((window.is_full(), window.sum(), window.mean()), (false, 12, 2));
        assert_eq!(rows(&window, 2), [0, 0, -1, -1, 0, 0, 1, 1]);
        for i in 4..=6 {
            window.push(|frame| frame.fill(i));
        }
        assert_eq!((window.is_full(), window.sum(), window.mean()), (true, 36, 5));
        assert_eq!(rows(&window, 0), [3, 3, 4, 4, 5, 5, 6, 6]);
        window.clear();
        assert_eq!(rows(&window, 7), [0; 8]);
    }

    #[test]
    fn means_are_rounded_half_up_and_rows_saturate() {
        let mut ring = [0; 2];
        let mut window = Window::new(&mut ring, 1, 1, 2);
        for (frame, mean) in [([1, 2], 2), ([-1, -2], -1), ([-2, -3], -2), ([i16::MIN; 2], -32768)]
        {
            window.push(|to| to.copy_from_slice(&frame));
            assert_eq!(window.mean(), mean, "{frame:?}");
        }
        let mut out = [0; 2];
        window.row(0, 5, &mut out);
        assert_eq!(out, [i16::MIN; 2]);
    }
}
