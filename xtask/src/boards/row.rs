//! One demo on one board.

use serde::{Deserialize, Serialize};

/// What was found for one demo on one board.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The board's folder in `firmware/boards`.
    pub board: String,
    /// Its core.
    pub core: String,
    /// The models in its image.
    pub models: Vec<String>,
    /// The command that was run, or would be.
    pub demo: String,
    /// Whether the image was built, checked and packed.
    pub built: bool,
    /// The emulator that ran the packed file; without one it was not run.
    pub runs_in: Option<String>,
    /// Whether every answer was that of the shell on this computer.
    pub equals_host: Option<bool>,
    /// Bytes of flash, the models included.
    pub flash_bytes: u64,
    /// Bytes of RAM for statics, among them the arena; the stack comes on top.
    pub ram_bytes: u64,
    /// Cycles of the demo's command, where an emulator counts them.
    pub cycles: Option<u64>,
    /// Instructions of the demo's command, where an emulator counts them.
    pub instructions: Option<u64>,
}
