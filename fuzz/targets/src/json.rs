//! Changes to a JSON document.

use picoformer_forge::Script;
use serde_json::{Value, json};

/// Values that things break at.
fn extreme(index: u8) -> Value {
    match index % 20 {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(false),
        3 => json!(-1),
        4 => json!(0),
        5 => json!(1),
        6 => json!(2),
        7 => json!(3.5),
        8 => json!(65_536),
        9 => json!(1u64 << 31),
        10 => json!(u64::MAX),
        11 => json!(1e300),
        12 => json!(-1e-300),
        13 => json!(""),
        14 => json!("x"),
        15 => json!("▁\u{0}naïve\u{301}"),
        16 => json!([]),
        17 => json!({}),
        18 => json!([1, "a", [[]]]),
        _ => json!({ "type": "x" }),
    }
}

/// Every place of a document, as JSON pointers.
fn places(value: &Value, here: &str, out: &mut Vec<String>) {
    out.push(here.to_owned());
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                places(
                    value,
                    &format!("{here}/{}", key.replace('~', "~0").replace('/', "~1")),
                    out,
                );
            }
        }
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(i, value)| places(value, &format!("{here}/{i}"), out));
        }
        _ => {}
    }
}

/// Changes a document as the script says, up to eight times.
pub fn change(value: &mut Value, script: &mut Script) {
    for _ in 0..8 {
        if script.is_done() {
            return;
        }
        let mut all = Vec::new();
        places(value, "", &mut all);
        let [kind, number] = [script.u8(), script.u8()];
        let (at, from) = (&all[script.below(all.len())], &all[script.below(all.len())]);
        let copy = value.pointer(from).cloned().unwrap_or_default();
        let Some(place) = value.pointer_mut(at) else { continue };
        match kind % 7 {
            0 => *place = extreme(number),
            1 => *place = copy,
            2 => match place {
                Value::Object(map) => {
                    let key = map.keys().nth(number as usize % map.len().max(1)).cloned();
                    key.and_then(|key| map.remove(&key));
                }
                Value::Array(list) if !list.is_empty() => {
                    list.remove(number as usize % list.len());
                }
                _ => *place = Value::Null,
            },
            3 => match place {
                Value::Object(map) => {
                    let name = from.rsplit('/').next().unwrap_or("x");
                    map.insert(name.to_owned(), extreme(number));
                }
                Value::Array(list) => list.push(copy),
                _ => *place = copy,
            },
            4 => match place {
                Value::Number(n) => {
                    let n = n.as_i64().unwrap_or(0);
                    *place = json!(n.wrapping_add(i64::from(number as i8)));
                }
                Value::String(text) => text.push(char::from(number)),
                Value::Bool(b) => *b = !*b,
                _ => {}
            },
            5 => match place {
                Value::Array(list) if list.len() > 1 => {
                    let i = number as usize % (list.len() - 1);
                    list.swap(i, i + 1);
                }
                Value::String(text) => {
                    text.pop();
                }
                _ => {}
            },
            _ => *place = extreme(script.u8()),
        }
    }
}
