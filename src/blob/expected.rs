//! The header of a model that is known while compiling.

use super::bytes::HEADER_BYTES;
use super::header::Header;
use super::layout::Layout;
use crate::config::Config;

/// What the header of a blob with known hyperparameters must hold.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The hyperparameters.
    pub config: Config,
    /// What follows from them: no tokenizer, no labels.
    pub layout: Layout,
    bytes: [u8; HEADER_BYTES],
}

impl Expected {
    /// `None` if [`Config::validate`] refuses the configuration, or no blob can be so large.
    pub const fn new(config: Config) -> Option<Self> {
        let header = Header {
            config,
            total_bytes: 0,
            checksum: 0,
            epsilon_mantissa: 0,
            epsilon_exponent: 0,
            frame_exponent: 0,
            tokenizer_bytes: 0,
            labels_bytes: 0,
            parameters: 0,
        };
        match (config.validate(), Layout::new(&config, 0, 0)) {
            (Ok(()), Some(layout)) => Some(Self { config, layout, bytes: header.to_bytes() }),
            _ => None,
        }
    }

    /// Where a header first differs, in what is not of one blob alone: lengths, checksum, epsilon,
    /// the unit of frames, the number of parameters; nor in the beam width, which is the build's.
    pub fn difference(&self, blob: &[u8]) -> Option<usize> {
        let own = |i: &usize| matches!(i, 8..16 | 80..94 | 96..100 | 102..104);
        let pairs = self.bytes.iter().zip(blob).enumerate();
        pairs.filter(|(i, (expected, found))| expected != found && !own(i)).map(|(i, _)| i).next()
    }
}
