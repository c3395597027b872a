//! Random numbers for the buffers.

/// Random numbers by xorshift (Marsaglia 2003); half of the numbers in a buffer are extremes.
pub(super) struct Random(pub(super) u32);

impl Random {
    pub(super) fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 8) as usize % limit.max(1)
    }

    pub(super) fn bytes(&mut self, out: &mut [u8]) {
        for x in out {
            let r = self.next() >> 8;
            *x = if r & 0x300 == 0 { [127, 129, 128, 0][(r & 3) as usize] } else { r as u8 };
        }
    }

    pub(super) fn halves(&mut self, out: &mut [i16], limit: i32) {
        for x in out {
            let r = self.next() >> 4;
            let value = match r & 15 {
                0 => limit,
                1 => -limit,
                _ => (r as i32 >> 4) % (limit + 1) * if r & 16 == 0 { 1 } else { -1 },
            };
            *x = value.clamp(i16::MIN as i32, i16::MAX as i32) as i16;
        }
    }

    pub(super) fn words(&mut self, out: &mut [i32]) {
        for x in out {
            *x = (self.next() as i32) >> (self.next() & 15);
        }
    }
}
