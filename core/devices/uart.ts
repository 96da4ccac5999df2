/**
 * COM1: a 16550A (TI PC16550D data sheet) at 0x3f8 on IRQ4. The line behind it is faster than any guest: a byte written is
 * sent at once, so the transmitter is always empty again when the guest looks, and what is typed waits in a ring until the
 * receiver has room. Only the receiver's time-out runs on the virtual clock.
 */
import type { Arena } from '../arena/arena.ts';
import { DEV_UART } from '../arena/device-layout.ts';
import type { RestoredWords } from '../arena/restored-words.ts';
import type { PortDevice, TimedDevice } from './device.ts';
import type { MachineRequests } from './machine-requests.ts';
import type { InterruptController } from './pic.ts';
import { SerialInput } from './serial-input.ts';
import { MAX_RESTORED_NS, type VirtualClock } from './virtual-clock.ts';

const IRQ = 4;
const BASE = 0x3f8;
const UART_HERTZ = 115_200;

// int32 indexes into the block
const IER = 0;
const FCR = 1;
const LCR = 2;
const MCR = 3;
/** LSR's sticky error bits (OE … BI). */
const ERRORS = 4;
const SCRATCH = 5;
const DIVISOR = 6;
/** THRE interrupt: 1 from the moment the transmitter emptied until IIR is read with it on top, or a byte is written. */
const THRE_PENDING = 7;
const FIFO_HEAD = 8;
const FIFO_COUNT = 9;
/** Modem inputs as last reported, and their deltas. */
const MODEM_LINES = 10;
const MODEM_DELTAS = 11;
const TIMED_OUT = 12;
const FIFO = 16; // 16 words
const TIMEOUT_AT = 64 >> 1; // float64 index; 0 = not running

const REGISTER_NAMES = ['IER', 'FCR', 'LCR', 'MCR', 'the error bits of LSR', 'SCR'] as const;

const LCR_DLAB = 0x80;
const LCR_BREAK = 0x40;
const MCR_LOOPBACK = 0x10;
const MCR_OUT2 = 0x08;
const LSR_DATA_READY = 0x01;
const LSR_OVERRUN = 0x02;
const LSR_BREAK = 0x10;
const LSR_THRE_TEMT = 0x60;
/** The other end of the line is there: CTS, DSR and DCD are on. */
const CABLE_LINES = 0xb0;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;

export class Uart implements PortDevice, TimedDevice {
  readonly name = '16550 UART';
  readonly takesWideAccess = false;
  readonly irq = IRQ;
  readonly ports = [{ first: BASE, last: BASE + 7 }];
  readonly #w: Int32Array;
  readonly #f: Float64Array;
  readonly #input: SerialInput;
  readonly #clock: VirtualClock;
  readonly #pic: InterruptController;
  readonly #requests: MachineRequests;
  readonly #transmit: (byte: number) => void;

  constructor(
    arena: Arena,
    clock: VirtualClock,
    pic: InterruptController,
    requests: MachineRequests,
    transmit: (byte: number) => void,
  ) {
    const start = arena.layout.devices + DEV_UART;
    this.#w = new Int32Array(arena.buffer, start, 128);
    this.#f = new Float64Array(arena.buffer, start, 64);
    this.#input = new SerialInput(arena);
    this.#clock = clock;
    this.#pic = pic;
    this.#requests = requests;
    this.#transmit = transmit;
  }

  reset(): void {
    this.#w.fill(0);
    this.#w[DIVISOR] = 12; // 9600 baud, as firmware leaves it
    this.#w[LCR] = 3;
    this.#w[MODEM_LINES] = CABLE_LINES;
    this.#input.reset();
  }

  /** @throws RestoreRefused when what came out of a file cannot be */
  checkRestored(words: RestoredWords): void {
    for (const [index, name] of REGISTER_NAMES.entries()) words.int(index * 4, 0, 0xff, name);
    words.int(DIVISOR * 4, 0, 0xffff, 'the divisor');
    words.int(FIFO_HEAD * 4, 0, 15, 'the place of the FIFO');
    words.int(FIFO_COUNT * 4, 0, 16, 'the length of the FIFO');
    for (let n = 0; n < 16; n += 1) words.int((FIFO + n) * 4, 0, 0xff, 'a byte of the FIFO');
    words.whole(TIMEOUT_AT * 8, 0, MAX_RESTORED_NS, 'the time-out');
    this.#input.checkRestored(words);
  }

  /** Bytes from the other end of the line. @returns how many fit */
  receive(bytes: Uint8Array): number {
    const accepted = this.#input.push(bytes);
    this.#refill();
    this.#update();
    return accepted;
  }

  /** Whether a byte typed now would interrupt. */
  wouldInterruptOnInput(): boolean {
    return (this.#w[IER] & 1) !== 0 && (this.#w[MCR] & MCR_OUT2) !== 0 && (this.#w[MCR] & MCR_LOOPBACK) === 0;
  }

  advance(now: number): void {
    const at = this.#f[TIMEOUT_AT];
    if (at === 0 || now < at) return;
    this.#f[TIMEOUT_AT] = 0;
    this.#w[TIMED_OUT] = 1;
    this.#update();
  }

  deadline(): number {
    return this.#f[TIMEOUT_AT] === 0 ? Infinity : this.#f[TIMEOUT_AT];
  }

  /** Registers that no port reads at the moment: FIFO control, the divisor, how many bytes wait, what is behind the latch. */
  hidden(): { readonly ier: number; readonly fcr: number; readonly divisor: number; readonly received: number } {
    const w = this.#w;
    return { ier: w[IER], fcr: w[FCR], divisor: w[DIVISOR], received: w[FIFO_COUNT] };
  }

  peekPort(port: number): number {
    const w = this.#w;
    const latched = (w[LCR] & LCR_DLAB) !== 0;
    switch (port - BASE) {
      case 0:
        if (latched) return w[DIVISOR] & 0xff;
        return w[FIFO_COUNT] > 0 ? w[FIFO + w[FIFO_HEAD]] : 0;
      case 1:
        return latched ? w[DIVISOR] >> 8 : w[IER];
      case 2:
        return this.#identification() | ((w[FCR] & 1) !== 0 ? 0xc0 : 0);
      case 3:
        return w[LCR];
      case 4:
        return w[MCR];
      case 5:
        return w[ERRORS] | LSR_THRE_TEMT | (w[FIFO_COUNT] > 0 ? LSR_DATA_READY : 0);
      case 6:
        return this.#modemLines() | w[MODEM_DELTAS];
      default:
        return w[SCRATCH];
    }
  }

  readPort(port: number): number {
    const w = this.#w;
    const value = this.peekPort(port);
    switch (port - BASE) {
      case 0:
        if ((w[LCR] & LCR_DLAB) === 0) this.#takeReceived();
        break;
      case 2:
        if (this.#identification() === 0x02) w[THRE_PENDING] = 0;
        break;
      case 5:
        w[ERRORS] = 0;
        break;
      case 6:
        w[MODEM_DELTAS] = 0;
        break;
      default:
        return value;
    }
    this.#update();
    return value;
  }

  writePort(port: number, _size: number, value: number): void {
    const w = this.#w;
    const latched = (w[LCR] & LCR_DLAB) !== 0;
    switch (port - BASE) {
      case 0:
        if (latched) w[DIVISOR] = (w[DIVISOR] & 0xff00) | value;
        else this.#send(value);
        break;
      case 1:
        if (latched) w[DIVISOR] = (w[DIVISOR] & 0x00ff) | (value << 8);
        else {
          // Enabling the THRE interrupt while the transmitter is empty raises it at once.
          if ((value & 2) !== 0 && (w[IER] & 2) === 0) w[THRE_PENDING] = 1;
          w[IER] = value & 0x0f;
        }
        break;
      case 2:
        this.#writeFifoControl(value);
        break;
      case 3:
        // A break sent in loopback comes back as one.
        if ((value & LCR_BREAK) !== 0 && (w[LCR] & LCR_BREAK) === 0 && (w[MCR] & MCR_LOOPBACK) !== 0) {
          w[ERRORS] |= LSR_BREAK;
          this.#store(0);
        }
        w[LCR] = value;
        break;
      case 4:
        w[MCR] = value & 0x1f;
        this.#noteModemLines();
        this.#refill();
        break;
      case 7:
        w[SCRATCH] = value;
        return;
      default: // LSR and MSR are read-only in operation
        return;
    }
    this.#update();
  }

  #send(byte: number): void {
    if ((this.#w[MCR] & MCR_LOOPBACK) === 0) this.#transmit(byte);
    else this.#store(byte);
    this.#w[THRE_PENDING] = 1;
  }

  #writeFifoControl(value: number): void {
    const w = this.#w;
    const toggled = ((value ^ w[FCR]) & 1) !== 0;
    if (toggled || (value & 3) === 3) this.#emptyReceiver();
    // "Bit 0 must be a 1 when other FCR bits are written to or they will not be programmed."
    w[FCR] = (value & 1) !== 0 ? value & 0xc9 : 0;
    this.#refill();
  }

  /** Interrupt identification by priority: line status, received data, time-out, transmitter empty, modem status; 1 none. */
  #identification(): number {
    const w = this.#w;
    const enabled = w[IER];
    if ((enabled & 4) !== 0 && w[ERRORS] !== 0) return 0x06;
    if ((enabled & 1) !== 0 && w[FIFO_COUNT] >= this.#trigger()) return 0x04;
    if ((enabled & 1) !== 0 && w[TIMED_OUT] === 1) return 0x0c;
    if ((enabled & 2) !== 0 && w[THRE_PENDING] === 1) return 0x02;
    if ((enabled & 8) !== 0 && w[MODEM_DELTAS] !== 0) return 0x00;
    return 0x01;
  }

  /** OUT2 gates the interrupt onto the bus in a PC; in loopback it is cut off from it. */
  #update(): void {
    const gate = (this.#w[MCR] & MCR_OUT2) !== 0 && (this.#w[MCR] & MCR_LOOPBACK) === 0;
    this.#pic.setIrq(IRQ, gate && this.#identification() !== 0x01);
  }

  #trigger(): number {
    return (this.#w[FCR] & 1) === 0 ? 1 : TRIGGER_LEVELS[(this.#w[FCR] >> 6) & 3];
  }

  #capacity(): number {
    return (this.#w[FCR] & 1) === 0 ? 1 : 16;
  }

  /** Puts a byte into the receiver; with no room it is an overrun: the FIFO keeps what it has, the single register the new byte. */
  #store(byte: number): void {
    const w = this.#w;
    if (w[FIFO_COUNT] >= this.#capacity()) {
      w[ERRORS] |= LSR_OVERRUN;
      if (this.#capacity() === 1) w[FIFO + w[FIFO_HEAD]] = byte;
      return;
    }
    w[FIFO + ((w[FIFO_HEAD] + w[FIFO_COUNT]) & 15)] = byte;
    w[FIFO_COUNT] += 1;
    this.#restartTimeout();
  }

  #takeReceived(): void {
    const w = this.#w;
    if (w[FIFO_COUNT] > 0) {
      w[FIFO_HEAD] = (w[FIFO_HEAD] + 1) & 15;
      w[FIFO_COUNT] -= 1;
    }
    w[TIMED_OUT] = 0;
    this.#refill();
    this.#restartTimeout();
  }

  #emptyReceiver(): void {
    this.#w[FIFO_COUNT] = 0;
    this.#w[TIMED_OUT] = 0;
    this.#restartTimeout();
  }

  /** What was typed moves into the receiver as far as there is room; never over the top, so typing makes no overruns. */
  #refill(): void {
    if ((this.#w[MCR] & MCR_LOOPBACK) !== 0) return;
    while (this.#w[FIFO_COUNT] < this.#capacity() && this.#input.length() > 0) this.#store(this.#input.shift());
  }

  /** "At least one character is in the FIFO, and none has been removed or received for four character times." */
  #restartTimeout(): void {
    const w = this.#w;
    const runs = (w[FCR] & 1) !== 0 && w[FIFO_COUNT] > 0;
    const bitsPerCharacter = 2 + 5 + (w[LCR] & 3) + ((w[LCR] >> 2) & 1) + ((w[LCR] >> 3) & 1);
    const nsPerCharacter = Math.ceil((1e9 * bitsPerCharacter * Math.max(1, w[DIVISOR])) / UART_HERTZ);
    this.#f[TIMEOUT_AT] = runs ? this.#clock.now() + 4 * nsPerCharacter : 0;
    this.#requests.timersChanged();
  }

  /** In loopback the modem outputs are fed back: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD. */
  #modemLines(): number {
    const mcr = this.#w[MCR];
    if ((mcr & MCR_LOOPBACK) === 0) return CABLE_LINES;
    return ((mcr & 2) << 3) | ((mcr & 1) << 5) | ((mcr & 4) << 4) | ((mcr & 8) << 4);
  }

  #noteModemLines(): void {
    const w = this.#w;
    const lines = this.#modemLines();
    const changed = lines ^ w[MODEM_LINES];
    // RI reports its trailing edge only.
    const ringEnded = (changed & w[MODEM_LINES] & 0x40) !== 0 ? 4 : 0;
    w[MODEM_DELTAS] |= ((changed >> 4) & 0x0b) | ringEnded;
    w[MODEM_LINES] = lines;
  }
}
