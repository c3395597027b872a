//! The shell on a Raspberry Pi Pico: over USB as soon as a terminal opens the port, and over UART0 (TX on
//! GP0, RX on GP1, 115,200 baud) otherwise.
#![no_std]
#![no_main]

mod board;

use picoformer_arm::halt;
use picoformer_demo::lend::Lend;
use picoformer_shell::{Ram, Shell};
use rp2040_hal::pac;

/// Sets the flash chip up; the boot ROM runs it.
#[unsafe(link_section = ".boot2")]
#[used]
static BOOT2: [u8; 256] = rp2040_boot2::BOOT_LOADER_W25Q080;

static RAM: Lend<Ram> = Lend::new(Ram::new());

#[rp2040_hal::entry]
fn main() -> ! {
    picoformer_arm::paint();
    let (Some(core), Some(chip)) = (pac::CorePeripherals::take(), pac::Peripherals::take()) else {
        halt()
    };
    match (board::Pico::new(core, chip), RAM.take()) {
        (Some(board), Some(ram)) => Shell::new(board, ram).run(),
        _ => halt(),
    }
}
