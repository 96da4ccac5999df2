/** IN, OUT, INS, OUTS up to the port: the permission check, then the VM exit, or KVM's emulator when it executes them. */
import {
  SEG_ATTRIBUTES,
  SEG_LIMIT,
  SEG_UNUSABLE,
  TR,
  VCPU_CPL,
  VCPU_CR0,
  VCPU_EXIT_IO_OUT,
  VCPU_EXIT_IO_SIZE,
  VCPU_EXIT_IO_STRING,
  VCPU_EXIT_PORT,
  VCPU_EXIT_QUALIFICATION,
  VCPU_RFLAGS,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseExit, raiseGp } from '../interrupts/exceptions.ts';
import { ABORT_NONE, EXIT_IO_INSTRUCTION } from './exits.ts';
import { loadTaskState } from '../interrupts/interrupts-event.ts';
import { CR0_PE } from '../paging/paging-entry.ts';
import { segmentWords } from '../segments/segments-descriptor.ts';
import { taskIs16Bit } from '../segments/segments-system.ts';

/** Where a 32- or 64-bit TSS says where its I/O permission bit map begins. */
const IO_MAP_BASE = 102;

/** CPL ≤ IOPL, or every bit of the map clear (SDM vol 1, "I/O Permission Bit Map"). Otherwise #GP(0). */
function portAllowed(cpu: Cpu, port: number, size: number): boolean {
  const r = cpu.r;
  if ((r[VCPU_CR0] & CR0_PE) === 0 || r[VCPU_CPL] <= ((r[VCPU_RFLAGS] >> 12) & 3)) return true;
  const tr = segmentWords(TR);
  const limit = r[tr + SEG_LIMIT] >>> 0;
  if ((r[tr + SEG_ATTRIBUTES] & SEG_UNUSABLE) === 0 && !taskIs16Bit(r) && limit > IO_MAP_BASE) {
    const map = loadTaskState(cpu, IO_MAP_BASE, 2, 0);
    if (cpu.abort !== ABORT_NONE) return false;
    // Two bytes are read whatever the port is, so the map ends in a byte of ones.
    const at = map + (port >> 3);
    if (at + 1 <= limit) {
      const bits = loadTaskState(cpu, at, 2, 0);
      if (cpu.abort !== ABORT_NONE) return false;
      if (((bits >> (port & 7)) & ((1 << size) - 1)) === 0) return true;
    }
  }
  raiseGp(cpu, 0);
  return false;
}

/** Bits of the exit qualification of I/O instructions that tell how the instruction is written (SDM vol 3C). */
export const IO_STRING = 0x10;
export const IO_REP = 0x20;
export const IO_IMMEDIATE = 0x40;

function recordExit(cpu: Cpu, port: number, size: number, out: boolean, form: number): void {
  const r = cpu.r;
  r[VCPU_EXIT_PORT] = port;
  r[VCPU_EXIT_IO_SIZE] = size;
  r[VCPU_EXIT_IO_OUT] = out ? 1 : 0;
  r[VCPU_EXIT_IO_STRING] = (form & IO_STRING) !== 0 ? 1 : 0;
  r[VCPU_EXIT_QUALIFICATION] = (size - 1) | (out ? 0 : 8) | form | (port << 16);
  r[VCPU_EXIT_QUALIFICATION + 1] = 0;
  raiseExit(cpu, EXIT_IO_INSTRUCTION);
}

/** `size` 1, 2 or 4 bytes; `form` 0 for IN with DX, else IO_* bits. Check `cpu.abort`. */
export function readPort(cpu: Cpu, port: number, size: number, form: number): number {
  if (!portAllowed(cpu, port, size)) return 0;
  if (cpu.emulator !== undefined) return cpu.emulator.portIn(port, size);
  recordExit(cpu, port, size, false, form);
  return 0;
}

export function writePort(cpu: Cpu, port: number, size: number, value: number, form: number): void {
  if (!portAllowed(cpu, port, size)) return;
  if (cpu.emulator !== undefined) cpu.emulator.portOut(port, size, value);
  else recordExit(cpu, port, size, true, form);
}
