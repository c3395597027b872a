//! `keygen`, `sign`, `verify`.

use clap::Args;
use miette::Result;
use picoformer::signed::Key;
use picoformer_convert::error::read;
use picoformer_convert::host::Blob;
use picoformer_convert::output::{say, write_new, write_whole};
use picoformer_convert::signing::{Signatory, hexadecimal, public_key, verify};
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub struct KeygenArguments {
    /// Where the private key goes, such as door.key (PKCS #8 in PEM, readable by its owner alone). The public
    /// key goes beside it, door.pub: 32 bytes for `include_bytes!`
    #[arg(short, long)]
    output: PathBuf,
    /// Machine-readable
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct SignArguments {
    /// The blob
    blob: PathBuf,
    /// The private key
    #[arg(long)]
    key: PathBuf,
    /// Name of the product, at most 32 bytes; a device refuses blobs of others
    #[arg(long)]
    product: String,
    /// Number of the release; a device refuses older ones than it has had
    #[arg(long = "release", value_name = "NUMBER")]
    version: u32,
    /// Where the signed blob goes
    #[arg(short, long)]
    output: PathBuf,
    /// Machine-readable
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct VerifyArguments {
    /// The signed blob
    file: PathBuf,
    /// The public key
    #[arg(long)]
    key: PathBuf,
    /// Name of the product
    #[arg(long)]
    product: String,
    /// The oldest release that is still allowed
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    at_least: u32,
    /// Machine-readable
    #[arg(long)]
    json: bool,
}

/// Makes a pair of keys; never onto existing files.
pub fn keygen(arguments: &KeygenArguments) -> Result<()> {
    let (private, public) = (&arguments.output, arguments.output.with_extension("pub"));
    let key = Signatory::generate()?;
    // The public one first: a private key without it is never lying about.
    write_new(&public, &key.public(), false)?;
    if let Err(error) = write_new(private, key.to_pem()?.as_ref(), true) {
        let _ = std::fs::remove_file(&public);
        return Err(error.into());
    }
    if arguments.json {
        let paths = [private, &public].map(|path| path.to_string_lossy().into_owned());
        let [private, public] = paths;
        let text = hexadecimal(&key.public());
        return Ok(say(&json!({ "private": private, "public": public, "public_key": text }))?);
    }
    say(&format_args!(
        "private key  {} (keep it off devices and repositories)",
        private.display()
    ))?;
    say(&format_args!("public key   {} {}", public.display(), hexadecimal(&key.public())))?;
    Ok(())
}

/// Signs.
pub fn sign(arguments: &SignArguments) -> Result<()> {
    let key = Signatory::read(&arguments.key)?;
    let blob = Blob::open(&arguments.blob)?;
    let (product, version) = (arguments.product.as_str(), arguments.version);
    let file = key.sign(&arguments.blob, &blob, product, version)?;
    // What was signed is what a device will believe.
    let public = key.public();
    let known = verify(&arguments.output, &file, &Key { product, public: &public }, version)?;
    write_whole(&arguments.output, &file, &[&arguments.blob, &arguments.key])?;
    if arguments.json {
        let mut value = json!(known);
        value["output"] = json!(arguments.output.to_string_lossy());
        return Ok(say(&value)?);
    }
    let (bytes, path) = (file.len(), arguments.output.display());
    Ok(say(&format_args!("{product} release {version}: {bytes} bytes written to {path}"))?)
}

/// Verifies as a device does.
pub fn check(arguments: &VerifyArguments) -> Result<()> {
    let public = public_key(&arguments.key)?;
    let key = Key { product: &arguments.product, public: &public };
    let known = verify(&arguments.file, &read(&arguments.file)?, &key, arguments.at_least)?;
    if arguments.json {
        return Ok(say(&json!(known))?);
    }
    let (product, version, bytes) = (known.product, known.version, known.blob_bytes);
    Ok(say(&format_args!("good: {product} release {version}, a blob of {bytes} bytes"))?)
}
