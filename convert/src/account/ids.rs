//! The keys of `config.json` and `generation_config.json` that hold ids of tokens.

use crate::kept::Kept;
use serde_json::{Value, json};

/// Their names. A value is an id, or a list of ids, or a list of such lists.
const KEYS: [&str; 13] = [
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "sep_token_id",
    "cls_token_id",
    "mask_token_id",
    "unk_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "suppress_tokens",
    "begin_suppress_tokens",
    "bad_words_ids",
];

/// Shows every id to `new`, and puts there what it gives instead.
fn each(root: &mut Value, new: &mut impl FnMut(u32) -> Option<u32>) {
    fn within(value: &mut Value, new: &mut impl FnMut(u32) -> Option<u32>) {
        if let Some(list) = value.as_array_mut() {
            list.iter_mut().for_each(|value| within(value, new));
        } else if let Some(id) = value.as_u64().and_then(|id| new(u32::try_from(id).ok()?)) {
            *value = json!(id);
        }
    }
    for key in KEYS {
        if let Some(value) = root.get_mut(key) {
            within(value, new);
        }
    }
}

/// All ids below `known`: those that a smaller vocabulary has to keep.
pub(super) fn named(root: &Value, known: usize) -> Vec<u32> {
    let mut ids = Vec::new();
    each(&mut root.clone(), &mut |id| {
        ids.extend(Some(id).filter(|&id| (id as usize) < known));
        None
    });
    ids
}

/// Puts new ids in the place of the original's, and the new size in that of the vocabulary's. An id that no
/// vocabulary has stays one.
pub(super) fn renumber(root: &mut Value, kept: &Kept) {
    each(root, &mut |id| kept.new_id(id));
    for key in ["vocab_size", "decoder_vocab_size"] {
        if let Some(size) = root.get_mut(key)
            && size.as_u64() == Some(kept.original_size() as u64)
        {
            *size = json!(kept.ids().len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_wherever_they_stand() {
        let mut root = json!({ "vocab_size": 100, "decoder_vocab_size": 90, "eos_token_id": [7, 9],
            "pad_token_id": -1, "bos_token_id": 100, "bad_words_ids": [[3], [4, 7]], "top_k": 7 });
        let named = named(&root, 100);
        assert_eq!(named, [7, 9, 3, 4, 7].map(|id| id as u32).into_iter().collect::<Vec<_>>());
        renumber(&mut root, &Kept::new(100, named).unwrap());
        assert_eq!(
            root,
            json!({ "vocab_size": 4, "decoder_vocab_size": 90, "eos_token_id": [2, 3],
                "pad_token_id": -1, "bos_token_id": 100, "bad_words_ids": [[0], [1, 2]], "top_k": 7 })
        );
    }
}
