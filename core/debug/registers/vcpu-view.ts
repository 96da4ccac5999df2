/** A vCPU in a few words. */
import {
  CS,
  SEGMENT_WORDS,
  SEG_BASE,
  VCPU_ACTIVITY,
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_CR0,
  VCPU_CR4,
  VCPU_EFER,
  VCPU_EXIT_REASON,
  VCPU_F_COUNTERS,
  VCPU_F_INSNS,
  VCPU_GPR,
  VCPU_RIP,
  VCPU_SECOND_LEVEL,
  VCPU_SEGMENTS,
} from '../../arena/vcpu-layout.ts';
import { VCPU_COUNTER_INDEX } from '../../base/counters.ts';
import { u64FromHalves } from '../../base/address.ts';
import { MMU_MODES } from '../../base/machine-modes.ts';
import { SVM_EXIT_NAMES, VMX_EXIT_NAMES } from '../../format/exit-reasons.ts';
import { printSymbolic } from '../../format/kernel-print.ts';
import { svmExitCode } from '../../kvm/exits/exit-info.ts';
import type { VcpuSummary } from '../../protocol/snapshots.ts';
import { EXIT_DEBUG, EXIT_UNIMPLEMENTED, type Cpu } from '../../x86/index.ts';
import type { CodeBits, CodeVendor } from '../code/guest-code.ts';

const CR0_PE = 1;
const CR0_PG = 1 << 31;
const CR4_PAE = 1 << 5;
const EFER_LMA = 1 << 10;
const RSP = VCPU_GPR + 2 * 4;

export const codeBits = (cpu: Cpu): CodeBits => {
  const bits = cpu.r[VCPU_CODE_BITS];
  return bits === 64 || bits === 16 ? bits : 32;
};

/** The processor is the one that its CPUID names: AMD's with NPT, Intel's otherwise. */
export const codeVendor = (cpu: Cpu): CodeVendor =>
  MMU_MODES[cpu.r[VCPU_SECOND_LEVEL] - 1] === 'npt' ? 'AMD' : 'Intel';

/** Where the next instruction is fetched: CS base + rip. Breakpoints and disassembly name addresses like this. */
export function linearRip(cpu: Cpu): bigint {
  const rip = u64FromHalves(cpu.r[VCPU_RIP], cpu.r[VCPU_RIP + 1]);
  const base = VCPU_SEGMENTS + CS * SEGMENT_WORDS + SEG_BASE;
  if (codeBits(cpu) === 64) return rip;
  return BigInt.asUintN(32, rip + u64FromHalves(cpu.r[base], cpu.r[base + 1]));
}

export const stackPointer = (cpu: Cpu): bigint => u64FromHalves(cpu.r[RSP], cpu.r[RSP + 1]);
export const retiredInsns = (cpu: Cpu): number => cpu.f[VCPU_F_INSNS];

export function vcpuSummary(cpu: Cpu): VcpuSummary {
  const activity = cpu.r[VCPU_ACTIVITY];
  return {
    id: cpu.vcpuId,
    rip: linearRip(cpu),
    cpl: cpu.r[VCPU_CPL],
    mode: modeWords(cpu),
    activity: ACTIVITIES[activity] ?? 'running',
    lastExit: cpu.f[VCPU_F_COUNTERS + VCPU_COUNTER_INDEX.exits] === 0 ? '' : exitName(cpu),
  };
}

/** By the values of VCPU_ACTIVITY. */
const ACTIVITIES = ['running', 'halted', 'shutdown', 'waiting'] as const;

function modeWords(cpu: Cpu): string {
  const cr0 = cpu.r[VCPU_CR0];
  if ((cr0 & CR0_PE) === 0) return 'real mode';
  const bits = `${codeBits(cpu)}-bit`;
  if ((cr0 & CR0_PG) === 0) return `${bits}, no paging`;
  if ((cpu.r[VCPU_EFER] & EFER_LMA) !== 0) return `${bits}, 4-level paging`;
  return (cpu.r[VCPU_CR4] & CR4_PAE) !== 0 ? `${bits}, PAE paging` : `${bits}, 32-bit paging`;
}

/** As KVM's trace lines name it: VMX's words, or SVM's where the host is one of AMD's. */
function exitName(cpu: Cpu): string {
  const reason = cpu.r[VCPU_EXIT_REASON];
  // A run's end that is no VM exit, or an exit that was settled without one's record.
  if (reason < 0) return '';
  if (reason === EXIT_DEBUG) return 'debugger';
  if (reason === EXIT_UNIMPLEMENTED) return 'not implemented';
  return codeVendor(cpu) === 'AMD'
    ? printSymbolic(BigInt(svmExitCode(reason)), SVM_EXIT_NAMES)
    : printSymbolic(BigInt(reason), VMX_EXIT_NAMES);
}
