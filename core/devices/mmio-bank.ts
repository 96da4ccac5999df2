/**
 * A bank of registers to experiment with, 4 KiB at gpa 0xfeb00000. Aligned accesses of 1, 2, 4 and 8 bytes; an access that a
 * register does not know reads all ones and is dropped on writing. The same table is in docs/guest-devices.md.
 *
 * | offset | name | |
 * |---|---|---|
 * | 0x000 | ID | "UMBR" (0x52424d55), read only |
 * | 0x004 | REVISION | 1, read only |
 * | 0x008 | INSNS | 64 bits, read only: instructions retired when it is read |
 * | 0x010 | COUNTER | 32 bits, read/write: counts up by one after every read |
 * | 0x014 | WRITES | 32 bits, read only: writes that reached the bank; any write clears it |
 * | 0x018 | LATCH | 32 bits: a write ORs its bits in, a read returns and clears them (the side effect) |
 * | 0x01c | PEEK | 32 bits, read only: LATCH without clearing it |
 * | 0x020 | SCRATCH | eight 32-bit registers up to 0x03f, plain read/write, any size |
 * | 0x800 | MEMORY | 2 KiB up to 0xfff, plain read/write, any size |
 */
import type { Arena } from '../arena/arena.ts';
import { DEV_MMIO_BANK } from '../arena/device-layout.ts';
import type { MmioDevice } from './device.ts';
import type { VirtualClock } from './virtual-clock.ts';

export const MMIO_BANK_GPA = 0xfeb0_0000;
export const MMIO_BANK_BYTES = 4096;

const ID = 0x000;
const REVISION = 0x004;
const INSNS = 0x008;
const COUNTER = 0x010;
const WRITES = 0x014;
const LATCH = 0x018;
const PEEK = 0x01c;
const SCRATCH = 0x020;
const SCRATCH_END = 0x040;
const MEMORY = 0x800;

export const MMIO_BANK_ID = 0x5242_4d55;

export class MmioBank implements MmioDevice {
  readonly name = 'MMIO bank';
  readonly gpa = MMIO_BANK_GPA;
  readonly bytes = MMIO_BANK_BYTES;
  hi = 0;
  /** Each register's value lies at its own offset. */
  readonly #view: DataView;
  readonly #clock: VirtualClock;

  constructor(arena: Arena, clock: VirtualClock) {
    this.#view = new DataView(arena.buffer, arena.layout.devices + DEV_MMIO_BANK, MMIO_BANK_BYTES);
    this.#clock = clock;
  }

  reset(): void {
    for (let offset = 0; offset < MMIO_BANK_BYTES; offset += 4) this.#view.setInt32(offset, 0, true);
    this.#view.setInt32(ID, MMIO_BANK_ID, true);
    this.#view.setInt32(REVISION, 1, true);
  }

  readMmio(offset: number, size: number): number {
    const view = this.#view;
    if (isPlain(offset, size)) return this.#readPlain(offset, size);
    if (offset === INSNS && size === 8) {
      const insns = this.#clock.insns();
      this.hi = Math.floor(insns / 0x1_0000_0000) | 0;
      return insns | 0;
    }
    if (size !== 4 || !isRegister(offset)) return this.#allOnes(size);
    if (offset === INSNS) return this.#clock.insns() | 0;
    if (offset === INSNS + 4) return Math.floor(this.#clock.insns() / 0x1_0000_0000) | 0;
    const value = view.getInt32(offset === PEEK ? LATCH : offset, true);
    if (offset === COUNTER) view.setInt32(COUNTER, (value + 1) | 0, true);
    if (offset === LATCH) view.setInt32(LATCH, 0, true);
    return value;
  }

  writeMmio(offset: number, size: number, lo: number, hi: number): void {
    const view = this.#view;
    const writes = view.getInt32(WRITES, true);
    view.setInt32(WRITES, offset === WRITES ? 0 : (writes + 1) | 0, true);
    if (isPlain(offset, size)) {
      for (let i = 0; i < size; i += 1) view.setUint8(offset + i, i < 4 ? lo >> (8 * i) : hi >> (8 * (i - 4)));
    } else if (size === 4 && offset === COUNTER) view.setInt32(COUNTER, lo, true);
    else if (size === 4 && offset === LATCH) view.setInt32(LATCH, view.getInt32(LATCH, true) | lo, true);
  }

  peekMmio(offset: number): number {
    if (offset >= INSNS && offset < COUNTER) {
      return Math.floor(this.#clock.insns() / 2 ** (8 * (offset - INSNS))) & 0xff;
    }
    if (offset >= PEEK && offset < SCRATCH) return this.#view.getUint8(offset - PEEK + LATCH);
    return offset < SCRATCH_END || offset >= MEMORY ? this.#view.getUint8(offset) : 0xff;
  }

  #readPlain(offset: number, size: number): number {
    const view = this.#view;
    if (size === 4) return view.getInt32(offset, true);
    let low = 0;
    let high = 0;
    for (let i = 0; i < size; i += 1) {
      const byte = view.getUint8(offset + i);
      if (i < 4) low |= byte << (8 * i);
      else high |= byte << (8 * (i - 4));
    }
    this.hi = high;
    return low;
  }

  #allOnes(size: number): number {
    this.hi = -1;
    return size < 4 ? -1 >>> (32 - 8 * size) : -1;
  }
}

const isRegister = (offset: number): boolean => offset < SCRATCH && offset % 4 === 0;

const isPlain = (offset: number, size: number): boolean =>
  (offset >= SCRATCH && offset + size <= SCRATCH_END) || (offset >= MEMORY && offset + size <= MMIO_BANK_BYTES);
