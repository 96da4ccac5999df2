/** Port accesses: permission (SDM vol 1, "I/O Permission Bit Map"), then the VM exit, or the emulator's ports. */
import {
  SEG_BASE,
  SEG_LIMIT,
  SEGMENT_WORDS,
  TR,
  VCPU_CPL,
  VCPU_CR0,
  VCPU_EXIT_IO_OUT,
  VCPU_EXIT_IO_SIZE,
  VCPU_EXIT_IO_STRING,
  VCPU_EXIT_PORT,
  VCPU_RFLAGS,
  VCPU_SEGMENTS,
} from '../arena/vcpu-layout.ts';
import type { Cpu } from './cpu.ts';
import { raiseExit, raiseGp } from './exceptions.ts';
import { EXIT_IO_INSTRUCTION } from './exits.ts';
import { systemLoad } from './system-access.ts';

const TASK = VCPU_SEGMENTS + TR * SEGMENT_WORDS;
/** Where a TSS keeps the offset of its I/O map, in 32 bits as in 64. */
const TSS_IO_MAP = 0x66;
const CR0_PE = 1;

/** Under KVM every port access exits: there is no other way in. The value read, or 0 with `cpu.abort` set. */
export function readPort(cpu: Cpu, port: number, bytes: number, string: boolean): number {
  if (!mayAccess(cpu, port, bytes)) return 0;
  if (cpu.emulator !== undefined) return cpu.emulator.portIn(port, bytes);
  exit(cpu, port, bytes, 0, string);
  return 0;
}

export function writePort(cpu: Cpu, port: number, bytes: number, value: number, string: boolean): void {
  if (!mayAccess(cpu, port, bytes)) return;
  if (cpu.emulator !== undefined)
    cpu.emulator.portOut(port, bytes, value & (bytes === 4 ? -1 : (1 << (bytes * 8)) - 1));
  else exit(cpu, port, bytes, 1, string);
}

function exit(cpu: Cpu, port: number, bytes: number, out: number, string: boolean): void {
  const { r } = cpu;
  r[VCPU_EXIT_PORT] = port;
  r[VCPU_EXIT_IO_SIZE] = bytes;
  r[VCPU_EXIT_IO_OUT] = out;
  r[VCPU_EXIT_IO_STRING] = string ? 1 : 0;
  raiseExit(cpu, EXIT_IO_INSTRUCTION);
}

/** CPL ≤ IOPL, or clear bits for all bytes in the task's map; else #GP(0). */
function mayAccess(cpu: Cpu, port: number, bytes: number): boolean {
  const { r } = cpu;
  if ((r[VCPU_CR0] & CR0_PE) === 0 || r[VCPU_CPL] <= ((r[VCPU_RFLAGS] >> 12) & 3)) return true;
  const limit = r[TASK + SEG_LIMIT] >>> 0;
  if (limit >= TSS_IO_MAP + 1) {
    const map = loadTask(cpu, TSS_IO_MAP);
    if (cpu.abort !== 0) return false;
    const at = map + (port >> 3);
    // Two bytes are always read, for an access that straddles them; the second has to be inside as well.
    if (at + 1 <= limit) {
      const bits = loadTask(cpu, at) >> (port & 7);
      if (cpu.abort !== 0) return false;
      if ((bits & ((1 << bytes) - 1)) === 0) return true;
    }
  }
  raiseGp(cpu, 0);
  return false;
}

function loadTask(cpu: Cpu, offset: number): number {
  const { r } = cpu;
  const base = r[TASK + SEG_BASE];
  const lo = (base + offset) | 0;
  return systemLoad(cpu, lo, r[TASK + SEG_BASE + 1] + (lo >>> 0 < base >>> 0 ? 1 : 0), 2);
}
