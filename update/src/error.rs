//! What can go wrong, and why a slot is refused.

use crate::layout::LayoutError;
use core::fmt;
use picoformer::signed::SignedError;

/// Why a slot is not the one that was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nothing is in it, or an update that was not finished.
    Empty,
    /// The flash refused to read it: torn words with an error-correcting code do.
    Unreadable,
    /// Not signed for this device, cut, altered, or of another format.
    Signed(SignedError),
    /// A valid file, but not the one that was put there by an update.
    NotRecorded {
        /// Its version.
        version: u32,
    },
    /// The self-test said no.
    SelfTest {
        /// Its version.
        version: u32,
    },
    /// Its self-test began [`TRIALS`](crate::TRIALS) times and never ended: it hung, or power failed.
    Unconfirmed {
        /// Its version.
        version: u32,
    },
    /// A trial of it could not be recorded, because the flash refuses to be written.
    Unwritable {
        /// Its version.
        version: u32,
    },
    /// The other slot is newer. This one was not looked at.
    Older {
        /// Its version.
        version: u32,
    },
}

/// Why a call of [`Store`](crate::Store) or [`Update`](crate::Update) failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error<E> {
    /// The flash said so.
    Flash(E),
    /// The layout does not fit the flash.
    Layout(LayoutError),
    /// The new file is refused.
    Signed(SignedError),
    /// The new file does not fit into a slot.
    TooLarge {
        /// Bytes of the file, envelope included.
        needed: u32,
        /// Bytes of a slot that can be used.
        given: u32,
    },
    /// No slot can be run. An update can still be written.
    Nothing {
        /// Why, by slot.
        refused: [Refused; 2],
    },
    /// [`Store::start`](crate::Store::start) comes first: before it, nobody knows which slot must be kept.
    NotStarted,
    /// A record reads otherwise than it was written: this flash is worn out.
    NotWritten {
        /// Where.
        offset: u32,
    },
    /// The buffer is smaller than the blob.
    BufferTooSmall {
        /// Bytes of the blob.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
}

impl<E> From<SignedError> for Error<E> {
    fn from(error: SignedError) -> Self {
        Self::Signed(error)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the slot is empty"),
            Self::Unreadable => f.write_str("the flash cannot read the slot"),
            Self::Signed(error) => write!(f, "{error}"),
            Self::NotRecorded { version } => write!(f, "version {version} came by no update"),
            Self::SelfTest { version } => write!(f, "version {version} failed its self-test"),
            Self::Unconfirmed { version } => {
                write!(f, "version {version} never came to the end of its self-test")
            }
            Self::Unwritable { version } => {
                write!(f, "a trial of version {version} cannot be recorded")
            }
            Self::Older { version } => write!(f, "version {version} is the older one"),
        }
    }
}

impl<E: fmt::Debug> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flash(error) => write!(f, "the flash failed: {error:?}"),
            Self::Layout(error) => write!(f, "{error}"),
            Self::Signed(error) => write!(f, "{error}"),
            Self::TooLarge { needed, given } => {
                write!(f, "the file has {needed} bytes, a slot {given}")
            }
            Self::Nothing { refused: [a, b] } => write!(f, "slot 0: {a}; slot 1: {b}"),
            Self::NotStarted => f.write_str("call `start` before an update"),
            Self::NotWritten { offset } => {
                write!(f, "the record at {offset} reads otherwise than it was written")
            }
            Self::BufferTooSmall { needed, given } => {
                write!(f, "the blob has {needed} bytes, the buffer {given}")
            }
        }
    }
}

impl<E: fmt::Debug> core::error::Error for Error<E> {}
