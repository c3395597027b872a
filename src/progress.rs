//! The result of a step.

/// Whether more steps are needed for the rows in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Progress {
    /// More steps are needed.
    Working,
    /// The outputs are ready.
    Done,
}
