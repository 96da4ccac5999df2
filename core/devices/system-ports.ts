/** The single-register ports of a PC and of test machines: debug-exit, POST code, system control A, reset control. */
import type { Arena } from '../arena/arena.ts';
import { DEV_DEBUG_EXIT } from '../arena/device-layout.ts';
import type { PortDevice } from './device.ts';
import type { MachineRequests } from './machine-requests.ts';

const RESET_BY_PORT_92 = 2;
const RESET_BY_PORT_CF9 = 3;

const DEBUG_EXIT = 0xf4;
const POST = 0x80;
const CONTROL_A = 0x92;
const RESET_CONTROL = 0xcf9;

// int32 indexes in the debug-exit block, behind what MachineRequests keeps
const POST_CODE = 8;
const CONTROL_A_BITS = 9;
const RESET_CONTROL_BITS = 10;

/**
 * Port 0xf4 ends the machine with status `(value << 1) | 1`, of which a process can report the low 8 bits: never 0, so that an
 * exit by the guest cannot be taken for one of the program.
 */
export class DebugExit implements PortDevice {
  readonly name = 'debug-exit';
  readonly takesWideAccess = true;
  readonly ports = [{ first: DEBUG_EXIT, last: DEBUG_EXIT }];
  readonly #requests: MachineRequests;

  constructor(requests: MachineRequests) {
    this.#requests = requests;
  }

  readPort(_port: number, size: number): number {
    return size === 4 ? -1 : (1 << (8 * size)) - 1;
  }

  peekPort(): number {
    return 0xff;
  }

  writePort(_port: number, _size: number, value: number): void {
    this.#requests.exit(((value << 1) | 1) & 0xff);
  }
}

export class SystemPorts implements PortDevice {
  readonly name = 'system ports';
  readonly takesWideAccess = false;
  readonly ports = [POST, CONTROL_A, RESET_CONTROL].map((port) => ({ first: port, last: port }));
  readonly #w: Int32Array;
  readonly #requests: MachineRequests;

  constructor(arena: Arena, requests: MachineRequests) {
    this.#w = new Int32Array(arena.buffer, arena.layout.devices + DEV_DEBUG_EXIT, 16);
    this.#requests = requests;
  }

  reset(): void {
    this.#w.fill(0);
    this.#w[CONTROL_A_BITS] = 2; // A20 open
  }

  peekPort(port: number): number {
    if (port === POST) return this.#w[POST_CODE];
    return port === CONTROL_A ? this.#w[CONTROL_A_BITS] : this.#w[RESET_CONTROL_BITS];
  }

  readPort(port: number): number {
    return this.peekPort(port);
  }

  writePort(port: number, _size: number, value: number): void {
    if (port === POST) this.#w[POST_CODE] = value;
    else if (port === CONTROL_A) {
      this.#w[CONTROL_A_BITS] = value & 0xfe;
      this.#requests.setA20((value & 2) !== 0);
      if ((value & 1) !== 0) this.#requests.reset(RESET_BY_PORT_92);
    } else {
      this.#w[RESET_CONTROL_BITS] = value & 0x0e;
      // RST_CPU: the reset happens on the bit's 0 → 1 (Intel PCH data sheets, "Reset Control Register").
      if ((value & 4) !== 0) this.#requests.reset(RESET_BY_PORT_CF9);
    }
  }
}
