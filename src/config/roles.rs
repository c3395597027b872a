//! Which linear layers a model has, and how their weights are packed.

use super::bits::{Role, Roles};
use super::{Config, Head};
use crate::matrix::Packing;

impl Config {
    /// How the weights of a role are packed.
    pub const fn packing_of(&self, role: Role) -> Packing {
        if self.four_bits.contains(role) { Packing::Nibbles } else { self.packing }
    }

    /// The roles that linear layers of this model have.
    pub const fn roles(&self) -> Roles {
        let mut roles = Roles::NONE
            .with(Role::Embedding)
            .with(Role::Query)
            .with(Role::Key)
            .with(Role::Value)
            .with(Role::Output)
            .with(Role::Up)
            .with(Role::Down);
        if self.gated {
            roles = roles.with(Role::Gate);
        }
        if self.pooler {
            roles = roles.with(Role::Pooler);
        }
        if self.has_head() {
            roles = roles.with(Role::Head);
        }
        if self.separate_embedding {
            roles = roles.with(Role::DecoderEmbedding);
        }
        if self.decoder_layers > 0 {
            roles = roles
                .with(Role::CrossQuery)
                .with(Role::CrossKey)
                .with(Role::CrossValue)
                .with(Role::CrossOutput);
        }
        roles
    }

    /// Whether the head has a matrix of its own.
    pub const fn has_head(&self) -> bool {
        match self.head {
            Head::Vocabulary | Head::Classifier | Head::TokenLabels => true,
            Head::Embedding => self.n_labels > 0,
            Head::None | Head::TiedVocabulary => false,
        }
    }
}
