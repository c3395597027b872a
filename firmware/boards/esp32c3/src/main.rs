//! The shell on an ESP32-C3, over UART0 (TX on GPIO21, RX on GPIO20, 115,200 baud), where the boards'
//! USB-to-serial chip is; the light is on GPIO8.
#![no_std]
#![no_main]

use core::arch::asm;

use esp_hal::Blocking;
use esp_hal::clock::CpuClock;
use esp_hal::gpio::{Level, Output, OutputConfig};
use esp_hal::peripherals::TIMG0;
use esp_hal::time::Duration;
use esp_hal::timer::timg::{MwdtStage, TimerGroup, Wdt};
use esp_hal::uart::{Config, Uart};
use picoformer_demo::lend::Lend;
use picoformer_shell::{About, Board, Ram, Ring, Shell, Stack};

esp_bootloader_esp_idf::esp_app_desc!();

const HERTZ: u32 = 160_000_000;
const WATCHDOG: Duration = Duration::from_secs(8);

static RAM: Lend<Ram> = Lend::new(Ram::new());
static INPUT: Ring<1024> = Ring::new();

struct Esp {
    uart: Uart<'static, Blocking>,
    led: Output<'static>,
    watchdog: Wdt<TIMG0<'static>>,
}

impl Board for Esp {
    const TICK_BITS: u32 = 32;

    fn about(&self) -> About {
        About {
            name: "ESP32-C3",
            core: "RV32IMC",
            clock: "PLL on the crystal",
            hertz: HERTZ,
            counter: "mpccr, cycles",
            weights: "in flash, read in place through the cache",
        }
    }

    fn read(&mut self) -> Option<u8> {
        INPUT.pop()
    }

    fn lost(&mut self) -> u32 {
        INPUT.lost()
    }

    fn write(&mut self, byte: u8) -> bool {
        self.uart.write_ready() && self.uart.write(&[byte]).is_ok_and(|n| n == 1)
    }

    fn ticks(&mut self) -> u32 {
        let cycles: u32;
        // SAFETY: reads the core's own counter (technical reference manual, 1.4.1).
        unsafe { asm!("csrr {}, 0x7E2", out(reg) cycles, options(nomem, nostack)) };
        cycles
    }

    fn led(&mut self, on: bool) {
        // The light is on when the pin is low.
        self.led.set_level(if on { Level::Low } else { Level::High });
    }

    /// The receiver holds 128 bytes, 11 ms at this speed and more than a step takes.
    fn feed(&mut self) {
        self.watchdog.feed();
        let mut bytes = [0; 64];
        while self.uart.read_ready() {
            match self.uart.read_buffered(&mut bytes) {
                Ok(n) => bytes.iter().take(n).for_each(|&byte| INPUT.push(byte)),
                Err(_) => INPUT.lose(1),
            }
        }
    }

    fn stack(&self) -> Option<Stack> {
        None
    }
}

#[esp_hal::main]
fn main() -> ! {
    let chip = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
    let Ok(uart) = Uart::new(chip.UART0, Config::default().with_baudrate(115_200)) else { halt() };
    let uart = uart.with_tx(chip.GPIO21).with_rx(chip.GPIO20);
    let led = Output::new(chip.GPIO8, Level::High, OutputConfig::default());
    let mut watchdog = TimerGroup::new(chip.TIMG0).wdt;
    watchdog.set_timeout(MwdtStage::Stage0, WATCHDOG);
    watchdog.enable();
    // SAFETY: lets the core's own counter count cycles.
    unsafe { asm!("csrwi 0x7E0, 1", "csrwi 0x7E1, 1", options(nomem, nostack)) };
    match RAM.take() {
        Some(ram) => Shell::new(Esp { uart, led, watchdog }, ram).run(),
        None => halt(),
    }
}

/// Where nothing can be done any more: the watchdog, if it runs, starts the board again.
fn halt() -> ! {
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    halt()
}
