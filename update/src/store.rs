//! The two slots: which one answers.

use crate::error::{Error, Refused};
use crate::layout::{Layout, Region};
use crate::log::{Log, stride};
use crate::record::{Kind, Slot, State};
use crate::slot::{Mapped, envelope, head, load, region, verify};
use crate::update::Update;
use embedded_storage::nor_flash::NorFlash;
use picoformer::signed::{Content, ENVELOPE_BYTES, Envelope, Key};

/// How often the self-test of a new blob may begin without coming to its end, before the older slot is preferred.
pub const TRIALS: u8 = 3;

/// The slot that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picked {
    /// 0 or 1.
    pub slot: usize,
    /// Its version.
    pub version: u32,
    /// Whether it is recorded that its self-test passed. `false` only if the flash refuses to be written.
    pub confirmed: bool,
    /// Why it is not the other one.
    pub other: Refused,
}

/// One of two: an index that the compiler sees to be one.
fn of<T: Copy>(pair: [T; 2], slot: usize) -> T {
    pair[usize::from(slot > 0)]
}

/// Two slots in a flash, and the log that says what is in them.
#[derive(Debug)]
pub struct Store<'k, F> {
    pub(crate) flash: F,
    pub(crate) layout: Layout,
    key: Key<'k>,
    log: Log,
    /// What the log says, or, where there is none yet, what the slots say.
    state: State,
    started: bool,
    picked: Option<(usize, Content)>,
}

impl<'k, F: NorFlash> Store<'k, F> {
    /// Checks the layout and reads the log. Writes nothing.
    ///
    /// # Errors
    /// [`Error::Layout`].
    pub fn open(mut flash: F, layout: Layout, key: Key<'k>) -> Result<Self, Error<F::Error>> {
        layout.check(&flash, stride::<F>()).map_err(Error::Layout)?;
        let log = Log::read(&mut flash, &layout);
        let state = log.state.unwrap_or(State::EMPTY);
        Ok(Self { flash, layout, key, log, state, started: false, picked: None })
    }

    /// Picks the newest slot that can be believed, see [`Store::start_with`], in flash that is memory-mapped.
    ///
    /// # Errors
    /// As [`Store::start_with`].
    pub fn start(
        &mut self,
        mut self_test: impl FnMut(&[u8]) -> bool,
    ) -> Result<Picked, Error<F::Error>>
    where
        F: Mapped,
    {
        self.start_with(|flash, blob| {
            flash.mapped(blob.offset, blob.len as usize).is_some_and(&mut self_test)
        })
    }

    /// Picks the newest slot that can be believed: signed for this product with this key, whole, of this engine's
    /// format, and recorded by an update. A device without any record, fresh from the factory, believes what
    /// is signed.
    ///
    /// A blob that is not confirmed yet is given to `self_test` first, as the place of the blob in the flash:
    /// parse it, run it, compare with known answers. `true` confirms it and raises the counter against older
    /// releases; `false` rejects it, and the other slot is looked at. If the self-test never ends (a watchdog
    /// bites, power fails), the next start tries again, [`TRIALS`] times in all. If no other slot can be run, blobs
    /// that were rejected or never confirmed are tried again: a device that answers is better than none.
    ///
    /// # Errors
    /// [`Error::Nothing`] with the reasons of both slots.
    pub fn start_with(
        &mut self,
        mut self_test: impl FnMut(&mut F, Region) -> bool,
    ) -> Result<Picked, Error<F::Error>> {
        self.started = true;
        self.picked = None;
        if self.log.state.is_none() {
            self.state = self.factory();
        }
        let [a, b] = self.state.slots;
        let order = if b.version > a.version { [1, 0] } else { [0, 1] };
        let mut refused = [Refused::Empty; 2];
        for last_resort in [false, true] {
            for (nth, slot) in order.into_iter().enumerate() {
                match self.attempt(slot, last_resort, &mut self_test) {
                    Ok((content, confirmed)) => {
                        self.picked = Some((slot, content));
                        let looked = nth > 0 || last_resort;
                        let other_slot = usize::from(slot == 0);
                        let (other, version) = (self.slot(other_slot), content.version);
                        let other = match other.kind {
                            _ if looked => of(refused, other_slot),
                            Kind::Empty => Refused::Empty,
                            _ => Refused::Older { version: other.version },
                        };
                        return Ok(Picked { slot, version, confirmed, other });
                    }
                    Err(why) => refused[usize::from(slot > 0)] = why,
                }
            }
        }
        Err(Error::Nothing { refused })
    }

    /// What the picked slot says of itself; `None` before [`Store::start`], and if nothing can be run.
    pub fn content(&self) -> Option<&Content> {
        self.picked.as_ref().map(|(_, content)| content)
    }

    /// The blob of the picked slot, in place.
    pub fn blob(&self) -> Option<&[u8]>
    where
        F: Mapped,
    {
        let (slot, content) = self.picked.as_ref()?;
        let place = self.blob_place(*slot, content);
        self.flash.mapped(place.offset, place.len as usize)
    }

    /// Copies the blob of the picked slot into RAM, for flash that is not memory-mapped. Its hash is
    /// compared once more. The buffer must begin at a multiple of 4.
    ///
    /// # Errors
    /// [`Error::NotStarted`], [`Error::BufferTooSmall`], [`Error::Flash`],
    /// [`Error::Signed`] if the flash has changed.
    pub fn load<'b>(&mut self, buffer: &'b mut [u8]) -> Result<&'b [u8], Error<F::Error>> {
        let (slot, content) = self.picked.as_ref().ok_or(Error::NotStarted)?;
        load(&mut self.flash, &region(&self.layout, *slot), content, buffer)
    }

    /// The oldest version that an update may have: that of the newest blob which was ever confirmed, or one more than
    /// that of the slot which answers; where that has the greatest number, the same once more.
    pub fn at_least(&self) -> u32 {
        let picked = self.content().map_or(0, |content| content.version.saturating_add(1));
        self.state.at_least.max(picked)
    }

    /// Begins an update with the first [`ENVELOPE_BYTES`] of a signed file. They are verified first: a file for another
    /// product, of another key or format, an older one or one that is too large erases nothing. Then
    /// the slot that does not answer is made invalid; nothing of it is erased yet.
    ///
    /// # Errors
    /// [`Error::NotStarted`], [`Error::Signed`], [`Error::TooLarge`], [`Error::Flash`], [`Error::NotWritten`].
    pub fn begin(&mut self, envelope: &[u8]) -> Result<Update<'_, 'k, F>, Error<F::Error>> {
        if !self.started {
            return Err(Error::NotStarted);
        }
        let slot = self.picked.as_ref().map_or(0, |&(slot, _)| usize::from(slot == 0));
        let envelope = Envelope::read(envelope)?;
        envelope.verify(&self.key, self.at_least())?;
        let given = self.layout.room::<F>(slot);
        let needed = envelope.content.length.saturating_add(ENVELOPE_BYTES as u32);
        if needed > given {
            return Err(Error::TooLarge { needed, given });
        }
        // Also if the slot is empty already: a torn record may say so today and something else tomorrow, but none
        // counts any more once this session has written one.
        if !self.log.is_written() || self.slot(slot).kind != Kind::Empty {
            self.put(slot, Slot::EMPTY)?;
        }
        Ok(Update::new(self, slot, envelope))
    }

    /// The flash.
    pub fn flash(&self) -> &F {
        &self.flash
    }

    /// Gives the flash back.
    pub fn into_flash(self) -> F {
        self.flash
    }

    fn slot(&self, slot: usize) -> Slot {
        of(self.state.slots, slot)
    }

    /// Where the blob of a slot lies.
    fn blob_place(&self, slot: usize, content: &Content) -> Region {
        let offset = region(&self.layout, slot).offset + ENVELOPE_BYTES as u32;
        Region { offset, len: content.length }
    }

    /// Records a slot.
    pub(crate) fn put(&mut self, slot: usize, entry: Slot) -> Result<(), Error<F::Error>> {
        let mut state = self.state;
        state.slots[usize::from(slot > 0)] = entry;
        if entry.kind == Kind::Confirmed {
            state.at_least = state.at_least.max(entry.version);
        }
        self.log.append(&mut self.flash, &self.layout, state)?;
        self.state = state;
        Ok(())
    }

    /// Whether the envelope in a slot is the one that was verified.
    pub(crate) fn matches(&mut self, slot: usize, own: &Envelope) -> Result<(), Error<F::Error>> {
        let found = head(&mut self.flash, &region(&self.layout, slot)).map_err(Error::Flash)?;
        match Envelope::read(&found)? == *own {
            true => Ok(()),
            false => Err(Error::NotWritten { offset: region(&self.layout, slot).offset }),
        }
    }

    /// What the slots of a device without records say.
    fn factory(&mut self) -> State {
        let slots = [0, 1].map(|slot| {
            let (region, room) = (region(&self.layout, slot), self.layout.room::<F>(slot));
            let found = envelope(&mut self.flash, &region, room, &self.key);
            found.map_or(Slot::EMPTY, |content| Slot::new(&content))
        });
        State { at_least: 0, slots }
    }

    /// Looks at a slot, and tries it if it is not confirmed; whether it is now.
    fn attempt(
        &mut self,
        slot: usize,
        last_resort: bool,
        self_test: &mut dyn FnMut(&mut F, Region) -> bool,
    ) -> Result<(Content, bool), Refused> {
        let mut entry = self.slot(slot);
        let version = entry.version;
        match entry.kind {
            // Without a record, the reason is found out below.
            Kind::Empty if self.log.state.is_some() => return Err(Refused::Empty),
            Kind::Rejected if !last_resort => return Err(Refused::SelfTest { version }),
            Kind::Trial if entry.tries >= TRIALS && !last_resort => {
                return Err(Refused::Unconfirmed { version });
            }
            _ => {}
        }
        let place = region(&self.layout, slot);
        let room = self.layout.room::<F>(slot);
        let content = envelope(&mut self.flash, &place, room, &self.key)?;
        if !entry.is(&content) {
            return Err(Refused::NotRecorded { version: content.version });
        }
        verify(&mut self.flash, &place, &content)?;
        if entry.kind == Kind::Confirmed {
            return Ok((content, true));
        }
        (entry.kind, entry.tries) = (Kind::Trial, entry.tries.saturating_add(1));
        if self.put(slot, entry).is_err() && !last_resort {
            return Err(Refused::Unwritable { version });
        }
        let blob = self.blob_place(slot, &content);
        let passed = self_test(&mut self.flash, blob);
        entry.kind = if passed { Kind::Confirmed } else { Kind::Rejected };
        // If this cannot be written, the trial is repeated at the next start.
        let recorded = self.put(slot, entry).is_ok();
        if passed { Ok((content, recorded)) } else { Err(Refused::SelfTest { version }) }
    }
}
