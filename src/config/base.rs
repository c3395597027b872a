//! A base for struct update syntax.

use super::*;

impl Config {
    /// A base for struct update syntax: all options off, all sizes 0, two rows per tile. Not valid
    /// by itself: [`Config::validate`] refuses it.
    pub const fn base(architecture: Architecture) -> Self {
        Self {
            architecture,
            input: Input::Tokens,
            position: Position::None,
            norm: Norm::Layer,
            norm_order: NormOrder::Pre,
            activation: Activation::GeluErf,
            head: Head::None,
            pooling: Pooling::First,
            packing: Packing::Paired,
            four_bits: Roles::NONE,
            gated: false,
            qkv_bias: false,
            output_bias: false,
            up_bias: false,
            down_bias: false,
            head_bias: false,
            embedding_norm: false,
            final_norm: false,
            pooler: false,
            causal: false,
            head_tanh: false,
            own_length: false,
            vocab_size: 0,
            frame_len: 0,
            d_model: 0,
            n_layers: 0,
            n_heads: 0,
            n_kv_heads: 0,
            head_dim: 0,
            d_ff: 0,
            context: 0,
            window: 0,
            n_labels: 0,
            tile_rows: 2,
            separate_embedding: false,
            decoder_layers: 0,
            target_context: 0,
            beams: 0,
            relative_distance: 0,
            start_token: 0,
            end_token: 0,
            suppressed_token: 0,
            forced_token: 0,
        }
    }
}
