/**
 * The PC's 8254: ports 0x40–0x43, counter 0 on IRQ0, counter 1 the refresh request, counter 2 behind port 0x61 (gate,
 * speaker, its OUT readable). Its 1.193182 MHz are derived from the virtual clock.
 */
import type { Arena } from '../arena/arena.ts';
import { DEV_PIT } from '../arena/device-layout.ts';
import type { RestoredWords } from '../arena/restored-words.ts';
import type { PortDevice, TimedDevice } from './device.ts';
import type { MachineRequests } from './machine-requests.ts';
import { cyclesAt, timeOfCycle } from './oscillator.ts';
import type { InterruptController } from './pic.ts';
import { PIT_COUNTER_DOUBLES, PitCounter, type PitCounterState } from './pit-counter.ts';
import type { VirtualClock } from './virtual-clock.ts';

export const PIT_HERTZ = 1_193_182;
/** The refresh request toggles every 18 cycles of the crystal on a PC (15.085 µs). */
const REFRESH_CYCLES = 18;

const PORT_61 = 48; // float64 index behind the three counters
const IRQ_LEVEL = 49;
const SEEN_CYCLE = 50;

export class Pit implements PortDevice, TimedDevice {
  readonly name = '8254 PIT';
  readonly takesWideAccess = false;
  readonly irq = 0;
  readonly ports = [
    { first: 0x40, last: 0x43 },
    { first: 0x61, last: 0x61 },
  ];
  readonly #f: Float64Array;
  readonly #counters: readonly PitCounter[];
  readonly #clock: VirtualClock;
  readonly #pic: InterruptController;
  readonly #requests: MachineRequests;

  constructor(arena: Arena, clock: VirtualClock, pic: InterruptController, requests: MachineRequests) {
    const start = arena.layout.devices + DEV_PIT;
    this.#f = new Float64Array(arena.buffer, start, 64);
    this.#counters = [0, 1, 2].map(
      (n) => new PitCounter(new Float64Array(arena.buffer, start + n * PIT_COUNTER_DOUBLES * 8, PIT_COUNTER_DOUBLES)),
    );
    this.#clock = clock;
    this.#pic = pic;
    this.#requests = requests;
  }

  /** As firmware leaves it: counter 0 ticks 18.2 times a second, counter 1 asks for memory refresh, counter 2 rests. */
  reset(): void {
    for (const [n, counter] of this.#counters.entries()) counter.reset(n !== 2);
    const [ticks, refresh] = this.#counters;
    ticks.writeControl(0x34);
    ticks.writeCount(0, 0);
    ticks.writeCount(0, 0);
    refresh.writeControl(0x54);
    refresh.writeCount(REFRESH_CYCLES, 0);
    this.#f[PORT_61] = 0;
    this.#f[IRQ_LEVEL] = 0;
    this.#f[SEEN_CYCLE] = 0;
    this.#drive(ticks.output(0));
  }

  /** @throws RestoreRefused when what came out of a file cannot be */
  checkRestored(words: RestoredWords): void {
    const cycle = cyclesAt(PIT_HERTZ, this.#clock.now());
    for (const n of this.#counters.keys()) PitCounter.checkRestored(words, n, cycle);
    words.whole(PORT_61 * 8, 0, 15, 'port 0x61');
    words.whole(IRQ_LEVEL * 8, 0, 1, 'the level of IRQ0');
    words.whole(SEEN_CYCLE * 8, 0, cycle, 'the cycle seen last');
  }

  advance(now: number): void {
    const cycle = cyclesAt(PIT_HERTZ, now);
    const counter = this.#counters[0];
    // A whole pulse may lie between two looks: every change of OUT up to now reaches the controller.
    let next = counter.nextChange(this.#f[SEEN_CYCLE]);
    for (let edges = 0; next <= cycle && edges < 4; edges += 1) {
      counter.advance(next);
      this.#drive(counter.output(next));
      this.#f[SEEN_CYCLE] = next;
      next = counter.nextChange(next);
    }
    for (const each of this.#counters) each.advance(cycle);
    this.#f[SEEN_CYCLE] = cycle;
    this.#drive(counter.output(cycle));
  }

  deadline(): number {
    const cycle = cyclesAt(PIT_HERTZ, this.#clock.now());
    const next = this.#counters[0].nextChange(Math.max(cycle, this.#f[SEEN_CYCLE]));
    return next === Infinity ? Infinity : timeOfCycle(PIT_HERTZ, next);
  }

  readPort(port: number): number {
    const cycle = this.#sync();
    if (port === 0x43) return 0xff;
    return port === 0x61 ? this.#status61(cycle, this.#counters[2]) : this.#counters[port & 3].read(cycle);
  }

  /** The counters as they stand now. */
  counters(): readonly PitCounterState[] {
    const cycle = cyclesAt(PIT_HERTZ, this.#clock.now());
    return this.#counters.map((counter) => counter.stateAt(cycle));
  }

  peekPort(port: number): number {
    const cycle = cyclesAt(PIT_HERTZ, this.#clock.now());
    if (port === 0x43) return 0xff;
    const counter = this.#counters[port === 0x61 ? 2 : port & 3].copy();
    counter.advance(cycle);
    return port === 0x61 ? this.#status61(cycle, counter) : counter.peek(cycle);
  }

  writePort(port: number, _size: number, value: number): void {
    const cycle = this.#sync();
    if (port === 0x61) this.#write61(value, cycle);
    else if (port === 0x43) this.#writeControl(value, cycle);
    else this.#counters[port & 3].writeCount(value, cycle);
    this.#drive(this.#counters[0].output(cycle));
    this.#requests.timersChanged();
  }

  #sync(): number {
    const now = this.#clock.now();
    this.advance(now);
    return cyclesAt(PIT_HERTZ, now);
  }

  #writeControl(value: number, cycle: number): void {
    const select = value >> 6;
    if (select === 3) {
      for (const [n, counter] of this.#counters.entries()) {
        if ((value & (2 << n)) === 0) continue;
        if ((value & 0x20) === 0) counter.latchCount(cycle);
        if ((value & 0x10) === 0) counter.latchStatus(cycle);
      }
    } else if ((value & 0x30) === 0) this.#counters[select].latchCount(cycle);
    else this.#counters[select].writeControl(value);
  }

  #status61(cycle: number, speaker: PitCounter): number {
    const refresh = Math.floor(cycle / REFRESH_CYCLES) % 2 === 0 ? 0 : 0x10;
    return this.#f[PORT_61] | refresh | (speaker.output(cycle) ? 0x20 : 0);
  }

  #write61(value: number, cycle: number): void {
    this.#f[PORT_61] = value & 0x0f;
    this.#counters[2].setGate((value & 1) !== 0, cycle);
  }

  #drive(high: boolean): void {
    if ((this.#f[IRQ_LEVEL] === 1) === high) return;
    this.#f[IRQ_LEVEL] = high ? 1 : 0;
    this.#pic.setIrq(0, high);
  }
}
