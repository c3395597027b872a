//! `--bits mixed`: budgets are kept, used, and refused with the numbers; weights on a grid stay there.

mod common;

use common::every::{golden, models};
use common::root;
use common::synthetic::{Random, bert, gpt2, llama, random};
use picoformer::config::{Config, Head, Input, Role, Roles};
use picoformer_convert::error::Result;
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::float_weights::Rounded;
use picoformer_convert::four_bits::fit;
use picoformer_convert::mixed::{Budget, Choice, choose};
use picoformer_convert::writer::{Wide, write};
use std::process::Command;

fn size(model: &FloatModel) -> Result<usize> {
    Ok(write(model, Wide::Never)?.len())
}

fn chosen(model: &FloatModel, texts: &[Vec<u32>], budget: Budget) -> Result<Choice> {
    choose(&mut model.clone(), Wide::Never, texts, budget, &size)
}

/// A model of each architecture and output, and texts for those that write none.
fn every() -> Vec<(FloatModel, Vec<Vec<u32>>)> {
    let classifier = Config { head: Head::Classifier, n_labels: 5, ..bert() };
    let embedding = Config { head: Head::Embedding, ..bert() };
    let all = [random(llama(), 3), random(classifier, 4), random(embedding, 5), golden("t5-gated")];
    let texts = |model: &FloatModel| {
        let mut draw = Random(9);
        (0..8).map(|_| draw.tokens(9, model.config.vocab_size)).collect()
    };
    let mut all: Vec<_> = all.into_iter().map(|model| (texts(&model), model)).collect();
    all.push((Vec::new(), random(gpt2(), 6)));
    all.into_iter().map(|(texts, model)| (model, texts)).collect()
}

/// Whatever the budget: the blob is within it, what was written is as long as was said, and what keeps four bits
/// would not fit with eight.
#[test]
fn the_flash_is_kept_and_used() {
    for (model, texts) in every() {
        let whole = size(&model).unwrap();
        for part in [62, 75, 88, 100] {
            let flash = whole * part / 100;
            let Ok(choice) = chosen(&model, &texts, Budget::Flash(flash)) else {
                assert_eq!(part, 62, "{:?}", model.config);
                continue;
            };
            let four = choice.model.config.four_bits;
            assert_eq!(choice.bytes, write(&choice.model, Wide::Never).unwrap().len());
            assert!(choice.bytes <= flash);
            assert_eq!(part == 100, four == Roles::NONE, "{four:?}");
            for part in choice.parts.iter().filter(|part| four.contains(part.role)) {
                // Rounding up to whole words makes parts a little larger together than one by one.
                assert!(choice.bytes + part.bytes + 64 > flash, "{part:?} {flash}");
            }
            let prices: Vec<f64> =
                choice.parts.iter().map(|part| part.loss / part.bytes as f64).collect();
            assert!(prices.is_sorted_by(|a, b| a >= b), "{prices:?}");
        }
    }
}

/// Less may be lost, more bytes are needed; nothing lost is over the budget.
#[test]
fn the_loss_is_kept() {
    for (model, texts) in every() {
        let all = chosen(&model, &texts, Budget::Loss(1e9)).unwrap();
        assert_eq!(all.model.config.four_bits, model.config.roles());
        assert!(all.loss > 0.0);
        let mut before = all.bytes;
        for part in [0.5, 0.2] {
            let choice = chosen(&model, &texts, Budget::Loss(part * all.loss)).unwrap();
            assert!(choice.loss <= part * all.loss);
            assert!(choice.bytes >= before && choice.bytes < size(&model).unwrap());
            before = choice.bytes;
        }
        assert!(before > all.bytes);
    }
}

/// A part that is all but ignored gets four bits before one on which everything depends.
#[test]
fn the_dearest_part_keeps_eight_bits() {
    let mut model = random(llama(), 8);
    for layer in &mut model.layers {
        // Nothing of the feed-forward part arrives, and nothing can be lost.
        layer.down.weight.iter_mut().for_each(|w| *w *= 1e-3);
    }
    let parts = chosen(&model, &[], Budget::Loss(1e9)).unwrap().parts;
    let last = parts.last().unwrap();
    assert!([Role::Down, Role::Up, Role::Gate].contains(&last.role), "{parts:?}");
    assert!(parts[0].loss > 100.0 * last.loss, "{parts:?}");
    let size = size(&model).unwrap();
    let four = |budget| chosen(&model, &[], budget).unwrap().model.config.four_bits;
    assert_eq!(four(Budget::Flash(size - 1)), Roles::NONE.with(last.role));
    let cheap = four(Budget::Loss(parts[0].loss / 100.0));
    assert!(cheap.contains(last.role) && !cheap.contains(parts[0].role), "{parts:?}");
}

#[test]
fn what_cannot_be_is_refused_with_the_numbers() {
    let model = random(llama(), 3);
    let refusal = |model: &FloatModel, texts: &[Vec<u32>], budget| {
        chosen(model, texts, budget).unwrap_err().to_string()
    };
    let mut four = model.clone();
    fit(&mut four, model.config.roles(), Wide::Never, &[]).unwrap();
    let least = size(&four).unwrap();
    let text = refusal(&model, &[], Budget::Flash(least - 1));
    assert!(text.contains(&format!("the blob has {least} bytes")), "{text}");
    assert!(chosen(&model, &[], Budget::Flash(least)).is_ok());

    let text = refusal(&model, &[], Budget::Loss(1e-12));
    let least = chosen(&model, &[], Budget::Loss(1e9)).unwrap().parts;
    let least = least.iter().min_by(|a, b| a.loss.total_cmp(&b.loss)).unwrap();
    assert!(text.contains(&format!("in {} alone", least.role.name())), "{text}");
    assert!(text.contains(&format!("{:.5}", least.loss)), "{text}");

    let text = refusal(&random(bert(), 4), &[], Budget::Flash(1 << 20));
    assert!(text.contains("only a decoder writes its own"), "{text}");
    let frames = Config { input: Input::Frames, vocab_size: 0, frame_len: 7, ..bert() };
    let text = refusal(&random(frames, 4), &[vec![1, 2]], Budget::Flash(1 << 20));
    assert!(text.contains("reads frames"), "{text}");
}

#[test]
fn arguments_that_do_not_go_together_are_refused() {
    let out = std::env::temp_dir().join(format!("picoformer-mixed-{}.pico", std::process::id()));
    let checkpoint = root().join("tests/golden/llama-tied");
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_picoformer"));
        let done = command.arg("convert").arg(&checkpoint).arg("-o").arg(&out).args(words);
        let done = done.output().unwrap();
        (done.status.success(), String::from_utf8(done.stderr).unwrap())
    };
    for (words, needle) in [
        (&["--bits", "mixed"][..], "needs --flash BYTES or --loss NATS"),
        (&["--bits", "mixed", "--flash", "9", "--loss", "1"], "cannot be used with"),
        (&["--bits", "mixed", "--flash", "9", "--eight", "k"], "--eight is for --bits 4"),
        (&["--bits", "4", "--flash", "9"], "--flash is for --bits mixed"),
        (&["--loss", "0.1"], "--loss is for --bits mixed"),
        (&["--bits", "mixed", "--loss", "NaN"], "--loss NaN is no loss"),
        (&["--bits", "mixed", "--loss", "0"], "--loss 0 is no loss"),
        (&["--bits", "mixed", "--loss", "1", "--wide", "all"], "12-bit rows"),
        (&["--bits", "mixed", "--flash", "9"], "the blob has"),
    ] {
        let (done, told) = run(words);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!done && told.contains(needle), "{words:?}: {told}");
    }
    let (done, told) =
        run(&["--bits", "mixed", "--loss", "1000", "--note", "a note of the maker's"]);
    assert!(done, "{told}");
    let bytes = std::fs::metadata(&out).unwrap().len();
    assert!(told.contains(&format!("{bytes} bytes")), "{told}");
    std::fs::remove_file(out).unwrap();
}

/// What was trained on the grid of a blob, or what came out of one, is rounded to itself, in every layer of every
/// architecture.
#[test]
fn weights_on_the_grid_stay_there() {
    let value = |rounded: &Rounded, in_dim: usize| -> Vec<f64> {
        let steps =
            rounded.multipliers.iter().map(|&m| m as f64 * 2f64.powi(rounded.exponent as i32));
        let steps = steps.flat_map(|step| std::iter::repeat_n(step, in_dim));
        rounded.codes.iter().zip(steps).map(|(&code, step)| code as f64 * step).collect()
    };
    for mut model in models() {
        let roles = model.config.roles();
        fit(&mut model, roles, Wide::Never, &[]).unwrap();
        let mut trained = model.clone();
        trained.config.four_bits = Roles::NONE;
        for (_, layer) in trained.linears_mut() {
            let rounded = layer.rounded.take().unwrap();
            layer.weight = value(&rounded, layer.in_dim).into_iter().map(|w| w as f32).collect();
        }
        let texts = vec![Random(4).tokens(20, model.config.vocab_size.max(2)); 2];
        let texts = if model.config.input == Input::Frames { &[][..] } else { &texts };
        fit(&mut trained, roles, Wide::Never, texts).unwrap();
        for ((role, first), (_, again)) in
            model.linears_mut().into_iter().zip(trained.linears_mut())
        {
            let (a, b) = (first.rounded.as_ref().unwrap(), again.rounded.as_ref().unwrap());
            assert_eq!(value(a, first.in_dim), value(b, first.in_dim), "{role:?}");
        }
    }
}
