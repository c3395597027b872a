//! The shell of the boards on the host: types its arguments, a line each, and prints what the shell
//! answers, which is what every board must answer.

use std::collections::VecDeque;
use std::io::{Write, stdout};

use picoformer_shell::{About, Board, Ram, Shell, Stack};

/// This computer: what is typed, and no counter.
struct Host(VecDeque<u8>);

impl Board for Host {
    const TICK_BITS: u32 = 32;

    fn about(&self) -> About {
        About {
            name: "this computer",
            core: std::env::consts::ARCH,
            clock: "not known",
            hertz: 1,
            counter: "none",
            weights: "read in place",
        }
    }

    fn read(&mut self) -> Option<u8> {
        self.0.pop_front()
    }

    fn lost(&mut self) -> u32 {
        0
    }

    fn write(&mut self, byte: u8) -> bool {
        stdout().write_all(&[byte]).is_ok()
    }

    fn ticks(&mut self) -> u32 {
        0
    }

    fn led(&mut self, _: bool) {}

    fn feed(&mut self) {}

    fn stack(&self) -> Option<Stack> {
        None
    }
}

fn main() {
    let mut ram = Box::new(Ram::new());
    let mut shell = Shell::new(Host(VecDeque::new()), &mut ram);
    for line in std::env::args().skip(1) {
        shell.board().0.extend(line.bytes().chain([b'\r']));
        while !shell.board().0.is_empty() {
            shell.poll();
        }
    }
}
