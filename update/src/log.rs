//! Records in flash: the newest one counts, and writing another one is atomic whatever a power cut leaves.
//!
//! A record is a body with a check, then a seal, with an unused grain behind each. The seal is written after the
//! body was, so that a seal says that its body will read the same for ever: a body that was torn may read as whole
//! once and as nonsense later. Two rules follow.
//!
//! - The newest record *with a seal* counts (without any seal, the newest one). One without a seal has not
//!   happened.
//! - A record is appended only to an area that was erased since the device started, because words that look blank
//!   may have been torn. The first record of a session therefore erases the area in which the one that counts does
//!   not lie; a device that does not change anything does not erase.

use crate::error::Error;
use crate::layout::{Layout, MAX_UNIT, grain};
use crate::record::{BODY, SEAL, State, seal};
use embedded_storage::nor_flash::NorFlash;

/// The newest record, and where the next one goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    /// What counts; `None` on a device that has no record yet.
    pub state: Option<State>,
    /// In which area it lies.
    area: Option<usize>,
    /// The greatest number of any record.
    sequence: u32,
    /// An area that was erased by this session, and how many of its records are used.
    fresh: Option<(usize, u32)>,
}

/// Bytes rounded up to whole grains.
const fn whole<F: NorFlash>(bytes: usize) -> usize {
    bytes.next_multiple_of(grain::<F>())
}

/// Bytes of a record: body and seal, a grain behind each.
pub(crate) const fn stride<F: NorFlash>() -> usize {
    whole::<F>(BODY) + whole::<F>(SEAL) + 2 * grain::<F>()
}

impl Log {
    /// Reads all records. A word that cannot be read is no record.
    pub fn read<F: NorFlash>(flash: &mut F, layout: &Layout) -> Self {
        let mut log = Self { state: None, area: None, sequence: 0, fresh: None };
        let mut newest = None;
        for (area, region) in layout.state.iter().enumerate() {
            for index in 0..region.len / stride::<F>() as u32 {
                let at = region.offset + index * stride::<F>() as u32;
                let mut buffer = [0; MAX_UNIT];
                let body = buffer.get_mut(..whole::<F>(BODY)).unwrap_or_default();
                if flash.read(at, body).is_err() {
                    continue;
                }
                let Some((state, sequence)) = State::of_bytes(body) else { continue };
                let expected = seal(&state.to_bytes(sequence));
                let at = at + (whole::<F>(BODY) + grain::<F>()) as u32;
                let mut buffer = [0; MAX_UNIT];
                let bytes = buffer.get_mut(..whole::<F>(SEAL)).unwrap_or_default();
                let sealed = flash.read(at, bytes).is_ok() && bytes.starts_with(&expected);
                log.sequence = log.sequence.max(sequence);
                if newest.is_none_or(|newest| newest < (sealed, sequence)) {
                    newest = Some((sealed, sequence));
                    (log.state, log.area) = (Some(state), Some(area));
                }
            }
        }
        log
    }

    /// Makes `state` the one that counts.
    pub fn append<F: NorFlash>(
        &mut self,
        flash: &mut F,
        layout: &Layout,
        state: State,
    ) -> Result<(), Error<F::Error>> {
        let fresh = self.fresh.take();
        let room = |area: usize| layout.state.get(area).map_or(0, |r| r.len / stride::<F>() as u32);
        let (area, index) = match fresh.filter(|&(area, used)| used < room(area)) {
            Some(fresh) => fresh,
            None => (self.erase(flash, layout)?, 0),
        };
        let sequence = self.sequence.saturating_add(1);
        let region = layout.state.get(area).ok_or(Error::NotStarted)?;
        let at = region.offset + index * stride::<F>() as u32;
        let body = state.to_bytes(sequence);
        // Whatever happens to this record, the next one has another number.
        self.sequence = sequence;
        write(flash, at, &body)?;
        write(flash, at + (whole::<F>(BODY) + grain::<F>()) as u32, &seal(&body))?;
        (self.state, self.area, self.fresh) = (Some(state), Some(area), Some((area, index + 1)));
        Ok(())
    }

    /// Erases the area in which the record that counts does not lie.
    fn erase<F: NorFlash>(&self, flash: &mut F, layout: &Layout) -> Result<usize, Error<F::Error>> {
        let area = self.area.map_or(0, |area| 1 - area);
        let region = layout.state.get(area).ok_or(Error::NotStarted)?;
        for unit in 0..region.len / F::ERASE_SIZE as u32 {
            let from = region.offset + unit * F::ERASE_SIZE as u32;
            flash.erase(from, from + F::ERASE_SIZE as u32).map_err(Error::Flash)?;
        }
        Ok(area)
    }
}

/// Writes whole grains and reads them back.
fn write<F: NorFlash>(flash: &mut F, offset: u32, part: &[u8]) -> Result<(), Error<F::Error>> {
    let (mut buffer, mut back) = ([0; MAX_UNIT], [0; MAX_UNIT]);
    for (to, from) in buffer.iter_mut().zip(part) {
        *to = *from;
    }
    let len = whole::<F>(part.len());
    let (bytes, back) = (buffer.get(..len), back.get_mut(..len));
    let (bytes, back) = (bytes.unwrap_or_default(), back.unwrap_or_default());
    flash.write(offset, bytes).map_err(Error::Flash)?;
    flash.read(offset, back).map_err(Error::Flash)?;
    if bytes == back { Ok(()) } else { Err(Error::NotWritten { offset }) }
}
