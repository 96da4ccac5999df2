/**
 * Locked read-modify-writes of a vCPU on a thread of its own (SDM vol 3A, "Locked Atomic Operations"): no other vCPU's access
 * may come between the read and the write. The instruction's own handler works on a copy, in a page of the vCPU's block that
 * its TLB entry is turned to meanwhile; the result goes into memory by a compare-and-exchange, and when memory has changed
 * everything is done over. While vCPUs take turns on one thread nothing of this is used.
 *
 * What no single compare-and-exchange can do (operands that are not aligned or reach over 8 bytes) and what is not in the
 * TLB leaves guest mode with EXIT_BUS_LOCK, and is done again with the bus locked.
 */
import { VCPU_CPL, VCPU_EXIT_REASON } from '../../arena/vcpu-layout.ts';
import { lockBus, unlockBus } from './bus-lock.ts';
import type { Cpu } from '../cpu.ts';
import { WRITE } from './exec-address.ts';
import { ABORT_EXIT, EXIT_BUS_LOCK } from '../system/exits.ts';
import type { InstructionHandler } from '../decode/instruction.ts';
import { probeWriteAccess } from '../memory/memory-access.ts';
import { isCodePage, noteCodeWrite } from '../memory/system-code-pages.ts';
import { notedTag, T_HIGH, T_PAGE, T_READ, T_WRITE, tlbEntryOf } from '../tlb/tlb.ts';

/** General registers, RIP, RFLAGS and the lazy flags: what a handler may have changed before its result was refused. */
const SAVED_WORDS = 46;

/** Linear address of an instruction's memory operand; see exec-address.ts. */
export type OperandAddress = (cpu: Cpu, i: number, access: number) => number;

/** @param bytes of the memory operand; 0 when nobody knows */
export function lockedHandler(
  inner: InstructionHandler,
  bytes: number,
  operandAddress: OperandAddress,
): InstructionHandler {
  const saved = new Int32Array(SAVED_WORDS);
  return (cpu, i) => executeLocked(cpu, i, inner, bytes, operandAddress, saved);
}

function executeLocked(
  cpu: Cpu,
  i: number,
  inner: InstructionHandler,
  bytes: number,
  operandAddress: OperandAddress,
  saved: Int32Array,
): void {
  if (cpu.ownsBus) return inner(cpu, i);
  if (cpu.emulator !== undefined) return emulateLocked(cpu, i, inner);
  if (bytes === 0 || bytes > 8) return leaveForBus(cpu);
  const { r } = cpu;
  const lo = operandAddress(cpu, i, bytes | WRITE);
  if (cpu.abort !== 0) return;
  const { hi } = cpu;
  if ((lo & (bytes - 1)) !== 0) return leaveForBus(cpu);
  probeWriteAccess(cpu, lo, hi, bytes);
  if (cpu.abort !== 0) return;
  const t = tlbEntryOf(r[VCPU_CPL] === 3, lo);
  const tag = lo | 0xfff;
  const isWritable = notedTag(r[t + T_WRITE]) === notedTag(tag);
  if (!isWritable || r[t + T_READ] !== tag || r[t + T_HIGH] !== hi) return leaveForBus(cpu);

  const page = r[t + T_PAGE];
  const at = page + (lo & 0xfff);
  const copy = cpu.lockPage + (lo & 0xfff);
  for (let word = 0; word < SAVED_WORDS; word++) saved[word] = r[word];
  for (;;) {
    copyOperand(cpu, at, copy, bytes);
    const old = operandAt(cpu, copy, bytes);
    r[t + T_PAGE] = cpu.lockPage;
    inner(cpu, i);
    r[t + T_PAGE] = page;
    if (cpu.abort !== 0) return;
    if (exchange(cpu, at, copy, bytes, old)) break;
    for (let word = 0; word < SAVED_WORDS; word++) r[word] = saved[word];
  }
  // Somebody who began to decode from the page meanwhile did not find it in the TLB.
  if (!isCodePage(cpu, at >>> 12)) return;
  r[t + T_WRITE] = notedTag(tag);
  noteCodeWrite(cpu, at, bytes);
}

/** The instruction has not begun; `Vcpu` locks the bus and executes it again. */
function leaveForBus(cpu: Cpu): void {
  cpu.r[VCPU_EXIT_REASON] = EXIT_BUS_LOCK;
  cpu.abort = ABORT_EXIT;
}

/** KVM's emulator stands outside guest mode (emulator_cmpxchg_emulated of arch/x86/kvm/x86.c). */
function emulateLocked(cpu: Cpu, i: number, inner: InstructionHandler): void {
  lockBus(cpu);
  try {
    inner(cpu, i);
  } finally {
    unlockBus(cpu);
  }
}

function copyOperand({ arena: { u8, u16, i32, u64 } }: Cpu, from: number, to: number, bytes: number): void {
  if (bytes === 4) i32[to >> 2] = Atomics.load(i32, from >> 2);
  else if (bytes === 8) u64[to >> 3] = Atomics.load(u64, from >> 3);
  else if (bytes === 1) u8[to] = Atomics.load(u8, from);
  else u16[to >> 1] = Atomics.load(u16, from >> 1);
}

function operandAt({ arena: { u8, u16, i32, u64 } }: Cpu, at: number, bytes: number): number | bigint {
  if (bytes === 4) return i32[at >> 2];
  if (bytes === 8) return u64[at >> 3];
  return bytes === 1 ? u8[at] : u16[at >> 1];
}

/** Puts the copy in the operand's place if that is still `old`. */
function exchange(cpu: Cpu, at: number, copy: number, bytes: number, old: number | bigint): boolean {
  const { u8, u16, i32, u64 } = cpu.arena;
  if (typeof old === 'bigint') return Atomics.compareExchange(u64, at >> 3, old, u64[copy >> 3]) === old;
  if (bytes === 4) return Atomics.compareExchange(i32, at >> 2, old, i32[copy >> 2]) === old;
  if (bytes === 1) return Atomics.compareExchange(u8, at, old, u8[copy]) === old;
  return Atomics.compareExchange(u16, at >> 1, old, u16[copy >> 1]) === old;
}
