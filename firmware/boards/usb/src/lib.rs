//! A serial port over USB (CDC-ACM) for the shell, served by the interrupt and between steps.
#![no_std]

use core::cell::RefCell;

use critical_section::Mutex;
use picoformer_shell::Ring;
use usb_device::UsbError;
use usb_device::bus::{UsbBus, UsbBusAllocator};
use usb_device::device::{
    StringDescriptors, UsbDevice, UsbDeviceBuilder, UsbDeviceState, UsbVidPid,
};
use usbd_serial::{SerialPort, USB_CLASS_CDC};

/// The ids that V-USB's maker shares for serial ports of hobby projects, told apart by the names below
/// (`USB-IDs-for-free.txt` of V-USB).
const IDS: UsbVidPid = UsbVidPid(0x16C0, 0x27DD);
/// Bytes of the longest packet: only then is one fetched, so none is lost.
const PACKET: usize = 64;

/// The device, for the interrupt and for the shell.
pub struct Port<B: UsbBus + 'static>(Mutex<RefCell<Option<Device<B>>>>);

struct Device<B: UsbBus + 'static> {
    device: UsbDevice<'static, B>,
    serial: SerialPort<'static, B>,
    /// A terminal has the port open.
    open: bool,
    /// It has opened it since the shell last asked.
    opened: bool,
}

impl<B: UsbBus + 'static> Port<B> {
    /// Not started.
    pub const fn new() -> Self {
        Self(Mutex::new(RefCell::new(None)))
    }

    /// Starts it. From now on its interrupt must call [`Port::serve`].
    pub fn start(&self, bus: &'static UsbBusAllocator<B>, product: &'static str) {
        let serial = SerialPort::new(bus);
        let strings = StringDescriptors::default()
            .manufacturer("picoformer")
            .product(product)
            .serial_number("picoformer-shell");
        let builder = UsbDeviceBuilder::new(bus, IDS).device_class(USB_CLASS_CDC);
        // Both fail for values that these are not.
        let Ok(builder) = builder.max_packet_size_0(64) else { return };
        let Ok(builder) = builder.strings(&[strings]) else { return };
        let device = builder.build();
        critical_section::with(|cs| {
            self.0.replace(cs, Some(Device { device, serial, open: false, opened: false }));
        });
    }

    /// Serves the bus; what has arrived goes into a ring if it has room, and otherwise waits at the host.
    pub fn serve<const N: usize>(&self, input: &Ring<N>) {
        self.with(|port| {
            let Device { device, serial, open, opened } = port;
            device.poll(&mut [serial]);
            let mut packet = [0; PACKET];
            while input.room() > PACKET {
                let Ok(n) = serial.read(&mut packet) else { break };
                packet.iter().take(n).for_each(|&byte| input.push(byte));
            }
            let now = device.state() == UsbDeviceState::Configured && serial.dtr();
            *opened |= now && !*open;
            *open = now;
        });
    }

    /// Whether a terminal has the port open.
    pub fn open(&self) -> bool {
        self.with(|port| port.open).unwrap_or(false)
    }

    /// Whether a terminal has opened the port since this was last asked.
    pub fn opened(&self) -> bool {
        self.with(|port| core::mem::take(&mut port.opened)).unwrap_or(false)
    }

    /// Offers a byte to the host.
    pub fn write(&self, byte: u8) -> bool {
        self.with(|port| match port.serial.write(&[byte]) {
            Ok(n) => n == 1,
            Err(UsbError::WouldBlock) => {
                let _ = port.serial.flush();
                false
            }
            Err(_) => false,
        })
        .unwrap_or(false)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Device<B>) -> T) -> Option<T> {
        critical_section::with(|cs| self.0.borrow_ref_mut(cs).as_mut().map(work))
    }
}

impl<B: UsbBus + 'static> Default for Port<B> {
    fn default() -> Self {
        Self::new()
    }
}
