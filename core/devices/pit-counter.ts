/**
 * One counter of the 8254 (Intel 8254 data sheet, "Mode Definitions"). Time comes in as completed cycles of its clock, so
 * nothing runs between two looks: the counting element and OUT are worked out from the cycle at which counting started.
 */

import type { RestoredWords } from '../arena/restored-words.ts';

// float64 indexes into the counter's block: cycles need more than 32 bits.
const MODE = 0;
const ACCESS = 1; // 1 low byte, 2 high byte, 3 low then high
const BCD = 2;
/** The count register, 1 … 65536 (10000 in BCD); 0 while none has been written since the control word. */
const COUNT = 3;
/** A count that waits for the end of the period (modes 2, 3); 0 none. */
const NEXT_COUNT = 4;
/** Cycle at which the present period, half or countdown began; −1 while no count has been written since the control word. */
const START = 5;
/** Mode 3: 0 in the high half, 1 in the low half. */
const HALF = 6;
const GATE = 7;
/** Cycle at which the gate stopped the counting, −1 while it counts. */
const STOPPED_AT = 8;
/** Modes 1 and 5: a trigger has come. Modes 0 and 4: the count is complete. */
const ARMED = 9;
const WRITE_LOW = 10; // low byte of a two-byte write, −1 none
const READ_HIGH_NEXT = 11;
const LATCH = 12; // −1 none
const STATUS_LATCH = 13; // −1 none
export const PIT_COUNTER_DOUBLES = 16;

/** What a counter holds, for people. */
export interface PitCounterState {
  readonly mode: number;
  readonly isBcd: boolean;
  /** The count register; 0 while none has been written. */
  readonly reload: number;
  readonly count: number;
  readonly gate: boolean;
  readonly out: boolean;
}

export class PitCounter {
  readonly #f: Float64Array;

  constructor(doubles: Float64Array) {
    this.#f = doubles;
  }

  /**
   * @param words checks of the whole device, of which this counter is number `n`
   * @param cycle the present one
   * @throws RestoreRefused when what came out of a file cannot be
   */
  static checkRestored(words: RestoredWords, n: number, cycle: number): void {
    const whole = (index: number, low: number, high: number, what: string): number =>
      words.whole((n * PIT_COUNTER_DOUBLES + index) * 8, low, high, `${what} of counter ${n}`);
    const mode = whole(MODE, 0, 5, 'the mode');
    whole(ACCESS, 0, 3, 'the access');
    whole(BCD, 0, 1, 'the number system');
    const count = whole(COUNT, 0, 0x1_0000, 'the count');
    whole(NEXT_COUNT, 0, 0x1_0000, 'the next count');
    // A period that has begun lasts a while: square waves and rates need two cycles at least, and none begins far ahead.
    const start = whole(START, -1, cycle + 2 * 0x1_0000, 'the start');
    words.require(start < 0 || count > 0, `counter ${n} counts from nothing`);
    words.require(mode !== 3 || count !== 1 || start < 0, `counter ${n} has half periods of no length`);
    whole(HALF, 0, 1, 'the half period');
    whole(GATE, 0, 1, 'the gate');
    whole(STOPPED_AT, -1, cycle + 2 * 0x1_0000, 'the stop');
    whole(ARMED, 0, 1, 'the trigger');
    whole(WRITE_LOW, -1, 0xff, 'the low byte written');
    whole(READ_HIGH_NEXT, 0, 1, 'the byte read next');
    whole(LATCH, -1, 0xffff, 'the latch');
    whole(STATUS_LATCH, -1, 0xff, 'the status latch');
  }

  /** The counter as it stands, on memory of its own: what is done to it does not reach the arena. */
  copy(): PitCounter {
    return new PitCounter(Float64Array.from(this.#f));
  }

  stateAt(cycle: number): PitCounterState {
    const now = this.copy();
    now.advance(cycle);
    const f = now.#f;
    return {
      mode: f[MODE],
      isBcd: f[BCD] === 1,
      reload: f[COUNT],
      count: f[COUNT] === 0 ? 0 : now.count(cycle),
      gate: f[GATE] === 1,
      out: now.output(cycle),
    };
  }

  reset(gate: boolean): void {
    this.#f.fill(0);
    this.#f[ACCESS] = 3;
    this.#f[GATE] = gate ? 1 : 0;
    this.#f[START] = -1;
    this.#f[STOPPED_AT] = -1;
    this.#f[WRITE_LOW] = -1;
    this.#f[LATCH] = -1;
    this.#f[STATUS_LATCH] = -1;
  }

  writeControl(value: number): void {
    const f = this.#f;
    const mode = (value >> 1) & 7;
    f[MODE] = mode > 5 ? mode - 4 : mode;
    f[ACCESS] = (value >> 4) & 3;
    f[BCD] = value & 1;
    f[COUNT] = 0;
    f[START] = -1;
    f[STOPPED_AT] = -1;
    f[NEXT_COUNT] = 0;
    f[HALF] = 0;
    f[ARMED] = 0;
    f[WRITE_LOW] = -1;
    f[READ_HIGH_NEXT] = 0;
    f[LATCH] = -1;
    f[STATUS_LATCH] = -1;
  }

  writeCount(value: number, cycle: number): void {
    const f = this.#f;
    if (f[ACCESS] === 3) {
      if (f[WRITE_LOW] < 0) {
        f[WRITE_LOW] = value;
        // "Writing the first byte disables counting. OUT is set low immediately" (mode 0).
        if (f[MODE] === 0) f[START] = -1;
        return;
      }
      this.#load(f[WRITE_LOW] | (value << 8), cycle);
      f[WRITE_LOW] = -1;
    } else this.#load(f[ACCESS] === 1 ? value : value << 8, cycle);
  }

  latchCount(cycle: number): void {
    if (this.#f[LATCH] < 0) this.#f[LATCH] = this.#encoded(cycle);
  }

  latchStatus(cycle: number): void {
    if (this.#f[STATUS_LATCH] < 0) this.#f[STATUS_LATCH] = this.status(cycle);
  }

  status(cycle: number): number {
    const f = this.#f;
    const out = this.output(cycle) ? 0x80 : 0;
    return out | (this.#isNull(cycle) ? 0x40 : 0) | (f[ACCESS] << 4) | (f[MODE] << 1) | f[BCD];
  }

  /** What the next read gives. */
  peek(cycle: number): number {
    const f = this.#f;
    if (f[STATUS_LATCH] >= 0) return f[STATUS_LATCH];
    const count = f[LATCH] >= 0 ? f[LATCH] : this.#encoded(cycle);
    const high = f[ACCESS] === 2 || (f[ACCESS] === 3 && f[READ_HIGH_NEXT] === 1);
    return high ? count >> 8 : count & 0xff;
  }

  read(cycle: number): number {
    const f = this.#f;
    const value = this.peek(cycle);
    if (f[STATUS_LATCH] >= 0) {
      f[STATUS_LATCH] = -1;
      return value;
    }
    if (f[ACCESS] === 3) {
      f[READ_HIGH_NEXT] = 1 - f[READ_HIGH_NEXT];
      if (f[READ_HIGH_NEXT] === 1) return value;
    }
    f[LATCH] = -1;
    return value;
  }

  gate(): boolean {
    return this.#f[GATE] === 1;
  }

  setGate(high: boolean, cycle: number): void {
    const f = this.#f;
    const was = f[GATE] === 1;
    f[GATE] = high ? 1 : 0;
    if (was === high || f[COUNT] === 0) return;
    const mode = f[MODE];
    if (high && (mode === 1 || mode === 5)) {
      this.#startAt(cycle + 1);
      f[ARMED] = 1;
    } else if (mode === 2 || mode === 3) {
      if (high && f[START] >= 0) this.#startAt(cycle + 1);
      f[STOPPED_AT] = high ? -1 : cycle;
    } else if (mode === 0 || mode === 4) {
      if (!high) f[STOPPED_AT] = cycle;
      else if (f[STOPPED_AT] >= 0) {
        f[START] += f[START] < 0 ? 0 : cycle - Math.max(f[STOPPED_AT], f[START] - 1);
        f[STOPPED_AT] = -1;
      }
    }
  }

  /** Moves periods that are over into the past, where a waiting count takes the place of the old one. */
  advance(cycle: number): void {
    const f = this.#f;
    if (f[START] < 0 || f[STOPPED_AT] >= 0) return;
    if (f[MODE] === 2) {
      this.#turnPeriods(cycle, f[COUNT], 0);
    } else if (f[MODE] === 3) {
      if (f[NEXT_COUNT] > 0 && cycle >= f[START] + this.#half()) {
        f[START] += this.#half();
        f[HALF] = 1 - f[HALF];
        f[COUNT] = f[NEXT_COUNT];
        f[NEXT_COUNT] = 0;
      }
      this.#turnPeriods(cycle, f[COUNT], 1);
    }
  }

  /** OUT at `cycle`, to which the counter has been advanced. */
  output(cycle: number): boolean {
    const f = this.#f;
    const elapsed = this.#elapsed(cycle);
    switch (f[MODE]) {
      case 0:
        return f[START] >= 0 && elapsed >= f[COUNT];
      case 1:
        return f[ARMED] === 0 || elapsed < 0 || elapsed >= f[COUNT];
      case 2:
        return f[START] < 0 || f[STOPPED_AT] >= 0 || elapsed !== f[COUNT] - 1;
      case 3:
        return f[START] < 0 || f[STOPPED_AT] >= 0 || f[HALF] === 0;
      case 4:
        return f[START] < 0 || elapsed !== f[COUNT];
      default:
        return f[ARMED] === 0 || elapsed !== f[COUNT];
    }
  }

  /** The next cycle at which OUT changes; Infinity when it will not by itself. Advanced to `cycle`. */
  nextChange(cycle: number): number {
    const f = this.#f;
    if (f[START] < 0 || f[STOPPED_AT] >= 0) return Infinity;
    const edge = (...after: readonly number[]): number =>
      after.map((n) => f[START] + n).find((at) => at > cycle) ?? Infinity;
    switch (f[MODE]) {
      case 0:
        return edge(f[COUNT]);
      case 1:
        return f[ARMED] === 1 ? edge(0, f[COUNT]) : Infinity;
      case 2:
        return edge(f[COUNT] - 1, f[COUNT]);
      case 3:
        return edge(this.#half());
      case 4:
        return edge(f[COUNT], f[COUNT] + 1);
      default:
        return f[ARMED] === 1 ? edge(f[COUNT], f[COUNT] + 1) : Infinity;
    }
  }

  /** The counting element as a binary number. */
  count(cycle: number): number {
    const f = this.#f;
    if (f[COUNT] === 0) return 0;
    const modulus = f[BCD] === 1 ? 10_000 : 0x1_0000;
    const elapsed = f[START] < 0 ? 0 : Math.max(0, this.#elapsed(cycle));
    switch (f[MODE]) {
      case 2:
        return (f[COUNT] - (elapsed % f[COUNT])) % modulus;
      case 3:
        return (f[COUNT] - (f[COUNT] % 2) - 2 * (elapsed % this.#half())) % modulus;
      default:
        return (((f[COUNT] - elapsed) % modulus) + modulus) % modulus;
    }
  }

  #load(written: number, cycle: number): void {
    const f = this.#f;
    const count = this.#decoded(written);
    switch (f[MODE]) {
      case 0:
      case 4:
        f[COUNT] = count;
        this.#startAt(cycle + 1);
        if (f[GATE] === 0) f[STOPPED_AT] = cycle;
        break;
      case 1:
      case 5:
        // The present one-shot goes on with the old count; the next trigger loads the new one.
        if (f[ARMED] === 1) f[NEXT_COUNT] = count;
        else f[COUNT] = count;
        break;
      default: {
        // A count of 1 is illegal in modes 2 and 3; it counts as 2.
        const legal = Math.max(2, count);
        if (f[START] >= 0) f[NEXT_COUNT] = legal;
        else {
          f[COUNT] = legal;
          this.#startAt(cycle + 1);
          if (f[GATE] === 0) f[STOPPED_AT] = cycle;
        }
      }
    }
  }

  #startAt(cycle: number): void {
    const f = this.#f;
    if (f[NEXT_COUNT] > 0) f[COUNT] = f[NEXT_COUNT];
    f[NEXT_COUNT] = 0;
    f[START] = cycle;
    f[HALF] = 0;
    f[STOPPED_AT] = -1;
  }

  #turnPeriods(cycle: number, period: number, halves: 0 | 1): void {
    const f = this.#f;
    if (cycle < f[START]) return;
    if (halves === 0 && f[NEXT_COUNT] > 0 && cycle >= f[START] + period) {
      f[START] += period;
      f[COUNT] = f[NEXT_COUNT];
      f[NEXT_COUNT] = 0;
      this.#turnPeriods(cycle, f[COUNT], 0);
      return;
    }
    f[START] += Math.floor((cycle - f[START]) / period) * period;
    while (halves === 1 && cycle >= f[START] + this.#half()) {
      f[START] += this.#half();
      f[HALF] = 1 - f[HALF];
    }
  }

  /** Cycles of the present half of mode 3: an odd count is high for one cycle more. */
  #half(): number {
    const count = this.#f[COUNT];
    return this.#f[HALF] === 0 ? Math.ceil(count / 2) : Math.floor(count / 2);
  }

  #elapsed(cycle: number): number {
    const f = this.#f;
    return (f[STOPPED_AT] >= 0 ? Math.max(f[STOPPED_AT], f[START]) : cycle) - f[START];
  }

  #isNull(cycle: number): boolean {
    const f = this.#f;
    if (f[COUNT] === 0 || f[NEXT_COUNT] > 0) return true;
    return f[START] < 0 || cycle < f[START];
  }

  #decoded(written: number): number {
    if (this.#f[BCD] === 0) return written === 0 ? 0x1_0000 : written;
    const digit = (shift: number): number => (written >> shift) & 15;
    const value = digit(12) * 1000 + digit(8) * 100 + digit(4) * 10 + digit(0);
    return value === 0 ? 10_000 : value;
  }

  #encoded(cycle: number): number {
    const count = this.count(cycle);
    if (this.#f[BCD] === 0) return count & 0xffff;
    const digit = (power: number): number => Math.floor(count / power) % 10;
    return (digit(1000) << 12) | (digit(100) << 8) | (digit(10) << 4) | digit(1);
  }
}
