//! What a device refuses, by name, and that nothing is erased for it.

use crate::chip::Chip;
use crate::device::{LAYOUT, blob, file, file_with, fresh, key, start, started, update, write};
use picoformer::signed::{Envelope, SignedError};
use picoformer_update::{Error, LayoutError, Refused, Region, Store, TRIALS};

type Small = Chip<8, 0xFF>;

#[test]
fn bad_files_are_refused_before_anything_is_erased() {
    let mut chip: Small = fresh();
    let mut store = Store::open(&mut chip, LAYOUT, key()).unwrap();
    assert_eq!(store.begin(&file(2)).map(|_| ()), Err(Error::NotStarted));
    started(&mut store, 9).unwrap();
    let mut refused = |file: &[u8]| match store.begin(file).map(|_| ()) {
        Err(Error::Signed(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&file(1)), SignedError::Older { at_least: 2, found: 1 });
    assert_eq!(refused(&file(0)), SignedError::Older { at_least: 2, found: 0 });
    assert_eq!(refused(&file(2)[..191]), SignedError::Cut { needed: 192, given: 191 });
    assert_eq!(
        refused(&blob(2)),
        SignedError::NotSigned { found: blob(2)[..4].try_into().unwrap() }
    );
    let other = file_with(2, "window", |_| {});
    assert!(matches!(refused(&other), SignedError::OtherProduct { .. }));
    let other = file_with(2, "door", |content| content.key[0] ^= 1);
    assert!(matches!(refused(&other), SignedError::WrongKey { .. }));
    let other = file_with(2, "door", |content| content.format = 2);
    assert_eq!(refused(&other), SignedError::OtherFormat { supported: 1, found: 2 });
    for byte in [6, 8, 12, 64, 128, 191] {
        let mut changed = file(2);
        changed[byte] ^= 4;
        assert_eq!(refused(&changed), SignedError::BadSignature, "byte {byte}");
    }
    let large = file_with(2, "door", |content| content.length = 1024);
    let expected = Error::TooLarge { needed: 1216, given: 1008 };
    assert_eq!(store.begin(&large).map(|_| ()), Err(expected));
    assert_eq!(chip.operations, 0);
}

/// Cut, altered or continued blobs, and the device that goes on.
#[test]
fn blobs_that_were_not_signed_stay_invalid() {
    let mut chip: Small = fresh();
    let two = file(2);
    let mut store = Store::open(&mut chip, LAYOUT, key()).unwrap();
    started(&mut store, 9).unwrap();
    let (needed, given) = (two.len() - 192, two.len() - 193);
    let short = write(&mut store, &two[..two.len() - 1]);
    assert_eq!(short, Err(Error::Signed(SignedError::Cut { needed, given })));
    let long = write(&mut store, &[&two[..], &[0]].concat());
    assert!(matches!(long, Err(Error::Signed(SignedError::Cut { .. }))));
    let mut altered = two.clone();
    altered[500] ^= 1;
    assert_eq!(write(&mut store, &altered), Err(Error::Signed(SignedError::Altered)));
    let picked = started(&mut store, 9).unwrap();
    assert_eq!((picked.version, picked.other), (1, Refused::Empty));
    write(&mut store, &two).unwrap();
    let picked = started(&mut store, 9).unwrap();
    let expected = Refused::Older { version: 1 };
    assert_eq!((picked.version, picked.slot, picked.other), (2, 1, expected));
}

#[test]
fn it_is_told_why_the_newer_slot_is_not_picked() {
    let mut chip: Small = fresh();
    update(&mut chip, &file(2), 9).unwrap();
    // A bit of the blob, of the signature, of the format's version in the newer slot.
    for (offset, expected) in [
        (1024 + 300, SignedError::Altered),
        (1024 + 130, SignedError::BadSignature),
        (1024 + 6, SignedError::BadSignature),
        (1024, SignedError::NotSigned { found: *b"QSIG" }),
    ] {
        let mut chip = chip.clone();
        chip.flip(offset);
        let picked = start(&mut chip, 9).unwrap();
        assert_eq!((picked.version, picked.other), (1, Refused::Signed(expected)));
        // The counter does not go back.
        let older = update(&mut chip, &file(1), 9).unwrap_err();
        assert_eq!(older, Error::Signed(SignedError::Older { at_least: 2, found: 1 }));
        assert_eq!(update(&mut chip, &file(2), 9).unwrap().version, 2);
    }
    // Both slots: nothing answers, and an update is still taken.
    chip.flip(300);
    chip.flip(1024 + 300);
    let altered = Refused::Signed(SignedError::Altered);
    assert_eq!(start(&mut chip, 9), Err(Error::Nothing { refused: [altered; 2] }));
    let mut store = Store::open(&mut chip, LAYOUT, key()).unwrap();
    assert!(started(&mut store, 9).is_err());
    write(&mut store, &file(3)).unwrap();
    assert_eq!(started(&mut store, 9).unwrap().version, 3);
}

/// From before the first erase on, nobody looks at the slot any more: what is torn in it need not be readable.
#[test]
fn a_slot_is_invalid_before_its_first_erase() {
    let mut chip: Small = fresh();
    update(&mut chip, &file(2), 9).unwrap();
    let mut store = Store::open(&mut chip, LAYOUT, key()).unwrap();
    started(&mut store, 9).unwrap();
    let newest = file(3);
    assert_eq!(store.begin(&newest).map(|update| update.slot()), Ok(0));
    let picked = start(&mut chip, 9).unwrap();
    assert_eq!((picked.version, picked.other), (2, Refused::Empty));
    // Nothing of slot 0 was erased, and it stays invalid if slot 1 is lost: it is part of an update now.
    chip.flip(1024 + 300);
    let altered = Refused::Signed(SignedError::Altered);
    assert_eq!(start(&mut chip, 9), Err(Error::Nothing { refused: [Refused::Empty, altered] }));
}

/// A slot of another format that is newer: a device whose firmware went back, or a factory's mistake.
#[test]
fn a_slot_of_another_format_is_refused_and_the_older_kept() {
    let mut chip = Small::new();
    chip.flash(0, &file(1));
    chip.flash(1024, &file_with(2, "door", |content| content.format = 7));
    let picked = start(&mut chip, 9).unwrap();
    assert_eq!(picked.version, 1);
    // A slot that somebody filled past the updater, validly signed.
    let mut chip: Small = fresh();
    update(&mut chip, &file(2), 9).unwrap();
    chip.flash(1024, &file(5));
    let picked = start(&mut chip, 9).unwrap();
    assert_eq!((picked.version, picked.other), (1, Refused::NotRecorded { version: 5 }));
}

/// A self-test that never ends, because a watchdog bites: three times, then the older one answers.
#[test]
fn a_blob_that_hangs_is_given_up() {
    let mut chip: Small = fresh();
    let mut store = Store::open(&mut chip, LAYOUT, key()).unwrap();
    started(&mut store, 9).unwrap();
    write(&mut store, &file(2)).unwrap();
    for _ in 0..TRIALS {
        let bitten = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut store = Store::open(&mut chip, LAYOUT, key()).unwrap();
            store.start(|_| std::panic::resume_unwind(Box::new("watchdog"))).map(|_| ())
        }));
        assert!(bitten.is_err());
    }
    let picked = start(&mut chip, 9).unwrap();
    assert_eq!((picked.version, picked.other), (1, Refused::Unconfirmed { version: 2 }));
    // If the older one is lost, it is tried once more.
    chip.flip(400);
    assert_eq!(start(&mut chip, 9).unwrap().version, 2);
}

#[test]
fn flash_that_is_not_mapped_is_copied() {
    let mut chip: Small = fresh();
    let mut store = Store::open(&mut chip, LAYOUT, key()).unwrap();
    let mut buffer = [0; 1024];
    assert_eq!(store.load(&mut buffer).map(|_| ()), Err(Error::NotStarted));
    let picked = store.start_with(|_, _| false).unwrap();
    assert_eq!((picked.version, store.content().map(|c| c.product())), (1, Some("door")));
    assert_eq!(store.load(&mut buffer).unwrap(), blob(1));
    let (needed, given) = (blob(1).len(), 10);
    let short = store.load(&mut buffer[..10]).map(|_| ());
    assert_eq!(short, Err(Error::BufferTooSmall { needed, given }));
    let _ = store.flash();
    let chip = store.into_flash();
    chip.flip(500);
}

#[test]
fn wrong_layouts_are_refused_by_numbers() {
    let open = |change: fn(&mut picoformer_update::Layout)| {
        let (mut chip, mut layout) = (Small::new(), LAYOUT);
        change(&mut layout);
        match Store::open(&mut chip, layout, key()).map(|_| ()) {
            Err(Error::Layout(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let moved = Region { offset: 512, len: 1024 };
    assert_eq!(
        open(|layout| layout.slots[0].offset = 512),
        LayoutError::Overlap { first: moved, second: LAYOUT.slots[1] }
    );
    let region = Region { offset: 2560, len: 1024 };
    assert_eq!(
        open(|layout| layout.state[1].len = 1024),
        LayoutError::OutOfBounds { region, capacity: 3072 }
    );
    let region = Region { offset: 100, len: 1024 };
    assert_eq!(
        open(|layout| layout.slots[0].offset = 100),
        LayoutError::NotAligned { region, erase: 512 }
    );
    let region = Region { offset: 2048, len: 0 };
    assert_eq!(
        open(|layout| layout.state[0].len = 0),
        LayoutError::TooShort { region, needed: 112 }
    );
}

/// The double itself: it notices an access while it is busy, a second write, and a look at a torn word.
#[test]
fn the_flash_forgives_nothing() {
    use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
    use picoformer_update::Mapped;
    let caught =
        |work: fn(&mut Small)| std::panic::catch_unwind(|| work(&mut Small::new())).is_err();
    assert!(caught(|chip| {
        chip.interrupt = Some(|chip| assert!(chip.mapped(0, 8).is_some()));
        let _ = chip.erase(0, 512);
    }));
    assert!(caught(|chip| {
        let _ = (chip.write(0, &[0; 8]), chip.write(0, &[0; 8]));
    }));
    assert!(caught(|chip| {
        chip.power(Some((0, crate::chip::Tear::Unstable)));
        let _ = chip.write(0, &[0; 8]);
        let _ = chip.mapped(0, 8);
    }));
    assert!(!caught(|chip| {
        let _ = (chip.write(0, &[0; 8]), chip.read(0, &mut [0; 8]));
        assert!(chip.mapped(0, 8).is_some());
    }));
    assert!(Envelope::read(&file(1)).is_ok());
}
