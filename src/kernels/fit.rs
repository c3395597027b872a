//! Which models a backend runs.

use super::{Kernels, multiplies};
use crate::config::Config;
use crate::error::RunError;

/// Whether `K` multiplies weights as a model's are packed, and attends to as many keys.
///
/// # Errors
/// [`RunError::UnsupportedPacking`], [`RunError::WrongModel`].
pub(crate) fn fits<K: Kernels>(config: &Config) -> Result<(), RunError> {
    let (packing, keys) = (config.packing, config.cache_rows());
    if !multiplies::<K>(packing) {
        return Err(RunError::UnsupportedPacking { layout: packing.name(), kernels: K::NAME });
    }
    match keys <= K::MAX_KEYS {
        true => Ok(()),
        false => {
            Err(RunError::WrongModel { needed: "no more keys than these kernels can attend to" })
        }
    }
}
