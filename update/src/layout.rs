//! Where slots and records lie, checked once against the flash.

use core::fmt;
use embedded_storage::nor_flash::NorFlash;
use picoformer::signed::ENVELOPE_BYTES;

/// The largest read or write unit that is supported.
pub(crate) const MAX_UNIT: usize = 128;

/// A range of the flash, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where it begins: a multiple of the flash's erase unit.
    pub offset: u32,
    /// Its length: likewise.
    pub len: u32,
}

/// The four regions of a [`Store`](crate::Store), in any order. They must not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// A file each, envelope included. The last unit of a slot stays unused.
    pub slots: [Region; 2],
    /// Records of what is in the slots, and the counter against old releases: an erase unit each is best, as a
    /// whole area is erased in one call.
    pub state: [Region; 2],
}

/// Why a layout does not fit the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayoutError {
    /// The flash's read or write unit is beyond 128 bytes, zero, or its units do not divide each other.
    Units {
        /// Bytes that are read at once.
        read: usize,
        /// Bytes that are written at once.
        write: usize,
        /// Bytes that are erased at once.
        erase: usize,
    },
    /// A region does not begin or end at an erase unit.
    NotAligned {
        /// The region.
        region: Region,
        /// Bytes of an erase unit.
        erase: usize,
    },
    /// A region ends beyond the flash.
    OutOfBounds {
        /// The region.
        region: Region,
        /// Bytes of the flash.
        capacity: usize,
    },
    /// A region is too short for its purpose.
    TooShort {
        /// The region.
        region: Region,
        /// Bytes that it needs at least.
        needed: usize,
    },
    /// Two regions share bytes.
    Overlap {
        /// One.
        first: Region,
        /// The other.
        second: Region,
    },
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Units { read, write, erase } => write!(
                f,
                "units of {read} (read), {write} (write) and {erase} (erase) bytes are not supported: \
                 read and write at most {MAX_UNIT}, each a divisor of the next"
            ),
            Self::NotAligned { region: Region { offset, len }, erase } => {
                write!(f, "{len} bytes at {offset} are not whole erase units of {erase}")
            }
            Self::OutOfBounds { region: Region { offset, len }, capacity } => {
                write!(f, "{len} bytes at {offset} end beyond the flash of {capacity}")
            }
            Self::TooShort { region: Region { offset, len }, needed } => {
                write!(f, "{len} bytes at {offset} are too few: {needed} are needed")
            }
            Self::Overlap { first, second } => write!(
                f,
                "{} bytes at {} and {} bytes at {} overlap",
                first.len, first.offset, second.len, second.offset
            ),
        }
    }
}

impl core::error::Error for LayoutError {}

impl Region {
    /// The first byte behind it.
    pub(crate) fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.len)
    }
}

/// Everything is read and written in multiples of this: one unit, at least 16 bytes. What lies this far apart is
/// safe from what a cut does to the neighbour of the word that was being written.
pub(crate) const fn grain<F: NorFlash>() -> usize {
    let unit = if F::READ_SIZE > F::WRITE_SIZE { F::READ_SIZE } else { F::WRITE_SIZE };
    if unit > 16 { unit } else { 16 }
}

impl Layout {
    /// Bytes of a slot that a file can use.
    pub(crate) fn room<F: NorFlash>(&self, slot: usize) -> u32 {
        let len = self.slots.get(slot).map_or(0, |region| region.len);
        len.saturating_sub(grain::<F>() as u32)
    }

    /// Checks everything; `record` is the size of one record.
    pub(crate) fn check<F: NorFlash>(&self, flash: &F, record: usize) -> Result<(), LayoutError> {
        let (read, write, erase) = (F::READ_SIZE, F::WRITE_SIZE, F::ERASE_SIZE);
        let grain = grain::<F>();
        let fit = |unit: usize| (1..=MAX_UNIT).contains(&unit) && grain.is_multiple_of(unit);
        if !fit(read) || !fit(write) || erase == 0 || !erase.is_multiple_of(grain) {
            return Err(LayoutError::Units { read, write, erase });
        }
        let capacity = flash.capacity();
        let regions = [self.slots[0], self.slots[1], self.state[0], self.state[1]];
        for (i, &region) in regions.iter().enumerate() {
            let whole = |value: u32| (value as usize).is_multiple_of(erase);
            if !whole(region.offset) || !whole(region.len) {
                return Err(LayoutError::NotAligned { region, erase });
            }
            if region.end() > (capacity as u64).min(u64::from(u32::MAX)) {
                return Err(LayoutError::OutOfBounds { region, capacity });
            }
            let needed = if i < 2 { ENVELOPE_BYTES + 2 * grain } else { record };
            if (region.len as usize) < needed {
                return Err(LayoutError::TooShort { region, needed });
            }
            for &other in regions.iter().skip(i + 1) {
                if u64::from(region.offset) < other.end() && u64::from(other.offset) < region.end()
                {
                    return Err(LayoutError::Overlap { first: region, second: other });
                }
            }
        }
        Ok(())
    }
}
