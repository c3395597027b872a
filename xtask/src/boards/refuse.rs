//! A model that does not fit a board's flash is refused when building, by name and numbers.

use super::board::Board;
use anyhow::{Result, bail};

/// Builds `models/g2p`, 1.4 MB, for a board with 1 MB of flash.
pub fn refusal() -> Result<()> {
    let board = Board::read("stm32f405")?;
    let message = match board.build(&["intent".into(), "g2p".into()]) {
        Ok(path) => bail!("{} was built, though its models do not fit", path.display()),
        Err(error) => error.to_string(),
    };
    let told = [
        "the models do not fit",
        "1048576 bytes of flash",
        "models/g2p 1422832",
        "models/intent 380608",
    ];
    match told.iter().find(|part| !message.contains(**part)) {
        Some(missing) => bail!("not told: `{missing}`:\n{message}"),
        None => Ok(()),
    }
}
