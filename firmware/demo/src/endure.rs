//! Endurance: inferences of all kinds of models in turn, in one arena, for as long as one likes. Every answer must be
//! what it was the first time, and nothing beside the arena may change.
//!
//! With faults, memory of the arena is changed between the steps of every other turn. That answer may be
//! wrong; what follows must be right again.

use core::fmt::Write;
use core::ops::Range;

use picoformer::{
    Arena, ArenaSize, Classifier, Generator, Listener, MotionClassifier, Progress, Sampling,
    Translator,
};

use crate::hash::Hash;
use crate::lend::Lend;
use crate::{Failure, Summary, classify, digits, g2p, generate, motion, text};

/// Cases of each task.
const CASES: usize = 4;
/// Tokens of a tale.
const TOKENS: usize = 24;
/// The beginnings of tales.
const PROMPTS: [&str; CASES] = ["Once", "The king", "A fox", "There was"];
/// More steps than any answer takes.
const STEPS: usize = 100_000;
/// Words around the arena that nobody writes.
const GUARD: usize = 64;
/// What they hold.
const INTACT: u32 = 0x6A09_E667;

const SIZE: ArenaSize = {
    let sizes = [
        classify::MODEL.arena(),
        motion::MODEL.arena(),
        digits::MODEL.arena(),
        generate::MODEL.arena(),
        g2p::BEAM.arena(),
    ];
    let mut most = ArenaSize { bytes: 0, halves: 0, words: 0, tokens: 0 };
    let mut i = 0;
    while i < sizes.len() {
        let size = sizes[i];
        most.bytes = if size.bytes > most.bytes { size.bytes } else { most.bytes };
        most.halves = if size.halves > most.halves { size.halves } else { most.halves };
        most.words = if size.words > most.words { size.words } else { most.words };
        most.tokens = if size.tokens > most.tokens { size.tokens } else { most.tokens };
        i += 1;
    }
    most
};
type Ram = Arena<{ SIZE.bytes }, { SIZE.halves }, { SIZE.words }, { SIZE.tokens }>;

/// The arena between guards, in this order.
#[repr(C)]
struct Guarded {
    before: [u32; GUARD],
    ram: Ram,
    after: [u32; GUARD],
}

static MEMORY: Lend<Guarded> =
    Lend::new(Guarded { before: [INTACT; GUARD], ram: Arena::new(), after: [INTACT; GUARD] });

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Intent,
    Motion,
    Tale,
    Digit,
    Word,
}

/// How often each is drawn, of 16: what takes long, seldom.
const TURNS: [Task; 16] = {
    use Task::*;
    [
        Intent, Motion, Tale, Tale, Intent, Tale, Digit, Motion, Intent, Tale, Tale, Word, Intent,
        Motion, Tale, Tale,
    ]
};

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Passes through a model: a text, a recording, a word or a token.
    pub inferences: u64,
    /// Answers that were not those of the first time, without a fault.
    pub differences: u64,
    /// Turns with faults.
    pub faulted: u64,
    /// Of those, answers that were not the right ones.
    pub wrong: u64,
    /// Answers that took more steps than any answer takes.
    pub hangs: u64,
    /// Whether the guards hold what they held.
    pub intact: bool,
    /// The hash of all first answers: that of every core.
    pub hash: u64,
}

/// Changes memory in one of these ranges of addresses, the parts of the arena that a model uses, between two steps.
pub type Fault<'f> = &'f mut dyn FnMut(&[Range<usize>; 4]);

/// Runs at least so many inferences, in an order that `seed` gives; `fault`, if any, is called between the steps of
/// every other turn.
///
/// # Errors
/// Names what an engine refused without a fault.
pub fn endure(inferences: u64, seed: u64, mut fault: Option<Fault>) -> Result<Tally, Failure> {
    let memory = MEMORY.take().ok_or(Failure("the arena is in use"))?;
    let mut tally = Tally::default();
    // First each case alone: what it answers, and how many passes it takes.
    let mut known = [[(0, 0); CASES]; 5];
    let mut all = Hash::new();
    for task in [Task::Intent, Task::Motion, Task::Tale, Task::Digit, Task::Word] {
        for case in 0..CASES {
            let answer = run(task, case, &mut memory.ram, &mut || {})?;
            all.add(&[answer.0 as i32, (answer.0 >> 32) as i32]);
            if let Some(entry) = known.get_mut(task as usize).and_then(|row| row.get_mut(case)) {
                *entry = answer;
            }
        }
    }
    tally.hash = all.value();
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while tally.inferences < inferences {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let (draw, case) = (random as usize % TURNS.len(), (random >> 32) as usize % CASES);
        let task = TURNS.get(draw).copied().unwrap_or(Task::Intent);
        let row = known.get(task as usize);
        let (expected, passes) = row.and_then(|row| row.get(case)).copied().unwrap_or_default();
        if let Some(fault) = fault.as_mut() {
            let used = used(task, &mut memory.ram);
            let mut between = || fault(&used);
            let answer = run(task, case, &mut memory.ram, &mut between);
            tally.faulted += 1;
            tally.wrong += u64::from(!answer.is_ok_and(|(hash, _)| hash == expected));
            tally.hangs += u64::from(answer.is_err_and(|failure| failure.0 == HANG));
        }
        let (hash, _) = run(task, case, &mut memory.ram, &mut || {})?;
        tally.differences += u64::from(hash != expected);
        tally.inferences += passes;
    }
    let guards = memory.before.iter().chain(&memory.after);
    tally.intact = guards.into_iter().all(|&word| word == INTACT);
    Ok(tally)
}

/// Where the parts of the arena lie that a task's model uses.
fn used(task: Task, ram: &mut Ram) -> [Range<usize>; 4] {
    let size = match task {
        Task::Intent => classify::MODEL.arena(),
        Task::Motion => motion::MODEL.arena(),
        Task::Tale => generate::MODEL.arena(),
        Task::Digit => digits::MODEL.arena(),
        Task::Word => g2p::BEAM.arena(),
    };
    let parts = ram.parts();
    [
        (parts.bytes.as_ptr().addr(), size.bytes),
        (parts.halves.as_ptr().addr(), 2 * size.halves),
        (parts.words.as_ptr().addr(), 4 * size.words),
        (parts.tokens.as_ptr().addr(), 4 * size.tokens),
    ]
    .map(|(start, len)| start..start + len)
}

const HANG: &str = "an answer takes more steps than any";

/// One answer: the hash of its outputs, and the passes that it took.
fn run(
    task: Task,
    case: usize,
    ram: &mut Ram,
    between: &mut dyn FnMut(),
) -> Result<(u64, u64), Failure> {
    match task {
        Task::Intent => intent(case, ram, between),
        Task::Motion => moved(case, ram, between),
        Task::Tale => tale(case, ram, between),
        Task::Digit => digit(case, ram, between),
        Task::Word => word(case, ram, between),
    }
}

fn of<T: Copy>(cases: &[T; CASES], case: usize) -> T {
    cases[case % CASES]
}

#[inline(never)]
fn intent(case: usize, ram: &mut Ram, between: &mut dyn FnMut()) -> Result<(u64, u64), Failure> {
    let classifier = Classifier::<classify::Intent>::new_for(&classify::MODEL, ram);
    let mut classifier = classifier.map_err(|_| Failure("no classifier"))?;
    let sentence = of(&classify::SENTENCES, case);
    let tokenizer = classify::MODEL.tokenizer().ok_or(Failure("no tokenizer"))?;
    let mut tokens = [0; 96];
    let count = tokenizer.encode(sentence, &mut tokens).map_err(|_| Failure("no tokens"))?;
    let encoder = classifier.encoder();
    let begun = encoder.begin(tokens.get(..count).unwrap_or_default());
    begun.map_err(|_| Failure("the sentence cannot be taken"))?;
    for _ in 0..STEPS {
        between();
        if encoder.step() == Progress::Done {
            return Ok((hash(encoder.outputs()), 1));
        }
    }
    Err(Failure(HANG))
}

#[inline(never)]
fn moved(case: usize, ram: &mut Ram, between: &mut dyn FnMut()) -> Result<(u64, u64), Failure> {
    let motions = MotionClassifier::<motion::Motions>::new_for(&motion::MODEL, ram);
    let mut motions = motions.map_err(|_| Failure("no classifier"))?;
    let (_, samples) = of(&motion::RECORDINGS, case);
    for samples in samples.chunks(motion::BUFFER) {
        between();
        motions.feed(samples);
    }
    between();
    motions.classify().map_err(|_| Failure("the motion cannot be classified"))?;
    Ok((hash(motions.encoder().outputs()), 1))
}

#[inline(never)]
fn digit(case: usize, ram: &mut Ram, between: &mut dyn FnMut()) -> Result<(u64, u64), Failure> {
    let listener = Listener::<digits::Digits>::new_for(&digits::MODEL, ram);
    let mut listener = listener.map_err(|_| Failure("no listener"))?;
    let (_, samples) = of(&digits::RECORDINGS, case);
    for samples in samples.chunks(400) {
        between();
        listener.feed(samples);
    }
    between();
    listener.classify().map_err(|_| Failure("the recording cannot be classified"))?;
    Ok((hash(listener.encoder().outputs()), 1))
}

#[inline(never)]
fn tale(case: usize, ram: &mut Ram, between: &mut dyn FnMut()) -> Result<(u64, u64), Failure> {
    use picoformer::Event;
    let sampling = Sampling::seeded(case as u64 + 1).with_temperature(1 << 15);
    let generator = Generator::<generate::Tales>::new_for(&generate::MODEL, ram, sampling);
    let mut generator = generator.map_err(|_| Failure("no decoder"))?;
    let prompt = generator.prompt(of(&PROMPTS, case));
    let mut passes = prompt.map_err(|_| Failure("the prompt cannot be taken"))?.len() as u64;
    let (mut hash, mut tokens) = (Hash::new(), 0);
    for _ in 0..STEPS {
        between();
        match generator.step().map_err(|_| Failure("no further token"))? {
            Event::Working => {}
            Event::Token(token) => {
                hash.add(&[token as i32]);
                (tokens, passes) = (tokens + 1, passes + 1);
                if tokens == TOKENS {
                    return Ok((hash.value(), passes));
                }
            }
            Event::Stopped(_) => return Ok((hash.value(), passes)),
        }
    }
    Err(Failure(HANG))
}

#[inline(never)]
fn word(case: usize, ram: &mut Ram, between: &mut dyn FnMut()) -> Result<(u64, u64), Failure> {
    let model = if case.is_multiple_of(2) { &g2p::GREEDY } else { &g2p::BEAM };
    let translator = Translator::<g2p::Words>::new_for(model, ram);
    let mut translator = translator.map_err(|_| Failure("no encoder-decoder"))?;
    let begun = translator.begin(of(&g2p::WORDS, case));
    begun.map_err(|_| Failure("the word cannot be taken"))?;
    let engine = translator.engine();
    for _ in 0..STEPS {
        between();
        if engine.step() == Progress::Done {
            let mut tokens = [0; 64];
            let length = engine.tokens(&mut tokens);
            let mut hash = Hash::new();
            for &token in tokens.iter().take(length) {
                hash.add(&[token as i32]);
            }
            return Ok((hash.value(), 1));
        }
    }
    Err(Failure(HANG))
}

fn hash(outputs: &[i32]) -> u64 {
    let mut hash = Hash::new();
    hash.add(outputs);
    hash.value()
}

/// How many inferences a board runs; set by `cargo xtask endure`.
const INFERENCES: Option<&str> = option_env!("PICOFORMER_INFERENCES");

/// [`endure`] as a demo.
///
/// # Errors
/// As [`endure`], and names what was not as it should be.
pub fn enduring(out: &mut dyn Write) -> Result<Summary, Failure> {
    let inferences = INFERENCES.unwrap_or("1000").parse();
    let tally = endure(inferences.map_err(|_| Failure("not a number"))?, 1, None)?;
    if tally.differences > 0 || tally.hangs > 0 || !tally.intact {
        return Err(Failure("answers differ, or a guard is broken"));
    }
    out.write_str("inferences ")?;
    text::decimal(out, tally.inferences)?;
    out.write_str("\nlogits ")?;
    text::hexadecimal(out, tally.hash)?;
    out.write_str("\n")?;
    Ok(Summary { arena_bytes: size_of::<Ram>(), blob_bytes: 0 })
}
