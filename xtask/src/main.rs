//! The project's own commands: `cargo xtask test` runs everything that CI runs.

mod floors;
mod steps;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "xtask", about = "picoformer's own commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that CI runs; collects all failures and prints them at the end.
    Test,
    /// Checks that a module imports only from the floors below it.
    Floors,
}

fn main() -> ExitCode {
    let passed = match Arguments::parse().command {
        Command::Test => steps::test(),
        Command::Floors => steps::report(&[("floors", floors::check())]),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
