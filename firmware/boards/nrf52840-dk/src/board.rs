//! UART, light, watchdog and counter of an nRF52840 DK.

use cortex_m::peripheral::{DWT, NVIC};
use embedded_hal::digital::OutputPin;
use nrf52840_hal::gpio::{Level, Output, Pin, PushPull, p0};
use nrf52840_hal::pac::{self, Interrupt, UART0, WDT, interrupt};
use picoformer_shell::{About, Board, Ring, Stack};

/// Pins of the J-Link's serial port.
const TXD: u32 = 6;
const RXD: u32 = 8;
/// The watchdog counts at 32,768 Hz: 8 seconds.
const WATCHDOG: u32 = 8 * 32_768;
/// What feeds it (nRF52840 product specification, 6.36.4).
const RELOAD: u32 = 0x6E52_4635;

static INPUT: Ring<1024> = Ring::new();

/// An nRF52840 DK.
pub struct Nrf {
    uart: UART0,
    /// A byte is on its way.
    sending: bool,
    led: Pin<Output<PushPull>>,
    watchdog: WDT,
}

impl Nrf {
    /// Starts everything.
    pub fn new(mut core: cortex_m::Peripherals, chip: pac::Peripherals) -> Self {
        // The crystal is exact; until it runs, and if it never does, its place is held by an RC oscillator.
        chip.CLOCK.tasks_hfclkstart.write(|w| w.tasks_hfclkstart().set_bit());
        let pins = p0::Parts::new(chip.P0);
        let _tx = pins.p0_06.into_push_pull_output(Level::High);
        let _rx = pins.p0_08.into_pullup_input();

        // The peripheral without DMA takes single bytes.
        let uart = chip.UART0;
        uart.psel.txd.write(|w| unsafe { w.bits(TXD) });
        uart.psel.rxd.write(|w| unsafe { w.bits(RXD) });
        uart.baudrate.write(|w| w.baudrate().baud115200());
        uart.enable.write(|w| w.enable().enabled());
        uart.intenset.write(|w| w.rxdrdy().set_bit().error().set_bit());
        uart.tasks_startrx.write(|w| w.tasks_startrx().set_bit());
        uart.tasks_starttx.write(|w| w.tasks_starttx().set_bit());
        // SAFETY: the interrupt reads registers that nobody else uses.
        unsafe { NVIC::unmask(Interrupt::UARTE0_UART0) };

        let watchdog = chip.WDT;
        watchdog.crv.write(|w| unsafe { w.bits(WATCHDOG) });
        watchdog.rren.write(|w| w.rr0().set_bit());
        watchdog.tasks_start.write(|w| w.tasks_start().set_bit());
        core.DCB.enable_trace();
        core.DWT.enable_cycle_counter();
        let led = pins.p0_13.into_push_pull_output(Level::High).degrade();
        Self { uart, sending: false, led, watchdog }
    }
}

impl Board for Nrf {
    const TICK_BITS: u32 = 32;

    fn about(&self) -> About {
        About {
            name: "nRF52840 DK",
            core: "Cortex-M4",
            clock: "PLL on the crystal",
            hertz: 64_000_000,
            counter: "DWT, cycles",
            weights: "in flash, read in place",
        }
    }

    fn read(&mut self) -> Option<u8> {
        INPUT.pop()
    }

    fn lost(&mut self) -> u32 {
        INPUT.lost()
    }

    fn write(&mut self, byte: u8) -> bool {
        if self.sending && self.uart.events_txdrdy.read().bits() == 0 {
            return false;
        }
        self.uart.events_txdrdy.reset();
        self.uart.txd.write(|w| unsafe { w.txd().bits(byte) });
        self.sending = true;
        true
    }

    fn ticks(&mut self) -> u32 {
        DWT::cycle_count()
    }

    fn led(&mut self, on: bool) {
        // The light is on when the pin is low. A pin does not fail.
        let _ = self.led.set_state((!on).into());
    }

    fn feed(&mut self) {
        self.watchdog.rr[0].write(|w| unsafe { w.bits(RELOAD) });
    }

    fn stack(&self) -> Option<Stack> {
        Some(picoformer_arm::stack())
    }
}

#[interrupt]
fn UARTE0_UART0() {
    // SAFETY: nobody else uses the receiver's registers.
    let uart = unsafe { &*UART0::ptr() };
    if uart.events_error.read().bits() != 0 {
        uart.events_error.reset();
        let source = uart.errorsrc.read().bits();
        uart.errorsrc.write(|w| unsafe { w.bits(source) });
        INPUT.lose(1);
    }
    while uart.events_rxdrdy.read().bits() != 0 {
        uart.events_rxdrdy.reset();
        INPUT.push(uart.rxd.read().rxd().bits());
    }
}
