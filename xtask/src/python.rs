//! `cargo xtask python`: the wheel, installed into a fresh environment, and its tests.

use crate::board::apt;
use crate::steps::{execute, root, run};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What builds wheels, from PyPI.
const TOOLS: [&str; 1] = ["maturin>=1.9,<2"];
/// What links them for other systems.
const CROSS: [&str; 2] = ["maturin>=1.9,<2", "ziglang"];
/// What the tests need beside the wheel, which brings NumPy.
const TESTS: [&str; 1] = ["pytest"];
/// What the long tests need beside that: the notebook runs in a kernel.
const LONG: [&str; 4] = ["nbclient", "nbformat", "ipykernel", "vermin"];
/// What may lie elsewhere, because it is large.
const TRAINING: [&str; 2] = ["torch", "transformers"];

/// What to do.
#[derive(Args)]
pub struct Options {
    /// Also what needs torch and transformers: models in memory, the notebook, README's example. Builds the wheel as
    /// it is published
    #[arg(long)]
    long: bool,
    /// With --long: a Python that has torch and transformers; otherwise they come from PyPI
    #[arg(long, value_name = "PYTHON", requires = "long")]
    with: Option<PathBuf>,
    /// With --long: keeps the outputs of the notebook that was run
    #[arg(long, requires = "long")]
    record: bool,
    /// A wheel that was built before: only the tests
    #[arg(long, value_name = "WHEEL", conflicts_with = "long")]
    wheel: Option<PathBuf>,
    /// The published wheel of this machine, by the name of its target; then the tests (macOS, Windows)
    #[arg(long, value_name = "TARGET", conflicts_with_all = ["long", "wheel"])]
    wheels: Option<String>,
}

impl Options {
    /// As in CI: without torch.
    pub const fn ci() -> Self {
        Self { long: false, with: None, record: false, wheel: None, wheels: None }
    }
}

/// Builds the wheel, installs it into a fresh environment and tests it there.
pub fn python(options: &Options) -> Result<()> {
    // Debian's Python comes without what makes environments.
    let venv = || Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    if !venv().is_ok_and(|output| output.status.success()) {
        apt(&["python3-venv"]);
    }
    let profile = if options.long { "wheel" } else { "dev" };
    let wheel = match (&options.wheel, &options.wheels) {
        (Some(wheel), _) => wheel.clone(),
        (None, Some(target)) => build("tools", &TOOLS, "wheel", target, &["--target", target])?,
        (None, None) => build("tools", &TOOLS, profile, profile, &[])?,
    };
    // The command that cargo builds, which must say the same.
    run("cargo build --quiet --package picoformer-convert")?;
    let base = options.with.as_deref().unwrap_or(Path::new("python3"));
    let mut packages: Vec<&OsStr> = vec![wheel.as_os_str()];
    packages.extend(TESTS.map(OsStr::new));
    if options.long {
        packages.extend(LONG.map(OsStr::new));
        if options.with.is_none() {
            packages.extend(TRAINING.map(OsStr::new));
        }
    }
    let environment = environment("fresh", base, &packages)?;
    if options.with.is_some() {
        lend(base, &environment)?;
    }
    let mut pytest = Command::new(program(&environment, "python"));
    let tests = root().join("bindings/python/tests");
    let settings = root().join("bindings/python/pyproject.toml");
    pytest.args(["-m", "pytest", "-p", "no:cacheprovider", "-c"]).arg(settings).arg(&tests);
    if options.long {
        pytest.args(["-m", "long or not long"]);
    }
    if options.record {
        pytest.env("PICOFORMER_RECORD", "1");
    }
    pytest.env("PICOFORMER_COMMAND", root().join("target/debug/picoformer"));
    // Not from a folder in which `picoformer` is the source.
    execute(pytest.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(tests))
}

/// Builds the wheel for another system with Zig, into a folder of that name; the file.
pub fn cross_wheel(target: &str, system: &str) -> Result<PathBuf> {
    let more = ["--zig", "--target", target, "--compatibility", system];
    build("cross", &CROSS, "wheel", target, &more)
}

/// Builds the wheel with a profile of Cargo's; the file.
fn build(
    tools: &str,
    packages: &[&str],
    profile: &str,
    name: &str,
    more: &[&str],
) -> Result<PathBuf> {
    let packages: Vec<&OsStr> = packages.iter().map(OsStr::new).collect();
    let tools = kept(tools, &packages)?;
    let folder = root().join("target/python/wheels").join(name);
    // What is left from before is no answer.
    let _ = std::fs::remove_dir_all(&folder);
    let mut maturin = Command::new(program(&tools, "maturin"));
    maturin.args(["build", "--quiet", "--profile", profile, "--out"]).arg(&folder);
    maturin.arg("--manifest-path").arg(root().join("bindings/python/Cargo.toml")).args(more);
    // Zig is found as a module of the environment's Python.
    let own = program(&tools, "");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(own).chain(std::env::split_paths(&path));
    execute(maturin.env("PATH", std::env::join_paths(paths)?))?;
    only_wheel(&folder)
}

/// The only wheel in a folder.
fn only_wheel(folder: &Path) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("whl")) {
            found.push(path);
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(wheel), true) => Ok(wheel),
        _ => bail!("there should be one wheel in {}", folder.display()),
    }
}

/// A virtual environment made anew, with these packages.
fn environment(name: &str, base: &Path, packages: &[&OsStr]) -> Result<PathBuf> {
    let folder = root().join("target/python").join(name);
    execute(Command::new(base).args(["-m", "venv", "--clear"]).arg(&folder))
        .context("Python 3.9 or newer with `venv` is needed (Debian: python3-venv)")?;
    let mut pip = Command::new(program(&folder, "python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    execute(&mut pip)?;
    Ok(folder)
}

/// A virtual environment that stays.
fn kept(name: &str, packages: &[&OsStr]) -> Result<PathBuf> {
    let folder = root().join("target/python").join(name);
    let done = folder.join("complete");
    let wanted = packages.join(OsStr::new(" "));
    if std::fs::read(&done).is_ok_and(|found| found == wanted.as_encoded_bytes()) {
        return Ok(folder);
    }
    let folder = environment(name, Path::new("python3"), packages)?;
    std::fs::write(done, wanted.as_encoded_bytes())?;
    Ok(folder)
}

/// A program of an environment.
fn program(environment: &Path, name: &str) -> PathBuf {
    environment.join(if cfg!(windows) { "Scripts" } else { "bin" }).join(name)
}

/// Lets an environment see another Python's packages.
fn lend(python: &Path, environment: &Path) -> Result<()> {
    let place = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let ask = |python: &Path| -> Result<String> {
        let output = Command::new(python).args(["-c", place]).output();
        let output = output.with_context(|| python.display().to_string())?;
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    let own = PathBuf::from(ask(&program(environment, "python"))?);
    Ok(std::fs::write(own.join("lent.pth"), ask(python)? + "\n")?)
}
