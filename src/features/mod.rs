//! Front ends: from the samples of a sensor to the frames that a model reads, in integers, a piece
//! at a time.
//!
//! [`Audio`] turns 16-bit sound into log-mel spectra, [`Motion`] scales the channels of a motion
//! sensor; [`Window`] keeps the newest frames and gives the rows of the model's input, [`Scores`]
//! say when what the model finds is an event. Their parameters and tables are optional sections of
//! the blob (docs/FORMAT.md), read by [`Features`]. [`Stream`](crate::task::Stream) puts the parts
//! together.

mod audio;
mod fft;
mod mel;
mod motion;
mod parameters;
mod trigger;
mod window;

pub use audio::{Audio, AudioParameters};
pub use motion::{Motion, MotionParameters};
pub use parameters::{Features, FrontEnd};
pub use trigger::{Scores, Trigger};
pub use window::Window;
