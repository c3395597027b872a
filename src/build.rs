//! What the engine is built for: a core's kernels and, where firmware serves one model only, that
//! model's hyperparameters.
//!
//! A [`Config`] that is known while compiling decides what is linked: a model without relative positions
//! brings no code for them, an RMSNorm no LayerNorm, a SiLU no table of GELU. Sizes and offsets become
//! constants. Results do not change.

use crate::arena::{BUFFERS, Buffer, buffers};
use crate::blob::Layout;
use crate::config::{Config, SEGMENT};
use crate::error::RunError;
use crate::kernels::{Kernels, check_layout};
use crate::model::Model;
use core::marker::PhantomData;

/// The second parameter of [`Decoder`](crate::Decoder), [`Encoder`](crate::Encoder) and what is made of
/// them. All [`Kernels`] are builds for any model; firmware for one model says which:
///
/// ```
/// use picoformer::{Arena, Build, Classifier, Config, Model, include_blob, kernels::Native};
///
/// const MODEL: Model = match Model::parse(include_blob!("../models/intent/model.pico")) {
///     Ok(model) => model,
///     Err(_) => panic!("not a valid blob"),
/// };
/// struct Intent;
/// impl Build for Intent {
///     type Kernels = Native;
///     const CONFIG: Option<Config> = Some(*MODEL.config());
/// }
/// # type Ram = Arena<{ MODEL.arena().bytes }, { MODEL.arena().halves }, { MODEL.arena().words }>;
/// let mut ram = Ram::new();
/// let mut classifier = Classifier::<Intent>::of_build(&MODEL, &mut ram)?;
/// # assert_eq!(classifier.classify("what time is it", &mut [0; 64])?.name, "time");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub trait Build {
    /// The inner loops.
    type Kernels: Kernels;

    /// The only hyperparameters that this build runs; `None` runs every model. Values that
    /// [`Config::validate`] refuses fail the build.
    const CONFIG: Option<Config> = None;
}

impl<K: Kernels> Build for K {
    type Kernels = K;
}

/// What follows from a known configuration, computed by the compiler.
struct Known<B>(PhantomData<B>);

impl<B: Build> Known<B> {
    const LAYOUT: Option<Layout> = match B::CONFIG {
        Some(config) => {
            assert!(config.validate().is_ok(), "`Build::CONFIG` is not valid");
            // The tokenizer and the labels stand last, so nothing else depends on their lengths.
            Layout::new(&config, 0, 0)
        }
        None => None,
    };
    const BUFFERS: Option<[Buffer; BUFFERS]> = match B::CONFIG {
        Some(config) => Some(buffers(&config)),
        None => None,
    };
}

/// The hyperparameters: those known, or those of the model at hand.
#[inline(always)]
pub fn config<B: Build>(found: &Config) -> &Config {
    match const { &B::CONFIG } {
        Some(known) => known,
        None => found,
    }
}

/// Where the sections lie, but for tokenizer and labels.
#[inline(always)]
pub(crate) fn layout<B: Build>(found: &Layout) -> &Layout {
    match const { &Known::<B>::LAYOUT } {
        Some(known) => known,
        None => found,
    }
}

/// The buffers of a model.
#[inline(always)]
pub(crate) fn buffers_of<B: Build>(config: &Config) -> [Buffer; BUFFERS] {
    match const { &Known::<B>::BUFFERS } {
        Some(known) => *known,
        None => buffers(config),
    }
}

/// Whether a linear layer may read rows wider than [`SEGMENT`].
pub(crate) const fn has_wide_rows<B: Build>() -> bool {
    match const { &B::CONFIG } {
        Some(c) => {
            c.d_model > SEGMENT || c.q_dim() > SEGMENT || c.d_ff > SEGMENT || c.frame_len > SEGMENT
        }
        None => true,
    }
}

/// Whether a linear layer may have a bias.
pub(crate) const fn has_biases<B: Build>() -> bool {
    match const { &B::CONFIG } {
        Some(c) => {
            c.qkv_bias || c.output_bias || c.up_bias || c.down_bias || c.head_bias || c.pooler
        }
        None => true,
    }
}

/// Refuses a model that this build is not for.
///
/// # Errors
/// [`RunError::WrongModel`], [`RunError::UnsupportedLayout`].
pub(crate) fn check<B: Build>(model: &Model) -> Result<(), RunError> {
    if let Some(known) = const { &B::CONFIG }
        && !model.is_of(known)
    {
        return Err(RunError::WrongModel { needed: "the model that this build is for" });
    }
    check_layout::<B::Kernels>(config::<B>(model.config()).weight_layout)
}
