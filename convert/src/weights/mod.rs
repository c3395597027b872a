//! Tensors from files of every kind that a checkpoint's weights come in. All weights become f32.

pub mod kind;
mod pickle;
mod rows;
mod safetensors;
mod shards;
mod tensor;
mod torch;
mod zip;

pub use kind::lfs_pointer;
pub use rows::Rows;
pub use shards::{not_a_checkpoint, read_folder};
pub use tensor::{Tensor, Tensors};

/// Buffers that old checkpoints carry beside the weights.
pub fn is_buffer(name: &str) -> bool {
    name.ends_with("position_ids")
        || name.ends_with("token_type_ids")
        || name.ends_with(".attn.bias")
        || name.ends_with("masked_bias")
        || name.ends_with("rotary_emb.inv_freq")
}
