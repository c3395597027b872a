//! Follows cases of the bench programs instruction by instruction on an emulated board. What part of a
//! transformer an instruction belongs to is told by names of functions, and cycles are an estimate: good
//! for finding what to work on, too rough for a test.

mod cases;
mod cycles;
mod document;
mod profile;
mod symbols;
mod trace;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "picoformer-profile", about = "Where the instructions of a bench case go")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Follows the cases of one board whose name begins so
    Show {
        /// The board, such as mps2-an386
        board: String,
        /// The beginning of a case's name, such as token/stories260k
        case: String,
    },
    /// Follows a choice of cases and writes bench/profiles.json and docs/PROFILES.md
    Record,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Show { board, case } => {
            for profile in cases::profiles(&board, &case)? {
                print!("{}", profile.table());
            }
            Ok(())
        }
        Command::Record => document::record(&cases::all()?),
    }
}
