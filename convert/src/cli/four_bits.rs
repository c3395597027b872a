//! `convert --bits 4`: what gets four bits, and the texts for its rounding.

use clap::{Args, ValueEnum};
use miette::Result;
use picoformer::config::{Role, Roles};
use picoformer_convert::error::{Error, input};
use picoformer_convert::evaluation::encode;
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::four_bits::{default_roles, fit};
use picoformer_convert::host::Blob;
use picoformer_convert::writer::{Wide, write};
use std::path::{Path, PathBuf};

/// How many bits weights have.
#[derive(Args)]
pub struct RoundingArguments {
    /// Bits of the weights. 4: half the flash, rounded so that the results change least; layers of four bits
    /// read 8-bit rows
    #[arg(long, value_enum, default_value_t = Bits::Eight)]
    bits: Bits,
    /// With --bits 4: what keeps eight bits, any of embedding, q, k, v, o, gate, up, down, pooler, head,
    /// decoder-embedding, cross-q, cross-k, cross-v, cross-o, or `none`; by default the keys of a decoder
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    eight: Vec<String>,
    /// With --bits 4: a text as the device will read, a line each, from which the rounding learns which inputs go
    /// together. Without it a decoder writes its own
    #[arg(long, value_name = "TEXT")]
    calibration: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bits {
    /// All weights have eight bits
    #[value(name = "8")]
    Eight,
    /// All weights have four bits, but those named by --eight
    #[value(name = "4")]
    Four,
}

/// Rounds the weights of a model as the arguments say. `asked`: somebody asked for 12-bit rows.
pub fn round(
    model: &mut FloatModel,
    arguments: &RoundingArguments,
    asked: bool,
    wide: Wide,
) -> Result<()> {
    if arguments.bits == Bits::Eight {
        let given = if arguments.eight.is_empty() { "--calibration" } else { "--eight" };
        return match arguments.eight.is_empty() && arguments.calibration.is_none() {
            true => Ok(()),
            false => {
                Err(input(format!("{given} is for --bits 4"), "add it, or leave this out").into())
            }
        };
    }
    let roles = match arguments.eight.is_empty() {
        true => default_roles(model),
        false => model.config.roles().except(named(&arguments.eight, model.config.roles())?),
    };
    if asked {
        return Err(input(
            "--wide norm and --wide all ask for 12-bit rows, and weights of four bits read 8-bit rows",
            "leave --wide out: what keeps eight bits then has the rows it needs",
        )
        .into());
    }
    let texts = match &arguments.calibration {
        Some(path) => texts(model, path, wide)?,
        None => Vec::new(),
    };
    Ok(fit(model, roles, wide, &texts)?)
}

/// The roles of these names, all of which the model has.
fn named(names: &[String], known: Roles) -> Result<Roles> {
    let mut roles = Roles::NONE;
    for name in names.iter().filter(|name| *name != "none") {
        let found = Role::ALL.into_iter().find(|&role| role.name() == name && known.contains(role));
        let Some(role) = found else {
            let all = Role::ALL.into_iter().filter(|&role| known.contains(role));
            let all: Vec<_> = all.map(Role::name).collect();
            let help = format!("name some of {}, or none", all.join(", "));
            return Err(input(format!("--eight {name}: the model has no such part"), help).into());
        };
        roles = roles.with(role);
    }
    Ok(roles)
}

/// The token ids of the lines of a file.
fn texts(model: &FloatModel, path: &Path, wide: Wide) -> Result<Vec<Vec<u32>>> {
    let read = std::fs::read_to_string(path);
    let text = read.map_err(|source| Error::File { path: path.into(), source })?;
    let blob = Blob::new(&write(model, wide)?);
    let parsed = blob.model(path)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let ids: Vec<Vec<u32>> =
        lines.map(|line| encode(&parsed, line)).collect::<std::result::Result<_, _>>()?;
    match ids.is_empty() {
        true => {
            Err(input(format!("`{}` has no text", path.display()), "give a text a line").into())
        }
        false => Ok(ids),
    }
}
