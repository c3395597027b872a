//! A device with two slots, and files for it.

use crate::chip::{CAPACITY, Chip, ERASE, Fault};
use ed25519_dalek::{Signer, SigningKey};
use picoformer::signed::{Content, ENVELOPE_BYTES, Envelope, Key};
use picoformer_update::{Error, Layout, Picked, Region, Store};
use std::sync::LazyLock;

pub const LAYOUT: Layout =
    Layout { slots: [region(0, 2), region(2, 2)], state: [region(4, 1), region(5, 1)] };

const fn region(first: u32, units: u32) -> Region {
    Region { offset: first * ERASE as u32, len: units * ERASE as u32 }
}

static SIGNATORY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[11; 32]));
static PUBLIC: LazyLock<[u8; 32]> = LazyLock::new(|| SIGNATORY.verifying_key().to_bytes());

pub fn key() -> Key<'static> {
    Key { product: "door", public: &PUBLIC }
}

/// The blob of a version: its content tells it. As long as a slot has room for with units of 128 bytes, less an odd
/// number.
pub fn blob(version: u32) -> Vec<u8> {
    let mut state = version.wrapping_mul(0x9E37_79B9) | 1;
    (0..2 * ERASE - ENVELOPE_BYTES - 128 - 13 - version as usize)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

/// A signed file, changed before it is signed.
pub fn file_with(version: u32, product: &str, change: impl FnOnce(&mut Content)) -> Vec<u8> {
    let blob = blob(version);
    let mut content = Content::new(product, version, &blob, &PUBLIC).unwrap();
    change(&mut content);
    let signature = SIGNATORY.sign(&content.to_bytes()).to_bytes();
    [&Envelope { content, signature }.to_bytes()[..], &blob].concat()
}

pub fn file(version: u32) -> Vec<u8> {
    file_with(version, "door", |_| {})
}

/// Version 1 in slot 0, as the factory flashed it, and started once.
pub fn fresh<const U: usize, const B: u8>() -> Chip<U, B> {
    let mut chip = Chip::new();
    chip.flash(0, &file(1));
    assert_eq!(start(&mut chip, 9).unwrap().version, 1);
    chip.power(None);
    chip
}

/// Starts a device whose self-test fails from version `bad` on; the blob that answers is right, too.
pub fn start<const U: usize, const B: u8>(
    chip: &mut Chip<U, B>,
    bad: u32,
) -> Result<Picked, Error<Fault>> {
    let mut store = Store::open(chip, LAYOUT, key())?;
    started(&mut store, bad)
}

/// Picks, and checks that the blob is that of the version.
pub fn started<const U: usize, const B: u8>(
    store: &mut Store<&mut Chip<U, B>>,
    bad: u32,
) -> Result<Picked, Error<Fault>> {
    let picked = store.start(|bytes| (0..bad).any(|version| bytes == blob(version)))?;
    assert_eq!(store.blob(), Some(&blob(picked.version)[..]), "the blob of slot {}", picked.slot);
    Ok(picked)
}

/// Starts, writes a file in pieces, and starts again.
pub fn update<const U: usize, const B: u8>(
    chip: &mut Chip<U, B>,
    file: &[u8],
    bad: u32,
) -> Result<Picked, Error<Fault>> {
    let mut store = Store::open(chip, LAYOUT, key())?;
    started(&mut store, bad)?;
    write(&mut store, file)?;
    started(&mut store, bad)
}

/// Writes a file in pieces of an odd length.
pub fn write<const U: usize, const B: u8>(
    store: &mut Store<&mut Chip<U, B>>,
    file: &[u8],
) -> Result<(), Error<Fault>> {
    let (envelope, blob) = file.split_at(file.len().min(ENVELOPE_BYTES));
    let mut update = store.begin(envelope)?;
    for mut piece in blob.chunks(97) {
        while !piece.is_empty() {
            piece = &piece[update.write(piece)?..];
        }
    }
    while !update.finish()? {}
    Ok(())
}

#[test]
fn the_files_fit() {
    assert!(file(0).len() <= 2 * ERASE - 128 && CAPACITY == 6 * ERASE);
}
