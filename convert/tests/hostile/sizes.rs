//! Sizes whose product would wrap 32 bits are refused, not computed.

use super::common::synthetic::*;
use super::{common, golden, resign, run};
use picoformer::blob::Layout;
use picoformer::config::*;
use picoformer::kernels::{Kernels, Portable};
use picoformer::{Decoder, FormatError, RunError};
use picoformer_convert::host::{Blob, HeapArena};
use picoformer_convert::writer::{self, Wide};

#[test]
fn sizes_that_wrap_are_refused() {
    let config = Config { n_layers: 16, n_kv_heads: 64, n_heads: 64, head_dim: 64, ..llama() };
    assert_eq!(config.validate(), Ok(()));
    for context in [1 << 13, 1 << 16, 1 << 20] {
        assert_eq!(Config { context, ..config }.validate(), Err(ConfigError("context")));
    }
}

/// Softmax numerators of more keys than these would not fit their sum: no kernels take them.
#[test]
fn a_query_sees_as_many_keys_as_32_bits_count() {
    assert!(Portable::MAX_KEYS as u64 * 32767 <= u32::MAX as u64);
    let tiny =
        Config { n_layers: 1, n_heads: 1, n_kv_heads: 1, head_dim: 4, d_model: 4, ..llama() };
    let new = |config: Config| {
        let blob = common::blob(&random(config, 72));
        let model = blob.parse().unwrap();
        let mut arena = HeapArena::new(model.arena());
        Decoder::new_for(&model, arena.parts()).map(|_: Decoder<Portable>| ())
    };
    assert_eq!(new(Config { context: 1 << 17, ..tiny }), Ok(()));
    let too_many = RunError::TooManyKeys { needed: (1 << 17) + 16, given: 1 << 17 };
    assert_eq!(new(Config { context: (1 << 17) + 1, ..tiny }), Err(too_many));
    assert_eq!(new(Config { context: 1 << 20, window: 1000, ..tiny }), Ok(()));
}

/// An encoder-decoder of `tests/golden` with other sizes.
fn both(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = golden("marian").config;
    change(&mut config);
    config
}

/// The keys of all hypotheses, of the widest beam that the user may ask for, and those of the source.
#[test]
fn caches_of_encoder_decoders_are_counted() {
    let wide = |c: &mut Config| {
        (c.n_heads, c.n_kv_heads, c.head_dim, c.decoder_layers) = (32, 32, 256, 8);
    };
    let target = |n: usize, beams: usize| {
        both(|c| {
            wide(c);
            (c.target_context, c.beams) = (n, beams);
        })
    };
    for beams in 1..=MAX_BEAMS {
        assert_eq!(target(512, beams).validate(), Ok(()));
        assert_eq!(target(1024, beams).validate(), Err(ConfigError("target_context")));
        assert_eq!(target(1 << 16, beams).validate(), Err(ConfigError("target_context")));
    }
    let source = |n: usize| {
        both(|c| {
            wide(c);
            c.context = n;
        })
    };
    assert_eq!(source(1 << 12).validate(), Ok(()));
    assert_eq!(source(1 << 14).validate(), Err(ConfigError("context")));
}

/// The same in a blob whose checksum is right: it was accepted, and its keys and values got no bytes where
/// 8.6 GB wrapped to 33 MB.
#[test]
fn a_forged_target_context_is_refused() {
    let mut blob = writer::write(&golden("marian"), Wide::Auto).unwrap();
    let accepted = Blob::new(&blob);
    let sizes = |beams| accepted.parse().unwrap().with_beams(beams).arena();
    assert!(sizes(8).total_bytes() < 1 << 31);
    let refused = |blob: &mut Vec<u8>, at: usize, value: u32| {
        let before: [u8; 4] = blob[at..at + 4].try_into().unwrap();
        blob[at..at + 4].copy_from_slice(&value.to_le_bytes());
        resign(blob);
        let error = Blob::new(blob).parse().err();
        blob[at..at + 4].copy_from_slice(&before);
        error
    };
    let field = |field| Some(FormatError::BadConfig { field });
    assert_eq!(refused(&mut blob, 64, 1 << 21), field("context"));
    assert_eq!(refused(&mut blob, 104, 1 << 17), field("target_context"));
    run(&accepted.parse().unwrap());
}

/// Random sizes near the ends of their ranges: whatever is accepted has sizes below 2³², with any beam, so
/// that 32 bits compute the same.
#[test]
fn accepted_sizes_fit_32_bits() {
    let r = &mut Random(71);
    let (mut accepted, mut largest, mut longest) = (0, 0, 0);
    for _ in 0..300_000 {
        let size = |r: &mut Random, most: u32| (1usize << r.below(most as usize + 1)).max(1);
        let architecture =
            [Architecture::Encoder, Architecture::Decoder, Architecture::EncoderDecoder]
                [r.below(3)];
        let two = architecture == Architecture::EncoderDecoder;
        let n_kv_heads = size(r, 8);
        let frames = architecture == Architecture::Encoder && r.below(3) == 0;
        let config = Config {
            architecture,
            input: if frames { Input::Frames } else { Input::Tokens },
            position: [Position::Learned, Position::None, Position::Sinusoidal][r.below(3)],
            head: match architecture {
                Architecture::Encoder => Head::Embedding,
                _ => [Head::TiedVocabulary, Head::Vocabulary][r.below(2)],
            },
            vocab_size: if frames { 0 } else { size(r, 20) },
            frame_len: if frames { size(r, 13) } else { 0 },
            d_model: 4 * size(r, 11),
            n_layers: size(r, 8),
            n_heads: n_kv_heads * size(r, 2),
            n_kv_heads,
            head_dim: 4 * size(r, 6),
            d_ff: size(r, 13),
            context: size(r, 20),
            tile_rows: size(r, 6),
            decoder_layers: if two { size(r, 8) } else { 0 },
            target_context: if two { size(r, 16) } else { 0 },
            beams: if two { 1 } else { 0 },
            gated: r.below(2) == 0,
            final_norm: r.below(2) == 0,
            separate_embedding: two && r.below(2) == 0,
            ..Config::base(architecture)
        };
        if config.validate().is_err() {
            continue;
        }
        accepted += 1;
        for beams in if two { 1..=MAX_BEAMS } else { 0..=0 } {
            let size = Config { beams, ..config }.arena();
            assert!((size.total_bytes() as u64) < 1 << 32, "{config:?}: {size:?}");
            assert!(size.bytes.max(2 * size.halves) <= 1 << 31, "{config:?}: {size:?}");
            largest = largest.max(size.total_bytes());
        }
        if let Some(layout) = Layout::new(&config, 0, 0) {
            assert!(layout.end <= 1 << 30, "{config:?}");
            longest = longest.max(layout.end);
        }
    }
    println!("{accepted} accepted: up to {largest} bytes of RAM, {longest} of flash");
    assert!(accepted > 10_000 && largest > 1 << 30 && longest > 1 << 29);
}
