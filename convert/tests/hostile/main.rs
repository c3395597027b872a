//! Blobs that are wrong, by accident or on purpose: each is refused by name, or, where every check holds
//! (checksum made right again), runs to its end without a panic.

#[path = "../common/mod.rs"]
mod common;
mod contradictions;
mod sections;
mod sizes;

use common::every::{golden, models};
use picoformer::blob::{CHECKSUM_OFFSET, HEADER_BYTES, Layout};
use picoformer::config::Roles;
use picoformer::kernels::Native;
use picoformer::{FormatError, Model};
use picoformer_convert::four_bits::fit;
use picoformer_convert::host::Blob;
use picoformer_convert::writer::{self, Wide};
use picoformer_forge::{Room, tasks};
use proptest::prelude::*;
use std::sync::OnceLock;

fn blobs() -> &'static [Vec<u8>] {
    static BLOBS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    BLOBS.get_or_init(|| {
        let wide = [Wide::Never, Wide::All].into_iter().cycle();
        let whole = models().into_iter().zip(wide);
        // Every second model once more with weights of four bits, all of them or but a few.
        let four = models().into_iter().step_by(2).zip([0, 0x0a54].into_iter().cycle());
        let four = four.map(|(mut model, but)| {
            let roles = Roles(model.config.roles().0 & !but);
            fit(&mut model, roles, Wide::Never, &[]).unwrap();
            (model, Wide::Never)
        });
        whole.chain(four).map(|(model, wide)| writer::write(&model, wide).unwrap()).collect()
    })
}

/// Makes the checksum right again.
fn resign(blob: &mut [u8]) {
    picoformer_forge::sign(blob);
}

/// Runs whatever was accepted, unless it needs more than a test wants to spend.
fn run(model: &Model) {
    let size = Room::SIZE;
    let (mut bytes, mut halves) = (vec![0; size.bytes], vec![0; size.halves]);
    let (mut words, mut tokens) = (vec![0; size.words], vec![0; size.tokens]);
    let mut room = Room {
        bytes: &mut bytes,
        halves: &mut halves,
        words: &mut words,
        tokens: &mut tokens,
        plain: true,
    };
    assert!(!tasks::<Native>(model, &mut room).hung);
}

/// Offsets of every section of a blob, and of every part of a layer.
fn edges(layout: &Layout) -> Vec<usize> {
    picoformer_forge::edges(layout).filter(|&edge| edge >= HEADER_BYTES).collect()
}

#[test]
fn cut_at_every_edge() {
    for blob in blobs() {
        let whole = Blob::new(blob);
        let layout = *whole.parse().unwrap().layout();
        let mut cuts = edges(&layout);
        cuts.extend(edges(&layout).iter().flat_map(|&edge| [edge - 1, edge + 1]));
        cuts.extend((0..blob.len()).step_by(211).chain(0..=HEADER_BYTES));
        for cut in cuts.into_iter().filter(|&cut| cut < blob.len()) {
            let mut short = blob[..cut].to_vec();
            for with_length in [false, true] {
                if with_length && cut >= layout.end {
                    continue; // `sections::sections_cut_anywhere`
                }
                if with_length && cut >= HEADER_BYTES {
                    short[8..12].copy_from_slice(&(cut as u32).to_le_bytes());
                }
                resign(&mut short);
                let needed = if with_length { layout.end } else { blob.len() };
                let expected = match cut < HEADER_BYTES {
                    true => FormatError::TooShort { needed: HEADER_BYTES, given: cut },
                    false => FormatError::WrongLength { needed, given: cut },
                };
                assert_eq!(Blob::new(&short).parse().unwrap_err(), expected, "cut at {cut}");
            }
        }
        let mut long = blob.clone();
        long.push(0);
        let expected = FormatError::WrongLength { needed: blob.len(), given: blob.len() + 1 };
        assert_eq!(Blob::new(&long).parse().unwrap_err(), expected);
    }
}

#[test]
fn one_flipped_bit_anywhere() {
    for blob in blobs() {
        let mut wrong = blob.clone();
        for at in (0..blob.len()).step_by(1 + blob.len() / 1000) {
            wrong[at] ^= 1 << (at % 8);
            let error = Blob::new(&wrong).parse().unwrap_err();
            if at >= HEADER_BYTES && !matches!(error, FormatError::BadChecksum { .. }) {
                // A bit that makes a number impossible is named even before the checksum.
                use FormatError::*;
                let named = matches!(
                    error,
                    BadPadding { .. }
                        | BadSection { .. }
                        | BadTokenizer { .. }
                        | UnknownSection { .. }
                        | MisplacedSection { .. }
                        | CutSection { .. }
                );
                assert!(named, "bit {} of byte {at}: {error:?}", at % 8);
            }
            wrong[at] = blob[at];
        }
    }
}

/// Every byte of the header takes every value, the checksum being right: it is refused, or harmless.
#[test]
fn every_header_byte_takes_every_value() {
    let (mut refused, mut accepted) = (0, 0);
    for blob in blobs() {
        let mut wrong = blob.clone();
        for at in
            (0..HEADER_BYTES).filter(|at| !(CHECKSUM_OFFSET..CHECKSUM_OFFSET + 4).contains(at))
        {
            for value in (0..=255).filter(|&value| value != blob[at]) {
                wrong[at] = value;
                let wrong = {
                    let mut copy = wrong.clone();
                    if Model::parse(&copy).is_ok() {
                        resign(&mut copy);
                    }
                    Blob::new(&copy)
                };
                match wrong.parse() {
                    Ok(model) => {
                        accepted += 1;
                        // Every fourth is run: neighbours differ in little.
                        if accepted % 4 == 0 {
                            run(&model);
                        }
                    }
                    Err(FormatError::BadChecksum { .. }) => panic!("byte {at} = {value}"),
                    Err(_) => refused += 1,
                }
            }
            wrong[at] = blob[at];
        }
    }
    println!("header bytes: {refused} values refused, {accepted} accepted and run");
    assert!(refused > 100_000 && accepted > 1000);
}

/// Every field of the header at its extremes, the checksum being right: the field itself is named.
#[test]
fn every_header_field_is_named() {
    let blob = &blobs()[2];
    let error = |offset: usize, value: &[u8]| {
        let mut wrong = blob.clone();
        wrong[offset..offset + value.len()].copy_from_slice(value);
        resign(&mut wrong);
        Blob::new(&wrong).parse().unwrap_err()
    };
    assert_eq!(error(0, b"PICX"), FormatError::BadMagic { found: *b"PICX" });
    for found in [0u16, 2, u16::MAX] {
        let expected = FormatError::UnsupportedVersion { supported: 1, found };
        assert_eq!(error(4, &found.to_le_bytes()), expected);
    }
    let field = |offset: usize, value: &[u8]| match error(offset, value) {
        FormatError::BadConfig { field } => field,
        other => panic!("{offset}: {other:?}"),
    };
    assert_eq!(field(6, &64u16.to_le_bytes()), "header_bytes");
    let codes = [
        "architecture",
        "input",
        "position",
        "norm",
        "norm_order",
        "activation",
        "head",
        "pooling",
        "packing",
    ];
    for (i, name) in codes.into_iter().enumerate() {
        assert_eq!(field(16 + i, &[200]), name);
    }
    assert_eq!(field(26, &u16::MAX.to_le_bytes()), "four_bits");
    for reserved in [25, 94, 95] {
        assert_eq!(error(reserved, &[1]), FormatError::BadPadding { offset: reserved });
    }
    assert_eq!(field(100, &u16::MAX.to_le_bytes()), "decoder_layers");
    assert_eq!(field(28, &u32::MAX.to_le_bytes()), "flags");
    let sizes = [
        "vocab_size",
        "frame_len",
        "d_model",
        "n_layers",
        "n_heads",
        "n_kv_heads",
        "head_dim",
        "d_ff",
        "context",
        "window",
        "n_labels",
        "tile_rows",
        "tokenizer_bytes",
        "labels_bytes",
    ];
    for (i, name) in sizes.into_iter().enumerate() {
        for value in [u32::MAX, 1 << 31, (1 << 31) - 1, 1 << 29] {
            assert_eq!(field(32 + 4 * i, &value.to_le_bytes()), name, "{value}");
        }
    }
    for (i, name) in [
        (2, "d_model"),
        (3, "n_layers"),
        (4, "n_heads"),
        (5, "n_kv_heads"),
        (6, "head_dim"),
        (7, "d_ff"),
        (8, "context"),
        (11, "tile_rows"),
    ] {
        assert_eq!(field(32 + 4 * i, &[0; 4]), name);
    }
    assert_eq!(field(90, &i16::MIN.to_le_bytes()), "epsilon_exponent");
    assert_eq!(field(92, &i16::MAX.to_le_bytes()), "frame_exponent");
    for total in [0, u32::MAX, blob.len() as u32 - 16] {
        let found = error(8, &total.to_le_bytes());
        assert_eq!(found, FormatError::WrongLength { needed: total as usize, given: blob.len() });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_no_blob(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(Blob::new(&bytes).parse().is_err());
        let mut marked = bytes.clone();
        let head = &blobs()[0][..16];
        if marked.len() > 16 {
            marked[..16].copy_from_slice(head);
            resign(&mut marked);
        }
        prop_assert!(Blob::new(&marked).parse().is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes overwritten anywhere, checksum right: refused by name or run to the end. Overflow checks are
    /// on in this build, so even arithmetic that would wrap is seen.
    #[test]
    fn forged_blobs_do_no_harm(
        which in 0..blobs().len(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..12),
        place in 0..3,
    ) {
        let mut blob = blobs()[which].clone();
        let layout = *Blob::new(&blob).parse().unwrap().layout();
        let metas = edges(&layout);
        for (index, value) in changes {
            let at = match place {
                // Exponents, bits and multipliers stand at the edges of sections.
                0 => metas[index.index(metas.len())] + value as usize % 12,
                1 => layout.tokenizer.0 + index.index(layout.tokenizer.1.max(1)),
                _ => index.index(blob.len()),
            };
            if let Some(byte) = blob.get_mut(at) {
                *byte = value.rotate_left(3);
            }
        }
        resign(&mut blob);
        if let Ok(model) = Blob::new(&blob).parse() {
            run(&model);
        }
    }

    /// The most that can be forged: every exponent at an end of its range.
    #[test]
    fn extreme_exponents_do_no_harm(which in 0..blobs().len(), ends in any::<u64>()) {
        let mut blob = blobs()[which].clone();
        let layout = *Blob::new(&blob).parse().unwrap().layout();
        for (i, at) in edges(&layout).into_iter().enumerate() {
            for j in 0..3 {
                let extreme = if ends >> ((3 * i + j) % 64) & 1 == 0 { -100i16 } else { 100 };
                if at + 2 * j + 2 <= blob.len() && ends >> (i % 61) & 2 == 0 {
                    let mut forged = blob.clone();
                    forged[at + 2 * j..at + 2 * j + 2].copy_from_slice(&extreme.to_le_bytes());
                    if Model::parse(&forged).is_ok() {
                        blob = forged;
                    }
                }
            }
        }
        resign(&mut blob);
        run(&Blob::new(&blob).parse().unwrap());
    }
}
