//! The shell on a Nucleo-F446RE, over the serial port of its ST-Link: USART2 (TX on PA2, RX on PA3,
//! 115,200 baud); the light is LD2 on PA5.
#![no_std]
#![no_main]

use cortex_m::peripheral::NVIC;
use picoformer_arm::halt;
use picoformer_demo::lend::Lend;
use picoformer_shell::{About, Ram, Shell};
use picoformer_stm32f4::{F4, clock, count_cycles};
use stm32f4xx_hal::pac::{self, Interrupt};
use stm32f4xx_hal::prelude::*;
use stm32f4xx_hal::serial::{Config, RxListen, Serial};

static RAM: Lend<Ram> = Lend::new(Ram::new());

picoformer_stm32f4::receive!(USART2);

#[cortex_m_rt::entry]
fn main() -> ! {
    picoformer_arm::paint();
    let (Some(core), Some(chip)) = (cortex_m::Peripherals::take(), pac::Peripherals::take()) else {
        halt()
    };
    let (mut rcc, source) = clock(chip.RCC, 180_000_000);
    count_cycles(core.DCB, core.DWT);
    let a = chip.GPIOA.split(&mut rcc);
    let config = Config::default().baudrate(115_200.bps());
    let Ok(serial) = Serial::<_, u8>::new(chip.USART2, (a.pa2, a.pa3), config, &mut rcc) else {
        halt()
    };
    let (tx, mut rx) = serial.split();
    rx.listen();
    // SAFETY: the interrupt touches nothing that is in use here.
    unsafe { NVIC::unmask(Interrupt::USART2) };
    let about = About {
        name: "Nucleo-F446RE",
        core: "Cortex-M4",
        clock: source,
        hertz: rcc.clocks.sysclk().raw(),
        counter: "DWT, cycles",
        weights: "in flash, read in place through the ART accelerator",
    };
    let led = a.pa5.into_push_pull_output().erase();
    let board = F4::new(about, tx, led, true, chip.IWDG);
    match RAM.take() {
        Some(ram) => Shell::new(board, ram).run(),
        None => halt(),
    }
}
