//! The shell on an STM32F405: USART1 (TX on PA9, RX on PA10, 115,200 baud), the light on PC12, as on
//! Olimex's STM32-H405.
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

picoformer_stm32f4::receive!(USART1);

#[cortex_m_rt::entry]
fn main() -> ! {
    picoformer_arm::paint();
    let (Some(core), Some(chip)) = (cortex_m::Peripherals::take(), pac::Peripherals::take()) else {
        halt()
    };
    let (mut rcc, source) = clock(chip.RCC, 168_000_000);
    count_cycles(core.DCB, core.DWT);
    let (a, c) = (chip.GPIOA.split(&mut rcc), chip.GPIOC.split(&mut rcc));
    let config = Config::default().baudrate(115_200.bps());
    let Ok(serial) = Serial::<_, u8>::new(chip.USART1, (a.pa9, a.pa10), config, &mut rcc) else {
        halt()
    };
    let (tx, mut rx) = serial.split();
    rx.listen();
    // SAFETY: the interrupt touches nothing that is in use here.
    unsafe { NVIC::unmask(Interrupt::USART1) };
    let about = About {
        name: "STM32F405",
        core: "Cortex-M4",
        clock: source,
        hertz: rcc.clocks.sysclk().raw(),
        counter: "DWT, cycles",
        weights: "in flash, read in place through the ART accelerator",
    };
    let led = c.pc12.into_push_pull_output().erase();
    let board = F4::new(about, tx, led, false, chip.IWDG);
    match RAM.take() {
        Some(ram) => Shell::new(board, ram).run(),
        None => halt(),
    }
}
