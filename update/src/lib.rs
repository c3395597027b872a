//! Two slots of flash for signed picoformer blobs.
//!
//! A device that is updated over the air must answer whatever happens: power fails while a byte is being
//! programmed, the sender gives up, the new model is bad, or somebody replays an old one. [`Store`] keeps two
//! slots and a log of small records in any flash that implements [`embedded_storage::nor_flash::NorFlash`]:
//!
//! - [`Store::open`] reads the log. [`Store::start`] picks the newest slot that is signed, whole and of this
//!   engine's format, and tells why the other one was refused. A blob that was never confirmed is picked only
//!   after a self-test of your own said yes; that confirms it and raises the counter against older releases.
//! - [`Store::begin`] takes the envelope of a new file and refuses it before anything is erased; then
//!   [`Update::write`] and [`Update::finish`] erase one unit, or write or read a few bytes, and return, so that
//!   you can feed a watchdog. The slot that answers is never touched.
//! - A slot is invalid before its first erase, and becomes valid by one record after all of it was read back
//!   and its hash compared.
//!
//! Every write unit is written once after each erase. What a power cut may have left half-written is read by
//! [`ReadNorFlash::read`](embedded_storage::nor_flash::ReadNorFlash::read), whose errors mean that the slot is
//! empty; memory-mapped flash ([`Mapped`]) is looked at only after that. `docs/UPDATES.md` has the byte formats,
//! the reasons and what was tried.
//!
//! ```
//! use embedded_storage::nor_flash::NorFlash;
//! use picoformer::{Classifier, Model};
//! use picoformer_update::{Error, Mapped, Store};
//!
//! fn run<F: NorFlash + Mapped>(store: &mut Store<F>, received: &[u8]) -> Result<(), Error<F::Error>> {
//!     store.start(|blob| Model::parse_checked(blob).is_ok())?;
//!     let (envelope, blob) = received.split_at(192);
//!     let mut update = store.begin(envelope)?;
//!     let mut rest = blob;
//!     while !rest.is_empty() {
//!         rest = &rest[update.write(rest)?..]; // feed the watchdog here
//!     }
//!     while !update.finish()? {} // and here
//!     let picked = store.start(|blob| Model::parse_checked(blob).is_ok())?; // or reboot
//!     let model = Model::parse_checked(store.blob().unwrap_or_default());
//!     Ok(())
//! }
//! ```
//!
//! While a model of the flash is borrowed, there is no update: erasing would stall or fault its reads.
//!
//! ```compile_fail,E0502
//! # use embedded_storage::nor_flash::NorFlash;
//! # use picoformer::Model;
//! # use picoformer_update::{Error, Mapped, Store};
//! fn run<F: NorFlash + Mapped>(store: &mut Store<F>, envelope: &[u8]) -> Result<(), Error<F::Error>> {
//!     let model = Model::parse_checked(store.blob().unwrap_or_default());
//!     store.begin(envelope)?; // error: `store` is borrowed by `model`
//!     drop(model);
//!     Ok(())
//! }
//! ```
#![no_std]
#![deny(unsafe_code)]

mod error;
mod layout;
mod log;
mod record;
mod slot;
mod store;
mod update;

pub use error::{Error, Refused};
pub use layout::{Layout, LayoutError, Region};
pub use slot::Mapped;
pub use store::{Picked, Store, TRIALS};
pub use update::Update;
