// Runs a .uf2 file for the RP2040 in rp2040js and types into its shell, over the UART or over USB:
//
//   node emulate.mjs FILE [--usb] [--leave BYTES] [--ahead] COMMAND ...
//
// With --leave, the terminal on USB closes the port after so many bytes; the shell then goes on over the
// UART. With --ahead, all commands are typed at the first prompt, without waiting.
//
// Prints what the shell writes and, on stderr, `#cycles CYCLES INSTRUCTIONS` for each command: those of the
// Cortex-M0+ from its last key to the next prompt. The flash answers at once here: a miss of the XIP cache is
// not modelled.
import { readFileSync } from 'node:fs';
import {
  createSetupPacket, DataDirection, RP2040, SetupRecipient, SetupType, USBCDC,
} from 'rp2040js';

const FLASH = 0x10000000;
const BOOT2_BYTES = 256;
// Where the boot ROM copies the second stage to.
const BOOT2_AT = 0x20041f00;
// Where what is typed arrives; asked for before the host has read the descriptors.
const OUT_ENDPOINT = 1;
const MOST_CYCLES = 60e9;
// Between two characters of 115,200 baud.
const CYCLES_PER_CHARACTER = 10850;

const [file, ...rest] = process.argv.slice(2);
const options = { usb: false, leave: Infinity, ahead: false };
while (rest[0]?.startsWith('--')) {
  const name = rest.shift().slice(2);
  options[name] = name === 'leave' ? Number(rest.shift()) : true;
}
const usb = options.usb || options.leave < Infinity;
const leave = options.leave;
const commands = options.ahead ? [rest.join('\r')] : rest;
// With all typed ahead, there are as many prompts.
let prompts = options.ahead ? rest.length : 0;

function fail(message) {
  console.error(message);
  process.exit(1);
}

// The boot ROM's work: the blocks of its family into flash, the second stage checked and copied.
function load(mcu) {
  const uf2 = readFileSync(file);
  let blocks = 0;
  for (let at = 0; at < uf2.length; at += 512) {
    const word = (offset) => uf2.readUInt32LE(at + offset);
    const magic = [word(0), word(4), word(508)];
    if (magic.join() !== [0x0a324655, 0x9e5d5157, 0x0ab16f30].join()) fail(`no UF2 block at ${at}`);
    if (word(28) !== 0xe48bff56) continue;
    mcu.flash.set(uf2.subarray(at + 32, at + 32 + word(16)), word(12) - FLASH);
    blocks += 1;
  }
  if (!blocks) fail('no block for the RP2040');
  const boot2 = mcu.flash.subarray(0, BOOT2_BYTES);
  const view = new DataView(boot2.buffer, boot2.byteOffset, BOOT2_BYTES);
  if (crc32(boot2.subarray(0, 252)) !== view.getUint32(252, true)) fail('boot2 has a wrong checksum');
  mcu.sram.set(boot2, BOOT2_AT - 0x20000000);
}

// CRC-32/MPEG-2, as the boot ROM has it (RP2040 data sheet, 2.8.1.3.1).
function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  return crc >>> 0;
}

const mcu = new RP2040();
const quiet = () => {};
mcu.logger = { debug: quiet, info: quiet, warn: quiet, error: (_, text) => fail(`emulator: ${text}`) };
load(mcu);
mcu.core.VTOR = FLASH;
mcu.core.SP = BOOT2_AT;
mcu.core.LR = 0; // the second stage then goes on to the vector table behind itself
mcu.core.PC = BOOT2_AT;

let line = '';
let typed = [];
let started = null;
let next = 0;
let instructions = 0;
let ended = false;
let at = 0;

function written(byte) {
  process.stdout.write(Buffer.from([byte]));
  line = byte === 10 ? '' : line + String.fromCharCode(byte);
  if (line !== '> ') return;
  if (prompts > 0 && next === commands.length) {
    if (--prompts > 0) return;
  } else if (typed.length) return;
  if (started) {
    console.error(`#cycles ${mcu.core.cycles - started[0]} ${instructions - started[1]}`);
  }
  if (next === commands.length) {
    ended = true;
    return;
  }
  typed = [...Buffer.from(commands[next++] + '\r')];
  at = mcu.core.cycles;
}

// DTR and RTS say whether a terminal has the port open. rp2040js sends this to the device instead of to the
// interface, as the class asks for (USB PSTN 1.2, 6.3.12).
function lineState(value) {
  mcu.usbCtrl.sendSetupPacket(createSetupPacket({
    dataDirection: DataDirection.HostToDevice,
    type: SetupType.Class,
    recipient: SetupRecipient.Interface,
    bRequest: 0x22,
    wValue: value,
    wIndex: 0,
    wLength: 0,
  }));
}

mcu.uart[0].onByte = written;
let type = (byte) => mcu.uart[0].feedByte(byte);
if (usb) {
  let fetched = 0;
  const host = new USBCDC(mcu.usbCtrl);
  host.cdcSetControlLineState = () => {
    mcu.uart[0].onByte = () => fail('the UART is used while a terminal is open on USB');
    lineState(3);
    host.initialized = true;
  };
  host.onSerialData = (bytes) => {
    bytes.forEach(written);
    fetched += bytes.length;
    if (fetched < leave) return;
    host.onSerialData = () => {};
    mcu.uart[0].onByte = written;
    type = (byte) => mcu.uart[0].feedByte(byte);
    lineState(0);
  };
  // rp2040js answers a read at once, and with nothing; a host answers when something was typed.
  const keys = [];
  let wanted = false;
  const answer = () => {
    if (!wanted || !keys.length) return;
    wanted = false;
    mcu.usbCtrl.endpointReadDone(OUT_ENDPOINT, Uint8Array.from(keys.splice(0, 64)));
  };
  mcu.usbCtrl.onEndpointRead = (endpoint) => {
    if (endpoint === OUT_ENDPOINT) {
      wanted = true;
      answer();
    }
  };
  type = (byte) => {
    keys.push(byte);
    answer();
  };
  // What is written before the terminal opens goes to the UART.
  mcu.uart[0].onByte = () => {};
}

const nanoseconds = 1e9 / 125e6;
while (!ended && mcu.core.cycles < MOST_CYCLES) {
  // rp2040js 1.4.1 enters an interrupt with the Thumb bit in PC, and then jumps by tables go astray.
  mcu.core.registers[15] &= ~1;
  mcu.clock.tick(mcu.core.executeInstruction() * nanoseconds);
  instructions += 1;
  if (typed.length && mcu.core.cycles - at > CYCLES_PER_CHARACTER) {
    type(typed.shift());
    at = mcu.core.cycles;
    if (!typed.length) started = [at, instructions];
  }
}
if (!ended) fail(`no prompt after ${mcu.core.cycles} cycles`);
