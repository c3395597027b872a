//! Clocks, UART, USB, light, watchdog and counter of a Raspberry Pi Pico 2.

use cortex_m::peripheral::{DWT, NVIC};
use embedded_hal::digital::OutputPin;
use fugit::{ExtU32, RateExtU32};
use picoformer_demo::lend::Lend;
use picoformer_shell::{About, Board, Ring, Stack};
use picoformer_usb::Port;
use rp235x_hal::clocks::{Clock, init_clocks_and_plls};
use rp235x_hal::gpio::bank0::{Gpio0, Gpio1, Gpio25};
use rp235x_hal::gpio::{FunctionSio, FunctionUart, Pin, Pins, PullDown, SioOutput};
use rp235x_hal::pac::{self, Interrupt, UART0, interrupt};
use rp235x_hal::uart::{DataBits, StopBits, UartConfig, UartPeripheral, Writer};
use rp235x_hal::usb::UsbBus;
use rp235x_hal::{Sio, Watchdog};
use usb_device::bus::UsbBusAllocator;

const CRYSTAL_HZ: u32 = 12_000_000;
/// Nearly the longest there is, and much longer than any step.
const WATCHDOG_MS: u32 = 8_000;
/// UARTDR: bits that say that a byte was lost before this one, and that this one is none.
const OVERRUN: u32 = 1 << 11;
const BROKEN: u32 = 0b111 << 8;

static INPUT: Ring<1024> = Ring::new();
static USB: Port<UsbBus> = Port::new();
static BUS: Lend<Option<UsbBusAllocator<UsbBus>>> = Lend::new(None);

type Pads = (Pin<Gpio0, FunctionUart, PullDown>, Pin<Gpio1, FunctionUart, PullDown>);

/// A Raspberry Pi Pico 2.
pub struct Pico2 {
    hertz: u32,
    uart: Writer<UART0, Pads>,
    led: Pin<Gpio25, FunctionSio<SioOutput>, PullDown>,
    watchdog: Watchdog,
}

impl Pico2 {
    /// Starts everything; `None` if something does not start.
    pub fn new(mut core: cortex_m::Peripherals, chip: pac::Peripherals) -> Option<Self> {
        let mut resets = chip.RESETS;
        let mut watchdog = Watchdog::new(chip.WATCHDOG);
        let clocks = init_clocks_and_plls(
            CRYSTAL_HZ,
            chip.XOSC,
            chip.CLOCKS,
            chip.PLL_SYS,
            chip.PLL_USB,
            &mut resets,
            &mut watchdog,
        )
        .ok()?;
        let sio = Sio::new(chip.SIO);
        let pins = Pins::new(chip.IO_BANK0, chip.PADS_BANK0, sio.gpio_bank0, &mut resets);

        let pads = (pins.gpio0.into_function(), pins.gpio1.into_function());
        let config = UartConfig::new(115_200.Hz(), DataBits::Eight, None, StopBits::One);
        let uart = UartPeripheral::new(chip.UART0, pads, &mut resets);
        let uart = uart.enable(config, clocks.peripheral_clock.freq()).ok()?;
        let (mut reader, uart) = uart.split();
        reader.enable_rx_interrupt();

        let (registers, memory) = (chip.USB, chip.USB_DPRAM);
        let bus = UsbBus::new(registers, memory, clocks.usb_clock, true, &mut resets);
        USB.start(BUS.take()?.insert(UsbBusAllocator::new(bus)), "picoformer shell on a Pico 2");
        // SAFETY: what the interrupts use is theirs, or locked.
        unsafe {
            NVIC::unmask(Interrupt::UART0_IRQ);
            NVIC::unmask(Interrupt::USBCTRL_IRQ);
        }

        core.DCB.enable_trace();
        core.DWT.enable_cycle_counter();
        watchdog.start(WATCHDOG_MS.millis());
        let led = pins.gpio25.into_push_pull_output();
        Some(Self { hertz: clocks.system_clock.freq().to_Hz(), uart, led, watchdog })
    }
}

impl Board for Pico2 {
    const TICK_BITS: u32 = 32;

    fn about(&self) -> About {
        About {
            name: "Raspberry Pi Pico 2",
            core: "Cortex-M33",
            clock: "PLL on the crystal",
            hertz: self.hertz,
            counter: "DWT, cycles",
            weights: "in flash, read in place through the XIP cache",
        }
    }

    fn read(&mut self) -> Option<u8> {
        INPUT.pop()
    }

    fn lost(&mut self) -> u32 {
        INPUT.lost()
    }

    fn write(&mut self, byte: u8) -> bool {
        if USB.open() { USB.write(byte) } else { self.uart.write_raw(&[byte]).is_ok() }
    }

    fn greet(&mut self) -> bool {
        USB.opened()
    }

    fn ticks(&mut self) -> u32 {
        DWT::cycle_count()
    }

    fn led(&mut self, on: bool) {
        // A pin does not fail.
        let _ = self.led.set_state(on.into());
    }

    fn feed(&mut self) {
        self.watchdog.feed();
        // What found no room in the ring may find it now.
        USB.serve(&INPUT);
    }

    fn stack(&self) -> Option<Stack> {
        Some(picoformer_arm::stack())
    }
}

#[interrupt]
fn UART0_IRQ() {
    // SAFETY: nobody else reads the receiver's registers.
    let port = unsafe { UART0::steal() };
    while port.uartfr().read().rxfe().bit_is_clear() {
        let data = port.uartdr().read().bits();
        if data & OVERRUN != 0 {
            INPUT.lose(1);
        }
        if data & BROKEN != 0 { INPUT.lose(1) } else { INPUT.push(data as u8) }
    }
}

#[interrupt]
fn USBCTRL_IRQ() {
    USB.serve(&INPUT);
}
