//! The pickles of `torch.save`, read without running anything: a small stack machine that knows containers,
//! numbers, texts and how PyTorch spells a tensor, and refuses every other name by name.

/// What a pickle holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Object {
    /// None, a flag or a float: no part of a tensor.
    Other,
    Integer(i64),
    Text(String),
    List(Vec<Object>),
    Dictionary(Vec<(Object, Object)>),
    /// A name of a module, which is not called.
    Global(String),
    /// A storage: type and name of its file.
    Storage {
        kind: String,
        key: String,
    },
    Tensor {
        kind: String,
        key: String,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    },
}

use Object::*;

/// Containers within containers, and objects that one memory may hold: a hostile pickle must not grow.
const DEPTH: usize = 8;
const REMEMBERED: usize = 256;

impl Object {
    /// `(containers within each other, objects)`.
    fn extent(&self) -> (usize, usize) {
        let sum = |(depth, size): (usize, usize), object: &Object| {
            let (d, s) = object.extent();
            (depth.max(d), size + s)
        };
        let (depth, size) = match self {
            List(items) => items.iter().fold((0, 0), sum),
            Dictionary(entries) => entries.iter().flat_map(|(k, v)| [k, v]).fold((0, 0), sum),
            _ => return (0, 1),
        };
        (depth + 1, size + 1)
    }
}

/// The items of a container that is not too deep.
fn shallow(items: Vec<Object>) -> Result<Vec<Object>, String> {
    match items.iter().any(|item| item.extent().0 >= DEPTH) {
        true => Err("its pickle nests too deeply".into()),
        false => Ok(items),
    }
}

/// A stack of objects, with marks.
#[derive(Default)]
struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Object>,
    marks: Vec<usize>,
    memo: Vec<Object>,
}

/// Reads one pickle.
///
/// # Errors
/// What was met that is not a tensor's.
pub(super) fn read(bytes: &[u8]) -> Result<Object, String> {
    Machine { rest: bytes, ..Machine::default() }.run()
}

const CUT: &str = "its pickle is cut";

impl Machine<'_> {
    fn bytes(&mut self, n: usize) -> Result<&[u8], String> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(CUT)?;
        self.rest = rest;
        Ok(head)
    }

    fn number(&mut self, n: usize) -> Result<usize, String> {
        let bytes = self.bytes(n)?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | byte as usize))
    }

    fn text(&mut self, n: usize) -> Result<Object, String> {
        Ok(Text(String::from_utf8_lossy(self.bytes(n)?).into_owned()))
    }

    fn line(&mut self) -> Result<String, String> {
        let end = self.rest.iter().position(|&b| b == b'\n').ok_or(CUT)?;
        let line = String::from_utf8_lossy(self.bytes(end)?).into_owned();
        self.bytes(1)?;
        Ok(line)
    }

    fn pop(&mut self) -> Result<Object, String> {
        self.stack.pop().ok_or_else(|| CUT.into())
    }

    fn pop_mark(&mut self) -> Result<Vec<Object>, String> {
        let mark = self.marks.pop().ok_or(CUT)?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn remember(&mut self, at: usize) -> Result<(), String> {
        if at > 1 << 22 {
            return Err("its pickle remembers too much".into());
        }
        let object = self.stack.last().ok_or(CUT)?.clone();
        if self.memo.len() <= at {
            self.memo.resize(at + 1, Other);
        }
        self.memo[at] = object;
        Ok(())
    }

    fn recall(&mut self, at: usize) -> Result<(), String> {
        let object = self.memo.get(at).ok_or(CUT)?;
        if object.extent().1 > REMEMBERED {
            return Err("its pickle repeats a large object".into());
        }
        self.stack.push(object.clone());
        Ok(())
    }

    fn put(&mut self, items: Vec<Object>) -> Result<(), String> {
        if let Some(Dictionary(entries)) = self.stack.last_mut() {
            let mut items = shallow(items)?.into_iter();
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                entries.push((key, value));
            }
        }
        Ok(())
    }

    fn run(mut self) -> Result<Object, String> {
        loop {
            let code = self.bytes(1)?[0];
            match code {
                b'.' => return self.pop(),
                0x80 => drop(self.bytes(1)?),
                0x95 => drop(self.bytes(8)?),
                b'(' => self.marks.push(self.stack.len()),
                b'}' => self.stack.push(Dictionary(Vec::new())),
                b']' | b')' | 0x8f => self.stack.push(List(Vec::new())),
                b'N' | 0x88 | 0x89 => self.stack.push(Other),
                b'G' => {
                    self.bytes(8)?;
                    self.stack.push(Other);
                }
                b'K' | b'M' => {
                    let n = self.number(if code == b'K' { 1 } else { 2 })?;
                    self.stack.push(Integer(n as i64));
                }
                b'J' => {
                    let n = self.number(4)?;
                    self.stack.push(Integer(n as u32 as i32 as i64));
                }
                0x8a => {
                    let n = self.number(1)?;
                    if n > 8 {
                        return Err("its pickle has a number of more than 64 bits".into());
                    }
                    let value = self.number(n)?;
                    let shift = 64 - 8 * n as u32;
                    let signed = if n == 0 { 0 } else { (value as i64) << shift >> shift };
                    self.stack.push(Integer(signed));
                }
                b'X' | 0x8c | b'U' | b'T' => {
                    let n = self.number(if matches!(code, b'X' | b'T') { 4 } else { 1 })?;
                    let text = self.text(n)?;
                    self.stack.push(text);
                }
                b'c' => {
                    let name = format!("{}.{}", self.line()?, self.line()?);
                    self.stack.push(Global(name));
                }
                0x93 => {
                    let (Text(name), Text(module)) = (self.pop()?, self.pop()?) else {
                        return Err(CUT.into());
                    };
                    self.stack.push(Global(format!("{module}.{name}")));
                }
                b'q' | b'r' => {
                    let at = self.number(if code == b'q' { 1 } else { 4 })?;
                    self.remember(at)?;
                }
                0x94 => self.remember(self.memo.len())?,
                b'h' | b'j' => {
                    let at = self.number(if code == b'h' { 1 } else { 4 })?;
                    self.recall(at)?;
                }
                b't' | b'l' => {
                    let items = shallow(self.pop_mark()?)?;
                    self.stack.push(List(items));
                }
                0x85..=0x87 => {
                    let at = self.stack.len().checked_sub(code as usize - 0x84).ok_or(CUT)?;
                    let items = shallow(self.stack.split_off(at))?;
                    self.stack.push(List(items));
                }
                b'd' => {
                    let items = self.pop_mark()?;
                    self.stack.push(Dictionary(Vec::new()));
                    self.put(items)?;
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.put(vec![key, value])?;
                }
                b'u' => {
                    let items = self.pop_mark()?;
                    self.put(items)?;
                }
                b'a' | b'e' => {
                    let items = if code == b'a' { vec![self.pop()?] } else { self.pop_mark()? };
                    if let Some(List(list)) = self.stack.last_mut() {
                        list.extend(shallow(items)?);
                    }
                }
                b'Q' => {
                    let storage = storage(self.pop()?)?;
                    self.stack.push(storage);
                }
                b'R' | 0x81 => {
                    let (arguments, callee) = (self.pop()?, self.pop()?);
                    self.stack.push(build(callee, arguments)?);
                }
                // The state of an object (an OrderedDict's `_metadata`): no tensor.
                b'b' => drop(self.pop()?),
                b'0' => drop(self.pop()?),
                other => {
                    return Err(format!("its pickle has the unknown instruction {other:#04x}"));
                }
            }
        }
    }
}

/// `("storage", type, file, device, elements)`.
fn storage(id: Object) -> Result<Object, String> {
    let bad = || "a storage of its pickle is not PyTorch's".to_string();
    let List(parts) = id else { return Err(bad()) };
    let [Text(word), Global(kind), Text(key), ..] = &parts[..] else { return Err(bad()) };
    let kind = match kind.strip_prefix("torch.").and_then(|k| k.strip_suffix("Storage")) {
        Some("Double") => "F64",
        Some("Float") => "F32",
        Some("Half") => "F16",
        Some("BFloat16") => "BF16",
        Some("Long") => "I64",
        Some("Int") => "I32",
        Some("Short") => "I16",
        Some("Char") => "I8",
        Some("Byte") => "U8",
        Some("Bool") => "BOOL",
        _ => return Err(format!("`{kind}` is no storage that the converter reads")),
    };
    match word.as_str() {
        "storage" => Ok(Storage { kind: kind.into(), key: key.clone() }),
        _ => Err(bad()),
    }
}

/// What a call gives: a tensor, a dictionary, or a refusal.
fn build(callee: Object, arguments: Object) -> Result<Object, String> {
    let Global(name) = callee else { return Err("its pickle calls no function".into()) };
    let List(arguments) = arguments else { return Err(CUT.into()) };
    let sizes = |object: Option<&Object>| -> Option<Vec<usize>> {
        let Some(List(items)) = object else { return None };
        let size = |item: &Object| match item {
            Integer(n) => usize::try_from(*n).ok(),
            _ => None,
        };
        items.iter().map(size).collect()
    };
    match name.as_str() {
        "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => {
            let (Some(Storage { kind, key }), Some(&Integer(offset))) =
                (arguments.first(), arguments.get(1))
            else {
                return Err("a tensor of its pickle has no storage".into());
            };
            let (shape, strides) = (sizes(arguments.get(2)), sizes(arguments.get(3)));
            match (usize::try_from(offset), shape, strides) {
                (Ok(offset), Some(shape), Some(strides)) if shape.len() == strides.len() => {
                    Ok(Tensor { kind: kind.clone(), key: key.clone(), offset, shape, strides })
                }
                _ => Err("a tensor of its pickle has no shape".into()),
            }
        }
        "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
            arguments.into_iter().next().ok_or_else(|| CUT.into())
        }
        "collections.OrderedDict" => Ok(Dictionary(Vec::new())),
        "torch.Size" => Ok(arguments.into_iter().next().unwrap_or(List(Vec::new()))),
        other => Err(format!(
            "its pickle calls `{other}`, which is not run; save `model.state_dict()` alone, or the model with \
             `save_pretrained`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_called() {
        let evil = b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.";
        let error = read(evil).unwrap_err();
        assert!(error.contains("os.system") && error.contains("not run"), "{error}");
    }

    #[test]
    fn containers_and_numbers_are_read() {
        let bytes = b"\x80\x02}q\0(X\x01\0\0\0aK\x07X\x01\0\0\0bJ\xff\xff\xff\xff\x8a\x02\0\x80\x86X\x01\0\0\0cu.";
        // A dictionary with an odd number of items keeps the pairs.
        assert!(matches!(read(bytes).unwrap(), Dictionary(entries) if entries.len() == 2));
        for cut in 0..bytes.len() - 1 {
            assert!(read(&bytes[..cut]).is_err());
        }
    }
}
