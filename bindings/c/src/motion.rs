//! `picoformer_motion`: samples of a motion sensor in, events or a label out.

use crate::classifier::{Label, numbers};
use crate::code;
use crate::engine::Engine;
use crate::error::{CError, report};
use crate::handle::{Handle, task};
use crate::stream::{self, Detected, functions};
use crate::text::{put, slice};
use picoformer::{MotionClassifier, RunError};

/// The task.
pub struct Task(MotionClassifier<'static, 'static, Engine>);

task!(Task, 8, picoformer_motion_bytes, picoformer_motion_open, |model, arena| {
    MotionClassifier::new_for(model, arena).map(Task)
});

functions!(
    Task,
    picoformer_motion_push,
    picoformer_motion_feed,
    picoformer_motion_spread,
    picoformer_motion_reset,
    picoformer_motion_limit,
    picoformer_motion_begin,
    picoformer_motion_step,
    picoformer_motion_answer,
    picoformer_motion_outputs
);
