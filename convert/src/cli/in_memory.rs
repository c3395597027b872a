//! `picoformer convert` for a program that wants the blob and no file.

use super::{Arguments, Command, Converted, converted};
use clap::Parser;
use std::ffi::OsString;

/// Why there is no blob.
#[derive(Debug)]
pub enum Refused {
    /// The arguments are wrong, or ask for help: the text says which.
    Arguments(Box<clap::Error>),
    /// The checkpoint is refused.
    Checkpoint(miette::Report),
}

/// What `picoformer convert` with these words would write: the checkpoint and the options, without `--output`.
///
/// # Errors
/// As the command's.
pub fn in_memory(words: impl IntoIterator<Item = OsString>) -> Result<Converted, Refused> {
    let before = ["picoformer", "convert", "--output", "model.pico"].map(OsString::from);
    let arguments = Arguments::try_parse_from(before.into_iter().chain(words))
        .map_err(|error| Refused::Arguments(Box::new(error)))?;
    match arguments.command {
        Command::Convert(arguments) => converted(&arguments).map_err(Refused::Checkpoint),
        // The words begin with `convert`.
        _ => Err(Refused::Checkpoint(miette::miette!("this is no conversion"))),
    }
}
