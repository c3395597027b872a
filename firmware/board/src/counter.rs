//! Counts guest instructions, exactly, the same in every run.
//!
//! The emulator is started with `-icount shift=N`: its virtual clock advances by 2^N ns per guest
//! instruction whatever the host does. Any timer of the board is then an instruction counter:
//!
//! - Cortex-M, shift 6: SysTick at 20 to 32 MHz ticks 1.28 to 2.05 times per instruction, so the
//!   number of instructions is recovered without loss. SysTick has 24 bits; an interrupt of
//!   [`HANDLER_INSTRUCTIONS`] counts its wraps and is subtracted.
//! - RISC-V, shift 0: `minstret` is the count.
//!
//! These are instructions, not cycles: an emulator has no pipeline, wait states or caches.

use picoformer_demo::{PHASES, Phase, Probe};

pub use imp::{Instant, start};

#[cfg(target_arch = "arm")]
mod imp {
    use core::arch::{asm, naked_asm};
    use core::sync::atomic::{AtomicU32, Ordering};

    const CONTROL: *mut u32 = 0xE000_E010 as *mut u32;
    const RELOAD: *mut u32 = 0xE000_E014 as *mut u32;
    const CURRENT: *mut u32 = 0xE000_E018 as *mut u32;
    const INTERRUPT_CONTROL: *mut u32 = 0xE000_ED04 as *mut u32;
    const SYSTICK_PENDING: u32 = 1 << 26;
    /// SysTick is 24 bits wide.
    const PERIOD: u64 = 1 << 24;

    /// `-icount shift=6`.
    const NANOSECONDS_PER_INSTRUCTION: u64 = 64;
    const HERTZ: u64 = parse(env!("PICOFORMER_SYSTICK_HZ"));
    /// Instructions of the interrupt below.
    const HANDLER_INSTRUCTIONS: u64 = 5;

    static WRAPS: AtomicU32 = AtomicU32::new(0);

    const fn parse(digits: &str) -> u64 {
        let mut value = 0;
        let mut i = 0;
        while i < digits.len() {
            value = value * 10 + (digits.as_bytes()[i] - b'0') as u64;
            i += 1;
        }
        value
    }

    /// Counts the wraps. By hand, so that its number of instructions is known.
    ///
    /// # Safety
    /// Only the interrupt controller may call it.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn SysTick() {
        naked_asm!(
            "ldr r0, 1f",
            "ldr r1, [r0]",
            "adds r1, #1",
            "str r1, [r0]",
            "bx lr",
            ".balign 4",
            "1: .word {wraps}",
            wraps = sym WRAPS,
        )
    }

    /// Lets the timer run freely.
    pub fn start() {
        // SAFETY: the addresses are those of SysTick in every Cortex-M; nobody else uses it.
        unsafe {
            RELOAD.write_volatile(PERIOD as u32 - 1);
            CURRENT.write_volatile(0);
            CONTROL.write_volatile(0b111); // core clock, interrupt, enabled
        }
    }

    /// A moment in the life of the program.
    #[derive(Clone, Copy, Debug)]
    pub struct Instant {
        current: u32,
        handled: u32,
        pending: bool,
    }

    impl Instant {
        /// Reads the timer.
        #[inline(never)]
        pub fn now() -> Self {
            // SAFETY: as in `start`; interrupts are off for the four reads only, so that they
            // describe one moment.
            unsafe {
                asm!("cpsid i", options(nomem, nostack));
                let current = CURRENT.read_volatile();
                let pending = INTERRUPT_CONTROL.read_volatile() & SYSTICK_PENDING != 0;
                let handled = WRAPS.load(Ordering::Relaxed);
                asm!("cpsie i", options(nomem, nostack));
                let mut now = Self { current, handled, pending };
                // A wrap after `current` was read belongs to the next moment.
                now.pending &= now.ticks() < PERIOD / 2;
                now
            }
        }

        /// Ticks since the last wrap. The wrap is counted when the timer reaches zero, one tick
        /// before it reloads: so zero is the first tick of a period, not the last.
        fn ticks(self) -> u64 {
            (PERIOD - u64::from(self.current)) % PERIOD
        }

        /// Instructions since `start`, those of the interrupt left out.
        pub fn instructions(self) -> u64 {
            let wraps = u64::from(self.handled) + u64::from(self.pending);
            let picoseconds = (wraps * PERIOD + self.ticks()) * (1_000_000_000_000 / HERTZ);
            // Instruction `n` ends at tick `floor(n * ticks per instruction)`. The inverse is
            // exact for any `PHASE` in a window; this one lies in the windows of every clock from
            // 20 to 32 MHz, as `selfcheck` shows.
            const PHASE: u64 = 900 * NANOSECONDS_PER_INSTRUCTION;
            (picoseconds + PHASE) / (NANOSECONDS_PER_INSTRUCTION * 1000)
                - u64::from(self.handled) * HANDLER_INSTRUCTIONS
        }
    }
}

#[cfg(target_arch = "riscv32")]
mod imp {
    use core::arch::asm;

    /// Nothing to do: `minstret` always runs.
    pub fn start() {}

    /// A moment in the life of the program.
    #[derive(Clone, Copy, Debug)]
    pub struct Instant(u64);

    impl Instant {
        /// Reads the counter.
        #[inline(never)]
        pub fn now() -> Self {
            loop {
                let (high, low, again): (u32, u32, u32);
                // SAFETY: reads two registers.
                unsafe {
                    asm!("csrr {0}, minstreth", "csrr {1}, minstret", "csrr {2}, minstreth",
                        out(reg) high, out(reg) low, out(reg) again, options(nomem, nostack));
                }
                if high == again {
                    return Self(u64::from(high) << 32 | u64::from(low));
                }
            }
        }

        /// Instructions since the beginning.
        pub fn instructions(self) -> u64 {
            self.0
        }
    }
}

/// Sums up instructions per phase of a demo.
#[derive(Debug)]
pub struct Meter {
    begun: Instant,
    /// Instructions of an empty measurement.
    overhead: u64,
    totals: [(u64, u64); PHASES],
    /// Instructions of the most expensive [`Phase::Piece`].
    pub longest_piece: u64,
}

impl Meter {
    /// Starts the counter and measures the cost of measuring.
    pub fn new() -> Self {
        start();
        let begun = Instant::now();
        let mut meter = Self { begun, overhead: 0, totals: [(0, 0); PHASES], longest_piece: 0 };
        meter.begin();
        meter.overhead = meter.elapsed();
        meter
    }

    /// Instructions since [`Probe::begin`].
    #[inline(never)] // the cost of measuring must be the same everywhere
    pub fn elapsed(&self) -> u64 {
        let now = Instant::now();
        now.instructions() - self.begun.instructions() - self.overhead
    }

    /// Instructions and times of a phase.
    pub fn total(&self, phase: Phase) -> (u64, u64) {
        self.totals.get(phase as usize).copied().unwrap_or_default()
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

impl Probe for Meter {
    #[inline(never)]
    fn begin(&mut self) {
        self.begun = Instant::now();
    }

    fn end(&mut self, phase: Phase) {
        let elapsed = self.elapsed();
        if let Some((instructions, times)) = self.totals.get_mut(phase as usize) {
            *instructions += elapsed;
            *times += 1;
        }
        if phase == Phase::Piece {
            self.longest_piece = self.longest_piece.max(elapsed);
        }
    }
}
