//! `cargo xtask test`: everything that CI runs.

use crate::board::{BOARDS, Board, TARGETS, install, setup};
use crate::boards::{self, Options};
use crate::qemu;
use crate::safety::soak::HOST_32;
use crate::source::floors;
use crate::steps::{Report, run, run_in, run_with};
use crate::{bench, c, endure, examples, image, models, python, readme, update};
use anyhow::{Context, Result};

/// The engine's optional dependencies: none is needed, each must build alone.
const FEATURES: [&str; 5] = ["heapless", "defmt", "libm", "micromath", "signed"];

/// Does every step whose name contains `only`, even after a failure; whether all passed.
pub fn test(only: String) -> bool {
    let mut report = Report::new(only);
    report.step("targets and emulators", setup);
    style(&mut report);
    tests(&mut report);
    report.step("engine without dependencies", bare_engine);
    report.step("engine with each dependency alone", || {
        TARGETS.into_iter().try_for_each(|target| {
            FEATURES.into_iter().try_for_each(|feature| {
                run(&format!(
                    "cargo check --quiet --package picoformer --features {feature} --target {target}"
                ))
            })
        })
    });
    report.step("packages for crates.io", || {
        run("cargo publish --dry-run --quiet --package picoformer --allow-dirty")?;
        // Compiling the converter and all that it needs once more is for `cargo xtask release`.
        run("cargo publish --dry-run --quiet --workspace --no-verify --allow-dirty")
    });
    report.step("size, panic sites, soft float, allocator", || {
        image::check(false).map(|rows| print!("{}", image::table(&rows)))
    });
    for program in ["selfcheck", "kernels"] {
        for name in BOARDS {
            report.step(format!("{program} on {name}"), || qemu::self_check(name, program));
        }
    }
    for name in BOARDS {
        report.step(format!("layers on {name}"), || qemu::expected(name, "layers"));
    }
    for name in examples::EXAMPLES {
        report.step(format!("example {name}"), || examples::run(name, false));
    }
    report.step("demos on every board, and the record", || {
        qemu::check(false).map(|rows| print!("{}", qemu::table(&rows)))
    });
    report.step("a device that updates itself", || update::update(false));
    report.step("endurance and bit flips, a short run", || endure::endure(&endure::Options::ci()));
    report.step("shells on the boards that have an emulator", || boards::boards(&Options::ci()));
    report.step("models that do not fit a board are refused", boards::refusal);
    report.step("C library, its examples and tests", || c::c(&c::Options::default()));
    report.step("Python package", || python::python(&python::Options::ci()));
    report.step("commands in README.md", readme::commands);
    report.step("instructions of kernels and models, and the record", bench::check);
    report.step("figures in README.md, docs/BENCHMARKS.md and docs/CHIPS.md", || {
        readme::figures(true)
    });
    report.close()
}

/// What is wrong without running anything.
fn style(report: &mut Report) {
    report.step("formatting", || {
        run("cargo fmt --all --check")?;
        run_in("firmware", "cargo fmt --all --check")
    });
    report.step("floors, circles, addresses", floors::check);
    report.step("clippy", || {
        run("cargo clippy --quiet --workspace --all-targets -- -D warnings")?;
        run("cargo clippy --quiet --package picoformer --features heapless,libm,micromath,signed -- -D warnings")?;
        run_in(
            "firmware",
            "cargo clippy --quiet --release --package picoformer-bench --package picoformer-demo \
             --package picoformer-host --package picoformer-shell --all-targets -- -D warnings",
        )
    });
    for name in BOARDS {
        report.step(format!("clippy for {name}"), || Board::read(name)?.clippy(&[]));
    }
    report.step("clippy for the examples", || {
        Board::read(examples::BOARD)?.clippy(&["heap", "defmt"])
    });
    report.step("documentation", || {
        run("cargo doc --quiet --no-deps --workspace")?;
        run("cargo doc --quiet --no-deps --package picoformer --features heapless,defmt,libm,micromath,signed")?;
        run_in("firmware", "cargo doc --quiet --no-deps --release --package picoformer-demo")
    });
}

/// Everything that runs on the host.
fn tests(report: &mut Report) {
    report.step("tests", || {
        run("cargo test --quiet --workspace")?;
        run("cargo test --quiet --package picoformer --features heapless,libm,micromath,signed")
    });
    report.step("tests of the engine on 32 bits", || {
        install(&[HOST_32], &[])?;
        run(&format!("cargo test --quiet --package picoformer --lib --target {HOST_32}")).context(
            "a host of 32 bits needs a linker and a C library: apt-get install gcc-multilib",
        )
    });
    report.step("shipped blobs are what their checkpoints convert to", models::fresh);
    report.step("tests of the demos", || {
        // The stories demo needs a blob that is not shipped; without it that test says that it skips.
        let blob = models::stories()?.unwrap_or_default();
        let line = "cargo test --release --package picoformer-bench --package picoformer-demo \
                    --package picoformer-host --package picoformer-shell";
        run_with("firmware", line, &[("PICOFORMER_STORIES", blob.as_os_str())])
    });
    report.step("layers with debug assertions", || {
        run_in("firmware", "cargo test --quiet --package picoformer-host --test expected layers")
    });
}

/// Built for every instruction set without a standard library, an allocator or any other crate.
fn bare_engine() -> Result<()> {
    TARGETS.into_iter().try_for_each(|target| {
        run(&format!(
            "cargo build --quiet --release --package picoformer --no-default-features --target {target}"
        ))
    })
}
