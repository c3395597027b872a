//! From trained checkpoints to picoformer blobs, and back to numbers that say what it cost.

pub mod account;
pub mod bill;
pub mod checkpoint;
pub mod error;
pub mod error_rates;
pub mod evaluate;
pub mod evaluation;
pub mod float_decoder;
pub mod float_model;
pub mod float_weights;
pub mod generation;
pub mod host;
pub mod import;
pub mod keep;
pub mod kept;
pub mod load;
pub mod output;
pub mod pad;
pub mod quantize;
pub mod rules;
pub mod sections;
pub mod tokenizer;
pub mod weights;
pub mod writer;
