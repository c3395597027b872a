//! `picoformer`: converts trained checkpoints, shows what they cost, runs and evaluates them, on the very
//! engine that runs on the device.

use clap::Parser;
use picoformer_convert::cli;

fn main() -> miette::Result<()> {
    cli::run(cli::Arguments::parse())
}
