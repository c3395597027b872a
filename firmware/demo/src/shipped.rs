//! The shipped models with what the demos give them, for other programs on the same models.

/// `models/intent`, an encoder that finds what a sentence wants.
pub mod intent {
    pub use crate::classify::{Intent, MODEL, NONE, SENTENCES};
    /// What the demo prints on the host.
    pub const EXPECTED: &str = include_str!("../expected/classify.out");
}

/// `models/tales`, a decoder that goes on with a tale.
pub mod tales {
    pub use crate::generate::{MODEL, PROMPT, SAMPLING, TOKENS, Tales};
    /// What the demo prints on the host.
    pub const EXPECTED: &str = include_str!("../expected/generate.out");
}

/// `models/g2p`, an encoder-decoder that pronounces words.
pub mod g2p {
    pub use crate::g2p::{BEAM, GREEDY, WORDS, Words};
    /// What the demo prints on the host.
    pub const EXPECTED: &str = include_str!("../expected/g2p.out");
}
