/**
 * What the engine's thread and the vCPUs' threads say to each other: one small shared buffer beside the arena, because none
 * of it is the machine's. A vCPU's thread never returns to its event loop, so there are no messages; it sleeps on its COMMAND
 * word and the engine on EVENTS.
 */
import type { PredictedMmioFault } from '../kvm/index.ts';
import { EventOutbox, OUTBOX_BYTES } from './event-outbox.ts';
import { LOG_RING_BYTES, LogRing } from './log-ring.ts';
import { SERIAL_RING_BYTES, SerialRing } from './serial-ring.ts';

const WORDS = 64;
const MAX_VCPUS = 8;
const TEXT_BYTES = 1024;
const MAX_BREAKPOINTS = 16_384;
/** A debugger's list of what to watch for: some hundreds of bytes for each of its 256 breakpoints. */
const WATCH_LIST_BYTES = 256 * 1024;

/** int32 indexes of what all share. EVENTS is bumped and notified for the engine. */
const EVENTS = 0;
const STOP = 1;
const MMIO_ARMED = 2;
const BREAKPOINT_COUNT = 3;
const BREAKPOINT_EPOCH = 4;
const WATCH_LENGTH = 5;
const WATCH_EPOCH = 6;
const FORGOTTEN = 7;
/** The vCPU whose thread died first, + 1: others may have died of that. */
const FIRST_DEAD = 8;

/** int32 indexes into a vCPU's block. */
export const STATE = 0;
export const COMMAND = 1;
/** RUN_* code that it parked with, or one of STOP_* below. */
export const STOP_CODE = 2;
export const SKIP = 3;
export const TEXT_LENGTH = 4;
/** 1: nothing was edited since it parked, so what it has decoded and translated still holds. */
export const UNTOUCHED = 5;
/** The fault that it stands in front of: gva, gpa (two words each), access, outcome, spteGen, kvmGen. */
const FAULT = 8;
/** float64 index into the block: retired instructions at which it parks. */
export const F_LIMIT = 12;

export const STATE_STARTING = 0;
export const STATE_PARKED = 1;
export const STATE_RUNNING = 2;
export const STATE_DEAD = 3;

export const COMMAND_PARK = 0;
export const COMMAND_RUN = 1;
/** Forget everything that was decoded, and the VM's constants: the machine was reset. */
export const COMMAND_ATTACH = 2;
export const COMMAND_QUIT = 3;
/** Die as a bug would: for tests of what follows. */
export const COMMAND_CRASH = 4;

/** Values of STOP_CODE beside RUN_*. */
export const STOP_NONE = -1;
/** It was told to, or reached its limit. */
export const STOP_ASKED = -2;
/** A device asked the machine for something. */
export const STOP_DEVICE = -3;
/** All vCPUs wait, and nothing will wake the boot one. */
export const STOP_IDLE = -4;

const BLOCKS = WORDS;
const BREAKPOINTS_AT = (BLOCKS + MAX_VCPUS * WORDS) * 4;
const TEXTS_AT = BREAKPOINTS_AT + MAX_BREAKPOINTS * 8;
const SERIAL_AT = TEXTS_AT + MAX_VCPUS * TEXT_BYTES;
const LOG_AT = SERIAL_AT + SERIAL_RING_BYTES;
const WATCH_LIST_AT = LOG_AT + LOG_RING_BYTES;
const OUTBOXES_AT = WATCH_LIST_AT + WATCH_LIST_BYTES;
const BOARD_BYTES = OUTBOXES_AT + MAX_VCPUS * OUTBOX_BYTES;

export class ThreadBoard {
  readonly buffer: SharedArrayBuffer;
  readonly i32: Int32Array<SharedArrayBuffer>;
  readonly f64: Float64Array<SharedArrayBuffer>;
  readonly serial: SerialRing;
  readonly log: LogRing;
  readonly #u64: BigUint64Array<SharedArrayBuffer>;

  constructor(buffer = new SharedArrayBuffer(BOARD_BYTES)) {
    this.buffer = buffer;
    this.i32 = new Int32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.#u64 = new BigUint64Array(buffer);
    this.serial = new SerialRing(buffer, SERIAL_AT);
    this.log = new LogRing(buffer, LOG_AT);
  }

  /** int32 index of a word of a vCPU. */
  word(vcpu: number, word: number): number {
    return BLOCKS + vcpu * WORDS + word;
  }

  get(vcpu: number, word: number): number {
    return Atomics.load(this.i32, this.word(vcpu, word));
  }

  set(vcpu: number, word: number, value: number): void {
    Atomics.store(this.i32, this.word(vcpu, word), value);
  }

  /** float64 index of the limit of a vCPU. */
  limit(vcpu: number): number {
    return (BLOCKS + vcpu * WORDS) / 2 + F_LIMIT;
  }

  command(vcpu: number, command: number): void {
    this.set(vcpu, COMMAND, command);
    Atomics.notify(this.i32, this.word(vcpu, COMMAND));
  }

  /** Tells the engine that something happened. */
  announce(): void {
    Atomics.add(this.i32, EVENTS, 1);
    Atomics.notify(this.i32, EVENTS);
  }

  events(): number {
    return Atomics.load(this.i32, EVENTS);
  }

  /** Sleeps until something happens after `seen`, for at most so many milliseconds. */
  awaitEvent(seen: number, milliseconds: number): void {
    Atomics.wait(this.i32, EVENTS, seen, milliseconds);
  }

  get stopping(): boolean {
    return Atomics.load(this.i32, STOP) !== 0;
  }

  set stopping(on: boolean) {
    Atomics.store(this.i32, STOP, on ? 1 : 0);
    Atomics.notify(this.i32, STOP);
  }

  /** A vCPU that has nothing to do sleeps here: until a stop, and for at most so many milliseconds. */
  awaitStop(milliseconds: number): void {
    Atomics.wait(this.i32, STOP, 0, milliseconds);
  }

  get mmioArmed(): boolean {
    return Atomics.load(this.i32, MMIO_ARMED) !== 0;
  }

  set mmioArmed(on: boolean) {
    Atomics.store(this.i32, MMIO_ARMED, on ? 1 : 0);
  }

  get breakpointEpoch(): number {
    return Atomics.load(this.i32, BREAKPOINT_EPOCH);
  }

  /** Only while all vCPUs are parked. */
  setBreakpoints(addresses: Iterable<bigint>): void {
    let count = 0;
    for (const address of addresses) {
      if (count === MAX_BREAKPOINTS) {
        throw new RangeError(`vCPUs with threads of their own stop at ${MAX_BREAKPOINTS} places at most`);
      }
      this.#u64[BREAKPOINTS_AT / 8 + count] = address;
      count += 1;
    }
    this.i32[BREAKPOINT_COUNT] = count;
    Atomics.add(this.i32, BREAKPOINT_EPOCH, 1);
  }

  breakpoints(): readonly bigint[] {
    return [...this.#u64.subarray(BREAKPOINTS_AT / 8, BREAKPOINTS_AT / 8 + this.i32[BREAKPOINT_COUNT])];
  }

  get watchEpoch(): number {
    return Atomics.load(this.i32, WATCH_EPOCH);
  }

  /** Only while all vCPUs are parked. */
  setWatchList(list: Uint8Array): void {
    if (list.length > WATCH_LIST_BYTES)
      throw new RangeError(`a list of ${list.length} bytes is too long for the threads`);
    new Uint8Array(this.buffer, WATCH_LIST_AT).set(list);
    this.i32[WATCH_LENGTH] = list.length;
    Atomics.add(this.i32, WATCH_EPOCH, 1);
  }

  watchList(): Uint8Array {
    return new Uint8Array(this.buffer, WATCH_LIST_AT, this.i32[WATCH_LENGTH]).slice();
  }

  get forgotten(): number {
    return Atomics.load(this.i32, FORGOTTEN);
  }

  set forgotten(count: number) {
    Atomics.store(this.i32, FORGOTTEN, count);
  }

  /** What the watch on a vCPU's thread has met. */
  outbox(vcpu: number): EventOutbox {
    return new EventOutbox(this.buffer, OUTBOXES_AT + vcpu * OUTBOX_BYTES);
  }

  /** A sentence of a vCPU's: why it cannot go on. */
  setText(vcpu: number, text: string): void {
    const at = TEXTS_AT + vcpu * TEXT_BYTES;
    const length = Math.min(text.length, TEXT_BYTES / 2);
    const u16 = new Uint16Array(this.buffer, at, TEXT_BYTES / 2);
    for (let i = 0; i < length; i++) u16[i] = text.charCodeAt(i);
    this.set(vcpu, TEXT_LENGTH, length);
  }

  /** The thread of a vCPU is dying. @returns false when it has said so before */
  claimDeath(vcpu: number): boolean {
    if (this.get(vcpu, STATE) === STATE_DEAD) return false;
    Atomics.compareExchange(this.i32, FIRST_DEAD, 0, vcpu + 1);
    return true;
  }

  /** It is dead. */
  noteDeath(vcpu: number, why: string): void {
    this.setText(vcpu, why);
    this.set(vcpu, STATE, STATE_DEAD);
    this.announce();
  }

  /** The vCPU whose thread died first; −1 while none has. */
  firstDead(): number {
    const id = Atomics.load(this.i32, FIRST_DEAD) - 1;
    return id >= 0 && this.get(id, STATE) === STATE_DEAD ? id : -1;
  }

  /** The dead are about to have successors. */
  forgetDeaths(): void {
    Atomics.store(this.i32, FIRST_DEAD, 0);
  }

  text(vcpu: number): string {
    const u16 = new Uint16Array(this.buffer, TEXTS_AT + vcpu * TEXT_BYTES, TEXT_BYTES / 2);
    return String.fromCharCode(...u16.slice(0, this.get(vcpu, TEXT_LENGTH)));
  }

  /** The thread of a vCPU says in front of which fault it parks. */
  putFault(vcpu: number, fault: PredictedMmioFault): void {
    const { i32 } = this;
    const at = this.word(vcpu, FAULT);
    i32[at] = fault.gvaLo;
    i32[at + 1] = fault.gvaHi;
    i32[at + 2] = fault.gpaLo;
    i32[at + 3] = fault.gpaHi;
    i32[at + 4] = fault.access;
    i32[at + 5] = fault.outcome;
    i32[at + 6] = fault.spteGen;
    i32[at + 7] = fault.kvmGen;
  }

  fault(vcpuId: number): PredictedMmioFault {
    const { i32 } = this;
    const at = this.word(vcpuId, FAULT);
    return {
      vcpuId,
      gvaLo: i32[at],
      gvaHi: i32[at + 1],
      gpaLo: i32[at + 2],
      gpaHi: i32[at + 3],
      access: i32[at + 4],
      outcome: i32[at + 5],
      spteGen: i32[at + 6],
      kvmGen: i32[at + 7],
    };
  }
}
