//! Every task on whatever is accepted, with a hash over all that it answers.

use core::fmt::{self, Write};
use picoformer::matrix::Packing;
use picoformer::sampler::{ONE, Sampling};
use picoformer::tokenizer::{EncodeError, Token};
use picoformer::{
    ArenaParts, ArenaSize, Build, Classifier, Decoder, Encoder, Generator, Listener, Model,
    MotionClassifier, Progress, Seq2Seq, Translator,
};

/// Steps of a task after which it is called a hang. A step is a tile of rows in a layer.
pub const MAX_STEPS: u64 = 1 << 16;

/// Tokens of a text that tasks are given at most.
const TOKENS: usize = 12;

/// RAM for the models that are run; one that needs more is not.
#[derive(Debug)]
pub struct Room<'a> {
    /// Bytes of the arena.
    pub bytes: &'a mut [u8],
    /// Its halves.
    pub halves: &'a mut [i16],
    /// Its words.
    pub words: &'a mut [i32],
    /// Its tokens.
    pub tokens: &'a mut [u32],
    /// Models with plain weights are run: not where a core is compared that refuses them.
    pub plain: bool,
}

impl Room<'_> {
    /// What a host and a board both have: enough for every shipped model.
    pub const SIZE: ArenaSize =
        ArenaSize { bytes: 192 << 10, halves: 96 << 10, words: 16 << 10, tokens: 4 << 10 };

    /// Whether a model fits.
    fn holds(&self, model: &Model) -> bool {
        let size = model.arena();
        let packed = self.plain || matches!(model.config().packing, Packing::Paired);
        packed
            && size.bytes <= self.bytes.len()
            && size.halves <= self.halves.len()
            && size.words <= self.words.len()
            && size.tokens <= self.tokens.len()
    }

    /// Exactly what a model asks for, full of rubbish: what an arena holds at first must not matter, and a
    /// sanitizer sees what reaches beyond it.
    fn parts(&mut self, size: &ArenaSize) -> ArenaParts<'_> {
        let Self { bytes, halves, words, tokens, .. } = self;
        let (bytes, halves) = (&mut bytes[..size.bytes], &mut halves[..size.halves]);
        let (words, tokens) = (&mut words[..size.words], &mut tokens[..size.tokens]);
        bytes.fill(0xA5);
        halves.fill(-23131);
        words.fill(-1515870811);
        tokens.fill(0xA5A5_A5A5);
        ArenaParts { bytes, halves, words, tokens }
    }
}

/// What became of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// It was accepted.
    pub accepted: bool,
    /// It was run: accepted, and it fits the room.
    pub ran: bool,
    /// A task needed more than [`MAX_STEPS`].
    pub hung: bool,
    /// Over the error or every answer.
    pub hash: u64,
}

impl Outcome {
    /// Accepted 1, run 2, hung 4.
    pub fn flags(self) -> u8 {
        u8::from(self.accepted) | u8::from(self.ran) << 1 | u8::from(self.hung) << 2
    }
}

/// FNV-1a (Fowler, Noll and Vo) over numbers and texts.
struct Hash {
    value: u64,
    steps: u64,
}

impl Hash {
    const fn new() -> Self {
        Self { value: 0xcbf2_9ce4_8422_2325, steps: 0 }
    }

    fn add(&mut self, number: i64) {
        for byte in number.to_le_bytes() {
            self.value = (self.value ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn all(&mut self, numbers: &[i32]) {
        self.add(numbers.len() as i64);
        numbers.iter().for_each(|&x| self.add(i64::from(x)));
    }

    /// The kind of an error and its numbers, as `Debug` tells them.
    fn error(&mut self, error: &dyn fmt::Debug) {
        let _ = write!(self, "{error:?}");
    }

    /// Whether another step may be done.
    fn step(&mut self) -> bool {
        self.steps += 1;
        self.steps < MAX_STEPS
    }
}

impl Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.add(i64::from(byte)));
        Ok(())
    }
}

/// A text that asks something of every tokenizer.
const TEXT: &str = "Once, a “naïve” fox… 日本";

/// Parses a blob at an address that is a multiple of four, checksum included, and runs what is accepted on the
/// kernels of `B`.
pub fn try_blob<B: Build>(blob: &[u8], room: &mut Room) -> Outcome {
    let mut hash = Hash::new();
    let (mut accepted, mut ran) = (false, false);
    match Model::parse_for::<B>(blob) {
        Ok(model) => {
            accepted = true;
            ran = room.holds(&model);
            hash.add(model.arena().total_bytes() as i64);
            if ran {
                run::<B>(&model, room, &mut hash);
            }
        }
        Err(error) => hash.error(&error),
    }
    Outcome { accepted, ran, hung: hash.steps >= MAX_STEPS, hash: hash.value }
}

/// Runs every task of a model that was accepted; does nothing if it does not fit.
pub fn tasks<B: Build>(model: &Model, room: &mut Room) -> Outcome {
    let mut hash = Hash::new();
    let ran = room.holds(model);
    if ran {
        run::<B>(model, room, &mut hash);
    }
    Outcome { accepted: true, ran, hung: hash.steps >= MAX_STEPS, hash: hash.value }
}

#[inline(never)]
fn run<B: Build>(model: &Model, room: &mut Room, hash: &mut Hash) {
    let size = &model.arena();
    for label in 0..model.config().n_labels.min(5) {
        let _ = hash.write_str(model.label(label).unwrap_or("none"));
    }
    for section in model.sections() {
        hash.add(section.data.len() as i64);
    }
    let mut ids: [Token; 40] = [1; 40];
    let n = text(model, &mut ids, hash);
    let ids = ids.get(..n).unwrap_or_default();
    decoder::<B>(model, room.parts(size), ids, hash);
    generator::<B>(model, room.parts(size), ids, hash);
    encoder::<B>(model, room.parts(size), ids, hash);
    classifier::<B>(model, room.parts(size), hash);
    senses::<B>(model, room, hash);
    seq2seq::<B>(model, room.parts(size), ids, hash);
    translator::<B>(model, room.parts(size), hash);
}

/// The tokens of a text, there and back; returns how many to feed.
fn text(model: &Model, ids: &mut [Token], hash: &mut Hash) -> usize {
    let Some(tokenizer) = model.tokenizer() else { return 3.min(model.config().context) };
    let n = match tokenizer.encode(TEXT, ids) {
        Ok(n) => n,
        Err(error) => {
            // How many tokens a text needs does not depend on the room for them.
            if let EncodeError::TooLong { given, .. } = error {
                hash.add(given as i64);
            }
            hash.error(&error);
            3
        }
    };
    let mut previous = None;
    for &token in ids.iter().take(n) {
        if let Some(piece) = tokenizer.decode(previous, token) {
            hash.add(piece.bytes.len() as i64 * 2 + i64::from(piece.space));
        }
        hash.add(i64::from(token));
        previous = Some(token);
    }
    n.min(TOKENS).min(model.config().context)
}

#[inline(never)]
fn decoder<B: Build>(model: &Model, arena: ArenaParts, ids: &[Token], hash: &mut Hash) {
    let mut decoder = match Decoder::<B>::new_for(model, arena) {
        Ok(decoder) => decoder,
        Err(error) => return hash.error(&error),
    };
    match decoder.score(ids, |_, _| {}) {
        Ok(score) => hash.add(score),
        Err(error) => hash.error(&error),
    }
    hash.all(decoder.logits());
}

#[inline(never)]
fn generator<B: Build>(model: &Model, arena: ArenaParts, ids: &[Token], hash: &mut Hash) {
    let Ok(decoder) = Decoder::<B>::new_for(model, arena) else { return };
    let sampling = Sampling::seeded(1).with_temperature(ONE / 2).with_top_k(9).with_top_p(ONE / 2);
    let mut generator = Generator::from_decoder(decoder, &mut [], sampling);
    if let Err(error) = generator.prompt_ids(ids) {
        return hash.error(&error);
    }
    for _ in 0..4 {
        match generator.next_token() {
            Ok(event) => hash.error(&event),
            Err(error) => return hash.error(&error),
        }
    }
}

#[inline(never)]
fn encoder<B: Build>(model: &Model, arena: ArenaParts, ids: &[Token], hash: &mut Hash) {
    let Ok(mut encoder) = Encoder::<B>::new_for(model, arena) else { return };
    let begun = encoder.begin(ids);
    hash.error(&begun);
    if begun.is_ok() {
        finish(&mut encoder, hash);
        match encoder.label_logits(0) {
            Ok(logits) => hash.all(logits),
            Err(error) => hash.error(&error),
        }
        let (row, exponent) = encoder.hidden(0);
        row.iter().for_each(|&x| hash.add(i64::from(x)));
        hash.add(i64::from(exponent));
    }
    let frame = [i16::MIN, -1, 0, 1, 77, 3000, i16::MAX];
    let rows = 3.min(model.config().context);
    let mut row: [i16; 512] = [0; 512];
    if let Some(row) = row.get_mut(..model.config().frame_len) {
        let begun = encoder.begin_rows(rows, row, |index, to| {
            to.iter_mut().zip(frame.iter().cycle().skip(index)).for_each(|(to, x)| *to = *x);
        });
        hash.error(&begun);
        if begun.is_ok() {
            finish(&mut encoder, hash);
        }
    }
}

fn finish<B: Build>(encoder: &mut Encoder<B>, hash: &mut Hash) {
    while hash.step() && encoder.step() == Progress::Working {}
    hash.all(encoder.outputs());
}

#[inline(never)]
fn classifier<B: Build>(model: &Model, arena: ArenaParts, hash: &mut Hash) {
    let Ok(mut classifier) = Classifier::<B>::new_for(model, arena) else { return };
    match classifier.classify(TEXT) {
        Ok(answer) => {
            hash.add(answer.label as i64);
            hash.add(i64::from(answer.log_probability));
        }
        Err(error) => hash.error(&error),
    }
    let scored = classifier.scores("stop", |answer| {
        assert!(answer.log_probability <= 0);
        hash.add(answer.label as i64 ^ i64::from(answer.log_probability) << 20);
    });
    let entities = classifier.entities("a fox, o'clock", |entity| {
        assert!(entity.first < entity.end);
        hash.add((entity.first * 97 + entity.end) as i64);
    });
    hash.error(&(scored.is_ok(), entities.is_ok()));
    match classifier.outputs("fox") {
        Ok(outputs) => hash.all(outputs),
        Err(error) => hash.error(&error),
    }
}

/// Loud and wild samples.
const fn samples() -> [i16; 700] {
    let (mut all, mut i) = ([0; 700], 0);
    while i < all.len() {
        all[i] = (i as i16).wrapping_mul(i as i16).wrapping_mul(77);
        i += 1;
    }
    all
}
static SAMPLES: [i16; 700] = samples();

#[inline(never)]
fn senses<B: Build>(model: &Model, room: &mut Room, hash: &mut Hash) {
    let size = &model.arena();
    if let Ok(mut listener) = Listener::<B>::new_for(model, room.parts(size)) {
        // Six inferences at most.
        for piece in SAMPLES.chunks(listener.limit().clamp(1, SAMPLES.len())).take(6) {
            match listener.push(piece) {
                Ok(found) => hash.error(&found),
                Err(error) => hash.error(&error),
            }
        }
        match listener.classify_recording(&SAMPLES) {
            Ok(answer) => hash.add(answer.label as i64),
            Err(error) => hash.error(&error),
        }
        hash.all(listener.encoder().outputs());
    }
    if let Ok(mut motions) = MotionClassifier::<B>::new_for(model, room.parts(size)) {
        motions.feed(&SAMPLES);
        match motions.classify() {
            Ok(answer) => hash.add(answer.label as i64),
            Err(error) => hash.error(&error),
        }
        hash.all(motions.encoder().outputs());
    }
}

#[inline(never)]
fn seq2seq<B: Build>(model: &Model, arena: ArenaParts, ids: &[Token], hash: &mut Hash) {
    let Ok(mut engine) = Seq2Seq::<B>::new_for(model, arena) else { return };
    // Refused where a target has fewer.
    let _ = engine.set_limit(4);
    match engine.begin(ids) {
        Ok(()) => while hash.step() && engine.step() == Progress::Working {},
        Err(error) => return hash.error(&error),
    }
    hash.error(&engine.found());
    let mut tokens = [0; 8];
    let n = engine.tokens(&mut tokens);
    tokens.iter().take(n).for_each(|&token| hash.add(i64::from(token)));
    match engine.score(ids, ids.get(..2).unwrap_or(ids), |_, _, _| {}) {
        Ok(score) => hash.add(score),
        Err(error) => hash.error(&error),
    }
    hash.all(engine.logits());
}

#[inline(never)]
fn translator<B: Build>(model: &Model, arena: ArenaParts, hash: &mut Hash) {
    let Ok(mut translator) = Translator::<B>::new_for(model, arena) else { return };
    let _ = translator.engine().set_limit(3);
    let mut text = Hash::new();
    match translator.translate("fox", &mut text) {
        Ok(found) => hash.error(&found),
        Err(error) => hash.error(&error),
    }
    hash.add(text.value as i64);
}
