//! What a board lends to the shell.

/// Names and numbers that `info` tells.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The board, as its maker calls it.
    pub name: &'static str,
    /// Its core.
    pub core: &'static str,
    /// Where the clock comes from.
    pub clock: &'static str,
    /// The core's clock, cycles per second.
    pub hertz: u32,
    /// What [`Board::ticks`] reads.
    pub counter: &'static str,
    /// Where the weights lie and how they are read.
    pub weights: &'static str,
}

/// How far the stack went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Bytes used at most since the start.
    pub used: usize,
    /// Bytes there are.
    pub room: usize,
}

/// A board: bytes in, bytes out, a counter, a light, a watchdog. No method waits.
pub trait Board {
    /// Significant bits of [`Board::ticks`], at most 32. It may go round once in a step of the engine,
    /// but not twice.
    const TICK_BITS: u32;

    /// Names and numbers.
    fn about(&self) -> About;
    /// The next byte that has arrived.
    fn read(&mut self) -> Option<u8>;
    /// Bytes of input that were lost since the start (modulo 2³²), see [`Ring`](crate::Ring).
    fn lost(&mut self) -> u32;
    /// Offers a byte; false if there is no room for it now.
    fn write(&mut self, byte: u8) -> bool;
    /// Whether a host has come since this was last asked, which then is greeted. A serial line does not
    /// know.
    fn greet(&mut self) -> bool {
        false
    }
    /// The core's cycle counter, upwards. If it stands still, nothing is told of cycles.
    fn ticks(&mut self) -> u32;
    /// Switches the light that shows work.
    fn led(&mut self, on: bool);
    /// Feeds the watchdog.
    fn feed(&mut self);
    /// How far the stack went; `None` where nobody painted it.
    fn stack(&self) -> Option<Stack>;
}
