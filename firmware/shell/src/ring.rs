//! Bytes on their way from an interrupt to the shell.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// Stands in the ring for bytes that were lost. No UTF-8 text holds it, so a line with a hole is
/// refused.
pub const LOST: u8 = 0xFF;

/// A queue of up to `N - 1` bytes and the mark of a hole, `N` a power of two: one end writes, for example an interrupt, the
/// other reads. Several may write as long as none interrupts another. Needs only loads and stores, as ARMv6-M and RV32IMC have no atomic swaps.
#[derive(Debug)]
pub struct Ring<const N: usize> {
    bytes: [AtomicU8; N],
    /// Bytes written and read so far, modulo 2^32.
    written: AtomicUsize,
    read: AtomicUsize,
    lost: AtomicU32,
    /// Bytes were lost after the last one written, and [`LOST`] does not say so yet.
    hole: AtomicBool,
}

impl<const N: usize> Ring<N> {
    /// Empty.
    pub const fn new() -> Self {
        const { assert!(N.is_power_of_two() && N >= 4) };
        Self {
            bytes: [const { AtomicU8::new(0) }; N],
            written: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
            lost: AtomicU32::new(0),
            hole: AtomicBool::new(false),
        }
    }

    /// Writes a byte; without room it is lost and counted.
    pub fn push(&self, byte: u8) {
        let hole = self.hole.load(Ordering::Relaxed);
        if self.room() == 0 {
            return self.lose(1);
        }
        if hole {
            self.hole.store(false, Ordering::Relaxed);
            self.put(LOST);
        }
        self.put(byte);
    }

    /// Counts bytes that were lost before they got here, in the receiver of a serial port.
    pub fn lose(&self, bytes: u32) {
        self.lost.store(self.lost().wrapping_add(bytes), Ordering::Relaxed);
        self.hole.store(true, Ordering::Relaxed);
    }

    /// Bytes lost so far, modulo 2³².
    pub fn lost(&self) -> u32 {
        self.lost.load(Ordering::Relaxed)
    }

    /// How many more bytes are taken for certain.
    pub fn room(&self) -> usize {
        (N - 1).saturating_sub(self.used() + usize::from(self.hole.load(Ordering::Relaxed)))
    }

    /// The oldest byte.
    pub fn pop(&self) -> Option<u8> {
        let read = self.read.load(Ordering::Relaxed);
        if read == self.written.load(Ordering::Acquire) {
            return None;
        }
        let byte = self.bytes.get(read % N).map(|byte| byte.load(Ordering::Relaxed));
        self.read.store(read.wrapping_add(1), Ordering::Release);
        byte
    }

    fn used(&self) -> usize {
        self.written.load(Ordering::Relaxed).wrapping_sub(self.read.load(Ordering::Acquire))
    }

    fn put(&self, byte: u8) {
        let written = self.written.load(Ordering::Relaxed);
        if let Some(to) = self.bytes.get(written % N) {
            to.store(byte, Ordering::Relaxed);
        }
        self.written.store(written.wrapping_add(1), Ordering::Release);
    }
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(ring: &Ring<8>) -> ([u8; 8], usize) {
        let (mut bytes, mut n) = ([0; 8], 0);
        while let Some(byte) = ring.pop() {
            (bytes[n], n) = (byte, n + 1);
        }
        (bytes, n)
    }

    #[test]
    fn first_in_first_out_round_the_end() {
        let ring = Ring::<8>::new();
        for round in 0..20u8 {
            for byte in 0..5 {
                ring.push(round * 5 + byte);
            }
            let (bytes, n) = drain(&ring);
            assert_eq!(bytes[..n], [0, 1, 2, 3, 4].map(|byte| round * 5 + byte));
        }
        assert_eq!(ring.lost(), 0);
    }

    #[test]
    fn a_hole_is_marked_where_it_is_and_counted() {
        let ring = Ring::<8>::new();
        (0..10).for_each(|byte| ring.push(byte));
        assert_eq!(ring.lost(), 3);
        assert_eq!(drain(&ring), ([0, 1, 2, 3, 4, 5, 6, 0], 7));
        ring.push(b'a');
        assert_eq!(drain(&ring), ([LOST, b'a', 0, 0, 0, 0, 0, 0], 2));
    }

    #[test]
    fn bytes_lost_in_the_receiver_leave_a_hole() {
        let ring = Ring::<8>::new();
        ring.push(b'a');
        ring.lose(2);
        ring.push(b'b');
        assert_eq!((ring.lost(), drain(&ring).0), (2, [b'a', LOST, b'b', 0, 0, 0, 0, 0]));
    }
}
