//! Makes an archive: one plain object that defines `picoformer_*` and needs the C library's four functions
//! of memory, whatever Rust's own archive has in it.

use super::attributes;
use super::target::{Marks, Target};
use crate::steps::{execute, root};
use anyhow::{Context, Result, bail};
use ar_archive_writer::{
    ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, write_archive_to_stream,
};
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSymbol};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the archive needs of the C library.
pub const NEEDED: [&str; 4] = ["memcmp", "memcpy", "memmove", "memset"];

/// Builds the archive of a target, for one model or for all; returns its path.
pub fn build(target: &Target, model: Option<&Path>) -> Result<PathBuf> {
    let folder = root().join("bindings/c/target/archive").join(target.name);
    std::fs::create_dir_all(&folder)?;
    let name = match model {
        Some(model) => format!("libpicoformer-{}", model_name(model)?),
        None => "libpicoformer".into(),
    };
    let object = folder.join(format!("{name}.o"));
    link(&compile(target, model)?, &folder, &object)?;
    mark(&object, target, &folder)?;
    let archive = folder.join(format!("{name}.a"));
    pack(&object, &archive)?;
    Ok(archive)
}

/// What a model's files are called: its folder, if the file is just `model.pico`, or else its own name.
pub fn model_name(model: &Path) -> Result<String> {
    let stem = model.file_stem().and_then(|stem| stem.to_str());
    let folder =
        model.parent().and_then(|folder| folder.file_name()).and_then(|name| name.to_str());
    let name = if stem == Some("model") { folder.or(stem) } else { stem };
    let name = name.context("the model's file has no name")?;
    Ok(name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect())
}

/// Compiles Rust's archive.
fn compile(target: &Target, model: Option<&Path>) -> Result<PathBuf> {
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
        .unwrap_or_default();
    let own = root();
    // A folder of its own for each: one archive's files would replace another's of the same instruction set.
    let kind = if model.is_some() { "one" } else { "any" };
    let built = own.join(format!("bindings/c/target/{}-{kind}", target.feature.unwrap_or("none")));
    let flags = format!(
        "--remap-path-prefix={home}=cargo --remap-path-prefix={}=picoformer",
        own.display()
    );
    let mut command = Command::new("cargo");
    command
        .args(["build", "--quiet", "--release", "--target", target.rust, "--target-dir"])
        .arg(&built)
        .args(target.feature.map(|feature| format!("--features={feature}")))
        .env("RUSTFLAGS", flags)
        .env_remove("PICOFORMER_MODEL")
        .current_dir(own.join("bindings/c"));
    if let Some(model) = model {
        let path = model.canonicalize().with_context(|| model.display().to_string())?;
        command.env("PICOFORMER_MODEL", path);
    }
    execute(&mut command)?;
    Ok(built.join(target.rust).join("release/libpicoformer_c.a"))
}

/// A tool that comes with Rust.
fn tool(name: &str) -> Result<Command> {
    let output =
        Command::new("rustc").args(["--print", "target-libdir"]).current_dir(root()).output()?;
    let libraries = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    let folder = libraries.parent().context("rustc tells no folder")?;
    Ok(Command::new(folder.join("bin").join(name)))
}

/// Links what `picoformer_*` needs into one object, by Rust's own linker: sections that nothing needs are
/// dropped, the others keep their names, so that a program still links only what it calls.
fn link(archive: &Path, folder: &Path, object: &Path) -> Result<()> {
    let data = std::fs::read(archive).with_context(|| archive.display().to_string())?;
    let members = folder.join("members");
    let _ = std::fs::remove_dir_all(&members);
    std::fs::create_dir_all(&members)?;
    let (mut files, mut roots) = (Vec::new(), Vec::new());
    for (i, member) in ArchiveFile::parse(&*data)?.members().enumerate() {
        let bytes = member?.data(&*data)?;
        let Ok(file) = object::File::parse(bytes) else { continue };
        let defined = || file.symbols().filter(|symbol| symbol.is_definition());
        // The copies that the compiler brings of the C library's functions stay out.
        if defined().any(|symbol| symbol.name().is_ok_and(|name| NEEDED.contains(&name))) {
            continue;
        }
        let own = defined().filter(|symbol| symbol.is_global());
        let own =
            own.filter_map(|symbol| symbol.name().ok()).filter(|n| n.starts_with("picoformer_"));
        roots.extend(own.map(str::to_owned));
        let path = members.join(format!("{i}.o"));
        std::fs::write(&path, bytes)?;
        files.push((path, defined().any(|s| s.name().is_ok_and(|n| n.starts_with("picoformer_")))));
    }
    if roots.is_empty() {
        bail!("{} has no function of ours", archive.display());
    }
    let library = members.join("rest.a");
    let rest: Vec<_> = files.iter().filter(|(_, own)| !own).map(|(path, _)| path.clone()).collect();
    write(&rest, &library)?;
    let mut command = tool("rust-lld")?;
    command.args(["-flavor", "gnu", "-r", "--gc-sections", "--strip-debug", "-o"]).arg(object);
    command.args(roots.iter().flat_map(|name| ["-u", name]));
    command.args(files.iter().filter(|(_, own)| *own).map(|(path, _)| path)).arg(&library);
    quiet(&mut command)?;
    let mut command = tool("rust-objcopy")?;
    command.args(["--wildcard", "--keep-global-symbol=picoformer_*", "--strip-debug"]);
    command.args(["--strip-unneeded", "--remove-section=.comment", "--remove-section=.ARM.exidx*"]);
    command.args([
        "--remove-section=.rel.ARM.exidx*",
        "--remove-section=.llvm*",
        "--remove-section=.unrolled",
    ]);
    command.args(["--remove-section=.eh_frame*", "--remove-section=.rela.eh_frame*"]);
    quiet(command.arg(object))
}

fn quiet(command: &mut Command) -> Result<()> {
    let output = command.output().context("a tool of Rust cannot be started")?;
    if !output.status.success() {
        bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Writes what the object says of itself to a linker.
fn mark(object: &Path, target: &Target, folder: &Path) -> Result<()> {
    let (section, bytes) = match &target.marks {
        Marks::None => return Ok(()),
        Marks::Arm { arch, mve } => (".ARM.attributes", attributes::arm(*arch, *mve)),
        Marks::Riscv { arch, float } => {
            let mut file = std::fs::read(object)?;
            attributes::set_float_abi(&mut file, *float);
            std::fs::write(object, file)?;
            (".riscv.attributes", attributes::riscv(arch))
        }
    };
    let path = folder.join("attributes");
    std::fs::write(&path, bytes)?;
    let mut command = tool("rust-objcopy")?;
    command.arg(format!("--update-section={section}={}", path.display())).arg(object);
    quiet(&mut command)
}

/// Packs one object as an archive.
fn pack(object: &Path, archive: &Path) -> Result<()> {
    write(&[object.to_owned()], archive)
}

/// Writes an archive with an index of its symbols; without times and owners.
fn write(objects: &[PathBuf], archive: &Path) -> Result<()> {
    let mut members = Vec::new();
    for object in objects {
        let name = object.file_name().unwrap_or_default().to_string_lossy().into_owned();
        members.push(NewArchiveMember::new(std::fs::read(object)?, &DEFAULT_OBJECT_READER, name));
    }
    let mut bytes = Cursor::new(Vec::new());
    write_archive_to_stream(&mut bytes, &members, ArchiveKind::Gnu, false, None)?;
    std::fs::write(archive, bytes.into_inner()).with_context(|| archive.display().to_string())
}
