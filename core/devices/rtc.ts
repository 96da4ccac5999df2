/**
 * The MC146818 real-time clock and its CMOS RAM at ports 0x70/0x71, on IRQ8. Time is the machine's start time plus the
 * virtual clock; nothing counts between two looks.
 *
 * The time registers hold bytes only while updates are held (SET, or the divider in reset); otherwise they are made
 * from the time when read. Every second the update cycle ends on the second's boundary; UIP covers the 244 µs before it
 * begins and the 1984 µs it takes (data sheet, "Update Cycle", 32.768 kHz).
 */
import type { Arena } from '../arena/arena.ts';
import { DEV_CMOS } from '../arena/device-layout.ts';
import type { RestoredWords } from '../arena/restored-words.ts';
import { civilFromSeconds } from './calendar.ts';
import type { PortDevice, TimedDevice } from './device.ts';
import type { MachineRequests } from './machine-requests.ts';
import { cyclesAt, timeOfCycle } from './oscillator.ts';
import type { InterruptController } from './pic.ts';
import { B_24_HOURS, nextAlarm, readTime, RTC_CENTURY, RTC_YEAR, storeTime } from './rtc-registers.ts';
import { MAX_RESTORED_NS, type VirtualClock } from './virtual-clock.ts';

const IRQ = 8;
const CRYSTAL_HERTZ = 32_768;
const NS_PER_SECOND = 1_000_000_000;
const UIP_NS = 244_000 + 1_984_000;
/** "The first update cycle is 500 ms after the divider reset is removed." */
const FIRST_UPDATE_NS = 500_000_000;

const MAX_SECONDS = 2 ** 41;

const REGISTER_A = 0x0a;
const REGISTER_B = 0x0b;
const REGISTER_C = 0x0c;
const REGISTER_D = 0x0d;
const A_UIP = 0x80;
const A_DIVIDER = 0x70;
const A_DIVIDER_32KHZ = 0x20;
const B_SET = 0x80;
const B_PIE = 0x40;
const B_AIE = 0x20;
const B_UIE = 0x10;
const C_PF = 0x40;
const C_AF = 0x20;
const C_UF = 0x10;
const D_VALID = 0x80;

// Behind the 128 bytes: int32 index, float64 indexes
const INDEX = 32;
/** The time at virtual time BASE_NS, in whole seconds. Bytes win while updates are held. */
const BASE_SECONDS = 20;
const BASE_NS = 21;
/** Where the periodic divider started. */
const DIVIDER_NS = 22;
/** Up to when flags have been worked out. */
const SEEN_NS = 23;

export class Rtc implements PortDevice, TimedDevice {
  readonly name = 'CMOS/RTC';
  readonly takesWideAccess = false;
  readonly irq = IRQ;
  readonly ports = [{ first: 0x70, last: 0x71 }];
  readonly #bytes: Uint8Array;
  readonly #w: Int32Array;
  readonly #f: Float64Array;
  readonly #clock: VirtualClock;
  readonly #pic: InterruptController;
  readonly #requests: MachineRequests;

  constructor(arena: Arena, clock: VirtualClock, pic: InterruptController, requests: MachineRequests) {
    const start = arena.layout.devices + DEV_CMOS;
    this.#bytes = new Uint8Array(arena.buffer, start, 128);
    this.#w = new Int32Array(arena.buffer, start, 64);
    this.#f = new Float64Array(arena.buffer, start, 32);
    this.#clock = clock;
    this.#pic = pic;
    this.#requests = requests;
  }

  reset(ramBytes: number): void {
    this.#bytes.fill(0);
    this.#w[INDEX] = 0;
    this.#bytes[REGISTER_A] = A_DIVIDER_32KHZ | 6;
    this.#bytes[REGISTER_B] = B_24_HOURS;
    this.#f[BASE_SECONDS] = this.#clock.startSeconds();
    this.#f[BASE_NS] = 0;
    this.#f[DIVIDER_NS] = 0;
    this.#f[SEEN_NS] = 0;
    this.#describeMemory(ramBytes);
  }

  /** @throws RestoreRefused when what came out of a file cannot be */
  checkRestored(words: RestoredWords): void {
    words.int(INDEX * 4, 0, 0xff, 'the index');
    words.whole(BASE_SECONDS * 8, -MAX_SECONDS, MAX_SECONDS, 'the time');
    words.whole(BASE_NS * 8, -MAX_RESTORED_NS, MAX_RESTORED_NS, 'the moment of its time');
    words.whole(DIVIDER_NS * 8, 0, MAX_RESTORED_NS, 'the start of its divider');
    words.whole(SEEN_NS * 8, 0, this.#clock.now(), 'the moment seen last');
  }

  advance(now: number): void {
    const seen = this.#f[SEEN_NS];
    this.#f[SEEN_NS] = now;
    if (now <= seen) return;
    let flags = 0;
    if (this.#updates()) {
      const before = this.#secondsAt(seen);
      const passed = this.#secondsAt(now) - before;
      if (passed > 0) {
        flags |= C_UF;
        if (nextAlarm(this.#bytes, before, passed, this.#mode()) !== undefined) flags |= C_AF;
      }
    }
    const period = this.#periodCycles();
    if (period > 0 && this.#periods(now, period) > this.#periods(seen, period)) flags |= C_PF;
    if (flags === 0) return;
    this.#bytes[REGISTER_C] |= flags;
    this.#drive();
  }

  deadline(): number {
    const enabled = this.#bytes[REGISTER_B];
    // A flag that is already set changes nothing any more.
    const open = enabled & ~this.#bytes[REGISTER_C];
    const now = this.#f[SEEN_NS];
    let at = Infinity;
    if (this.#updates()) {
      const second = this.#secondsAt(now);
      if ((open & B_UIE) !== 0) at = this.#timeOfSecond(second + 1);
      else if ((open & B_AIE) !== 0) {
        const alarm = nextAlarm(this.#bytes, second, 86_400, this.#mode());
        if (alarm !== undefined) at = this.#timeOfSecond(alarm);
      }
    }
    const period = this.#periodCycles();
    if ((open & B_PIE) !== 0 && period > 0) {
      const next = (this.#periods(now, period) + 1) * period;
      at = Math.min(at, this.#f[DIVIDER_NS] + timeOfCycle(CRYSTAL_HERTZ, next));
    }
    return at;
  }

  peekPort(port: number): number {
    if (port === 0x70) return 0xff;
    return this.peekRegister(this.index);
  }

  readPort(port: number): number {
    this.advance(this.#clock.now());
    const value = this.peekPort(port);
    if (port === 0x71 && (this.#w[INDEX] & 0x7f) === REGISTER_C) {
      this.#bytes[REGISTER_C] = 0;
      this.#drive();
      this.#requests.timersChanged();
    }
    return value;
  }

  writePort(port: number, _size: number, value: number): void {
    if (port === 0x70) {
      this.#w[INDEX] = value;
      return;
    }
    const now = this.#clock.now();
    this.advance(now);
    this.#writeRegister(this.#w[INDEX] & 0x7f, value, now);
    this.#drive();
    this.#requests.timersChanged();
  }

  /** The register that port 0x71 stands for. */
  get index(): number {
    return this.#w[INDEX] & 0x7f;
  }

  /** What reading a register would give, without its side effects. */
  peekRegister(index: number): number {
    const now = this.#clock.now();
    if (index === REGISTER_A) return (this.#bytes[REGISTER_A] & 0x7f) | (this.#isUpdating(now) ? A_UIP : 0);
    if (index === REGISTER_C) return this.#bytes[REGISTER_C] | (this.#interrupts() ? 0x80 : 0);
    if (index === REGISTER_D) return D_VALID;
    if (!isTimeRegister(index) || !this.#updates()) return this.#bytes[index];
    const copy = this.#bytes.slice();
    storeTime(copy, civilFromSeconds(this.#secondsAt(now)), this.#mode());
    return copy[index];
  }

  #writeRegister(index: number, value: number, now: number): void {
    const bytes = this.#bytes;
    if (index === REGISTER_C || index === REGISTER_D) return;
    if (index === REGISTER_A || index === REGISTER_B) {
      const ran = this.#updates();
      const seconds = this.#secondsAt(now);
      const leavesReset = index === REGISTER_A && isDividerReset(bytes[REGISTER_A]) && !isDividerReset(value);
      if (leavesReset) this.#f[DIVIDER_NS] = now;
      if (index === REGISTER_A) bytes[REGISTER_A] = value & 0x7f;
      else bytes[REGISTER_B] = (value & B_SET) !== 0 ? value & ~B_UIE : value;
      const runs = this.#updates();
      if (ran && !runs) storeTime(bytes, civilFromSeconds(seconds), this.#mode());
      if (!ran && runs) this.#letRun(leavesReset ? now - FIRST_UPDATE_NS : now);
    } else if (isTimeRegister(index) && this.#updates()) {
      const seconds = this.#secondsAt(now);
      const startOfSecond = this.#timeOfSecond(seconds);
      storeTime(bytes, civilFromSeconds(seconds), this.#mode());
      bytes[index] = value;
      this.#letRun(startOfSecond);
    } else bytes[index] = value;
  }

  /** Takes the time from the bytes, as the time that it was at `ns`. */
  #letRun(ns: number): void {
    this.#f[BASE_SECONDS] = readTime(this.#bytes, this.#mode());
    this.#f[BASE_NS] = ns;
  }

  #mode(): number {
    return this.#bytes[REGISTER_B];
  }

  #updates(): boolean {
    return (this.#bytes[REGISTER_B] & B_SET) === 0 && (this.#bytes[REGISTER_A] & A_DIVIDER) === A_DIVIDER_32KHZ;
  }

  #secondsAt(ns: number): number {
    return this.#f[BASE_SECONDS] + Math.floor((ns - this.#f[BASE_NS]) / NS_PER_SECOND);
  }

  #timeOfSecond(seconds: number): number {
    return this.#f[BASE_NS] + (seconds - this.#f[BASE_SECONDS]) * NS_PER_SECOND;
  }

  #isUpdating(now: number): boolean {
    if (!this.#updates()) return false;
    return this.#timeOfSecond(this.#secondsAt(now) + 1) - now <= UIP_NS;
  }

  /** Crystal cycles of the periodic interrupt; rates 1 and 2 repeat 8 and 9 with this crystal. 0 = off. */
  #periodCycles(): number {
    const rate = this.#bytes[REGISTER_A] & 0x0f;
    if (rate === 0 || (this.#bytes[REGISTER_A] & A_DIVIDER) !== A_DIVIDER_32KHZ) return 0;
    return 1 << ((rate <= 2 ? rate + 7 : rate) - 1);
  }

  #periods(ns: number, period: number): number {
    return Math.floor(cyclesAt(CRYSTAL_HERTZ, Math.max(0, ns - this.#f[DIVIDER_NS])) / period);
  }

  #interrupts(): boolean {
    return (this.#bytes[REGISTER_B] & this.#bytes[REGISTER_C] & (B_PIE | B_AIE | B_UIE)) !== 0;
  }

  #drive(): void {
    this.#pic.setIrq(IRQ, this.#interrupts());
  }

  /** What PC firmware leaves for operating systems: equipment, memory sizes, the checksum over it. */
  #describeMemory(ramBytes: number): void {
    const put16 = (index: number, value: number): void => {
      this.#bytes[index] = value & 0xff;
      this.#bytes[index + 1] = value >> 8;
    };
    const extendedKiB = Math.max(0, ramBytes - 0x10_0000) >> 10;
    this.#bytes[0x14] = 0; // equipment: no FPU (CPUID has none either), no mouse; the VGA sets its own mode
    put16(0x15, Math.min(640, ramBytes >> 10));
    put16(0x17, Math.min(0xfc00, extendedKiB));
    put16(0x30, Math.min(0xfc00, extendedKiB));
    put16(0x34, Math.max(0, ramBytes - 0x100_0000) >> 16);
    let sum = 0;
    for (let i = 0x10; i <= 0x2d; i += 1) sum += this.#bytes[i];
    this.#bytes[0x2e] = sum >> 8;
    this.#bytes[0x2f] = sum & 0xff;
  }
}

/** 11x: "any 11x pattern holds the divider in reset". */
const isDividerReset = (registerA: number): boolean => (registerA & 0x60) === 0x60;

const isTimeRegister = (index: number): boolean =>
  index === RTC_CENTURY || (index <= RTC_YEAR && (index % 2 === 0 || index >= 6));
