//! `convert --bits 4`: what gets four bits, and the texts for its rounding.

use super::{Bits, ConvertArguments, WideRows};
use miette::Result;
use picoformer::config::{Role, Roles};
use picoformer_convert::error::{Error, input};
use picoformer_convert::evaluation::encode;
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::four_bits::{default_roles, fit};
use picoformer_convert::host::Blob;
use picoformer_convert::writer::{Wide, write};
use std::path::Path;

/// Rounds the weights of a model as the arguments say.
pub fn convert(model: &mut FloatModel, arguments: &ConvertArguments, wide: Wide) -> Result<()> {
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
    if matches!(arguments.wide, WideRows::Norm | WideRows::All) {
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
