//! Multiplications of a model: what cycles are divided by. Those of linear layers and of attention
//! count, those of norms and activations do not.

use picoformer::Config;

#[cfg(any(feature = "intent", feature = "tales", test))]
/// Of one layer for `rows` rows, each of which sees `keys` keys.
fn layer(c: &Config, rows: usize, keys: usize) -> usize {
    let projections = c.d_model * (2 * c.q_dim() + 2 * c.kv_dim());
    let feed_forward = c.d_model * c.d_ff * (2 + usize::from(c.gated));
    rows * (projections + feed_forward + 2 * keys * c.q_dim())
}

#[cfg(any(feature = "intent", test))]
/// Of an encoder with one answer for a text of `rows` tokens.
pub fn encoder(c: &Config, rows: usize) -> usize {
    let pooler = if c.pooler { c.d_model * c.d_model } else { 0 };
    c.n_layers * layer(c, rows, rows) + pooler + c.n_labels * c.d_model
}

#[cfg(any(feature = "tales", test))]
/// Of a decoder's tokens at the positions `from..to`, the logits of each included.
pub fn decoder(c: &Config, from: usize, to: usize) -> usize {
    (from..to).map(|at| c.n_layers * layer(c, 1, at + 1) + c.vocab_size * c.d_model).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use picoformer::config::Architecture;

    const CONFIG: Config = Config {
        d_model: 8,
        n_layers: 3,
        n_heads: 2,
        n_kv_heads: 1,
        head_dim: 4,
        d_ff: 16,
        context: 8,
        n_labels: 5,
        vocab_size: 10,
        pooler: true,
        gated: true,
        ..Config::base(Architecture::Encoder)
    };

    #[test]
    fn counted_by_hand() {
        // q 8x8, k and v 4x8, output 8x8; gate, up, down 16x8; scores and sums over 2 keys of 8.
        let row = 64 + 32 + 32 + 64 + 3 * 128 + 2 * 2 * 8;
        assert_eq!(encoder(&CONFIG, 2), 3 * 2 * row + 64 + 40);
        assert_eq!(decoder(&CONFIG, 1, 2), 3 * row + 80);
        let row = row + 16;
        assert_eq!(decoder(&CONFIG, 2, 3), 3 * row + 80);
    }
}
