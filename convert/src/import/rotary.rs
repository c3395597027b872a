//! Rotary positions (Su et al. 2021, §3.4.2): how fast each pair of elements turns, and how the base was
//! stretched for longer texts.

use crate::account::Document;
use crate::account::known::Known;
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use std::f64::consts::TAU;

/// Angles per position: `theta^(-2i / head_dim)`.
pub fn frequencies(theta: f64, head_dim: usize) -> Vec<f64> {
    (0..head_dim / 2).map(|i| theta.powf(-2.0 * i as f64 / head_dim as f64)).collect()
}

/// How frequencies were changed after the first training.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scaling {
    None,
    /// All are divided by a factor (Chen et al. 2023, "Extending Context Window of Large Language Models via
    /// Positional Interpolation").
    Linear {
        factor: f64,
    },
    /// Those that turn less than `low` times in `length` positions are divided by the factor, those that turn
    /// more than `high` times stay, and between them goes a ramp (Llama 3.1, `apply_scaling` in Meta's code).
    Llama3 {
        factor: f64,
        low: f64,
        high: f64,
        length: f64,
    },
}

impl Scaling {
    fn apply(self, frequency: f64) -> f64 {
        match self {
            Self::None => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low, high, length } => {
                let turns = length * frequency / TAU;
                let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                (1.0 - kept) * frequency / factor + kept * frequency
            }
        }
    }
}

/// The frequencies of a checkpoint, in the schemas of transformers 4 (`rope_theta`, `rope_scaling`) and 5
/// (`rope_parameters`).
///
/// # Errors
/// A scaling of another kind, by name.
pub(super) fn read(c: &Checkpoint, head_dim: usize) -> Result<Vec<f64>> {
    let plain = c.config.positive("rope_theta")?;
    let (mut theta, mut found) = (None, None);
    for key in ["rope_parameters", "rope_scaling"] {
        let Some(document) = c.config.inner(key)? else { continue };
        let scaling = scaling(c, key, &document)?;
        if found.is_some_and(|other| other != scaling) {
            return Err(c.config.refuse(key, "the same as rope_parameters, or one of the two"));
        }
        found = Some(scaling);
        theta = theta.or(document.positive("rope_theta")?);
        document.finish(&[ROPE])?;
    }
    let scaling = found.unwrap_or(Scaling::None);
    let frequencies = frequencies(theta.or(plain).unwrap_or(10000.0), head_dim);
    Ok(frequencies.into_iter().map(|frequency| scaling.apply(frequency)).collect())
}

/// The scaling that an object of the configuration asks for.
fn scaling(c: &Checkpoint, key: &str, document: &Document) -> Result<Scaling> {
    let mut kind = None;
    for name in ["rope_type", "type"] {
        let Some(found) = document.text(name)? else { continue };
        if !["default", "linear", "llama3"].contains(&found)
            || kind.is_some_and(|kind| kind != found)
        {
            let supported = "default, linear, llama3";
            let found = format!("\"{found}\"");
            return Err(c.config.refuse_found(&format!("{key}.{name}"), found, supported));
        }
        kind = Some(found);
    }
    let needed = |name: &str| {
        document.positive(name)?.ok_or_else(|| document.missing(name, "a number above zero"))
    };
    match kind {
        Some("linear") => Ok(Scaling::Linear { factor: needed("factor")? }),
        Some("llama3") => {
            let (low, high) = (needed("low_freq_factor")?, needed("high_freq_factor")?);
            if low >= high {
                return Err(document.refuse("high_freq_factor", "more than low_freq_factor"));
            }
            let length = needed("original_max_position_embeddings")?;
            if c.config.number("original_max_position_embeddings")?.is_some_and(|n| n != length) {
                let supported = format!("{length}, as {key} says");
                return Err(c.config.refuse("original_max_position_embeddings", supported));
            }
            Ok(Scaling::Llama3 { factor: needed("factor")?, low, high, length })
        }
        _ => Ok(Scaling::None),
    }
}

/// Keys of a scaling that change nothing where there is none.
const ROPE: &[Known] = &[
    Known::only("factor", &["1.0"], "no scaling"),
    Known::only("partial_rotary_factor", &["1.0"], "all dimensions are rotated"),
    Known::always("original_max_position_embeddings", "no scaling"),
    Known::always("low_freq_factor", "no scaling"),
    Known::always("high_freq_factor", "no scaling"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What transformers 5.24 computes from the parameters of Llama 3.2 with heads of 16 elements:
    /// `_compute_llama3_parameters`, in f32.
    #[test]
    fn llama_3_scales_what_turns_slowly() {
        let scaling = Scaling::Llama3 { factor: 32.0, low: 1.0, high: 4.0, length: 8192.0 };
        let expected = [
            1.000000000e+00,
            1.939227581e-01,
            3.760603070e-02,
            7.292665076e-03,
            4.295567051e-04,
            8.570255886e-06,
            1.661967417e-06,
            3.222932889e-07,
        ];
        for (frequency, expected) in frequencies(500_000.0, 16).into_iter().zip(expected) {
            let found = scaling.apply(frequency);
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
        }
    }
}
