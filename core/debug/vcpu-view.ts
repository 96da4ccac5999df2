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
} from '../arena/vcpu-layout.ts';
import { VCPU_COUNTER_INDEX } from '../base/counters.ts';
import { u64FromHalves } from '../base/address.ts';
import { MMU_MODES } from '../base/machine-modes.ts';
import type { VcpuSummary } from '../protocol/snapshots.ts';
import {
  EXIT_BUDGET,
  EXIT_CPUID,
  EXIT_CR_ACCESS,
  EXIT_DEBUG,
  EXIT_EPT_MISCONFIG,
  EXIT_EPT_VIOLATION,
  EXIT_EXCEPTION_NMI,
  EXIT_HLT,
  EXIT_INTERRUPT_WINDOW,
  EXIT_INVLPG,
  EXIT_IO_INSTRUCTION,
  EXIT_MSR_READ,
  EXIT_MSR_WRITE,
  EXIT_NPF,
  EXIT_TRIPLE_FAULT,
  EXIT_UNIMPLEMENTED,
  type Cpu,
} from '../x86/index.ts';
import type { CodeBits, CodeVendor } from './guest-code.ts';

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
    lastExit: cpu.f[VCPU_F_COUNTERS + VCPU_COUNTER_INDEX.exits] === 0 ? '' : exitName(cpu.r[VCPU_EXIT_REASON]),
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

/** As KVM's trace lines name them (VMX_EXIT_REASONS and SVM's, arch/x86/include/uapi). */
const EXIT_NAMES: ReadonlyMap<number, string> = new Map([
  [EXIT_BUDGET, ''],
  [EXIT_EXCEPTION_NMI, 'EXCEPTION_NMI'],
  [EXIT_TRIPLE_FAULT, 'TRIPLE_FAULT'],
  [EXIT_INTERRUPT_WINDOW, 'PENDING_INTERRUPT'],
  [EXIT_CPUID, 'CPUID'],
  [EXIT_HLT, 'HLT'],
  [EXIT_INVLPG, 'INVLPG'],
  [EXIT_CR_ACCESS, 'CR_ACCESS'],
  [EXIT_IO_INSTRUCTION, 'IO_INSTRUCTION'],
  [EXIT_MSR_READ, 'MSR_READ'],
  [EXIT_MSR_WRITE, 'MSR_WRITE'],
  [EXIT_EPT_VIOLATION, 'EPT_VIOLATION'],
  [EXIT_EPT_MISCONFIG, 'EPT_MISCONFIG'],
  [EXIT_NPF, 'npf'],
  [EXIT_DEBUG, 'debugger'],
  [EXIT_UNIMPLEMENTED, 'not implemented'],
]);

const exitName = (reason: number): string => EXIT_NAMES.get(reason) ?? `exit ${reason}`;
