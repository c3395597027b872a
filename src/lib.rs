//! picoformer runs transformers on microcontrollers: integers only, no heap, weights read in place
//! from flash, the same bits on every core.
//!
//! The command `picoformer convert` turns a trained checkpoint into a *blob*, which is flashed;
//! [`Model::parse`] gives views of it, at compile time if it is linked into the image. All state
//! lives in one [`Arena`], whose exact size [`Model::arena`] returns. Choose a type by input and
//! output:
//!
//! | input | output | type |
//! | --- | --- | --- |
//! | text | label, entities, tags, embedding | [`Classifier`] |
//! | text | text | [`Generator`] |
//! | sound | events, a label | [`Listener`] |
//! | motion | events, a label | [`MotionClassifier`] |
//! | tokens, frames | logits, embedding, hidden rows | [`Encoder`] |
//! | tokens | logits, a text's log-probability | [`Decoder`] |
//! | text | another text (a word's pronunciation) | [`Translator`] |
//! | tokens | other tokens, by greedy or beam search | [`Seq2Seq`] |
//!
//! ```
//! use picoformer::{Classifier, Model, arena, model};
//!
//! static MODEL: Model = model!("../models/intent/model.pico"); // parsed while compiling
//!
//! let mut ram = <arena!(MODEL)>::new(); // in firmware a static
//! let mut classifier = Classifier::new(&MODEL, &mut ram)?;
//! let answer = classifier.classify("how do you say thank you in italian")?;
//! assert_eq!(answer.name, "translate");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! If your firmware runs a single model, declare it with [`specialize!`]: code that only other
//! models need is then left out.
//!
//! ## Data flow
//! `tokens → nn::embedding → nn::layer × n → nn::head → logits`, driven by [`Encoder`], [`Decoder`]
//! or both in [`Seq2Seq`].
//! The residual stream consists of rows of 16-bit numbers, each row with one power of two; a linear
//! layer reads a row as 8-bit (or 12-bit) integers with a scale of their own, found when the row is
//! read, so no calibration is needed (`docs/NUMERICS.md`). Attention visits the keys once, in
//! blocks, with a running softmax: only the keys and values themselves are as long as the context.
//! The inner loops are [`kernels`]; [`kernels::Portable`] defines every result, and every backend
//! returns the same bits.
//!
//! `step` processes one layer of one tile of rows; `run`, `prefill` and `generate` are loops over
//! it. Once an engine is constructed, only the user's input can fail: [`RunError`],
//! [`EncodeError`](tokenizer::EncodeError).
//!
//! ## Floors
//! A module imports only from its own floor and those below it, and no two files import each other
//! (`cargo xtask floors` checks):
//!
//! ```text
//! 8  macros    7  task    6  encoder decoder seq2seq    5  nn sampler signed    4  model    3  target
//! 2  arena blob features kernels probability rules scope tokenizer    1  fixed float    0  config error matrix progress slices
//! ```
#![no_std]
#![deny(unsafe_code)]

pub mod arena;
pub mod blob;
pub mod config;
pub mod decoder;
pub mod encoder;
pub mod error;
pub mod features;
pub mod fixed;
pub mod float;
pub mod kernels;
mod macros;
pub mod matrix;
pub mod model;
pub mod nn;
pub mod probability;
pub mod progress;
pub mod rules;
pub mod sampler;
pub mod scope;
pub mod seq2seq;
#[cfg(feature = "signed")]
pub mod signed;
mod slices;
pub mod target;
pub mod task;
pub mod tokenizer;

pub use arena::{Arena, ArenaParts, ArenaSize};
pub use config::Config;
pub use decoder::Decoder;
pub use encoder::Encoder;
pub use error::{FormatError, RunError};
pub use float::FloatError;
pub use model::Model;
pub use progress::Progress;
pub use sampler::{Sampler, Sampling};
pub use seq2seq::Seq2Seq;
pub use target::{Build, Known};
pub use task::{Classifier, Event, Generator, Listener, MotionClassifier, Translator};
pub use tokenizer::Tokenizer;

/// The examples of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// A value that begins at a multiple of 16 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Aligned<T: ?Sized>(pub T);
