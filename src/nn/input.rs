//! The input of a pass: tokens or frames, checked and turned into rows of the residual stream.

use super::embedding;
use super::position::rotary_table;
use super::residual::normalize;
use crate::arena::RunState;
use crate::config::{Config, Position, Side};
use crate::error::RunError;
use crate::model::{EmbeddingWeights, Weights};
use crate::target::Build;
use crate::tokenizer::Token;

/// Refuses 0 rows, and more rows than `given`.
///
/// # Errors
/// [`RunError::EmptyInput`], [`RunError::TooLong`].
pub fn check_rows(needed: usize, given: usize) -> Result<(), RunError> {
    match needed {
        0 => Err(RunError::EmptyInput),
        _ if needed > given => Err(RunError::TooLong { needed, given }),
        _ => Ok(()),
    }
}

/// Refuses tokens outside the vocabulary.
///
/// # Errors
/// [`RunError::TokenOutOfRange`].
pub fn check_tokens(tokens: &[Token], config: &Config) -> Result<(), RunError> {
    match tokens.iter().find(|&&token| token as usize >= config.vocab_size) {
        Some(&token) => Err(RunError::TokenOutOfRange { token, vocab_size: config.vocab_size }),
        None => Ok(()),
    }
}

/// Writes the embeddings of tokens of one side into rows `first_row …`, at positions
/// `first_position …`.
#[inline(never)]
pub fn tokens<B: Build>(
    weights: &Weights<B>,
    side: Side,
    state: &mut RunState,
    tokens: &[Token],
    first_row: usize,
    first_position: usize,
) {
    let embedding = weights.embedding(side);
    for (i, &token) in tokens.iter().enumerate() {
        let row = state.residual.row_mut(first_row + i, weights.config().d_model);
        let Some((row, exponent)) = row else { return };
        let (token, position) = (token as usize, first_position + i);
        *exponent = embedding::token::<B>(&embedding, token, position, row, state.sums);
    }
    normalize_embedding::<B>(weights, &embedding, state, first_row, tokens.len());
}

/// Writes the projection of a frame (`frame_len` features, in units of `2^unit`) into a row.
#[inline(never)]
pub fn frame<B: Build>(
    weights: &Weights<B>,
    state: &mut RunState,
    features: &[i16],
    unit: i32,
    row: usize,
) {
    let (config, embedding) = (weights.config(), weights.embedding(Side::Encoder));
    let Some((to, exponent)) = state.residual.row_mut(row, config.d_model) else { return };
    let (lanes, sums) = (&mut *state.lanes, &mut *state.sums);
    *exponent = embedding::frame::<B>(&embedding, features, unit, row, to, lanes, sums);
    normalize_embedding::<B>(weights, &embedding, state, row, 1);
}

fn normalize_embedding<B: Build>(
    weights: &Weights<B>,
    embedding: &EmbeddingWeights,
    state: &mut RunState,
    first: usize,
    rows: usize,
) {
    if let Some(norm) = &embedding.norm {
        normalize::<B>(weights, norm, state, first..first + rows);
    }
}

/// Computes the rotations of a tile of rows at positions `first_position …`, if the model is
/// rotary.
pub fn rotations<B: Build>(
    weights: &Weights<B>,
    state: &mut RunState,
    first_position: usize,
    rows: usize,
) {
    let config = weights.config();
    if !matches!(config.position, Position::Rotary) {
        return;
    }
    let tables = state.rotary.chunks_exact_mut(config.head_dim.max(1));
    for (i, table) in tables.enumerate().take(rows) {
        rotary_table(weights.frequencies(), first_position + i, table);
    }
}
