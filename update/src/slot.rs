//! Reading a slot: by reads that may fail until all of it is verified, in place afterwards.

use crate::error::{Error, Refused};
use crate::layout::{Layout, MAX_UNIT, Region};
use embedded_storage::nor_flash::ReadNorFlash;
use picoformer::signed::{Check, Content, ENVELOPE_BYTES, Envelope, Key, SignedError};

/// Bytes that are read or written at once: a multiple of every unit, and more than the envelope.
pub(crate) const CHUNK: usize = 2 * MAX_UNIT;

/// Flash that the core sees as memory.
pub trait Mapped {
    /// `len` bytes from `offset`, or `None` beyond its end. They begin at a multiple of 4 if `offset` does.
    ///
    /// While this slice is borrowed, the flash must not be written or erased; the signatures of
    /// [`NorFlash`](embedded_storage::nor_flash::NorFlash) see to that.
    fn mapped(&self, offset: u32, len: usize) -> Option<&[u8]>;
}

impl<T: Mapped + ?Sized> Mapped for &mut T {
    fn mapped(&self, offset: u32, len: usize) -> Option<&[u8]> {
        (**self).mapped(offset, len)
    }
}

/// Reads the first bytes of a slot: enough for the envelope.
pub(crate) fn head<F: ReadNorFlash>(
    flash: &mut F,
    region: &Region,
) -> Result<[u8; CHUNK], F::Error> {
    let mut bytes = [0; CHUNK];
    let len = ENVELOPE_BYTES.next_multiple_of(F::READ_SIZE);
    let part = bytes.get_mut(..len).unwrap_or_default();
    flash.read(region.offset, part)?;
    Ok(bytes)
}

/// The envelope of a slot, verified.
#[inline(never)] // its frame is gone when the blob is read
pub(crate) fn envelope<F: ReadNorFlash>(
    flash: &mut F,
    region: &Region,
    room: u32,
    key: &Key,
) -> Result<Content, Refused> {
    let head = head(flash, region).map_err(|_| Refused::Unreadable)?;
    let envelope = Envelope::read(&head).map_err(Refused::Signed)?;
    // What the record says decides which versions are allowed here.
    envelope.verify(key, 0).map_err(Refused::Signed)?;
    let (needed, given) = (envelope.content.length as usize, room as usize - ENVELOPE_BYTES);
    if needed > given {
        return Err(Refused::Signed(SignedError::Cut { needed, given }));
    }
    Ok(envelope.content)
}

/// Reads a file back, a few bytes at a time.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    region: Region,
    /// The next byte of the slot.
    at: usize,
    /// The end of the file, envelope included.
    end: usize,
    check: Check,
}

impl Reader {
    pub fn new(region: Region, content: &Content) -> Self {
        let end = ENVELOPE_BYTES + content.length as usize;
        Self { region, at: 0, end, check: Check::new(content) }
    }

    /// Reads up to [`CHUNK`] bytes; whether that was all. `take` gets the blob's bytes.
    pub fn step<F: ReadNorFlash>(
        &mut self,
        flash: &mut F,
        take: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<bool, F::Error> {
        let mut bytes = [0; CHUNK];
        // No further than the file's last word: what lies behind it may be torn.
        let len = CHUNK.min((self.end - self.at).next_multiple_of(F::READ_SIZE));
        let part = bytes.get_mut(..len).unwrap_or_default();
        flash.read(self.region.offset + self.at as u32, part)?;
        let (from, to) = (ENVELOPE_BYTES.max(self.at), self.end.min(self.at + len));
        let blob = part.get(from - self.at..to.max(from) - self.at).unwrap_or_default();
        self.check.update(blob);
        take(from - ENVELOPE_BYTES, blob);
        self.at += len;
        Ok(self.at >= self.end)
    }

    /// Whether what was read is what was signed.
    pub fn finish(self) -> Result<(), SignedError> {
        self.check.finish()
    }
}

/// Reads a whole file and compares its hash.
#[inline(never)]
pub(crate) fn verify<F: ReadNorFlash>(
    flash: &mut F,
    region: &Region,
    content: &Content,
) -> Result<(), Refused> {
    let mut reader = Reader::new(*region, content);
    while !reader.step(flash, &mut |_, _| {}).map_err(|_| Refused::Unreadable)? {}
    reader.finish().map_err(Refused::Signed)
}

/// Copies a blob into a buffer, its hash compared.
pub(crate) fn load<'b, F: ReadNorFlash>(
    flash: &mut F,
    region: &Region,
    content: &Content,
    buffer: &'b mut [u8],
) -> Result<&'b [u8], Error<F::Error>> {
    let (needed, given) = (content.length as usize, buffer.len());
    let buffer = buffer.get_mut(..needed).ok_or(Error::BufferTooSmall { needed, given })?;
    let mut reader = Reader::new(*region, content);
    let mut copy = |at: usize, bytes: &[u8]| {
        for (to, from) in buffer.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    while !reader.step(flash, &mut copy).map_err(Error::Flash)? {}
    reader.finish()?;
    Ok(buffer)
}

/// The region of a slot. There are two.
pub(crate) fn region(layout: &Layout, slot: usize) -> Region {
    layout.slots[usize::from(slot > 0)]
}
