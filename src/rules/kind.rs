//! What rules there are.

/// Greatest magnitude of the exponent of a length penalty, Q15.16.
const GREATEST_PENALTY: u32 = 64 << 16;

/// What a rule says. The numbers are the codes in a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// The tokens that end a text, if any do.
    Ends = 1,
    /// Two factors, Q8.24: the logit of every token that came before is multiplied by the first if it is
    /// negative and otherwise by the second, the inverse of the first (Keskar et al. 2019, "CTRL", §4.1).
    Repetition = 2,
    /// No sequence of so many tokens comes twice (Paulus et al. 2018, §2.5).
    NoRepeat = 3,
    /// A sequence of tokens that never comes; the only kind that may occur several times.
    Word = 4,
    /// No end token before so many tokens, the prompt or start token included.
    LeastLength = 5,
    /// No end token before so many tokens, the prompt or start token not included.
    LeastNew = 6,
    /// The second token of a decoder's text, if its prompt is a single one.
    First = 7,
    /// If a text has reached its limit, its last token is one of these.
    Last = 8,
    /// Tokens that never come.
    Suppressed = 9,
    /// Tokens that are not the first new one; where that is forced, not the second.
    SuppressedFirst = 10,
    /// Finished hypotheses of a search are compared by their log-probability over their length to the
    /// power of this, Q15.16.
    LengthPenalty = 11,
    /// When a search ends: see [`EarlyStop`].
    EarlyStop = 12,
}

impl Kind {
    pub(super) const fn of_code(code: u16) -> Option<Self> {
        Some(match code {
            1 => Self::Ends,
            2 => Self::Repetition,
            3 => Self::NoRepeat,
            4 => Self::Word,
            5 => Self::LeastLength,
            6 => Self::LeastNew,
            7 => Self::First,
            8 => Self::Last,
            9 => Self::Suppressed,
            10 => Self::SuppressedFirst,
            11 => Self::LengthPenalty,
            12 => Self::EarlyStop,
            _ => return None,
        })
    }

    /// Whether a rule may have so many values.
    pub(super) const fn has(self, count: usize) -> bool {
        match self {
            Self::Repetition => count == 2,
            Self::Ends => true,
            Self::Word | Self::Last | Self::Suppressed | Self::SuppressedFirst => count > 0,
            _ => count == 1,
        }
    }

    /// Whether the values of a rule are a set of tokens, in ascending order.
    pub(super) const fn is_set(self) -> bool {
        matches!(self, Self::Suppressed)
    }

    /// Whether a rule may have this value.
    pub(super) const fn allows(self, value: u32, vocab_size: usize) -> bool {
        match self {
            Self::Repetition | Self::NoRepeat => value > 0,
            Self::LeastLength | Self::LeastNew => true,
            Self::LengthPenalty => (value as i32).unsigned_abs() <= GREATEST_PENALTY,
            Self::EarlyStop => value <= EarlyStop::Never as u32,
            _ => (value as usize) < vocab_size,
        }
    }
}

/// When a search ends that has as many finished hypotheses as beams. The numbers are the codes in a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum EarlyStop {
    /// When the best unfinished hypothesis, as it stands, is not better than the worst finished one.
    Heuristic = 0,
    /// At once.
    Always = 1,
    /// When the best unfinished hypothesis could not be better at any length; with a negative penalty of
    /// length, as with `Heuristic`.
    Never = 2,
}
