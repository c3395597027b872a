//! Bits that a weight takes in the flash.

use picoformer::blob::{Layout, LinearLayout};
use picoformer::config::{Config, Role};
use std::collections::BTreeMap;

/// Linear layers of one role.
struct Part {
    role: Role,
    layout: LinearLayout,
    count: usize,
}

impl Part {
    fn weights(&self) -> usize {
        self.count * self.layout.out_dim * self.layout.in_dim
    }

    /// Weights and their scales.
    fn bits(&self) -> usize {
        8 * self.count * (self.layout.biases() - self.layout.weights())
    }
}

/// Every linear layer of a model.
fn parts(c: &Config, l: &Layout) -> Vec<Part> {
    let (own, cross, all) = (&l.layer, &l.decoder.cross, c.n_layers + c.decoder_layers);
    let every = [
        (Role::Embedding, l.embedding.layout, 1),
        (Role::Query, own.attention.q.layout, all),
        (Role::Key, own.attention.k.layout, all),
        (Role::Value, own.attention.v.layout, all),
        (Role::Output, own.attention.o.layout, all),
        (Role::Gate, own.gate.layout, all),
        (Role::Up, own.up.layout, all),
        (Role::Down, own.down.layout, all),
        (Role::Pooler, l.pooler.layout, 1),
        (Role::Head, l.head.layout, 1),
        (Role::DecoderEmbedding, l.decoder.embedding.layout, 1),
        (Role::CrossQuery, cross.q.layout, c.decoder_layers),
        (Role::CrossKey, cross.k.layout, c.decoder_layers),
        (Role::CrossValue, cross.v.layout, c.decoder_layers),
        (Role::CrossOutput, cross.o.layout, c.decoder_layers),
    ];
    let known = every.into_iter().filter(|(role, ..)| c.roles().contains(*role));
    known.map(|(role, layout, count)| Part { role, layout, count }).collect()
}

/// Bits a weight, scales included: of all weights, and of each part of the layers by its name, which is the
/// same in all layers.
pub fn weight_bits(c: &Config, l: &Layout) -> (f64, BTreeMap<&'static str, f64>) {
    let parts = parts(c, l);
    let each = |bits: usize, weights: usize| bits as f64 / weights.max(1) as f64;
    let all = |of: fn(&Part) -> usize| parts.iter().map(of).sum::<usize>();
    let by_part = parts.iter().map(|part| (part.role.name(), each(part.bits(), part.weights())));
    (each(all(Part::bits), all(Part::weights)), by_part.collect())
}
