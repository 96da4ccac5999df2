/**
 * The machine's only clock: retired instructions and idle time, nothing of the host's. Two runs of the same guest with the
 * same input see the same time at the same instruction.
 */
import type { Arena } from '../arena/arena.ts';
import { CLOCK_IDLE_NS, CLOCK_START_SECONDS, DEV_CLOCK, NS_PER_INSN } from '../arena/device-layout.ts';
import type { RestoredWords } from '../arena/restored-words.ts';
import { VCPU_BYTES, VCPU_F_INSNS } from '../arena/vcpu-layout.ts';

/** A guest time beyond which the clock is no longer exact: what comes out of a file must lie before it. */
export const MAX_RESTORED_NS = 2 ** 52;
const MAX_START_SECONDS = 2 ** 40;

export class VirtualClock {
  readonly #f64: Float64Array<SharedArrayBuffer>;
  readonly #idle: number;
  readonly #start: number;
  readonly #firstInsns: number;
  readonly #vcpus: number;

  constructor(arena: Arena) {
    this.#f64 = arena.f64;
    this.#idle = (arena.layout.devices + DEV_CLOCK + CLOCK_IDLE_NS) >> 3;
    this.#start = (arena.layout.devices + DEV_CLOCK + CLOCK_START_SECONDS) >> 3;
    this.#firstInsns = (arena.layout.vcpus >> 3) + VCPU_F_INSNS;
    this.#vcpus = arena.layout.config.vcpus;
  }

  /** @throws RestoreRefused when what came out of a file cannot be */
  checkRestored(words: RestoredWords): void {
    const idle = words.whole(CLOCK_IDLE_NS, 0, MAX_RESTORED_NS, 'the idle time');
    words.require(idle % NS_PER_INSN === 0, 'the idle time is no whole number of instruction times');
    words.whole(CLOCK_START_SECONDS, -MAX_START_SECONDS, MAX_START_SECONDS, 'the time at power-on');
    words.require(this.now() <= MAX_RESTORED_NS, 'it is later than the clock can tell');
  }

  /** Instructions retired by all vCPUs. */
  insns(): number {
    let sum = 0;
    for (let i = 0; i < this.#vcpus; i += 1) sum += this.#f64[this.#firstInsns + i * (VCPU_BYTES >> 3)];
    return sum;
  }

  /** Nanoseconds since the machine was made. A whole number, exact for 104 days. */
  now(): number {
    return this.insns() * NS_PER_INSN + this.#f64[this.#idle];
  }

  /** Instructions until `deadline`: with so many retired the time is at or just past it. */
  insnsUntil(deadline: number): number {
    return Math.max(0, Math.ceil((deadline - this.now()) / NS_PER_INSN));
  }

  /** Lets time pass up to `deadline` without an instruction. Whole instruction times, so that the TSC stays whole. */
  skipTo(deadline: number): void {
    this.#f64[this.#idle] += this.insnsUntil(deadline) * NS_PER_INSN;
  }

  /** Seconds since 1970 at the machine's first instant. */
  startSeconds(): number {
    return this.#f64[this.#start];
  }

  setStartSeconds(seconds: number): void {
    this.#f64[this.#start] = seconds;
  }
}
