/** SYSCALL, SYSRET, SYSENTER, SYSEXIT: flat segments without descriptors (SDM vol 2). */
import {
  CS,
  SS,
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_CR0,
  VCPU_EFER,
  VCPU_GPR,
  VCPU_MSR_LSTAR,
  VCPU_MSR_SFMASK,
  VCPU_MSR_STAR,
  VCPU_MSR_SYSENTER_CS,
  VCPU_MSR_SYSENTER_EIP,
  VCPU_MSR_SYSENTER_ESP,
  VCPU_RIP,
  VCPU_SECOND_LEVEL,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseGp, raiseUd, raiseUnimplemented } from '../interrupts/exceptions.ts';
import { CR0_PE, EFER_SCE } from '../paging/paging-entry.ts';
import { isCanonical } from '../memory/linear-address.ts';
import { SECOND_LEVEL_NPT } from '../second-level/second-level-entry.ts';
import {
  FLAT_CODE_32,
  FLAT_CODE_64,
  FLAT_DATA,
  isLongMode,
  setSegment,
  updateCodeBits,
} from './segments-descriptor.ts';

const RCX = VCPU_GPR + 2;
const RDX = VCPU_GPR + 4;
const RSP = VCPU_GPR + 8;
const R11 = VCPU_GPR + 22;
const IF = 0x200;
const RF = 0x1_0000;
const VM = 0x2_0000;
const DPL_3 = 0x60;
/** RFLAGS bits that SYSRET takes from R11. */
const SYSRET_FLAGS = 0x3c_7fd7;

/** Flat CS and SS at `cpl`, and RIP. */
function enterFlat(cpu: Cpu, cs: number, ss: number, cpl: number, long: boolean, ripLo: number, ripHi: number): void {
  const r = cpu.r;
  const dpl = cpl === 3 ? DPL_3 : 0;
  setSegment(r, CS, (cs & 0xfffc) | cpl, (long ? FLAT_CODE_64 : FLAT_CODE_32) | dpl, -1, 0, 0);
  setSegment(r, SS, (ss & 0xfffc) | cpl, FLAT_DATA | dpl, -1, 0, 0);
  r[VCPU_CPL] = cpl;
  r[VCPU_RIP] = ripLo;
  r[VCPU_RIP + 1] = ripHi;
  updateCodeBits(cpu);
}

export function syscall(cpu: Cpu): void {
  const r = cpu.r;
  if ((r[VCPU_EFER] & EFER_SCE) === 0) return raiseUd(cpu);
  if (r[VCPU_CODE_BITS] !== 64) {
    // Intel has it in 64-bit mode only; AMD elsewhere too.
    if (r[VCPU_SECOND_LEVEL] !== SECOND_LEVEL_NPT) return raiseUd(cpu);
    return raiseUnimplemented(cpu, 'SYSCALL outside 64-bit mode');
  }
  const flags = cpu.rflags() & ~RF;
  r[RCX] = r[VCPU_RIP];
  r[RCX + 1] = r[VCPU_RIP + 1];
  r[R11] = flags;
  r[R11 + 1] = 0;
  cpu.setRflags((flags & ~r[VCPU_MSR_SFMASK]) | 2);
  const cs = r[VCPU_MSR_STAR + 1] & 0xfffc;
  enterFlat(cpu, cs, cs + 8, 0, true, r[VCPU_MSR_LSTAR], r[VCPU_MSR_LSTAR + 1]);
}

/** SYSRET; `size` 8 with REX.W, else 4. */
export function sysret(cpu: Cpu, size: number): void {
  const r = cpu.r;
  if ((r[VCPU_EFER] & EFER_SCE) === 0) return raiseUd(cpu);
  if (r[VCPU_CODE_BITS] !== 64) {
    if (r[VCPU_SECOND_LEVEL] !== SECOND_LEVEL_NPT) return raiseUd(cpu);
    return raiseUnimplemented(cpu, 'SYSRET outside 64-bit mode');
  }
  if (r[VCPU_CPL] !== 0) return raiseGp(cpu, 0);
  const long = size === 8;
  if (long && !isCanonical(r[RCX + 1])) return raiseGp(cpu, 0);
  const user = r[VCPU_MSR_STAR + 1] >>> 16;
  cpu.setRflags((r[R11] & SYSRET_FLAGS) | 2);
  enterFlat(cpu, user + (long ? 16 : 0), user + 8, 3, long, r[RCX], long ? r[RCX + 1] : 0);
}

/** AMD has no SYSENTER in long mode (APM vol 3, "SYSENTER"). */
function sysenterMissing(cpu: Cpu): boolean {
  if (cpu.r[VCPU_SECOND_LEVEL] !== SECOND_LEVEL_NPT || !isLongMode(cpu.r)) return false;
  raiseUd(cpu);
  return true;
}

export function sysenter(cpu: Cpu): void {
  const r = cpu.r;
  if (sysenterMissing(cpu)) return;
  const cs = r[VCPU_MSR_SYSENTER_CS] & 0xfffc;
  if ((r[VCPU_CR0] & CR0_PE) === 0 || cs === 0) return raiseGp(cpu, 0);
  const long = isLongMode(r);
  cpu.setRflags(cpu.rflags() & ~(VM | IF));
  r[RSP] = r[VCPU_MSR_SYSENTER_ESP];
  r[RSP + 1] = long ? r[VCPU_MSR_SYSENTER_ESP + 1] : 0;
  enterFlat(cpu, cs, cs + 8, 0, long, r[VCPU_MSR_SYSENTER_EIP], long ? r[VCPU_MSR_SYSENTER_EIP + 1] : 0);
}

export function sysexit(cpu: Cpu, size: number): void {
  const r = cpu.r;
  if (sysenterMissing(cpu)) return;
  const cs = r[VCPU_MSR_SYSENTER_CS] & 0xfffc;
  if ((r[VCPU_CR0] & CR0_PE) === 0 || cs === 0 || r[VCPU_CPL] !== 0) return raiseGp(cpu, 0);
  const long = size === 8;
  if (long && (!isCanonical(r[RDX + 1]) || !isCanonical(r[RCX + 1]))) return raiseGp(cpu, 0);
  r[RSP] = r[RCX];
  r[RSP + 1] = long ? r[RCX + 1] : 0;
  enterFlat(cpu, cs + (long ? 32 : 16), cs + (long ? 40 : 24), 3, long, r[RDX], long ? r[RDX + 1] : 0);
}
