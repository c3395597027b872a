//! What the tasks answer with the shipped models, and what they refuse: nothing is cut off silently.

use core::fmt::{self, Write};
use picoformer::task::TaskError;
use picoformer::tokenizer::EncodeError;
use picoformer::{
    ArenaParts, Classifier, Generator, Model, RunError, Sampling, Translator, arena, model,
};

static G2P: Model = model!("../models/g2p/model.pico");
static INTENT: Model = model!("../models/intent/model.pico");
static TALES: Model = model!("../models/tales/model.pico");

/// A writer with room for some bytes.
struct Room(String, usize);

impl Write for Room {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > self.1 {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[test]
fn a_translation_that_finds_no_room_is_an_error() {
    let mut ram = <arena!(G2P)>::new();
    let mut translator = Translator::new(&G2P, &mut ram).unwrap();
    let mut whole = String::new();
    translator.translate("transformer", &mut whole).unwrap();
    for room in 0..whole.len() {
        let mut out = Room(String::new(), room);
        let result = translator.translate("transformer", &mut out);
        assert_eq!(result, Err(TaskError::Write), "room for {room} bytes of `{whole}`");
        assert!(whole.starts_with(&out.0), "what was written stays: `{}`", out.0);
    }
    let mut out = Room(String::new(), whole.len());
    assert!(translator.translate("transformer", &mut out).unwrap().complete);
    assert_eq!(out.0, whole);
}

/// A story that finds no room is an error as well.
#[test]
fn a_story_that_finds_no_room_is_an_error() {
    let mut ram = <arena!(TALES)>::new();
    let mut generator = Generator::new(&TALES, &mut ram, Sampling::greedy()).unwrap();
    let mut whole = String::new();
    generator.generate("The king", 8, &mut whole).unwrap();
    for room in 0..whole.len() {
        let mut out = Room(String::new(), room);
        assert_eq!(generator.generate("The king", 8, &mut out), Err(TaskError::Write));
        assert!(whole.starts_with(&out.0));
    }
}

/// The arena has room for the tokens of a whole context and of a word before it is merged.
#[test]
fn prompts_as_long_as_the_context_find_room() {
    let mut ram = <arena!(TALES)>::new();
    let mut generator = Generator::new(&TALES, &mut ram, Sampling::greedy()).unwrap();
    let (context, word) = (TALES.config().context, " king");
    let mut prompt = String::from("The");
    while let Ok(tokens) = generator.prompt(&prompt) {
        assert!(tokens.len() <= context);
        prompt += word;
    }
    // More characters than tokens find room, but every word is merged as it comes.
    let n = prompt.len() - word.len();
    assert!(n > TALES.arena().tokens, "{n} characters");
    let too_long = RunError::TooLong { needed: context + 1, given: context };
    assert_eq!(generator.prompt(&prompt), Err(too_long.into()));
    let unmerged = generator.prompt(&"x".repeat(1000)).unwrap_err();
    let given = TALES.arena().tokens;
    assert!(
        matches!(unmerged, TaskError::Encode(EncodeError::TooLong { given: g, .. }) if g == given)
    );
    // With more room, the same text is as long as its tokens are many.
    let mut tokens = [0; 2000];
    let mut ram = <arena!(TALES)>::new();
    let parts = ArenaParts { tokens: &mut tokens, ..ram.parts() };
    let mut generator = Generator::new(&TALES, parts, Sampling::greedy()).unwrap();
    let merged = generator.prompt(&"x".repeat(1000)).unwrap_err();
    assert!(matches!(merged, TaskError::Run(RunError::TooLong { given: 256, .. })), "{merged}");
}

/// What a model cannot answer is refused, not guessed.
#[test]
fn models_answer_what_they_are_for() {
    let mut ram = <arena!(INTENT)>::new();
    let mut classifier = Classifier::new(&INTENT, &mut ram).unwrap();
    let wrong = |needed| Err(TaskError::Run(RunError::WrongModel { needed }));
    assert_eq!(classifier.embed("stop").map(|_| ()), wrong("a model that embeds texts"));
    assert_eq!(classifier.tag("stop", |_, _, _| ()), wrong("a model with per-token labels"));
    assert_eq!(classifier.classify(""), Err(RunError::EmptyInput.into()));
    assert!(!classifier.classify("stop").unwrap().name.is_empty());
}

/// What steps give is what one call gives, and before the last step there is no answer.
#[test]
fn steps_give_what_one_call_gives() {
    use picoformer::task::Event;
    use picoformer::{Progress, Sampling};

    let text = "what is the exchange rate between dollars and euros";
    let mut ram = <arena!(INTENT)>::new();
    let mut classifier = Classifier::new(&INTENT, &mut ram).unwrap();
    assert_eq!(classifier.answer(), Err(RunError::EmptyInput));
    let whole = classifier.classify(text).unwrap();
    let tokens = classifier.begin(text).unwrap().len();
    assert_eq!(classifier.tokens().len(), tokens);
    assert_eq!(classifier.answer(), Err(RunError::InFlight));
    while classifier.step() == Progress::Working {}
    assert_eq!(classifier.answer(), Ok(whole));
    assert_eq!(classifier.label(whole.label), Ok(whole));
    let missing = RunError::NoSuchLabel { labels: 150, given: 150 };
    assert_eq!(classifier.label(150), Err(missing));
    assert!(classifier.tag_of(0).is_err() && classifier.begin("").is_err());
    assert_eq!(classifier.answer(), Err(RunError::EmptyInput));
    assert!(classifier.tokens().is_empty());

    // A prompt of several tiles.
    let prompt = "Once upon a time there was a king who had three daughters and a golden bird";
    let mut ram = <arena!(TALES)>::new();
    let sampling = Sampling::seeded(3);
    let mut generator = Generator::new(&TALES, &mut ram, sampling).unwrap();
    let mut whole = String::new();
    generator.generate(prompt, 12, &mut whole).unwrap();
    let mut generator = Generator::new(&TALES, &mut ram, sampling).unwrap();
    let (mut stream, mut out, mut steps, mut left) = (
        picoformer::task::TextStream::after(generator.begin(prompt).unwrap()),
        String::new(),
        0,
        12,
    );
    assert!(generator.decoder().is_empty(), "nothing was fed yet");
    while left > 0 {
        steps += 1;
        match generator.step().unwrap() {
            Event::Token(token) => {
                let tokenizer = *generator.tokenizer().unwrap();
                stream.push(&tokenizer, token, &mut out).unwrap();
                left -= 1;
            }
            event => assert_eq!(event, Event::Working),
        }
    }
    stream.finish(&mut out).unwrap();
    assert_eq!(out, whole);
    assert!(steps > 12 * (TALES.config().n_layers + 1), "{steps} steps");
    // A prompt that is refused ends the text before it, also one that is not fed yet.
    generator.begin(prompt).unwrap();
    assert!(generator.begin("").is_err());
    assert_eq!(generator.step(), Err(RunError::EmptyInput));
}
