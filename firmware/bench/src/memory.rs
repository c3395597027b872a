//! Static memory for operands, and what fills it.

/// Operands of one case at a time: the weights of the largest linear layer and its rows, or the arena
/// of a model. All zeros, so that it lies in `.bss`.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Memory {
    words: [u32; 80 * 1024],
}

/// Integers that any bits are a value of.
///
/// # Safety
/// Only for integers of at most 32 bits.
pub(crate) unsafe trait Integer: Copy {
    /// Keeps some bits.
    fn from_bits(bits: u32) -> Self;
}

// SAFETY: they are.
unsafe impl Integer for u8 {
    fn from_bits(bits: u32) -> Self {
        bits as u8
    }
}
// SAFETY: they are.
unsafe impl Integer for i16 {
    fn from_bits(bits: u32) -> Self {
        bits as i16
    }
}
// SAFETY: 32 bits.
unsafe impl Integer for u32 {
    fn from_bits(bits: u32) -> Self {
        bits
    }
}
// SAFETY: they are.
unsafe impl Integer for i32 {
    fn from_bits(bits: u32) -> Self {
        bits as i32
    }
}

impl Memory {
    /// Zeros.
    pub const fn new() -> Self {
        Self { words: [0; 80 * 1024] }
    }

    /// All of it, to be cut up.
    pub(crate) fn rest(&mut self) -> Rest<'_> {
        Rest(&mut self.words)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// Memory that was not given out yet.
pub(crate) struct Rest<'a>(&'a mut [u32]);

impl<'a> Rest<'a> {
    /// The next `len` numbers, at a multiple of 16 bytes; fewer when there is no more.
    pub(crate) fn take<T: Integer>(&mut self, len: usize) -> &'a mut [T] {
        let words = (len * size_of::<T>()).next_multiple_of(16) / 4;
        let (head, tail) =
            core::mem::take(&mut self.0).split_at_mut_checked(words).unwrap_or_default();
        self.0 = tail;
        let len = len.min(head.len() * 4 / size_of::<T>());
        // SAFETY: `head` is borrowed for 'a and given out once; its bytes are any bits, which any
        // integer of at most its alignment can be; `len` of them lie within.
        unsafe { core::slice::from_raw_parts_mut(head.as_mut_ptr().cast(), len) }
    }
}

/// Marsaglia's xorshift.
pub(crate) struct Random(pub(crate) u32);

impl Random {
    /// The next 32 bits.
    pub(crate) fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// Numbers with only the bits of `mask`.
    pub(crate) fn bits<T: Integer>(&mut self, out: &mut [T], mask: u32) {
        out.iter_mut().for_each(|x| *x = T::from_bits(self.next() >> 7 & mask));
    }

    /// Numbers of up to `limit` in magnitude.
    pub(crate) fn row(&mut self, out: &mut [i16], limit: i32) {
        let span = 2 * limit as u32 + 1;
        out.iter_mut().for_each(|x| *x = ((self.next() >> 8) % span) as i16 - limit as i16);
    }
}
