//! From trained checkpoints to picoformer blobs, and back to numbers that say what it cost. The command
//! `picoformer` is [`cli`].

// So that the command's files read the same inside this crate as outside.
extern crate self as picoformer_convert;

pub mod account;
pub mod bill;
pub mod checkpoint;
pub mod chips;
mod classification;
pub mod cli;
pub mod error;
pub mod error_rates;
pub mod evaluate;
pub mod evaluation;
pub mod export_c;
pub mod fidelity;
pub mod float_decoder;
pub mod float_model;
pub mod float_sensing;
pub mod float_weights;
pub mod four_bits;
pub mod generation;
pub mod grid;
pub mod host;
pub mod images;
pub mod import;
pub mod keep;
pub mod kept;
pub mod key_base;
pub mod labelled;
pub mod load;
pub mod longest;
pub mod mixed;
pub mod motion_file;
pub mod output;
pub mod own_text;
pub mod pad;
pub mod quantize;
pub mod recordings;
pub mod rounding;
pub mod rules;
pub mod scope;
pub mod sections;
pub mod sensing;
pub mod signing;
pub mod sound;
mod tagging;
pub mod tokenizer;
pub mod weight_bits;
pub mod weights;
pub mod work;
pub mod writer;
