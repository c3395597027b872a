//! What all front ends do.

/// A sensor's samples to frames.
pub trait FrontEnd {
    /// The mean of the window is subtracted from its features.
    const LEVELLED: bool;

    /// Takes samples off the front of `samples`; true once there are enough for a frame.
    fn take(&mut self, samples: &mut &[i16]) -> bool;

    /// Computes the frame that is due.
    fn frame(&mut self, features: &mut [i16]);

    /// Forgets all samples.
    fn reset(&mut self);

    /// Values from one row of the model's input to the next.
    fn samples_per_row(&self) -> usize;
}
