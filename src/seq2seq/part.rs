//! The parts of the work, and its result.

/// The work of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Part {
    /// Keys and values, or attention and feed-forward, of an encoder layer.
    Encoder,
    /// Keys and values of the source for a decoder layer.
    Source,
    /// Masked self-attention of a decoder layer.
    SelfAttention,
    /// Cross-attention of a decoder layer.
    CrossAttention,
    /// Feed-forward part of a decoder layer.
    FeedForward,
    /// Logits of one hypothesis; after the last, the search goes on.
    Head,
    /// Nothing is left to do.
    Done,
}

/// The best target found for a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Found {
    /// Number of tokens in the target, without start and end token.
    pub len: usize,
    /// Its log-probability (nats, Q15.16), including that of the end token.
    pub log_probability: i64,
    /// True if the model ended it, false if it was cut at the limit.
    pub complete: bool,
}
