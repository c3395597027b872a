//! The project's own commands: `cargo xtask demo` shows what picoformer does, `cargo xtask test` runs
//! everything that CI runs.

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use xtask::safety::{fuzz, miri, prove, soak, stack};
use xtask::source::{floors, lines};
use xtask::{
    bench, board, boards, c, cards, chips, demo, endure, examples, image, layers, python, qemu,
    readme, release, test, update,
};

#[derive(Parser)]
#[command(name = "xtask", about = "picoformer's own commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the shipped models here and on an emulated Cortex-M4, shows both equal, converts their
    /// checkpoints again
    Demo,
    /// Everything that CI runs; collects all failures and prints them at the end
    Test {
        /// Only the steps whose name contains this
        #[arg(default_value = "")]
        only: String,
    },
    /// Installs what is missing: rustup targets, QEMU
    Setup,
    /// Runs every demo on every emulated board and compares with the host and the record
    Qemu {
        /// Only this board
        #[arg(long)]
        board: Option<String>,
        /// Only this demo
        #[arg(long)]
        demo: Option<String>,
        /// Machine-readable
        #[arg(long)]
        json: bool,
        /// Writes expected outputs and the record anew
        #[arg(long)]
        bless: bool,
    },
    /// Builds the shell for real boards, checks and packs it, runs it where there is an emulator
    Boards(boards::Options),
    /// Builds the C library, tests it, runs its examples on emulated cores and compares with the host
    C(c::Options),
    /// Makes target/dist: the C library for every core (or for one model), and packages for Arduino, ESP-IDF and
    /// Zephyr
    Dist(c::DistOptions),
    /// Builds the Python package, installs it into a fresh environment and tests it there
    Python(python::Options),
    /// Builds every artefact of a release with its checksum into one folder (docs/RELEASE.md)
    Release(release::Options),
    /// Checks the oldest Rust that the manifests name
    Msrv,
    /// Checks what changed for users since a revision, if cargo-semver-checks is installed
    Semver {
        /// A tag or commit
        #[arg(long, value_name = "REVISION")]
        baseline: String,
    },
    /// Writes docs/CHIPS.md, the table of microcontrollers, from what `picoformer inspect --chips` says
    Chips,
    /// Counts instructions of kernels and models on every core, against the record and others
    Bench(bench::Options),
    /// The smallest image of each instruction set: code bytes, panic sites, soft float
    Size {
        /// Machine-readable
        #[arg(long)]
        json: bool,
        /// Writes the record anew
        #[arg(long)]
        bless: bool,
    },
    /// Writes models/README.md, the table of all models, from their blobs and their figures.json; fails if
    /// these or the cards do not agree
    Models {
        /// First measures this model anew (`picoformer eval`)
        #[arg(long, value_name = "MODEL")]
        measure: Option<String>,
        /// Data of a test that is not kept in the model's folder, one after the other
        #[arg(long, requires = "measure")]
        data: Vec<PathBuf>,
    },
    /// Writes the measured figures of the records into README.md and docs/BENCHMARKS.md
    Readme,
    /// Measures everything anew and records it: qemu, size, examples, README
    Bless,
    /// Runs one example on the emulated Cortex-M4: `with_heap` or `logged`
    Example {
        /// Its name
        name: String,
        /// Keeps what it prints as what is expected
        #[arg(long)]
        bless: bool,
    },
    /// Runs the fuzz targets under AddressSanitizer; cargo-fuzz is installed if it is missing
    Fuzz(fuzz::Options),
    /// Mutated blobs on hosts of 64 and 32 bits, under AddressSanitizer and on two emulated cores
    Soak(soak::Options),
    /// The engine's tests in Miri
    Miri {
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// A hash of every layer of the shipped models, on the host and on every emulated core, in two builds
    Layers(layers::Options),
    /// Runs mixed tasks for long, and flips bits of the arena between steps
    Endure(endure::Options),
    /// Runs a device that updates its own model on emulated cores; tells what signatures cost there
    Update {
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// The lemmas of tools/proofs by Z3, and functions over their whole domain
    Prove(prove::Options),
    /// How deep the stack of every demo can get, by its instructions
    Stack(stack::Options),
    /// Checks that modules import only from floors below them, that no files import each other in a
    /// circle, and that no address reaches assembly without its provenance
    Floors,
    /// Counts the lines of code of the engine: no comments, no blank lines, no tests
    Lines {
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo => demo::demo(),
        Command::Setup => board::setup(),
        Command::Qemu { board, demo, json, bless } => {
            let rows = if board.is_some() || demo.is_some() {
                qemu::rows(board.as_deref(), demo.as_deref(), bless)
            } else {
                qemu::check(bless)
            };
            rows.map(|rows| match serde_json::to_string(&rows) {
                Ok(text) if json => println!("{text}"),
                _ => print!("{}", qemu::table(&rows)),
            })
        }
        Command::Boards(options) => boards::boards(&options),
        Command::C(options) => c::c(&options),
        Command::Dist(options) => c::dist(&options),
        Command::Python(options) => python::python(&options),
        Command::Release(options) => release::release(&options),
        Command::Msrv => release::msrv(),
        Command::Semver { baseline } => release::semver(&baseline),
        Command::Chips => chips::table(false),
        Command::Bench(options) => bench::bench(&options),
        Command::Size { json, bless } => {
            image::check(bless).map(|rows| match serde_json::to_string(&rows) {
                Ok(text) if json => println!("{text}"),
                _ => print!("{}", image::table(&rows)),
            })
        }
        Command::Fuzz(options) => fuzz::fuzz(&options),
        Command::Soak(options) => soak::soak(&options),
        Command::Miri { json } => miri::miri(json),
        Command::Prove(options) => prove::prove(&options),
        Command::Stack(options) => stack::stack(&options),
        Command::Test { only } => return code(test::test(only)),
        Command::Models { measure: Some(name), data } => cards::measure(&name, &data),
        Command::Models { measure: None, .. } => cards::table(false),
        Command::Readme => readme::figures(false),
        Command::Bless => bless(),
        Command::Example { name, bless } => examples::run(&name, bless),
        Command::Layers(options) => layers::layers(&options),
        Command::Endure(options) => endure::endure(&options),
        Command::Update { json } => update::update(json),
        Command::Floors => floors::check(),
        Command::Lines { json } => lines::engine().map(|lines| match json {
            true => println!("{}", serde_json::json!({ "lines": lines })),
            false => println!("{lines}"),
        }),
    };
    if let Err(error) = &result {
        eprintln!("error: {error:#}");
    }
    code(result.is_ok())
}

/// Everything that is recorded, recorded anew.
fn bless() -> anyhow::Result<()> {
    print!("{}", qemu::table(&qemu::check(true)?));
    print!("{}", image::table(&image::check(true)?));
    layers::record()?;
    for name in examples::EXAMPLES {
        examples::run(name, true)?;
    }
    readme::figures(false)
}

fn code(passed: bool) -> ExitCode {
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
