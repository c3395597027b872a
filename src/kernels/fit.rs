//! Which models a backend runs.

use super::Kernels;
use crate::config::Config;
use crate::error::RunError;

/// Whether `K` multiplies weights as a model's are packed, and attends to as many keys.
///
/// # Errors
/// [`RunError::UnsupportedLayout`], [`RunError::WrongModel`].
pub(crate) fn fits<K: Kernels>(config: &Config) -> Result<(), RunError> {
    let (layout, keys) = (config.weight_layout, config.cache_rows());
    if !K::LAYOUTS.contains(&layout) {
        return Err(RunError::UnsupportedLayout { layout: layout.name(), kernels: K::NAME });
    }
    match keys <= K::MAX_KEYS {
        true => Ok(()),
        false => {
            Err(RunError::WrongModel { needed: "no more keys than these kernels can attend to" })
        }
    }
}
