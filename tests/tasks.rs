//! What the tasks answer with the shipped models, and what they refuse: nothing is cut off silently.

use core::fmt::{self, Write};
use picoformer::task::TaskError;
use picoformer::{ArenaParts, ArenaSize, Model, Translator, include_blob};

static G2P: &[u8] = include_blob!("../models/g2p/model.pico");

/// An arena on the heap.
struct Memory(Vec<u8>, Vec<i16>, Vec<i32>);

impl Memory {
    fn new(size: ArenaSize) -> Self {
        Self(vec![0; size.bytes], vec![0; size.halves], vec![0; size.words])
    }

    fn parts(&mut self) -> ArenaParts<'_> {
        ArenaParts { bytes: &mut self.0, halves: &mut self.1, words: &mut self.2 }
    }
}

/// A writer with room for some bytes.
struct Room(String, usize);

impl Write for Room {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > self.1 {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[test]
fn a_translation_that_finds_no_room_is_an_error() {
    let model = Model::parse_checked(G2P).unwrap();
    let mut memory = Memory::new(model.arena());
    let mut translator = Translator::new(&model, memory.parts()).unwrap();
    let mut tokens = [0; 64];
    let mut whole = String::new();
    translator.translate("transformer", &mut tokens, &mut whole).unwrap();
    for room in 0..whole.len() {
        let mut out = Room(String::new(), room);
        let result = translator.translate("transformer", &mut tokens, &mut out);
        assert_eq!(result, Err(TaskError::Write), "room for {room} bytes of `{whole}`");
        assert!(whole.starts_with(&out.0), "what was written stays: `{}`", out.0);
    }
    let mut out = Room(String::new(), whole.len());
    assert!(translator.translate("transformer", &mut tokens, &mut out).unwrap().complete);
    assert_eq!(out.0, whole);
}
