//! `picoformer export-c`: a blob as source files of a C program.

use clap::Args;
use miette::{IntoDiagnostic, Result};
use picoformer_convert::export_c::{export, name_of};
use picoformer_convert::host::Blob;
use picoformer_convert::output::{say, write_whole};
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub struct ExportArguments {
    /// The blob
    blob: PathBuf,
    /// The folder for the files; by default the current one
    #[arg(short, long, default_value = ".")]
    output: PathBuf,
    /// The prefix of the names in C; by default the blob's name, or its folder's
    #[arg(long)]
    name: Option<String>,
    /// An array also for a large blob: for build systems that have no folder for the assembler (Arduino)
    #[arg(long)]
    array: bool,
    /// Machine-readable
    #[arg(long)]
    json: bool,
}

/// Writes `NAME.h` and `NAME.c`, or for a large blob `NAME.S` and `NAME.pico`.
pub fn run(arguments: &ExportArguments) -> Result<()> {
    let blob = Blob::open(&arguments.blob)?;
    let model = blob.model(&arguments.blob)?;
    let name = arguments.name.clone().or_else(|| name_of(&arguments.blob)).unwrap_or_default();
    let exported = export(&model, blob.bytes(), &name, arguments.array)?;
    std::fs::create_dir_all(&arguments.output).into_diagnostic()?;
    let source = if exported.assembly { "S" } else { "c" };
    let mut files = vec![("h", exported.header.as_bytes()), (source, exported.source.as_bytes())];
    if exported.assembly {
        files.push(("pico", blob.bytes()));
    }
    let mut written = Vec::new();
    for (extension, bytes) in files {
        let path = arguments.output.join(format!("{name}.{extension}"));
        write_whole(&path, bytes, &[&arguments.blob])?;
        written.push((path.to_string_lossy().into_owned(), bytes.len()));
    }
    if arguments.json {
        let files: Vec<_> =
            written.iter().map(|(path, bytes)| json!({ "path": path, "bytes": bytes })).collect();
        return Ok(say(
            &json!({ "name": name, "blob_bytes": blob.bytes().len(), "files": files }),
        )?);
    }
    for (path, bytes) in &written {
        say(&format_args!("{path} ({bytes} bytes)"))?;
    }
    Ok(())
}
