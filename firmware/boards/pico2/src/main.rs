//! The shell on a Raspberry Pi Pico 2: over USB as soon as a terminal opens the port, and over UART0 (TX on
//! GP0, RX on GP1, 115,200 baud) otherwise.
#![no_std]
#![no_main]

mod board;

use picoformer_arm::halt;
use picoformer_demo::lend::Lend;
use picoformer_shell::{Ram, Shell};
use rp235x_hal::block::ImageDef;
use rp235x_hal::pac;

/// Tells the boot ROM what this is: an image for the Arm cores.
#[unsafe(link_section = ".start_block")]
#[used]
static IMAGE: ImageDef = ImageDef::secure_exe();

static RAM: Lend<Ram> = Lend::new(Ram::new());

#[rp235x_hal::entry]
fn main() -> ! {
    picoformer_arm::paint();
    let (Some(core), Some(chip)) = (cortex_m::Peripherals::take(), pac::Peripherals::take()) else {
        halt()
    };
    match (board::Pico2::new(core, chip), RAM.take()) {
        (Some(board), Some(ram)) => Shell::new(board, ram).run(),
        _ => halt(),
    }
}
