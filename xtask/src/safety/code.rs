//! What is seen in a function's instructions, whatever their encoding.

use super::image::{Function, Image};

/// What is known of a function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// Bytes of the stack that it takes itself, at most.
    pub bytes: u64,
    /// Functions that it calls or jumps to.
    pub calls: Vec<u64>,
    /// Functions whose address it makes itself.
    pub taken: Vec<u64>,
    /// Calls through a register: the offset of the word that the address was loaded from, if that is seen.
    pub indirect: Vec<Option<u32>>,
    /// It makes the address of a place in its own code, as assembly does that jumps into its loops.
    pub places: bool,
    /// The stack pointer is changed in a way that is not understood.
    pub opaque: bool,
    /// Instructions that compute with floats.
    pub floats: u64,
}

/// What a register holds, as far as it is seen.
#[derive(Clone, Copy)]
pub enum Known {
    /// Nothing is known.
    Nothing,
    /// This number.
    Constant(u32),
    /// A word at this offset from another register.
    Loaded(u32),
}

/// An instruction's surroundings.
pub struct Code<'a> {
    /// The image.
    pub image: &'a Image,
    /// The function that it is in.
    pub function: &'a Function,
    /// Where it is.
    pub address: u64,
}

/// A number of so many bits with its sign.
pub fn signed(value: u32, bits: u32) -> i64 {
    i64::from((value << (32 - bits)) as i32 >> (32 - bits))
}

impl Code<'_> {
    /// A jump or call to an address: of interest if it leads out of the function.
    pub fn jump(&self, target: u64, frame: &mut Frame) {
        let inside = self.function.start..self.function.start + self.function.code.len() as u64;
        if (target == self.function.start || !inside.contains(&target))
            && let Some(callee) = self.image.holding(target)
        {
            frame.calls.push(callee.start);
        }
    }

    /// A call of itself is one, a loop to the first instruction is not: it does not lower the stack.
    pub fn branch(&self, target: u64, frame: &mut Frame) {
        if target != self.function.start {
            self.jump(target, frame);
        }
    }

    /// An address beside this instruction's.
    pub fn relative(&self, offset: i64) -> u64 {
        (self.address as i64 + offset) as u64
    }

    /// A call through a register.
    pub fn indirect(&self, register: Known, frame: &mut Frame) {
        match register {
            Known::Constant(target) => match self.image.pointed(target) {
                Some(target) => frame.calls.push(target),
                None => frame.indirect.push(None),
            },
            Known::Loaded(offset) => frame.indirect.push(Some(offset)),
            Known::Nothing => frame.indirect.push(None),
        }
    }

    /// An address beside this instruction's that a register is given.
    pub fn place(&self, target: u64, frame: &mut Frame) {
        let Function { start, code, data, .. } = self.function;
        let constant = data.iter().any(|(from, to)| (*from..*to).contains(&target));
        frame.places |= (*start..*start + code.len() as u64).contains(&target) && !constant;
    }

    /// A jump through a register: into the function itself if it has made addresses there, which the compiler
    /// never does.
    pub fn jump_through(&self, register: Known, frame: &mut Frame) {
        match register {
            Known::Nothing if frame.places => {}
            _ => self.indirect(register, frame),
        }
    }

    /// A number that a register is given; it may be the address of a function.
    pub fn constant(&self, value: u32, frame: &mut Frame) -> Known {
        frame.taken.extend(self.image.pointed(value));
        Known::Constant(value)
    }
}
