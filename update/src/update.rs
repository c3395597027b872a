//! Writing a new file into the slot that does not answer, a little at a time.

use crate::error::Error;
use crate::record::Slot;
use crate::slot::{CHUNK, Reader, region};
use crate::store::Store;
use embedded_storage::nor_flash::NorFlash;
use picoformer::signed::{ENVELOPE_BYTES, Envelope, SignedError};

/// Chunks that are read back in one call of [`Update::finish`].
const CHUNKS: usize = 8;

/// An update under way. It borrows the store, so no model of its flash can be in use. Dropping it, like a power
/// cut, leaves the slot invalid and the other one as it was.
#[derive(Debug)]
pub struct Update<'s, 'k, F> {
    store: &'s mut Store<'k, F>,
    slot: usize,
    envelope: Envelope,
    /// What is not written yet: the first bytes are the envelope.
    buffer: [u8; CHUNK],
    filled: usize,
    /// Bytes of the blob that are still to come.
    missing: usize,
    /// Bytes of the slot that were written, and erased.
    written: usize,
    erased: usize,
    /// Reads the slot back when all of it is written.
    reader: Option<Reader>,
}

impl<'s, 'k, F: NorFlash> Update<'s, 'k, F> {
    /// The slot is invalid, and large enough.
    pub(crate) fn new(store: &'s mut Store<'k, F>, slot: usize, envelope: Envelope) -> Self {
        let mut buffer = [0; CHUNK];
        for (to, from) in buffer.iter_mut().zip(envelope.to_bytes()) {
            *to = from;
        }
        let missing = envelope.content.length as usize;
        let filled = ENVELOPE_BYTES;
        Self { store, slot, envelope, buffer, filled, missing, written: 0, erased: 0, reader: None }
    }

    /// The slot that is being written.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// Bytes of the blob that are still to come.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// Takes bytes of the blob, the next ones in order, and returns how many: none if this call erased a unit. At
    /// most one unit is erased *or* 256 bytes are written.
    ///
    /// # Errors
    /// [`Error::Flash`]; [`SignedError::Cut`] for more bytes than were signed.
    pub fn write(&mut self, data: &[u8]) -> Result<usize, Error<F::Error>> {
        if data.len() > self.missing {
            let needed = self.envelope.content.length as usize;
            let given = needed - self.missing + data.len();
            return Err(SignedError::Cut { needed, given }.into());
        }
        if self.filled == CHUNK {
            self.flush()?;
            return Ok(0);
        }
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let mut taken = 0;
        for (to, from) in room.iter_mut().zip(data) {
            *to = *from;
            taken += 1;
        }
        self.filled += taken;
        self.missing -= taken;
        Ok(taken)
    }

    /// Writes what is left, reads the whole slot back, compares its hash with the signed one and, last, makes the
    /// slot valid by one record; a step of this at each call, until it returns `true`. At the next
    /// [`Store::start`] the new blob is tried.
    ///
    /// # Errors
    /// [`SignedError::Cut`] if bytes are missing, [`SignedError::Altered`] if they are not those that were signed;
    /// [`Error::Flash`], [`Error::NotWritten`]. The slot stays invalid.
    pub fn finish(&mut self) -> Result<bool, Error<F::Error>> {
        if self.missing > 0 {
            let needed = self.envelope.content.length as usize;
            return Err(SignedError::Cut { needed, given: needed - self.missing }.into());
        }
        if self.filled > 0 {
            self.flush()?;
            return Ok(false);
        }
        let place = region(&self.store.layout, self.slot);
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::new(place, &self.envelope.content),
        };
        for _ in 0..CHUNKS {
            let read = reader.step(&mut self.store.flash, &mut |_, _| {});
            if read.map_err(Error::Flash)? {
                reader.finish()?;
                self.store.matches(self.slot, &self.envelope)?;
                self.store.put(self.slot, Slot::new(&self.envelope.content))?;
                return Ok(true);
            }
        }
        self.reader = Some(reader);
        Ok(false)
    }

    /// Erases the next unit if the buffer goes there, or else writes the buffer as far as units are erased.
    fn flush(&mut self) -> Result<(), Error<F::Error>> {
        let offset = region(&self.store.layout, self.slot).offset;
        if self.written == self.erased {
            let from = offset + self.erased as u32;
            let erased = self.store.flash.erase(from, from + F::ERASE_SIZE as u32);
            erased.map_err(Error::Flash)?;
            self.erased += F::ERASE_SIZE;
            return Ok(());
        }
        // Only the last bytes of a file do not fill a unit; zeros do.
        let filled = self.filled.next_multiple_of(F::WRITE_SIZE);
        let len = filled.min(self.erased - self.written);
        let part = self.buffer.get(..len).unwrap_or_default();
        let written = self.store.flash.write(offset + self.written as u32, part);
        written.map_err(Error::Flash)?;
        self.written += len;
        let mut rest = [0; CHUNK];
        let left = self.buffer.get(len..self.filled).unwrap_or_default();
        for (to, from) in rest.iter_mut().zip(left) {
            *to = *from;
        }
        (self.filled, self.buffer) = (left.len(), rest);
        Ok(())
    }
}
