/**
 * The 8042 at ports 0x60/0x64 with nothing plugged in: command byte, self tests, output port with the A20 gate and the
 * reset line. A command to the absent keyboard times out, as it does on a PC without one.
 */
import type { Arena } from '../arena/arena.ts';
import { DEV_KEYBOARD } from '../arena/device-layout.ts';
import type { PortDevice } from './device.ts';
import type { MachineRequests } from './machine-requests.ts';
import type { InterruptController } from './pic.ts';

const RESET_BY_KEYBOARD_CONTROLLER = 1;

// int32 indexes
const COMMAND_BYTE = 0;
const OUTPUT = 1;
const OUTPUT_FULL = 2;
/** The command that waits for a byte at port 0x60; 0 none. */
const WAITING = 3;
const OUTPUT_PORT = 4;
const SYSTEM_FLAG = 5;
const TIMED_OUT = 6;
const LAST_WAS_COMMAND = 7;

const STATUS_OUTPUT_FULL = 0x01;
const STATUS_SYSTEM = 0x04;
const STATUS_COMMAND = 0x08;
const STATUS_UNLOCKED = 0x10;
const STATUS_TIMEOUT = 0x40;
const PORT_NOT_RESET = 0x01;
const PORT_A20 = 0x02;
const RESEND = 0xfe;

export class KeyboardController implements PortDevice {
  readonly name = '8042 keyboard controller';
  readonly takesWideAccess = false;
  readonly ports = [
    { first: 0x60, last: 0x60 },
    { first: 0x64, last: 0x64 },
  ];
  readonly #w: Int32Array;
  readonly #pic: InterruptController;
  readonly #requests: MachineRequests;

  constructor(arena: Arena, pic: InterruptController, requests: MachineRequests) {
    this.#w = new Int32Array(arena.buffer, arena.layout.devices + DEV_KEYBOARD, 16);
    this.#pic = pic;
    this.#requests = requests;
  }

  reset(): void {
    this.#w.fill(0);
    this.#w[COMMAND_BYTE] = 0x30; // both ports disabled until somebody wants them
    this.#w[OUTPUT_PORT] = PORT_NOT_RESET | PORT_A20 | 0xcc;
    this.#w[SYSTEM_FLAG] = STATUS_SYSTEM;
  }

  peekPort(port: number): number {
    const w = this.#w;
    if (port === 0x60) return w[OUTPUT];
    return (
      (w[OUTPUT_FULL] === 1 ? STATUS_OUTPUT_FULL : 0) |
      w[SYSTEM_FLAG] |
      (w[LAST_WAS_COMMAND] === 1 ? STATUS_COMMAND : 0) |
      STATUS_UNLOCKED |
      (w[TIMED_OUT] === 1 ? STATUS_TIMEOUT : 0)
    );
  }

  readPort(port: number): number {
    const value = this.peekPort(port);
    if (port === 0x60) {
      this.#w[OUTPUT_FULL] = 0;
      this.#w[TIMED_OUT] = 0;
      this.#pic.setIrq(1, false);
    }
    return value;
  }

  writePort(port: number, _size: number, value: number): void {
    const w = this.#w;
    w[LAST_WAS_COMMAND] = port === 0x64 ? 1 : 0;
    if (port === 0x64) {
      w[WAITING] = 0;
      this.#command(value);
      return;
    }
    const command = w[WAITING];
    w[WAITING] = 0;
    switch (command) {
      case 0x60:
        w[COMMAND_BYTE] = value;
        w[SYSTEM_FLAG] = value & STATUS_SYSTEM;
        break;
      case 0xd1:
        this.#writeOutputPort(value);
        break;
      case 0xd2:
        this.#answer(value);
        break;
      case 0xd3: // into the mouse's output buffer: no mouse listens
        break;
      default: // for the keyboard, or 0xd4: for the mouse; neither is there
        w[TIMED_OUT] = 1;
        this.#answer(RESEND);
        break;
    }
  }

  #command(value: number): void {
    const w = this.#w;
    if (value >= 0xf0) {
      // A pulse on the lines whose bits are 0; bit 0 is the processor's reset.
      if ((value & PORT_NOT_RESET) === 0) this.#requests.reset(RESET_BY_KEYBOARD_CONTROLLER);
      return;
    }
    switch (value) {
      case 0x20:
        this.#answer(w[COMMAND_BYTE]);
        break;
      case 0x60:
      case 0xd1:
      case 0xd2:
      case 0xd3:
      case 0xd4:
        w[WAITING] = value;
        break;
      case 0xa7:
        w[COMMAND_BYTE] |= 0x20;
        break;
      case 0xa8:
        w[COMMAND_BYTE] &= ~0x20;
        break;
      case 0xa9: // mouse and keyboard lines: no fault found
      case 0xab:
        this.#answer(0x00);
        break;
      case 0xaa:
        w[SYSTEM_FLAG] = STATUS_SYSTEM;
        this.#answer(0x55);
        break;
      case 0xad:
        w[COMMAND_BYTE] |= 0x10;
        break;
      case 0xae:
        w[COMMAND_BYTE] &= ~0x10;
        break;
      case 0xc0:
        this.#answer(0x80);
        break;
      case 0xd0:
        this.#answer(w[OUTPUT_PORT]);
        break;
      case 0xdd:
        this.#writeOutputPort(w[OUTPUT_PORT] & ~PORT_A20);
        break;
      case 0xdf:
        this.#writeOutputPort(w[OUTPUT_PORT] | PORT_A20);
        break;
      default: // an unknown command does nothing on the chip either
        break;
    }
  }

  #writeOutputPort(value: number): void {
    this.#w[OUTPUT_PORT] = value;
    if ((value & PORT_NOT_RESET) === 0) this.#requests.reset(RESET_BY_KEYBOARD_CONTROLLER);
    this.#requests.setA20((value & PORT_A20) !== 0);
  }

  #answer(value: number): void {
    this.#w[OUTPUT] = value;
    this.#w[OUTPUT_FULL] = 1;
    if ((this.#w[COMMAND_BYTE] & 1) === 0) return;
    this.#pic.setIrq(1, false);
    this.#pic.setIrq(1, true);
  }
}
