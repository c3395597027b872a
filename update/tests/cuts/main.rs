//! Power fails at every single word that is programmed and every unit that is erased, and whatever it leaves, the
//! device answers. `PICOFORMER_CUTS=all` tries every pair of cuts, too, where the ordinary run tries a part.

#![allow(missing_docs)]

mod chip;
mod device;
mod refusals;

use chip::{Chip, TEARS, Tear};
use device::{file, fresh, start, update};
use picoformer::signed::SignedError;
use picoformer_update::{Error, Store};

/// What was tried.
#[derive(Default)]
struct Count {
    cuts: u64,
    second: u64,
}

/// Power is back: the device answers with version 1 or 2, refuses version 0, and takes version 2.
fn recovers<const U: usize, const B: u8>(chip: &mut Chip<U, B>, bad: u32, what: &str) -> u32 {
    chip.power(None);
    let picked = start(chip, bad).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(picked.version == 1 || picked.version == 2 && bad > 2, "{what}: {picked:?}");
    picked.version
}

fn goes_on<const U: usize, const B: u8>(chip: &mut Chip<U, B>, version: u32, what: &str) {
    let mut store = Store::open(&mut *chip, device::LAYOUT, device::key()).unwrap();
    device::started(&mut store, 9).unwrap();
    let refused = store.begin(&file(0)).map(|_| ()).unwrap_err();
    let expected = SignedError::Older { at_least: version + 1, found: 0 };
    assert_eq!(refused, Error::Signed(expected), "{what}");
    if version == 1 {
        let picked = update(chip, &file(2), 9).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(picked.version, 2, "{what}");
    }
}

/// Cuts an update at every operation in every way; `second` tells at which operations of the recovery power fails
/// again, and `bad` from which version on self-tests fail.
fn cut_everywhere<const U: usize, const B: u8>(bad: u32, step: usize, tears: &[Tear]) -> Count {
    let (whole, two, mut count) = (fresh::<U, B>(), file(2), Count::default());
    let operations = {
        let mut chip = whole.clone();
        let last = update(&mut chip, &two, bad).unwrap();
        assert_eq!(last.version, if bad > 2 { 2 } else { 1 });
        chip.operations
    };
    for at in 0..operations {
        for tear in TEARS {
            let mut torn = whole.clone();
            torn.power(Some((at, tear)));
            let _ = update(&mut torn, &two, bad);
            assert!(!torn.is_on(), "power failed at {at}");
            count.cuts += 1;
            let what = format!("units of {U}, blank {B:02x}, cut at {at}, {tear:?}");
            let mut chip = torn.clone();
            let version = recovers(&mut chip, bad, &what);
            let writes = chip.operations;
            // What the first start decided, the second one says, too.
            assert_eq!(recovers(&mut chip, bad, &what), version, "{what}");
            goes_on(&mut chip, version, &what);
            // Power fails again in the first start after the cut, then for good measure in a second update.
            for again in (0..writes).step_by(step) {
                for &tear in tears {
                    let mut chip = torn.clone();
                    chip.power(Some((again, tear)));
                    let _ = start(&mut chip, bad);
                    count.second += 1;
                    let what = format!("{what}, and in the start at {again}, {tear:?}");
                    let version = recovers(&mut chip, bad, &what);
                    goes_on(&mut chip, version, &what);
                }
            }
        }
    }
    count
}

/// Both cuts anywhere: in the update, and in the update that is tried again.
fn cut_twice<const U: usize, const B: u8>(tears: &[Tear]) -> Count {
    let (whole, two, mut count) = (fresh::<U, B>(), file(2), Count::default());
    let mut at = 0;
    loop {
        let mut ended = true;
        for &tear in tears {
            let mut torn = whole.clone();
            torn.power(Some((at, tear)));
            let _ = update(&mut torn, &two, 9);
            if torn.is_on() {
                continue;
            }
            ended = false;
            count.cuts += 1;
            let mut again = 0;
            loop {
                let mut chip = torn.clone();
                chip.power(Some((again, tear)));
                // The second attempt may find version 2 running: then it is refused.
                let _ = update(&mut chip, &two, 9);
                if chip.is_on() {
                    break;
                }
                count.second += 1;
                let what = format!("units of {U}, cuts at {at} and {again}, {tear:?}");
                let version = recovers(&mut chip, 9, &what);
                goes_on(&mut chip, version, &what);
                again += 1;
            }
        }
        if ended {
            return count;
        }
        at += 1;
    }
}

fn all() -> bool {
    std::env::var("PICOFORMER_CUTS").is_ok_and(|value| value == "all")
}

fn told(name: &str, count: &Count) {
    println!("{name}: {} cuts, {} second cuts, all answered", count.cuts, count.second);
}

/// Every word and unit, every tear, units of 1 to 128 bytes that are blank with FF or 00.
#[test]
fn a_device_answers_after_every_cut() {
    let every = if all() { 1 } else { 11 };
    let mut total = Count::default();
    let mut add = |count: Count| {
        total.cuts += count.cuts;
        total.second += count.second;
    };
    add(cut_everywhere::<1, 0xFF>(9, 5 * every, &TEARS[2..]));
    add(cut_everywhere::<4, 0xFF>(9, every, &TEARS[2..]));
    add(cut_everywhere::<8, 0x00>(9, every, &TEARS));
    add(cut_everywhere::<16, 0xFF>(9, 1, &TEARS));
    add(cut_everywhere::<32, 0x00>(9, 1, &TEARS));
    add(cut_everywhere::<32, 0xFF>(9, 1, &TEARS));
    add(cut_everywhere::<128, 0xFF>(9, 1, &TEARS));
    told("update", &total);
}

/// The new blob fails its self-test: the device answers with the old one, whatever happens in between.
#[test]
fn a_bad_blob_is_never_kept() {
    let mut total = Count::default();
    for count in [
        cut_everywhere_bad::<8, 0xFF>(),
        cut_everywhere_bad::<32, 0xFF>(),
        cut_everywhere_bad::<128, 0x00>(),
    ] {
        total.cuts += count.cuts;
        total.second += count.second;
    }
    told("bad blob", &total);
}

fn cut_everywhere_bad<const U: usize, const B: u8>() -> Count {
    let (whole, two, mut count) = (fresh::<U, B>(), file(2), Count::default());
    let mut chip = whole.clone();
    assert_eq!(update(&mut chip, &two, 2).unwrap().version, 1);
    for at in 0..chip.operations {
        for tear in TEARS {
            let mut torn = whole.clone();
            torn.power(Some((at, tear)));
            let _ = update(&mut torn, &two, 2);
            count.cuts += 1;
            let what = format!("units of {U}, bad blob, cut at {at}, {tear:?}");
            for _ in 0..5 {
                assert_eq!(recovers(&mut torn, 2, &what), 1);
            }
            // The next release is good.
            torn.power(None);
            assert_eq!(update(&mut torn, &file(3), 9).unwrap().version, 3, "{what}");
        }
    }
    count
}

/// Two cuts, both anywhere.
#[test]
fn a_device_answers_after_any_two_cuts() {
    let part = [Tear::Unstable, Tear::Next, Tear::Unreadable];
    let mut total = Count::default();
    let counts = match all() {
        true => [cut_twice::<128, 0xFF>(&TEARS), cut_twice::<32, 0x00>(&TEARS)],
        false => [cut_twice::<128, 0xFF>(&TEARS), cut_twice::<128, 0x00>(&part)],
    };
    for count in counts {
        total.cuts += count.cuts;
        total.second += count.second;
    }
    if all() {
        let count = cut_twice::<16, 0xFF>(&TEARS);
        total.cuts += count.cuts;
        total.second += count.second;
    }
    told("two cuts", &total);
}
