/** The last port access that each device has seen, for people who look at the machine. Nothing of the machine depends on it. */
import type { Arena } from '../arena/arena.ts';
import { DEV_PORT_ACCESS, PORT_ACCESS_DEVICES } from '../arena/device-layout.ts';
import type { VirtualClock } from './virtual-clock.ts';

// float64 indexes into a device's part
const PORT = 0;
/** Bytes, with WRITE added for a write; 0 = none yet. */
const KIND = 1;
const VALUE = 2;
const INSNS = 3;
const DOUBLES = 4;
const WRITE = 16;

export interface PortAccess {
  readonly port: number;
  readonly size: number;
  readonly isWrite: boolean;
  readonly value: number;
  /** Instructions that had retired. */
  readonly insns: number;
}

export class PortAccessLog {
  readonly #f: Float64Array;
  readonly #clock: VirtualClock;

  constructor(arena: Arena, clock: VirtualClock) {
    this.#f = new Float64Array(arena.buffer, arena.layout.devices + DEV_PORT_ACCESS, PORT_ACCESS_DEVICES * DOUBLES);
    this.#clock = clock;
  }

  reset(): void {
    this.#f.fill(0);
  }

  noteRead(device: number, port: number, size: number, value: number): void {
    this.#note(device, port, size, value);
  }

  noteWrite(device: number, port: number, size: number, value: number): void {
    this.#note(device, port, size + WRITE, value);
  }

  #note(device: number, port: number, kind: number, value: number): void {
    const f = this.#f;
    const at = device * DOUBLES;
    f[at + PORT] = port;
    f[at + KIND] = kind;
    f[at + VALUE] = value >>> 0;
    f[at + INSNS] = this.#clock.insns();
  }

  /** @returns undefined when there was none, or what is there cannot be one */
  last(device: number): PortAccess | undefined {
    const at = device * DOUBLES;
    const [port, kind, value, insns] = this.#f.subarray(at, at + DOUBLES);
    const size = kind % WRITE;
    const isAccess = (size === 1 || size === 2 || size === 4) && port >= 0 && port <= 0xffff && insns >= 0;
    return isAccess ? { port, size, isWrite: kind >= WRITE, value, insns } : undefined;
  }
}
