/**
 * Accesses that the TLB did not settle: misses, page crossings, alignment checks, writes to pages with decoded
 * instructions, and the processor's own accesses (system-access.ts), which carry their privilege with them.
 *
 * Of an access that crosses pages both are translated before a byte moves.
 */
import { VCPU_CODE_BITS, VCPU_CPL, VCPU_CR0, VCPU_RFLAGS } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseException, VECTOR_AC } from '../interrupts/exceptions.ts';
import { ABORT_EXIT, ABORT_NONE } from '../system/exits.ts';
import { I_OPERATION, SOLE_ACCESS } from '../decode/instruction.ts';
import { nextPageHigh, requireCanonical } from './linear-address.ts';
import { loadWhole, storeWhole } from './memory-access-whole.ts';
import { ACCESS_IMPLICIT, CR0_AM, PFERR_USER, PFERR_WRITE } from '../paging/paging-entry.ts';
import { translate } from '../paging/paging-translate.ts';
import { isCodePage, noteCodeWrite } from './system-code-pages.ts';
import {
  notedTag,
  T_FLAGS,
  T_HIGH,
  T_PAGE,
  T_READ,
  T_WRITE,
  TLB_WATCHED,
  tlbEntryOf,
  tlbUnmarkCodePage,
} from '../tlb/tlb.ts';

const RFLAGS_AC = 0x4_0000;

const tookPlace = (cpu: Cpu): boolean => cpu.abort === ABORT_NONE;

const accessOfCpl = (cpu: Cpu): number => (cpu.r[VCPU_CPL] === 3 ? PFERR_USER : 0);

/** #AC(0): only at CPL 3 with CR0.AM and RFLAGS.AC (SDM vol 3A, "Alignment Check Exception"). */
function misaligned(cpu: Cpu, lo: number, size: number): boolean {
  const r = cpu.r;
  if ((lo & (size - 1)) === 0 || (r[VCPU_RFLAGS] & RFLAGS_AC) === 0) return false;
  if ((r[VCPU_CR0] & CR0_AM) === 0 || r[VCPU_CPL] !== 3) return false;
  raiseException(cpu, VECTOR_AC, true, 0);
  return true;
}

/** Arena offset of a byte whose page the TLB knows for reading, or −1. */
function findReadable(cpu: Cpu, user: boolean, lo: number, hi: number): number {
  const r = cpu.r;
  const t = tlbEntryOf(user, lo);
  return notedTag(r[t + T_READ]) === notedTag(lo | 0xfff) && r[t + T_HIGH] === hi ? r[t + T_PAGE] + (lo & 0xfff) : -1;
}

function findWritable(cpu: Cpu, user: boolean, lo: number, hi: number): number {
  const r = cpu.r;
  const t = tlbEntryOf(user, lo);
  const tag = r[t + T_WRITE];
  if (notedTag(tag) !== notedTag(lo | 0xfff) || r[t + T_HIGH] !== hi) return -1;
  const page = r[t + T_PAGE];
  if ((r[t + T_FLAGS] & TLB_WATCHED) !== 0) return page + (lo & 0xfff);
  if (tag === notedTag(tag) && !isCodePage(cpu, page >>> 12)) tlbUnmarkCodePage(cpu, t);
  return page + (lo & 0xfff);
}

export function loadSlow(cpu: Cpu, lo: number, hi: number, size: number): number {
  if (misaligned(cpu, lo, size)) return 0;
  const value = loadAs(cpu, lo, hi, size, accessOfCpl(cpu));
  if (cpu.abort === ABORT_EXIT && isSoleAccess(cpu, lo, size) && cpu.exitsInPlace !== undefined) {
    const settled = cpu.exitsInPlace.load(cpu, size);
    if (cpu.watch !== undefined && cpu.watch.memory && tookPlace(cpu)) {
      cpu.watch.onLoad(cpu, lo, hi, size, settled, cpu.hi);
    }
    return settled;
  }
  return value;
}

/** The access is all of the memory that the instruction in progress touches, and in one page. */
function isSoleAccess(cpu: Cpu, lo: number, size: number): boolean {
  return (cpu.code[cpu.current + I_OPERATION] & SOLE_ACCESS) !== 0 && (lo & 0xfff) + size <= 4096;
}

/** A load with the privilege that `access` names: PFERR_USER, 0 or ACCESS_IMPLICIT. */
export function loadAs(cpu: Cpu, lo: number, hi: number, size: number, access: number): number {
  const value = loadUnwatched(cpu, lo, hi, size, access);
  const { watch } = cpu;
  if (watch !== undefined && watch.memory && cpu.abort === 0) {
    const high = cpu.hi;
    watch.onLoad(cpu, lo, hi, size, value, high);
    cpu.hi = high;
  }
  return value;
}

function loadUnwatched(cpu: Cpu, lo: number, hi: number, size: number, access: number): number {
  const user = (access & PFERR_USER) !== 0;
  const { emulator } = cpu;
  const emulated = emulator !== undefined && (access & ACCESS_IMPLICIT) === 0;
  const first = 4096 - (lo & 0xfff);
  let at = findReadable(cpu, user, lo, hi);
  if (first >= size) {
    if (at < 0) {
      if (emulated) return requireCanonical(cpu, hi) ? emulator.readData(cpu, lo, hi, size) : 0;
      at = translate(cpu, lo, hi, access);
      if (at < 0) return 0;
    }
    return read(cpu, at, size);
  }
  const nextLo = (lo + first) | 0;
  const nextHi = nextPageHigh(cpu.r[VCPU_CODE_BITS], nextLo, hi);
  let next = findReadable(cpu, user, nextLo, nextHi);
  if (emulated && (at < 0 || next < 0)) {
    return requireCanonical(cpu, hi) && requireCanonical(cpu, nextHi) ? emulator.readData(cpu, lo, hi, size) : 0;
  }
  if (at < 0) at = translate(cpu, lo, hi, access);
  if (at < 0) return 0;
  if (next < 0) next = translate(cpu, nextLo, nextHi, access);
  if (next < 0) return 0;
  return readSplit(cpu, at, first, next, size);
}

export function storeSlow(cpu: Cpu, lo: number, hi: number, size: number, valueLo: number, valueHi: number): void {
  if (misaligned(cpu, lo, size)) return;
  storeAs(cpu, lo, hi, size, valueLo, valueHi, accessOfCpl(cpu));
  if (cpu.abort === ABORT_EXIT && isSoleAccess(cpu, lo, size) && cpu.exitsInPlace !== undefined) {
    const { watch } = cpu;
    const watched = watch !== undefined && watch.memory;
    if (watched) watch.beforeStore(cpu, lo, hi, size);
    cpu.exitsInPlace.store(cpu, size, valueLo, valueHi);
    if (watched && tookPlace(cpu)) watch.onStore(cpu, lo, hi, size, valueLo, valueHi);
  }
}

export function storeAs(
  cpu: Cpu,
  lo: number,
  hi: number,
  size: number,
  valueLo: number,
  valueHi: number,
  access: number,
): void {
  const { watch } = cpu;
  if (watch === undefined || !watch.memory) {
    storeUnwatched(cpu, lo, hi, size, valueLo, valueHi, access);
    return;
  }
  watch.beforeStore(cpu, lo, hi, size);
  storeUnwatched(cpu, lo, hi, size, valueLo, valueHi, access);
  if (cpu.abort === 0) watch.onStore(cpu, lo, hi, size, valueLo, valueHi);
}

function storeUnwatched(
  cpu: Cpu,
  lo: number,
  hi: number,
  size: number,
  valueLo: number,
  valueHi: number,
  access: number,
): void {
  const user = (access & PFERR_USER) !== 0;
  const { emulator } = cpu;
  const emulated = emulator !== undefined && (access & ACCESS_IMPLICIT) === 0;
  const first = 4096 - (lo & 0xfff);
  let at = findWritable(cpu, user, lo, hi);
  if (first >= size) {
    if (at < 0) {
      if (emulated) {
        if (requireCanonical(cpu, hi)) emulator.writeData(cpu, lo, hi, size, valueLo, valueHi);
        return;
      }
      at = translate(cpu, lo, hi, access | PFERR_WRITE);
      if (at < 0) return;
    }
    write(cpu, at, size, valueLo, valueHi);
    return;
  }
  const nextLo = (lo + first) | 0;
  const nextHi = nextPageHigh(cpu.r[VCPU_CODE_BITS], nextLo, hi);
  let next = findWritable(cpu, user, nextLo, nextHi);
  if (emulated && (at < 0 || next < 0)) {
    if (requireCanonical(cpu, hi) && requireCanonical(cpu, nextHi))
      emulator.writeData(cpu, lo, hi, size, valueLo, valueHi);
    return;
  }
  if (at < 0) at = translate(cpu, lo, hi, access | PFERR_WRITE);
  if (at < 0) return;
  if (next < 0) next = translate(cpu, nextLo, nextHi, access | PFERR_WRITE);
  if (next < 0) return;
  writeSplit(cpu, at, first, next, size, valueLo, valueHi);
}

export function probeWriteSlow(cpu: Cpu, lo: number, hi: number, size: number): void {
  if (misaligned(cpu, lo, size)) return;
  probeWriteAs(cpu, lo, hi, size, accessOfCpl(cpu));
}

export function probeWriteAs(cpu: Cpu, lo: number, hi: number, size: number, access: number): void {
  const user = (access & PFERR_USER) !== 0;
  if (cpu.emulator !== undefined && (access & ACCESS_IMPLICIT) === 0) return;
  if (findWritable(cpu, user, lo, hi) < 0 && translate(cpu, lo, hi, access | PFERR_WRITE) < 0) return;
  const first = 4096 - (lo & 0xfff);
  if (first >= size) return;
  const nextLo = (lo + first) | 0;
  const nextHi = nextPageHigh(cpu.r[VCPU_CODE_BITS], nextLo, hi);
  if (findWritable(cpu, user, nextLo, nextHi) < 0) translate(cpu, nextLo, nextHi, access | PFERR_WRITE);
}

function read(cpu: Cpu, at: number, size: number): number {
  if (cpu.threaded) return loadWhole(cpu, at, size);
  const { view, u8 } = cpu.arena;
  switch (size) {
    case 1:
      return u8[at];
    case 2:
      return view.getUint16(at, true);
    case 4:
      return view.getInt32(at, true);
    default:
      cpu.hi = view.getInt32(at + 4, true);
      return view.getInt32(at, true);
  }
}

function write(cpu: Cpu, at: number, size: number, lo: number, hi: number): void {
  if (cpu.threaded) storeWhole(cpu, at, size, lo, hi);
  else writeAlone(cpu, at, size, lo, hi);
  if (isCodePage(cpu, at >>> 12)) noteCodeWrite(cpu, at, size);
}

function writeAlone(cpu: Cpu, at: number, size: number, lo: number, hi: number): void {
  const { view, u8 } = cpu.arena;
  switch (size) {
    case 1:
      u8[at] = lo;
      break;
    case 2:
      view.setInt16(at, lo, true);
      break;
    case 4:
      view.setInt32(at, lo, true);
      break;
    default:
      view.setInt32(at, lo, true);
      view.setInt32(at + 4, hi, true);
  }
}

/** `first` bytes at `at`, the rest at `next`. */
function readSplit(cpu: Cpu, at: number, first: number, next: number, size: number): number {
  const { u8 } = cpu.arena;
  let lo = 0;
  let hi = 0;
  for (let i = size - 1; i >= 0; i--) {
    hi = (hi << 8) | (lo >>> 24);
    lo = (lo << 8) | u8[i < first ? at + i : next + i - first];
  }
  if (size === 8) cpu.hi = hi;
  return lo;
}

function writeSplit(
  cpu: Cpu,
  at: number,
  first: number,
  next: number,
  size: number,
  valueLo: number,
  valueHi: number,
): void {
  const { u8 } = cpu.arena;
  for (let i = 0; i < size; i++) {
    const byte = (i < 4 ? valueLo >>> (i << 3) : valueHi >>> ((i - 4) << 3)) & 0xff;
    u8[i < first ? at + i : next + i - first] = byte;
  }
  if (isCodePage(cpu, at >>> 12)) noteCodeWrite(cpu, at, first);
  if (isCodePage(cpu, next >>> 12)) noteCodeWrite(cpu, next, size - first);
}
