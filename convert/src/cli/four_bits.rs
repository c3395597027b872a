//! `convert --bits 4` and `--bits mixed`: what gets four bits, and the texts for its rounding.

use clap::{Args, ValueEnum};
use miette::Result;
use picoformer::config::{Role, Roles};
use picoformer_convert::error::{Error, input};
use picoformer_convert::evaluation::encode;
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::four_bits::{default_roles, fit};
use picoformer_convert::host::Blob;
use picoformer_convert::mixed::{Budget, choose};
use picoformer_convert::writer::{Wide, write};
use std::path::{Path, PathBuf};

/// How many bits weights have.
#[derive(Args)]
pub struct RoundingArguments {
    /// Bits of the weights. 4: half the flash, rounded so that the results change least; layers of four bits
    /// read 8-bit rows. mixed: four bits where they cost least, as --flash or --loss says
    #[arg(long, value_enum, default_value_t = Bits::Eight)]
    bits: Bits,
    /// With --bits 4: what keeps eight bits, any of embedding, q, k, v, o, gate, up, down, pooler, head,
    /// decoder-embedding, cross-q, cross-k, cross-v, cross-o, or `none`; by default the keys of a decoder
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    eight: Vec<String>,
    /// With --bits mixed: bytes that the blob may have; what suffers most from four bits keeps eight
    #[arg(long, value_name = "BYTES", conflicts_with = "loss")]
    flash: Option<usize>,
    /// With --bits mixed: what four bits may cost, in nats of divergence from f32 a token or label (of embeddings and
    /// numbers: in parts of their squared length); as few bytes as that allows
    #[arg(long, value_name = "NATS")]
    loss: Option<f64>,
    /// With --bits 4 or mixed: a text as the device will read, a line each, from which the rounding learns which
    /// inputs go together; mixed measures on every fourth line. Without it a decoder writes its own
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
    /// Parts have eight bits or four, as --flash or --loss asks
    #[value(name = "mixed")]
    Mixed,
}

/// Rounds the weights of a model as the arguments say. `asked`: somebody asked for 12-bit rows; `size`: bytes of the
/// blob that will be written.
pub fn round(
    model: &mut FloatModel,
    arguments: &RoundingArguments,
    asked: bool,
    wide: Wide,
    size: &dyn Fn(&FloatModel) -> picoformer_convert::error::Result<usize>,
) -> Result<()> {
    check(arguments, asked)?;
    let texts = match &arguments.calibration {
        Some(path) => texts(model, path, wide)?,
        None => Vec::new(),
    };
    match (arguments.bits, arguments.flash, arguments.loss) {
        (Bits::Eight, ..) => Ok(()),
        (Bits::Four, ..) => {
            let roles = match arguments.eight.is_empty() {
                true => default_roles(model),
                false => {
                    model.config.roles().except(named(&arguments.eight, model.config.roles())?)
                }
            };
            Ok(fit(model, roles, wide, &texts)?)
        }
        (Bits::Mixed, Some(bytes), _) => mix(model, wide, &texts, Budget::Flash(bytes), size),
        (Bits::Mixed, _, Some(nats)) => mix(model, wide, &texts, Budget::Loss(nats), size),
        (Bits::Mixed, None, None) => {
            Err(input("--bits mixed needs --flash BYTES or --loss NATS", "give one of them").into())
        }
    }
}

/// Whether the arguments go together.
fn check(arguments: &RoundingArguments, asked: bool) -> Result<()> {
    let bits = arguments.bits;
    let given = [
        ("--eight", !arguments.eight.is_empty(), bits == Bits::Four, "--bits 4"),
        ("--flash", arguments.flash.is_some(), bits == Bits::Mixed, "--bits mixed"),
        ("--loss", arguments.loss.is_some(), bits == Bits::Mixed, "--bits mixed"),
        (
            "--calibration",
            arguments.calibration.is_some(),
            bits != Bits::Eight,
            "--bits 4 or mixed",
        ),
    ];
    if let Some((name, _, _, of)) = given.into_iter().find(|(_, given, fits, _)| *given && !fits) {
        return Err(input(format!("{name} is for {of}"), "add it, or leave this out").into());
    }
    if let Some(nats) = arguments.loss.filter(|nats| !(nats.is_finite() && *nats > 0.0)) {
        return Err(input(format!("--loss {nats} is no loss"), "a number of nats above 0").into());
    }
    if asked && bits != Bits::Eight {
        return Err(input(
            "--wide norm and --wide all ask for 12-bit rows, and weights of four bits read 8-bit rows",
            "leave --wide out: what keeps eight bits then has the rows it needs",
        )
        .into());
    }
    Ok(())
}

/// `--bits mixed`, with a line of what each part costs.
fn mix(
    model: &mut FloatModel,
    wide: Wide,
    texts: &[Vec<u32>],
    budget: Budget,
    size: &dyn Fn(&FloatModel) -> picoformer_convert::error::Result<usize>,
) -> Result<()> {
    let choice = choose(model, wide, texts, budget, size)?;
    for part in &choice.parts {
        let bits = if choice.model.config.four_bits.contains(part.role) { 4 } else { 8 };
        let (name, loss, bytes) = (part.role.name(), part.loss, part.bytes);
        eprintln!("{name:<18} {bits} bits; four alone lose {loss:.5} and save {bytes} bytes");
    }
    eprintln!("all together lose {:.5}, {} bytes", choice.loss, choice.bytes);
    *model = choice.model;
    Ok(())
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
