//! A record of the log, byte by byte (`docs/UPDATES.md`).

use picoformer::blob::read_u32;
use picoformer::signed::{Content, digest};

/// Bytes of a record's body.
pub(crate) const BODY: usize = 64;
/// Bytes of a record's seal.
pub(crate) const SEAL: usize = 16;
/// Where the body's check begins.
const CHECK: usize = BODY - 8;
/// The first four bytes of a body.
const BODY_MAGIC: [u8; 4] = *b"PSTA";
/// The first four bytes of a seal.
const SEAL_MAGIC: [u8; 4] = *b"SEAL";

/// What is in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing that may be read.
    Empty = 0,
    /// A verified file whose self-test has not passed yet.
    Trial = 1,
    /// A file whose self-test has passed.
    Confirmed = 2,
    /// A file whose self-test has failed.
    Rejected = 3,
}

/// A slot, as a record describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub kind: Kind,
    /// How often a self-test has begun.
    pub tries: u8,
    pub version: u32,
    /// The beginning of the blob's SHA-512.
    pub digest: [u8; 8],
}

/// What the device knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The oldest version that an update may have.
    pub at_least: u32,
    pub slots: [Slot; 2],
}

impl Slot {
    pub const EMPTY: Self = Self { kind: Kind::Empty, tries: 0, version: 0, digest: [0; 8] };

    /// A file that was verified and not tried.
    pub fn new(content: &Content) -> Self {
        Self { kind: Kind::Trial, tries: 0, version: content.version, digest: start(content) }
    }

    /// Whether it describes this file.
    pub fn is(&self, content: &Content) -> bool {
        self.version == content.version && self.digest == start(content)
    }
}

fn start(content: &Content) -> [u8; 8] {
    content.digest.first_chunk().copied().unwrap_or_default()
}

/// The first 8 bytes of the SHA-512.
fn check(bytes: &[u8]) -> [u8; 8] {
    digest(bytes).first_chunk().copied().unwrap_or_default()
}

fn put(bytes: &mut [u8], offset: usize, part: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(offset).zip(part) {
        *to = *from;
    }
}

impl State {
    pub const EMPTY: Self = Self { at_least: 0, slots: [Slot::EMPTY; 2] };

    /// The body of record `sequence`.
    pub fn to_bytes(self, sequence: u32) -> [u8; BODY] {
        let mut bytes = [0; BODY];
        put(&mut bytes, 0, &BODY_MAGIC);
        put(&mut bytes, 4, &sequence.to_le_bytes());
        put(&mut bytes, 8, &self.at_least.to_le_bytes());
        for (i, slot) in self.slots.iter().enumerate() {
            let at = 16 * (i + 1);
            put(&mut bytes, at, &[slot.kind as u8, slot.tries, 0, 0]);
            put(&mut bytes, at + 4, &slot.version.to_le_bytes());
            put(&mut bytes, at + 8, &slot.digest);
        }
        let sum = check(bytes.get(..CHECK).unwrap_or_default());
        put(&mut bytes, CHECK, &sum);
        bytes
    }

    /// A body and its number; `None` for anything else.
    pub fn of_bytes(bytes: &[u8]) -> Option<(Self, u32)> {
        let (body, sum) = bytes.get(..BODY)?.split_at_checked(CHECK)?;
        if body.get(..4)? != BODY_MAGIC || sum != check(body) {
            return None;
        }
        let slot = |at: usize| {
            let kind = match body.get(at)? {
                0 => Kind::Empty,
                1 => Kind::Trial,
                2 => Kind::Confirmed,
                3 => Kind::Rejected,
                _ => return None,
            };
            let digest = *body.get(at + 8..)?.first_chunk()?;
            Some(Slot { kind, tries: *body.get(at + 1)?, version: read_u32(body, at + 4), digest })
        };
        let state = Self { at_least: read_u32(body, 8), slots: [slot(16)?, slot(32)?] };
        Some((state, read_u32(body, 4)))
    }
}

/// What is written after a body: it says that the body was written to its end.
pub(crate) fn seal(body: &[u8; BODY]) -> [u8; SEAL] {
    let mut bytes = [0; SEAL];
    put(&mut bytes, 0, &SEAL_MAGIC);
    put(&mut bytes, 4, body.get(4..8).unwrap_or_default());
    put(&mut bytes, 8, body.get(CHECK..).unwrap_or_default());
    bytes
}
