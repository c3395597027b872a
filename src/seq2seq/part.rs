//! What a step works on, and what the steps find.

/// What one step works on.
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

/// What was found for a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Found {
    /// Tokens of the target, without start and end.
    pub len: usize,
    /// Its log-probability (nats, Q15.16), that of the end token included.
    pub log_probability: i64,
    /// The model ended it; otherwise it was cut at the limit.
    pub complete: bool,
}
