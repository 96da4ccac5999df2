/**
 * Tracepoints into the ring of the arena. When a tracepoint's bit is clear in VM_TRACE_MASK an emitter does that one test
 * and nothing else. The text of an event is made by core/format/trace-text.ts for whoever prints.
 *
 * A record's TRACE_FLAGS word holds the virtual time that was skipped in HLT before the event, in microseconds (uint32,
 * saturating), so that its time is TRACE_INSNS × 10 ns + that.
 */
import type { Arena } from '../../arena/arena.ts';
import { CLOCK_IDLE_NS, DEV_CLOCK } from '../../arena/device-layout.ts';
import { lockWord, unlockWord } from '../../arena/futex-lock.ts';
import { VM_TRACE_MASK } from '../../arena/mmu-layout.ts';
import {
  RING_HEAD,
  RING_LOCK,
  TRACE_ARGS,
  TRACE_EVENT,
  TRACE_FLAGS,
  TRACE_INSNS,
  TRACE_RECORD_BYTES,
  TRACE_RING_HEADER_BYTES,
  TRACE_VCPU,
} from '../../arena/trace-layout.ts';
import { VCPU_BYTES, VCPU_F_INSNS } from '../../arena/vcpu-layout.ts';
import { VM_THREADED } from '../mmu/mmu-words.ts';

export const traceEnabled = (arena: Arena, event: number): boolean =>
  ((arena.i32[((arena.layout.vm + VM_TRACE_MASK) >> 2) + (event >>> 5)] >>> (event & 31)) & 1) !== 0;

/** Any tracepoint is on. */
export function anyTraceEnabled(arena: Arena): boolean {
  const word = (arena.layout.vm + VM_TRACE_MASK) >> 2;
  return (arena.i32[word] | arena.i32[word + 1] | arena.i32[word + 2]) !== 0;
}

/** Turns events on or off by id; the control side's. */
export function setTraceEnabled(arena: Arena, event: number, on: boolean): void {
  const word = ((arena.layout.vm + VM_TRACE_MASK) >> 2) + (event >>> 5);
  if (on) Atomics.or(arena.i32, word, 1 << (event & 31));
  else Atomics.and(arena.i32, word, ~(1 << (event & 31)));
}

/**
 * Opens the next record and fills its header; arguments 0 … 5 are then set with {@link traceArg}, unset ones are 0, and
 * {@link traceCommit} publishes it. Only when {@link traceEnabled}.
 * @returns int32 index of the record's first argument
 */
export function traceBegin(arena: Arena, vcpuId: number, event: number): number {
  const { layout, f64, i32 } = arena;
  if (i32[(layout.vm + VM_THREADED) >> 2] !== 0)
    lockWord(i32, (layout.trace + RING_LOCK) >> 2, 'the lock of the trace');
  const head = f64[(layout.trace + RING_HEAD) >> 3];
  const index = head % layout.config.traceRecords;
  const record = layout.trace + TRACE_RING_HEADER_BYTES + index * TRACE_RECORD_BYTES;
  f64[(record + TRACE_INSNS) >> 3] = f64[((layout.vcpus + vcpuId * VCPU_BYTES) >> 3) + VCPU_F_INSNS];
  arena.u16[(record + TRACE_EVENT) >> 1] = event;
  arena.u16[(record + TRACE_VCPU) >> 1] = vcpuId;
  const idle = f64[(layout.devices + DEV_CLOCK + CLOCK_IDLE_NS) >> 3] / 1000;
  i32[(record + TRACE_FLAGS) >> 2] = idle < 0xffff_ffff ? idle >>> 0 : -1;
  const args = (record + TRACE_ARGS) >> 2;
  i32.fill(0, args, args + 12);
  return args;
}

export function traceArg(arena: Arena, args: number, index: number, low: number, high: number): void {
  arena.i32[args + 2 * index] = low;
  arena.i32[args + 2 * index + 1] = high;
}

/** A non-negative number of up to 53 bits: a gfn, a count. */
export function traceArgNumber(arena: Arena, args: number, index: number, value: number): void {
  arena.i32[args + 2 * index] = value | 0;
  arena.i32[args + 2 * index + 1] = (value / 0x1_0000_0000) | 0;
}

export function traceCommit(arena: Arena): void {
  const { layout, i32 } = arena;
  arena.f64[(layout.trace + RING_HEAD) >> 3] += 1;
  if (i32[(layout.vm + VM_THREADED) >> 2] !== 0) unlockWord(i32, (layout.trace + RING_LOCK) >> 2);
}
