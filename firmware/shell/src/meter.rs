//! Cycles of the engine's steps.

/// Sums up what a counter of a few bits shows before and after each step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    /// Cycles of all steps.
    pub total: u64,
    /// Cycles of the longest one: between two feedings of the watchdog it can take so long.
    pub longest: u32,
}

impl Meter {
    /// Adds a step between two readings of a counter of `bits` bits.
    pub fn add(&mut self, before: u32, after: u32, bits: u32) {
        let cycles = difference(before, after, bits);
        self.total += u64::from(cycles);
        self.longest = self.longest.max(cycles);
    }
}

/// From one reading of a counter of `bits` bits to another.
pub const fn difference(before: u32, after: u32, bits: u32) -> u32 {
    let unused = 32 - bits;
    (after.wrapping_sub(before) << unused) >> unused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_go_round() {
        let mut meter = Meter::default();
        meter.add(0xFF_FFF0, 0x10, 24);
        meter.add(0x10, 0x20, 24);
        meter.add(u32::MAX, 4, 32);
        assert_eq!((meter.total, meter.longest), (32 + 16 + 5, 32));
    }
}
