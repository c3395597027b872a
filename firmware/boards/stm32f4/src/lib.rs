//! What the boards with an STM32F4 share: the clock, a serial port, the watchdog, the cycle counter.
#![no_std]

use cortex_m::peripheral::{DCB, DWT};
use embedded_hal_nb::serial::Write;
use picoformer_shell::{About, Board, Ring, Stack};
use stm32f4xx_hal::gpio::{ErasedPin, Output};
use stm32f4xx_hal::pac;
use stm32f4xx_hal::prelude::*;
use stm32f4xx_hal::rcc::{Config, Rcc};
use stm32f4xx_hal::serial::{Instance, Tx};
use stm32f4xx_hal::watchdog::IndependentWatchdog;

/// What has arrived at the serial port.
pub static INPUT: Ring<1024> = Ring::new();

/// Longer than the longest step of any model at the slowest clock.
const WATCHDOG_MS: u32 = 8_000;
/// How often is looked whether the PLL has locked: 0.3 ms are needed at most (data sheet, table 36), and
/// one look is some ten cycles at 16 MHz.
const LOOKS: u32 = 10_000;

/// Runs the core at `hertz` from the PLL on the internal oscillator, or at that oscillator's 16 MHz if
/// the PLL does not lock in time. Also says which.
pub fn clock(rcc: pac::RCC, hertz: u32) -> (Rcc, &'static str) {
    // The HAL waits without a bound, so the PLL must have shown before that it locks.
    rcc.cr().modify(|_, w| w.pllon().on());
    let locked = (0..LOOKS).any(|_| rcc.cr().read().pllrdy().is_ready());
    rcc.cr().modify(|_, w| w.pllon().off());
    for _ in 0..LOOKS {
        if rcc.cr().read().pllrdy().is_not_ready() {
            break;
        }
    }
    if locked {
        (rcc.freeze(Config::hsi().sysclk(hertz.Hz())), "PLL on the internal oscillator, 1 % exact")
    } else {
        (rcc.freeze(Config::hsi()), "internal oscillator: the PLL did not lock")
    }
}

/// Lets the core count its cycles.
pub fn count_cycles(mut dcb: DCB, mut dwt: DWT) {
    dcb.enable_trace();
    dwt.enable_cycle_counter();
}

/// A board with an STM32F4.
pub struct F4<U: Instance> {
    about: About,
    tx: Tx<U>,
    led: ErasedPin<Output>,
    /// The level at which the light is on.
    on: bool,
    watchdog: IndependentWatchdog,
}

impl<U: Instance> F4<U> {
    /// Starts the watchdog.
    pub fn new(
        about: About,
        tx: Tx<U>,
        led: ErasedPin<Output>,
        on: bool,
        watchdog: pac::IWDG,
    ) -> Self {
        let mut watchdog = IndependentWatchdog::new(watchdog);
        watchdog.start(WATCHDOG_MS.millis());
        Self { about, tx, led, on, watchdog }
    }
}

impl<U: Instance> Board for F4<U> {
    const TICK_BITS: u32 = 32;

    fn about(&self) -> About {
        self.about
    }

    fn read(&mut self) -> Option<u8> {
        INPUT.pop()
    }

    fn lost(&mut self) -> u32 {
        INPUT.lost()
    }

    fn write(&mut self, byte: u8) -> bool {
        self.tx.write(byte).is_ok()
    }

    fn ticks(&mut self) -> u32 {
        DWT::cycle_count()
    }

    fn led(&mut self, on: bool) {
        self.led.set_state((on == self.on).into());
    }

    fn feed(&mut self) {
        self.watchdog.feed();
    }

    fn stack(&self) -> Option<Stack> {
        Some(picoformer_arm::stack())
    }
}

/// Defines the interrupt of a serial port: what arrives goes into [`INPUT`].
#[macro_export]
macro_rules! receive {
    ($usart:ident) => {
        use ::stm32f4xx_hal::pac::interrupt;

        #[interrupt]
        fn $usart() {
            // SAFETY: nobody else reads the receiver's registers.
            let port = unsafe { ::stm32f4xx_hal::pac::$usart::steal() };
            let status = port.sr().read();
            // Reading the data clears the status.
            let data = port.dr().read().dr().bits() as u8;
            if status.ore().bit() {
                $crate::INPUT.lose(1);
            }
            if status.rxne().bit() {
                $crate::INPUT.push(data);
            }
        }
    };
}
