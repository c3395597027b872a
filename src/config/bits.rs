//! Linear layers by what they do.

/// A linear layer by what it does; all layers of a model that do the same are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// The embedding table, or the projection of frames.
    Embedding = 0,
    /// Queries of a layer's attention to its own rows.
    Query = 1,
    /// Keys.
    Key = 2,
    /// Values.
    Value = 3,
    /// The output of attention.
    Output = 4,
    /// The gate of the feed-forward part.
    Gate = 5,
    /// Its first linear layer.
    Up = 6,
    /// Its second linear layer.
    Down = 7,
    /// The dense layer between pooled row and head.
    Pooler = 8,
    /// The head's own matrix.
    Head = 9,
    /// The embedding table of an encoder-decoder's decoder.
    DecoderEmbedding = 10,
    /// Queries of a cross-attention.
    CrossQuery = 11,
    /// Keys of a cross-attention.
    CrossKey = 12,
    /// Values of a cross-attention.
    CrossValue = 13,
    /// The output of a cross-attention.
    CrossOutput = 14,
}

impl Role {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 15] = [
        Self::Embedding,
        Self::Query,
        Self::Key,
        Self::Value,
        Self::Output,
        Self::Gate,
        Self::Up,
        Self::Down,
        Self::Pooler,
        Self::Head,
        Self::DecoderEmbedding,
        Self::CrossQuery,
        Self::CrossKey,
        Self::CrossValue,
        Self::CrossOutput,
    ];

    /// Its name in reports and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Query => "q",
            Self::Key => "k",
            Self::Value => "v",
            Self::Output => "o",
            Self::Gate => "gate",
            Self::Up => "up",
            Self::Down => "down",
            Self::Pooler => "pooler",
            Self::Head => "head",
            Self::DecoderEmbedding => "decoder-embedding",
            Self::CrossQuery => "cross-q",
            Self::CrossKey => "cross-k",
            Self::CrossValue => "cross-v",
            Self::CrossOutput => "cross-o",
        }
    }
}

/// A set of roles: bit `role as u16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles(pub u16);

impl Roles {
    /// No role.
    pub const NONE: Self = Self(0);

    /// Whether it has no role.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `role` is one of them.
    pub const fn contains(self, role: Role) -> bool {
        self.0 >> role as u16 & 1 != 0
    }

    /// These and `role`.
    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | 1 << role as u16)
    }

    /// These but `role`.
    #[must_use]
    pub const fn without(self, role: Role) -> Self {
        Self(self.0 & !(1 << role as u16))
    }

    /// Those of `self` that are not in `other`.
    #[must_use]
    pub const fn except(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}
