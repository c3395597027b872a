//! Optional sections: found, skipped, or refused by name.

use super::common::synthetic::*;
use super::{blobs, golden, resign, run};
use picoformer::blob::{
    AUDIO, KEY_BASE, META_BYTES, MOTION, NOTE, PROBLEM, RULES, SCOPE, TRIGGER, Tag,
};
use picoformer::config::{Config, ConfigError, Head};
use picoformer::probability::log_probability;
use picoformer::sampler::Sampling;
use picoformer::scope::{Scope, Score};
use picoformer::task::Event;
use picoformer::{Decoder, FormatError, Generator, Listener, Progress, RunError};
use picoformer_convert::error::Error;
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::host::{Blob, HeapArena};
use picoformer_convert::sections::with_section;
use picoformer_convert::writer::{self, Wide};
use proptest::prelude::*;

const TEXT: &[u8] = "from a naïve test".as_bytes();
/// Two sections that no engine knows, before and behind one that it knows; one without data.
const THREE: [(Tag, &[u8]); 3] = [(*b"aAzz", &[7; 16]), (NOTE, TEXT), (*b"zero", &[])];

/// The blob that sections are added to: without any.
fn plain() -> &'static [u8] {
    &blobs()[0]
}

/// A blob with these sections as they are, the checksum right; and where they begin.
fn forged(sections: &[(Tag, &[u8])]) -> (Vec<u8>, Vec<usize>) {
    forged_behind(plain(), sections)
}

/// As [`forged`], behind other fixed sections.
fn forged_behind(fixed: &[u8], sections: &[(Tag, &[u8])]) -> (Vec<u8>, Vec<usize>) {
    let (mut blob, mut offsets) = (fixed.to_vec(), Vec::new());
    for (tag, data) in sections {
        offsets.push(blob.len());
        blob.extend(tag);
        blob.extend((data.len() as u32).to_le_bytes());
        blob.extend([0; 8]);
        blob.extend(*data);
        blob.resize(blob.len().next_multiple_of(16), 0);
    }
    sign(&mut blob);
    (blob, offsets)
}

/// Makes length and checksum right.
fn sign(blob: &mut [u8]) {
    let total = (blob.len() as u32).to_le_bytes();
    blob[8..12].copy_from_slice(&total);
    resign(blob);
}

fn error(blob: &[u8]) -> Option<FormatError> {
    Blob::new(blob).parse().err()
}

#[test]
fn sections_are_found_or_skipped() {
    let logits = |blob: &[u8]| {
        let blob = Blob::new(blob);
        let model = blob.parse().unwrap();
        let mut arena = HeapArena::new(model.arena());
        let mut decoder = Decoder::new(&model, arena.parts()).unwrap();
        decoder.prefill(&[1, 2, 3]).unwrap();
        decoder.logits().to_vec()
    };
    let (bytes, offsets) = forged(&THREE);
    let blob = Blob::new(&bytes);
    let model = blob.parse().unwrap();
    assert_eq!(model.layout().end, offsets[0]);
    assert_eq!(model.flash_bytes(), bytes.len());
    assert!(model.sections().map(|s| (s.tag, s.data)).eq(THREE));
    for (tag, data) in THREE {
        assert_eq!(model.section(tag), Some(data));
    }
    assert_eq!(model.note().map(str::as_bytes), Some(TEXT));
    assert_eq!(model.section(*b"none"), None);
    assert_eq!(logits(&bytes), logits(plain()));
    let blob = Blob::new(plain());
    let without = blob.parse().unwrap();
    assert_eq!((without.sections().count(), without.note()), (0, None));
    // A note that is no text harms nobody.
    let (bytes, _) = forged(&[(NOTE, &[0xff])]);
    assert_eq!(Blob::new(&bytes).parse().unwrap().note(), None);
}

/// What the converter writes is what stands above, whatever was there before.
#[test]
fn the_converter_writes_them() {
    let mut blob = plain().to_vec();
    for (tag, data) in [THREE[2], (NOTE, &b"an older text that is longer than the other"[..])] {
        blob = with_section(&blob, tag, data).unwrap();
    }
    for (tag, data) in [THREE[1], THREE[0]] {
        blob = with_section(&blob, tag, data).unwrap();
    }
    assert_eq!(blob, forged(&THREE).0);
    let unknown = FormatError::UnknownSection { tag: *b"Need", offset: plain().len() };
    assert_eq!(with_section(plain(), *b"Need", &[]), Err(unknown));
}

#[test]
fn sections_cut_anywhere() {
    let (blob, offsets) = forged(&THREE);
    for cut in plain().len()..blob.len() {
        let mut short = blob[..cut].to_vec();
        resign(&mut short);
        let wrong = FormatError::WrongLength { needed: blob.len(), given: cut };
        assert_eq!(error(&short), Some(wrong), "cut at {cut}");
        sign(&mut short);
        match error(&short) {
            None => assert!(offsets.contains(&cut), "cut at {cut}"),
            Some(FormatError::CutSection { offset, .. }) => {
                let within = offsets.iter().rfind(|&&begin| begin < cut);
                assert_eq!(Some(&offset), within, "cut at {cut}");
            }
            other => panic!("cut at {cut}: {other:?}"),
        }
    }
    let mut long = blob.clone();
    long.push(0);
    let wrong = FormatError::WrongLength { needed: blob.len(), given: long.len() };
    assert_eq!(error(&long), Some(wrong));
    sign(&mut long);
    let cut = FormatError::CutSection { tag: [0; 4], offset: blob.len() };
    assert_eq!(error(&long), Some(cut));
}

/// Every byte of every tag takes every value, the checksum being right.
#[test]
fn every_tag_byte_takes_every_value() {
    let offsets = forged(&THREE).1;
    let mut seen = [0; 3];
    for (which, byte) in (0..3).flat_map(|which| (0..4).map(move |byte| (which, byte))) {
        for value in 0..=255 {
            let mut sections = THREE;
            sections[which].0[byte] = value;
            let expected = (0..3).find_map(|i| {
                let (tag, offset) = (sections[i].0, offsets[i]);
                if !tag[0].is_ascii_lowercase() {
                    seen[0] += 1;
                    return Some(FormatError::UnknownSection { tag, offset });
                }
                let misplaced = i > 0 && tag <= sections[i - 1].0;
                seen[1] += misplaced as usize;
                misplaced.then_some(FormatError::MisplacedSection { tag, offset })
            });
            seen[2] += expected.is_none() as usize;
            assert_eq!(error(&forged(&sections).0), expected, "{which}, byte {byte}: {value}");
        }
    }
    assert!(seen.iter().all(|&n| n > 20), "{seen:?}");
}

#[test]
fn wrong_orders_are_refused() {
    let [a, b, c] = THREE;
    for (sections, at) in [
        ([b, a, c], 1),
        ([a, c, b], 2),
        ([c, b, a], 1),
        ([a, a, b], 1),
        ([a, b, b], 2),
        ([c, c, c], 1),
    ] {
        let (blob, offsets) = forged(&sections);
        let expected = FormatError::MisplacedSection { tag: sections[at].0, offset: offsets[at] };
        assert_eq!(error(&blob), Some(expected));
    }
}

/// What an engine must know it refuses, with a text that names it.
#[test]
fn unknown_required_sections_are_refused() {
    for (tag, name) in [(*b"Prom", "`Prom`"), (*b"NOTE", "`NOTE`"), ([0, b'a', 9, 255], "`\\x00a")]
    {
        let (blob, offsets) = forged(&[(tag, &[]), THREE[1]]);
        let expected = FormatError::UnknownSection { tag, offset: offsets[0] };
        assert_eq!(error(&blob), Some(expected));
        assert!(expected.to_string().contains(name), "{expected}");
    }
}

/// The sections of a front end are for models that it fits; any other has none.
#[test]
fn front_ends_that_do_not_fit_are_refused() {
    let heard = writer::write(&golden("plain-keyword"), Wide::Never).unwrap();
    let (model, whole) = (Blob::new(&heard), heard.len());
    let model = model.parse().unwrap();
    let [audio, trigger] = [AUDIO, TRIGGER].map(|tag| model.section(tag).unwrap());
    let fixed = &heard[..model.layout().end];
    let with = |sections: &[(Tag, &[u8])]| error(&forged_behind(fixed, sections).0);
    assert_eq!(with(&[(AUDIO, audio), (TRIGGER, trigger)]), None);
    assert_eq!(forged_behind(fixed, &[(AUDIO, audio), (TRIGGER, trigger)]).0.len(), whole);
    assert_eq!(with(&[(AUDIO, audio)]), None);
    let offset = fixed.len();
    let bad = |section| Some(FormatError::BadSection { section, offset });
    let mut motion = vec![0; 16 + 8 * 4];
    (motion[0], motion[2]) = (4, 4);
    assert_eq!(with(&[(MOTION, &motion)]), None);
    assert_eq!(with(&[(AUDIO, audio), (MOTION, &motion)]), bad("Moti"));
    assert_eq!(with(&[(TRIGGER, trigger)]), bad("Trig"));
    assert_eq!(with(&[(MOTION, &motion[..40])]), bad("Moti"));
    motion[2] = 5;
    assert_eq!(with(&[(MOTION, &motion)]), bad("Moti"));
    // A model of tokens has no use for any of them.
    let (tokens, offsets) = forged(&[(AUDIO, audio)]);
    let unknown = FormatError::UnknownSection { tag: AUDIO, offset: offsets[0] };
    assert_eq!(error(&tokens), Some(unknown));
    // Every field and the beginnings of the tables, with every value.
    let mut accepted = 0;
    for (which, data) in [(0, audio), (1, trigger)] {
        for byte in 0..data.len().min(24) {
            for value in (0..=255).step_by(if byte < 16 { 1 } else { 15 }) {
                let mut changed = data.to_vec();
                changed[byte] = value;
                let sections = match which {
                    0 => [(AUDIO, &changed[..]), (TRIGGER, trigger)],
                    _ => [(AUDIO, audio), (TRIGGER, &changed[..])],
                };
                let (blob, _) = forged_behind(fixed, &sections);
                match Blob::new(&blob).parse() {
                    Ok(model) => {
                        accepted += 1;
                        run(&model);
                    }
                    Err(error) => assert_eq!(Some(error), bad(["Audi", "Trig"][which])),
                }
            }
        }
    }
    assert!(accepted > 300, "{accepted}");
}

/// Factors of a transform that are longer than 1 would let its sums grow beyond 32 bits.
#[test]
fn long_factors_of_a_transform_are_refused() {
    let heard = writer::write(&golden("plain-keyword"), Wide::Never).unwrap();
    let blob = Blob::new(&heard);
    let model = blob.parse().unwrap();
    let (fixed, audio) = (&heard[..model.layout().end], model.section(AUDIO).unwrap());
    let entries = u16::from_le_bytes([audio[4], audio[5]]) as usize / 4 + 1;
    let with = |change: &dyn Fn(usize, u32) -> u32| {
        let mut audio = audio.to_vec();
        for i in 0..entries {
            let entry: &mut [u8; 4] = (&mut audio[16 + 4 * i..20 + 4 * i]).try_into().unwrap();
            *entry = change(i, u32::from_le_bytes(*entry)).to_le_bytes();
        }
        forged_behind(fixed, &[(AUDIO, &audio)]).0
    };
    let bad = Some(FormatError::BadSection { section: "Audi", offset: fixed.len() });
    assert_eq!(error(&with(&|_, _| 1 << 30)), bad);
    assert_eq!(error(&with(&|_, _| u32::MAX)), bad);
    let middle = entries / 2;
    assert_eq!(error(&with(&|i, x| x + if i == middle { 8 } else { 0 })), bad);
    // Shorter ones do no harm.
    for forged in [with(&|_, x| x), with(&|_, _| 0), with(&|_, x| x / 3), with(&|_, _| 759_250_124)]
    {
        run(&Blob::new(&forged).parse().unwrap());
    }
}

/// What the labels of a model that hears mean: an event is one of several, and no answer says otherwise than the
/// blob.
#[test]
fn events_exclude_each_other() {
    let heard = writer::write(&golden("plain-keyword"), Wide::Never).unwrap();
    let blob = Blob::new(&heard);
    let model = blob.parse().unwrap();
    let [audio, trigger] = [AUDIO, TRIGGER].map(|tag| model.section(tag).unwrap());
    let fixed = &heard[..model.layout().end];
    let samples: Vec<i16> = (0..4000i32).map(|i| (i * i * 77) as i16).collect();
    for code in 0..=3u32 {
        let problem = code.to_le_bytes();
        let sections = [(AUDIO, audio), (PROBLEM, &problem[..]), (TRIGGER, trigger)];
        let bad = |section| FormatError::BadSection { section, offset: fixed.len() };
        let expected = [None, Some(bad("Trig")), Some(bad("Trig")), Some(bad("problem"))];
        assert_eq!(error(&forged_behind(fixed, &sections).0), expected[code as usize], "{code}");
        if code > 2 {
            continue;
        }
        // Without events: softmax, sigmoids, or no labels.
        let blob = Blob::new(&forged_behind(fixed, &sections[..2]).0);
        let model = blob.parse().unwrap();
        let mut arena = HeapArena::new(model.arena());
        let mut listener = Listener::new(&model, arena.parts()).unwrap();
        let found = listener.classify_recording(&samples);
        listener.begin_window().unwrap();
        while listener.step() == Progress::Working {}
        let logits = listener.outputs();
        let largest = *logits.iter().max().unwrap();
        let label = logits.iter().position(|&logit| logit == largest).unwrap();
        let answer = |log_probability| Ok((label, log_probability));
        let expected = match code {
            0 => answer(log_probability(logits, label)),
            1 => answer(log_probability(&[largest, 0], 0)),
            _ => Err(RunError::WrongModel { needed: "a model with labels" }),
        };
        assert_eq!(found.map(|found| (found.label, found.log_probability)), expected, "{code}");
        let again = listener.answer();
        assert_eq!(again.map(|found| (found.label, found.log_probability)), expected, "{code}");
        run(&model);
    }
}

/// The label that stands for none of the others is no event.
#[test]
fn no_event_is_none_of_the_labels() {
    let heard = writer::write(&golden("plain-keyword"), Wide::Never).unwrap();
    let blob = Blob::new(&heard);
    let model = blob.parse().unwrap();
    let [audio, trigger] = [AUDIO, TRIGGER].map(|tag| model.section(tag).unwrap());
    let fixed = &heard[..model.layout().end];
    let nothing = u32::from(trigger[0]);
    for none in (0..model.config().n_labels as u32).map(Some).chain([None]) {
        let scope = Scope::new(Score::Energy, none, 0).to_bytes();
        let sections = [(AUDIO, audio), (SCOPE, &scope[..]), (TRIGGER, trigger)];
        let bad = FormatError::BadSection { section: "Trig", offset: fixed.len() };
        let expected = none.is_some_and(|none| none != nothing).then_some(bad);
        assert_eq!(error(&forged_behind(fixed, &sections).0), expected, "{none:?}");
        assert_eq!(error(&forged_behind(fixed, &sections[..2]).0), None);
    }
}

/// The numbers of an embedding's dense layer are no labels.
#[test]
fn embeddings_have_no_labels() {
    let dense = Config { head: Head::Embedding, n_labels: 5, ..bert() };
    let mut model = random(dense, 66);
    let blob = |model: &FloatModel| writer::write(model, Wide::Never).unwrap();
    assert_eq!(error(&blob(&model)), None);
    model.labels = (0..5).map(|i| i.to_string()).collect();
    let named = blob(&model);
    assert!(matches!(error(&named), Some(FormatError::BadSection { section: "labels", .. })));
    model.config.head = Head::Classifier;
    assert_eq!(error(&blob(&model)), None);
}

/// What keys are stored less has a number for each, and only models that rotate them have it.
#[test]
fn bases_of_keys_that_do_not_fit_are_refused() {
    for (name, fits) in [
        ("llama-tied", true),
        ("mistral", true),
        ("gpt2-tied", false),
        ("bert-cls", false),
        ("t5-tied", false),
    ] {
        let fixed = writer::write(&golden(name), Wide::Never).unwrap();
        let blob = Blob::new(&fixed);
        let model = blob.parse().unwrap();
        let fixed = &fixed[..model.layout().end];
        let len = 2 * model.config().n_layers * model.config().kv_dim();
        let offset = fixed.len();
        for given in [0, 1, 2, len - 2, len - 1, len, len + 1, len + 2, 2 * len] {
            // The greatest numbers: rows saturate.
            let data = [0xff, 0x7f].repeat(len);
            let forged = forged_behind(fixed, &[(KEY_BASE, &data[..given])]).0;
            let expected = match (fits, given == len) {
                (true, true) => {
                    run(&Blob::new(&forged).parse().unwrap());
                    None
                }
                (true, false) => Some(FormatError::BadSection { section: "key base", offset }),
                (false, _) => Some(FormatError::UnknownSection { tag: KEY_BASE, offset }),
            };
            assert_eq!(error(&forged), expected, "{name}: {given} bytes of {len}");
        }
    }
}

/// Lengths that lead out of the blob, or that would wrap to a place in it where addresses have 32 bits.
#[test]
fn lengths_that_wrap_are_refused() {
    let (blob, offsets) = forged(&THREE);
    let wrapped = |offset: u32, length: u32| {
        offset.wrapping_add(META_BYTES as u32).wrapping_add(length.wrapping_add(15) & !15)
    };
    for (&offset, (tag, _)) in offsets.iter().zip(THREE) {
        let left = (blob.len() - offset - META_BYTES) as u32;
        let mut lengths: Vec<u32> = (0..40).map(|i| u32::MAX - i).collect();
        lengths.extend((1..40).map(|i| left + i));
        for power in [28, 29, 30, 31] {
            lengths.extend((0..40).map(|i| (1u32 << power) - 20 + i));
        }
        // A core that adds in 32 bits would meet this section again, an earlier one, the end, the header.
        for target in offsets.iter().map(|&at| at as u32).chain([blob.len() as u32, 0, 16]) {
            let length = target.wrapping_sub(offset as u32).wrapping_sub(META_BYTES as u32);
            assert_eq!(wrapped(offset as u32, length), target);
            lengths.extend((length > left).then_some(length));
        }
        for length in lengths {
            let mut wrong = blob.clone();
            wrong[offset + 4..offset + 8].copy_from_slice(&length.to_le_bytes());
            resign(&mut wrong);
            let expected = FormatError::CutSection { tag, offset };
            assert_eq!(error(&wrong), Some(expected), "length {length:#x}");
        }
    }
}

#[test]
fn padding_of_sections_is_zero() {
    let (blob, offsets) = forged(&THREE);
    let mut padding = 0;
    for (&offset, (_, data)) in offsets.iter().zip(THREE) {
        let end = offset + META_BYTES + data.len();
        for at in (offset + 8..offset + META_BYTES).chain(end..end.next_multiple_of(16)) {
            for value in [1, 0x80] {
                let mut wrong = blob.clone();
                wrong[at] = value;
                resign(&mut wrong);
                assert_eq!(error(&wrong), Some(FormatError::BadPadding { offset: at }));
            }
            padding += 1;
        }
    }
    assert_eq!(padding, 3 * 8 + 14);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes overwritten in the optional sections of any model: refused, or all that is found lies in the
    /// blob and the model runs.
    #[test]
    fn forged_sections_do_no_harm(
        which in 0..blobs().len(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        cut in 0..40usize,
    ) {
        let mut blob = blobs()[which].clone();
        let end = blob.len();
        for (tag, data) in THREE {
            blob = with_section(&blob, tag, data).unwrap();
        }
        for (index, value) in changes {
            let at = end + index.index(blob.len() - end);
            blob[at] = value;
        }
        blob.truncate(blob.len() - cut);
        sign(&mut blob);
        let whole = Blob::new(&blob);
        if let Ok(model) = whole.parse() {
            let bytes: usize = model.sections().map(|s| s.data.len().next_multiple_of(16) + 16).sum();
            prop_assert_eq!(model.layout().end + bytes, blob.len());
            run(&model);
        }
    }
}

/// A record of rules.
fn record(kind: u16, values: &[u32]) -> Vec<u8> {
    let count = values.len() as u16;
    let values = values.iter().flat_map(|value| value.to_le_bytes());
    kind.to_le_bytes().into_iter().chain(count.to_le_bytes()).chain(values).collect()
}

/// Every kind of rule once, for a vocabulary of 29.
fn every_rule() -> Vec<u8> {
    let one = 1 << 24;
    [
        record(1, &[3, 7]),
        record(2, &[one + one / 2, one / 3 * 2]),
        record(3, &[2]),
        record(4, &[5]),
        record(4, &[6, 7, 8]),
        record(5, &[3]),
        record(6, &[2]),
        record(7, &[28]),
        record(8, &[3]),
        record(9, &[0, 1]),
        record(10, &[2]),
        record(11, &[2 << 16]),
        record(12, &[2]),
    ]
    .concat()
}

fn wrong_rules(data: &[u8]) -> bool {
    let offset = plain().len();
    error(&forged(&[(RULES, data)]).0) == Some(FormatError::BadSection { section: "rules", offset })
}

/// Rules that are none are refused; whatever is accepted runs.
#[test]
fn rules_are_checked() {
    let (whole, max) = (every_rule(), u32::MAX);
    assert_eq!(error(&forged(&[(RULES, &whole)]).0), None);
    for (kind, values) in [
        (0, &[1][..]),
        (13, &[1]),
        (u16::MAX, &[1]),
        (1, &[29]),
        (2, &[1 << 24]),
        (2, &[0, 1 << 24]),
        (2, &[1, 2, 3]),
        (3, &[0]),
        (3, &[]),
        (4, &[]),
        (4, &[5, 29]),
        (5, &[]),
        (7, &[1, 2]),
        (7, &[29]),
        (8, &[max]),
        (9, &[]),
        (11, &[65 << 16]),
        (11, &[1 << 31]),
        (12, &[3]),
    ] {
        assert!(wrong_rules(&record(kind, values)), "{kind} {values:?}");
    }
    assert!(wrong_rules(&[record(9, &[1]), record(3, &[2])].concat()), "out of order");
    assert!(wrong_rules(&[record(3, &[2]), record(3, &[2])].concat()), "twice");
    let edges = (0..whole.len()).filter(|&cut| !wrong_rules(&whole[..cut])).count();
    assert_eq!(edges, 13, "a cut is no record but at its end");
    // A model that writes nothing has none.
    let mut bert = blobs()[3].clone();
    bert.extend([&RULES[..], &8u32.to_le_bytes(), &[0; 8], &record(3, &[2]), &[0; 8]].concat());
    sign(&mut bert);
    assert!(matches!(error(&bert), Some(FormatError::UnknownSection { tag: RULES, .. })));
}

/// Rules that leave no token to be written: nothing but a banned one could come.
#[test]
fn rules_leave_a_token() {
    let all: Vec<u32> = (0..29).collect();
    let but = |token: u32| all.iter().copied().filter(|&t| t != token).collect::<Vec<u32>>();
    let words: Vec<u8> = all.iter().flat_map(|&token| record(4, &[token])).collect();
    let refused = [
        ("all are suppressed", record(9, &all)),
        ("all are words", words.clone()),
        ("one is suppressed, the others are words", [&words[8..], &record(9, &[0])].concat()),
        ("all are not the first", record(10, &all)),
        ("none is the first", [record(9, &but(7)), record(10, &[7])].concat()),
        ("no text ends, and all end it", [record(1, &all), record(5, &[9])].concat()),
        ("nor does it anew", [record(1, &but(7)), record(6, &[1]), record(9, &[7])].concat()),
        ("what is forced is suppressed", [record(7, &[3]), record(9, &[2, 3])].concat()),
        ("so is what is forced last", [record(8, &[3, 5]), record(9, &[3, 4, 5])].concat()),
        ("not a set", record(9, &[3, 3])),
        ("not in order", record(9, &[4, 3])),
    ];
    for (what, data) in refused {
        assert!(wrong_rules(&data), "{what}");
    }
    let accepted = [
        ("one is left", record(9, &but(7)), Some(7)),
        ("one is left of words", words[8..].to_vec(), Some(0)),
        ("one is left for the first", record(10, &but(7)), None),
        ("another may be the last", [record(8, &[3, 6]), record(9, &[3])].concat(), None),
        ("a text may end at once", [record(1, &all), record(5, &[1])].concat(), None),
        ("words do not hinder what is forced", [record(4, &[3]), record(7, &[3])].concat(), None),
    ];
    for (what, data, only) in accepted {
        let blob = Blob::new(&forged(&[(RULES, &data)]).0);
        let model = blob.parse().unwrap_or_else(|error| panic!("{what}: {error:?}"));
        run(&model);
        for sampling in [Sampling::greedy(), Sampling::seeded(5)] {
            let mut arena = HeapArena::new(model.arena());
            let mut generator = Generator::new(&model, arena.parts(), sampling).unwrap();
            generator.prompt_ids(&[1, 2]).unwrap();
            while let Event::Token(token) = generator.next_token().unwrap() {
                assert!(only.is_none_or(|only| token == only), "{what}: {token}");
            }
        }
    }
}

/// The converter writes nothing that the engine refuses so, and names the key.
#[test]
fn contradictions_are_not_written() {
    let key = |model: &FloatModel| match writer::write(model, Wide::Never) {
        Err(Error::Unsupported { key, .. }) => Some(key),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    };
    let mut model = random(Config { vocab_size: 29, ..gpt2() }, 67);
    model.set_section(RULES, record(9, &(1..29).collect::<Vec<u32>>()));
    assert_eq!(key(&model), None);
    model.set_section(RULES, record(9, &(0..29).collect::<Vec<u32>>()));
    assert_eq!(key(&model).as_deref(), Some("suppress_tokens"));
    let mut heard = golden("plain-keyword");
    heard.set_section(PROBLEM, vec![0; 4]);
    assert_eq!(key(&heard), None);
    heard.set_section(PROBLEM, vec![1, 0, 0, 0]);
    assert_eq!(key(&heard).as_deref(), Some("problem_type"));
}

/// What every target begins with is not what none has: in the header, and between header and rules.
#[test]
fn a_forced_token_is_not_suppressed() {
    let config = golden("bart").config;
    assert!(config.forced_token > 0 && config.suppressed_token != config.forced_token);
    let both = Config { suppressed_token: config.forced_token, ..config };
    assert_eq!(both.validate(), Err(ConfigError("forced_token")));
    let fixed = writer::write(&golden("bart"), Wide::Never).unwrap();
    let end = Blob::new(&fixed).parse().unwrap().layout().end;
    let with = |token: usize| {
        error(&forged_behind(&fixed[..end], &[(RULES, &record(9, &[token as u32]))]).0)
    };
    let forced = config.forced_token - 1;
    assert_eq!(with(forced), Some(FormatError::BadSection { section: "rules", offset: end }));
    assert_eq!(with(if forced == 0 { 1 } else { forced - 1 }), None);
}

/// Every bit of the rules flipped, every byte at its extremes: refused, or run to the end.
#[test]
fn every_bit_of_the_rules_is_flipped() {
    let (whole, mut accepted) = (every_rule(), 0);
    for at in 0..whole.len() {
        let flipped = (0..8).map(|bit| whole[at] ^ 1 << bit).chain([0, 255]);
        for value in flipped.filter(|&value| value != whole[at]) {
            let mut data = whole.clone();
            data[at] = value;
            let blob = Blob::new(&forged(&[(RULES, &data)]).0);
            if let Ok(model) = blob.parse() {
                accepted += 1;
                run(&model);
            }
        }
    }
    assert!(accepted > 200, "{accepted}");
}
