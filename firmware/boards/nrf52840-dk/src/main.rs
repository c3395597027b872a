//! The shell on an nRF52840 DK, over the serial port of its J-Link: UART0 (TX on P0.06, RX on P0.08,
//! 115,200 baud); the light is LED1 on P0.13.
#![no_std]
#![no_main]

mod board;

use nrf52840_hal::pac;
use picoformer_arm::halt;
use picoformer_demo::lend::Lend;
use picoformer_shell::{Ram, Shell};

static RAM: Lend<Ram> = Lend::new(Ram::new());

#[cortex_m_rt::entry]
fn main() -> ! {
    picoformer_arm::paint();
    let (Some(core), Some(chip)) = (pac::CorePeripherals::take(), pac::Peripherals::take()) else {
        halt()
    };
    let board = board::Nrf::new(core, chip);
    match RAM.take() {
        Some(ram) => Shell::new(board, ram).run(),
        None => halt(),
    }
}
