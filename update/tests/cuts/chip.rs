//! A flash that forgives nothing: every unit is written once after each erase, nothing is touched while it is
//! busy, and when power fails, the word that was being written is in whatever state is worst.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use picoformer_update::Mapped;

/// Bytes of an erase unit.
pub const ERASE: usize = 512;
/// Bytes of the flash: two slots of two units, two areas of one.
pub const CAPACITY: usize = 6 * ERASE;

/// What a power cut does to the word or the unit that was being programmed or erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tear {
    /// Nothing had begun.
    Before,
    /// All was done.
    Behind,
    /// Half of it is done, and reads so.
    Half,
    /// Every read gives something else: the old, the new, or a mixture.
    Unstable,
    /// Reads fail: the error-correcting code does not fit.
    Unreadable,
    /// `Unstable`, and the word behind it is damaged, too.
    Next,
    /// `Half`, and the word before it is damaged, too.
    Previous,
}

pub const TEARS: [Tear; 7] = [
    Tear::Before,
    Tear::Behind,
    Tear::Half,
    Tear::Unstable,
    Tear::Unreadable,
    Tear::Next,
    Tear::Previous,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Sound,
    Unstable,
    Unreadable,
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no power.
    Off,
    /// A word cannot be read.
    Unreadable,
}

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

/// `UNIT` bytes are read and written at once; erased bytes are `BLANK`.
#[derive(Clone)]
pub struct Chip<const UNIT: usize, const BLANK: u8> {
    data: Vec<u8>,
    health: Vec<Health>,
    written: Vec<bool>,
    noise: u64,
    busy: bool,
    on: bool,
    /// Words that were programmed and units that were erased since power came.
    pub operations: u64,
    /// When power fails, and what that does.
    pub cut: Option<(u64, Tear)>,
    /// Called in the middle of every operation.
    pub interrupt: Option<fn(&Self)>,
}

impl<const UNIT: usize, const BLANK: u8> Chip<UNIT, BLANK> {
    pub fn new() -> Self {
        let words = CAPACITY / UNIT;
        Self {
            data: vec![BLANK; CAPACITY],
            health: vec![Health::Sound; words],
            written: vec![false; words],
            noise: 0x9E37_79B9_7F4A_7C15,
            busy: false,
            on: true,
            operations: 0,
            cut: None,
            interrupt: None,
        }
    }

    /// Power comes, and fails at an operation.
    pub fn power(&mut self, cut: Option<(u64, Tear)>) {
        (self.on, self.operations, self.cut) = (true, 0, cut);
    }

    /// Whether power has not failed.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// What a factory flashes.
    pub fn flash(&mut self, offset: usize, bytes: &[u8]) {
        self.data[offset..offset + bytes.len()].copy_from_slice(bytes);
        self.written[offset / UNIT..(offset + bytes.len()).div_ceil(UNIT)].fill(true);
    }

    /// Flips a bit, as age or a cosmic ray does.
    pub fn flip(&mut self, offset: usize) {
        self.data[offset] ^= 1;
    }

    fn random(&mut self) -> u64 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        self.noise
    }

    fn begin(&mut self) -> Result<Option<Tear>, Fault> {
        assert!(!self.busy, "an operation while the flash is busy");
        if !self.on {
            return Err(Fault::Off);
        }
        self.busy = true;
        if let Some(interrupt) = self.interrupt {
            interrupt(self);
        }
        let torn = self.cut.filter(|&(at, _)| at == self.operations).map(|(_, tear)| tear);
        self.operations += 1;
        self.on = torn.is_none();
        Ok(torn)
    }

    fn end(&mut self) -> Result<(), Fault> {
        self.busy = false;
        if self.on { Ok(()) } else { Err(Fault::Off) }
    }

    fn damage(&mut self, word: Option<usize>) {
        let Some(word) = word.filter(|&word| word < self.health.len()) else { return };
        // What was written is lost, what was blank is not blank any longer, and may look so.
        let written = std::mem::replace(&mut self.written[word], true);
        self.health[word] = if written { Health::Unreadable } else { Health::Unstable };
        self.data[word * UNIT] ^= 0x5A;
    }

    fn program(&mut self, word: usize, bytes: &[u8]) -> Result<(), Fault> {
        let torn = self.begin()?;
        assert!(!self.written[word], "word {word} is written twice without an erase");
        assert_eq!(self.health[word], Health::Sound, "an erased word is sound");
        if torn == Some(Tear::Before) {
            return self.end();
        }
        self.written[word] = true;
        let own = &mut self.data[word * UNIT..(word + 1) * UNIT];
        own.copy_from_slice(bytes);
        match torn {
            Some(Tear::Half | Tear::Previous) if UNIT == 1 => own[0] = bytes[0] & 0xF0 | BLANK & 15,
            Some(Tear::Half | Tear::Previous) => own[UNIT / 2..].fill(BLANK),
            Some(Tear::Unstable | Tear::Next) => self.health[word] = Health::Unstable,
            Some(Tear::Unreadable) => self.health[word] = Health::Unreadable,
            _ => {}
        }
        match torn {
            Some(Tear::Next) => self.damage(Some(word + 1)),
            Some(Tear::Previous) => self.damage(word.checked_sub(1)),
            _ => {}
        }
        self.end()
    }

    fn erase_unit(&mut self, unit: usize) -> Result<(), Fault> {
        let torn = self.begin()?;
        let per = ERASE / UNIT;
        let words = unit * per..(unit + 1) * per;
        for word in words.clone() {
            let half = word < words.start + per / 2;
            let (health, blank, done) = match torn {
                None | Some(Tear::Behind) => (Health::Sound, true, true),
                Some(Tear::Before) => return self.end(),
                Some(Tear::Half | Tear::Previous) => (Health::Sound, half, false),
                Some(Tear::Unstable | Tear::Next) => (Health::Unstable, false, false),
                Some(Tear::Unreadable) => (Health::Unreadable, half, false),
            };
            self.health[word] = health;
            self.written[word] = !done;
            if blank {
                self.data[word * UNIT..(word + 1) * UNIT].fill(BLANK);
            }
        }
        self.end()
    }
}

impl<const UNIT: usize, const BLANK: u8> ErrorType for Chip<UNIT, BLANK> {
    type Error = Fault;
}

impl<const UNIT: usize, const BLANK: u8> ReadNorFlash for Chip<UNIT, BLANK> {
    const READ_SIZE: usize = UNIT;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        assert!(!self.busy, "a read while the flash is busy");
        let at = offset as usize;
        assert!(at.is_multiple_of(UNIT) && bytes.len().is_multiple_of(UNIT), "{offset} unaligned");
        if !self.on {
            return Err(Fault::Off);
        }
        for (nth, to) in bytes.chunks_mut(UNIT).enumerate() {
            let word = at / UNIT + nth;
            to.copy_from_slice(&self.data[word * UNIT..(word + 1) * UNIT]);
            match self.health[word] {
                Health::Sound => {}
                Health::Unreadable => return Err(Fault::Unreadable),
                Health::Unstable => match self.random() % 3 {
                    0 => {}
                    1 => to.fill(BLANK),
                    _ => to.iter_mut().for_each(|byte| {
                        let mask = self.random() as u8;
                        *byte = *byte & mask | BLANK & !mask;
                    }),
                },
            }
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }
}

impl<const UNIT: usize, const BLANK: u8> NorFlash for Chip<UNIT, BLANK> {
    const WRITE_SIZE: usize = UNIT;
    const ERASE_SIZE: usize = ERASE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        assert!(from.is_multiple_of(ERASE as u32) && to.is_multiple_of(ERASE as u32));
        assert_eq!(to - from, ERASE as u32, "one unit at a time");
        self.erase_unit(from as usize / ERASE)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        let at = offset as usize;
        assert!(at.is_multiple_of(UNIT) && bytes.len().is_multiple_of(UNIT), "{offset} unaligned");
        assert!(bytes.len() <= 256, "{} bytes in one call", bytes.len());
        for (nth, word) in bytes.chunks(UNIT).enumerate() {
            self.program(at / UNIT + nth, word)?;
        }
        Ok(())
    }
}

impl<const UNIT: usize, const BLANK: u8> Mapped for Chip<UNIT, BLANK> {
    fn mapped(&self, offset: u32, len: usize) -> Option<&[u8]> {
        assert!(!self.busy, "the memory is looked at while the flash is busy");
        let (from, to) = (offset as usize, offset as usize + len);
        let sound = self.health.get(from / UNIT..to.div_ceil(UNIT))?;
        assert!(
            sound.iter().all(|&word| word == Health::Sound),
            "a torn word is looked at: a fault"
        );
        self.data.get(from..to)
    }
}
