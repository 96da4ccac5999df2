/**
 * Which accesses to control registers leave the guest, by the control block: on Intel guest/host masks and read shadows (SDM
 * vol 3C, "Instructions That Cause VM Exits Conditionally"), on AMD intercepts (APM vol 2, "Instruction Intercepts"). The
 * registers of the vCPU's block are what the guest reads, so they are the read shadows.
 *
 * Nothing exits under KVM's emulator, nor before the checks of privilege.
 */
import {
  CR_INTERCEPT_SELECTIVE_CR0,
  VCPU_CR0,
  VCPU_CR0_GUEST_HOST_MASK,
  VCPU_CR4,
  VCPU_CR4_GUEST_HOST_MASK,
  VCPU_CR_INTERCEPTS,
  VCPU_EXIT_QUALIFICATION,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseExit } from '../interrupts/exceptions.ts';
import { EXIT_CR_ACCESS } from './exits.ts';
import { CR0_MP, CR0_PE, CR0_TS } from '../paging/paging-entry.ts';

/** Exit qualification (SDM vol 3C, "Exit Qualification for Control-Register Accesses"): kind of access in bits 4–5. */
const MOV_FROM = 0x10;
const CLTS = 0x20;
const LMSW = 0x30;
/** Ours: SMSW, which only AMD tells to the host, as a read of CR0 without a register. */
const SMSW = MOV_FROM | 0x80;
const GENERAL_SHIFT = 8;
const LMSW_MEMORY = 0x40;
const LMSW_SOURCE_SHIFT = 16;

const mayExit = (cpu: Cpu): boolean => cpu.emulator === undefined && cpu.isKernel();

function exit(cpu: Cpu, qualification: number): true {
  cpu.r[VCPU_EXIT_QUALIFICATION] = qualification;
  cpu.r[VCPU_EXIT_QUALIFICATION + 1] = 0;
  raiseExit(cpu, EXIT_CR_ACCESS);
  return true;
}

const readIntercepted = (r: Int32Array, n: number): boolean => ((r[VCPU_CR_INTERCEPTS] >>> n) & 1) !== 0;
const writeIntercepted = (r: Int32Array, n: number): boolean => ((r[VCPU_CR_INTERCEPTS] >>> (16 + n)) & 1) !== 0;

/** A write to CR0 that changes more than TS and MP. */
const isSelective = (r: Int32Array, changed: number): boolean =>
  (r[VCPU_CR_INTERCEPTS] & CR_INTERCEPT_SELECTIVE_CR0) !== 0 && (changed & ~(CR0_TS | CR0_MP)) !== 0;

function writeExits(r: Int32Array, n: number, lo: number, hi: number): boolean {
  if (writeIntercepted(r, n)) return true;
  if (n === 0) {
    const mask = r[VCPU_CR0_GUEST_HOST_MASK];
    if (((lo ^ r[VCPU_CR0]) & mask) !== 0 || (hi !== 0 && mask !== 0)) return true;
    return isSelective(r, (lo ^ r[VCPU_CR0]) | hi);
  }
  if (n !== 4) return false;
  const mask = r[VCPU_CR4_GUEST_HOST_MASK];
  return ((lo ^ r[VCPU_CR4]) & mask) !== 0 || (hi !== 0 && mask !== 0);
}

/** MOV CRn, r. `general` is the register's number. */
export const exitsForMoveTo = (cpu: Cpu, n: number, general: number, lo: number, hi: number): boolean =>
  mayExit(cpu) && writeExits(cpu.r, n, lo, hi) && exit(cpu, n | (general << GENERAL_SHIFT));

/** MOV r, CRn. CR0 and CR4 come from their read shadows on Intel, and no bit of them exits. */
export const exitsForMoveFrom = (cpu: Cpu, n: number, general: number): boolean =>
  mayExit(cpu) && readIntercepted(cpu.r, n) && exit(cpu, n | MOV_FROM | (general << GENERAL_SHIFT));

/** SMSW, which only AMD's intercept of reads stops. */
export const exitsForSmsw = (cpu: Cpu): boolean => mayExit(cpu) && readIntercepted(cpu.r, 0) && exit(cpu, SMSW);

/** CLTS. The selective intercept is not for it: TS is all that it changes. */
export function exitsForClts(cpu: Cpu): boolean {
  const { r } = cpu;
  const exits = writeIntercepted(r, 0) || (r[VCPU_CR0_GUEST_HOST_MASK] & r[VCPU_CR0] & CR0_TS) !== 0;
  return mayExit(cpu) && exits && exit(cpu, CLTS);
}

/** LMSW, which sets PE and never clears it. */
export function exitsForLmsw(cpu: Cpu, value: number, memory: boolean): boolean {
  const { r } = cpu;
  const changed = (value ^ r[VCPU_CR0]) & (0xe | (value & CR0_PE));
  const exits = writeIntercepted(r, 0) || (changed & r[VCPU_CR0_GUEST_HOST_MASK]) !== 0 || isSelective(r, changed);
  const source = (value & 0xffff) << LMSW_SOURCE_SHIFT;
  return mayExit(cpu) && exits && exit(cpu, LMSW | (memory ? LMSW_MEMORY : 0) | source);
}
