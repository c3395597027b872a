//! A tokenizer's JSON with the kept pieces alone, under their new ids.

use crate::kept::Kept;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// The two pieces of an entry of `model.merges`, in both forms that files have.
pub(super) fn pair(merge: &Value) -> Option<[&str; 2]> {
    match merge {
        Value::String(text) => text.split_once(' ').map(|(left, right)| [left, right]),
        _ => match merge.as_array().map(Vec::as_slice) {
            Some([left, right]) => Some([left.as_str()?, right.as_str()?]),
            _ => None,
        },
    }
}

/// Drops what is not kept: pieces, merges that need it, added tokens. What remains has its new id.
pub fn renumber(mut json: Value, kept: &Kept) -> Value {
    let new = |id: &Value| kept.new_id(u32::try_from(id.as_u64()?).ok()?);
    let Some(model) = json.get_mut("model").filter(|model| model.is_object()) else { return json };
    if let Some(vocab) = model["vocab"].as_object() {
        let vocab: Map<String, Value> =
            vocab.iter().filter_map(|(piece, id)| Some((piece.clone(), json!(new(id)?)))).collect();
        let known: HashSet<&str> = vocab.keys().map(String::as_str).collect();
        let whole = |merge: &&Value| {
            pair(merge).is_some_and(|[left, right]| {
                [left, right, &[left, right].concat()].iter().all(|piece| known.contains(piece))
            })
        };
        let merges = model["merges"].as_array();
        let merges = merges.map(|merges| merges.iter().filter(whole).cloned().collect());
        model["vocab"] = Value::Object(vocab);
        if let Some(merges) = merges {
            model["merges"] = Value::Array(merges);
        }
    } else if let Some(vocab) = model["vocab"].as_array() {
        let stays = |(entry, id): (&Value, u32)| kept.new_id(id).map(|_| entry.clone());
        model["vocab"] = vocab.iter().zip(0..).filter_map(stays).collect();
        if let Some(unknown) = new(&model["unk_id"]) {
            model["unk_id"] = json!(unknown);
        }
    }
    if let Some(tokens) = json.get_mut("added_tokens").and_then(Value::as_array_mut) {
        tokens.retain_mut(|token| match new(&token["id"]) {
            Some(id) => {
                token["id"] = json!(id);
                true
            }
            None => false,
        });
    }
    if let Some(processor) = json.get_mut("post_processor") {
        each_special(processor, &mut |id| kept.new_id(u32::try_from(id).ok()?));
    }
    json
}

/// Shows every id of a post-processor to `new`, and puts there what it gives instead.
pub(super) fn each_special(processor: &mut Value, new: &mut impl FnMut(u64) -> Option<u32>) {
    let mut replace = |id: &mut Value| {
        if let Some(found) = id.as_u64().and_then(&mut *new) {
            *id = json!(found);
        }
    };
    for key in ["cls", "sep"] {
        let named = processor.get_mut(key).and_then(Value::as_array_mut);
        if let Some([_, id]) = named.map(Vec::as_mut_slice) {
            replace(id);
        }
    }
    let specials = processor.get_mut("special_tokens").and_then(Value::as_object_mut);
    for token in specials.into_iter().flat_map(Map::values_mut) {
        let ids = token.get_mut("ids").and_then(Value::as_array_mut);
        ids.into_iter().flatten().for_each(&mut replace);
    }
    let inner = processor.get_mut("processors").and_then(Value::as_array_mut);
    for inner in inner.into_iter().flatten() {
        each_special(inner, new);
    }
}
