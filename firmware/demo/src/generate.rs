//! Writes a story.
use core::fmt::Write;

use crate::hash::Hash;
use crate::placeholder::Toy;
use crate::{Failure, Phase, Probe, Summary, text};

/// Placeholder.
pub fn generate(out: &mut dyn Write, probe: &mut dyn Probe) -> Result<Summary, Failure> {
    let mut toy = Toy::new(2);
    let mut hash = Hash::new();
    probe.begin();
    let mut token = toy.step(1);
    probe.end(Phase::Prefill);
    out.write_str("ids")?;
    for _ in 0..200 {
        probe.begin();
        token = toy.step(token);
        probe.end(Phase::Token);
        hash.add(&toy.logits);
        out.write_str(" ")?;
        text::decimal(out, token.into())?;
    }
    out.write_str("\nlogits ")?;
    text::hexadecimal(out, hash.value())?;
    out.write_str("\n")?;
    Ok(Summary { arena_bytes: 128, blob_bytes: 0 })
}
