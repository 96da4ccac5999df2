/** RDMSR and WRMSR on what this processor has (SDM vol 4). Unknown numbers are #GP(0). Privilege checks are made here. */
import {
  FS,
  GS,
  SEG_BASE,
  VCPU_BYTES,
  VCPU_CPL,
  VCPU_CR0,
  VCPU_CR4,
  VCPU_EFER,
  VCPU_F_INSNS,
  VCPU_MAXPHYADDR,
  VCPU_MSR_APIC_BASE,
  VCPU_MSR_CSTAR,
  VCPU_MSR_KERNEL_GS_BASE,
  VCPU_MSR_LSTAR,
  VCPU_MSR_MISC_ENABLE,
  VCPU_MSR_PAT,
  VCPU_MSR_SFMASK,
  VCPU_MSR_STAR,
  VCPU_MSR_SYSENTER_CS,
  VCPU_MSR_SYSENTER_EIP,
  VCPU_MSR_SYSENTER_ESP,
  VCPU_MSR_TSC_AUX,
  VCPU_MSR_TSC_OFFSET,
} from '../../arena/vcpu-layout.ts';
import { CLOCK_IDLE_NS, DEV_CLOCK, NS_PER_INSN } from '../../arena/device-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseGp } from '../interrupts/exceptions.ts';
import { isMtrr, readMtrr, writeMtrr } from './msr-mtrr.ts';
import { CR0_PG, CR4_TSD, EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE } from '../paging/paging-entry.ts';
import { isCanonical } from '../memory/linear-address.ts';
import { segmentWords } from '../segments/segments-descriptor.ts';
import { flushTlb } from '../tlb/tlb.ts';

const IA32_TSC = 0x10;
const IA32_PLATFORM_ID = 0x17;
const IA32_APIC_BASE = 0x1b;
const IA32_BIOS_UPDT_TRIG = 0x79;
const IA32_BIOS_SIGN_ID = 0x8b;
const IA32_SYSENTER_CS = 0x174;
const IA32_SYSENTER_ESP = 0x175;
const IA32_SYSENTER_EIP = 0x176;
const IA32_MCG_CAP = 0x179;
const IA32_MCG_STATUS = 0x17a;
const IA32_MISC_ENABLE = 0x1a0;
const IA32_PAT = 0x277;
const IA32_EFER = 0xc000_0080 | 0;
const IA32_STAR = 0xc000_0081 | 0;
const IA32_LSTAR = 0xc000_0082 | 0;
const IA32_CSTAR = 0xc000_0083 | 0;
const IA32_FMASK = 0xc000_0084 | 0;
const IA32_FS_BASE = 0xc000_0100 | 0;
const IA32_GS_BASE = 0xc000_0101 | 0;
const IA32_KERNEL_GS_BASE = 0xc000_0102 | 0;
const IA32_TSC_AUX = 0xc000_0103 | 0;

export const EFER_DEFINED = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
const APIC_BASE_WRITABLE_LOW = 0xffff_f000 | 0x100;
/** Global enable. There is no local APIC here: once cleared the bit cannot be set again. */
const APIC_BASE_ENABLE = 0x800;
/** Revision of the microcode, in the high half of IA32_BIOS_SIGN_ID. */
const MICROCODE_REVISION = 1;
/** BTS and PEBS unavailable, fast strings. */
const MISC_ENABLE_FIXED = 0x1800;
const MISC_ENABLE_WRITABLE = 0x1 | 0x8 | (1 << 16) | (1 << 22);
/** Types that a PAT entry may have: UC WC WT WP WB UC−. */
const PAT_TYPES = 0b1111_0011;

/** Where an MSR that is plainly kept lies, or −1. `canonical`: #GP for an address that is not. */
function plainWords(index: number): number {
  switch (index) {
    case IA32_SYSENTER_CS:
      return VCPU_MSR_SYSENTER_CS;
    case IA32_STAR:
      return VCPU_MSR_STAR;
    case IA32_FMASK:
      return VCPU_MSR_SFMASK;
    default:
      return -1;
  }
}

function addressWords(index: number): number {
  switch (index) {
    case IA32_SYSENTER_ESP:
      return VCPU_MSR_SYSENTER_ESP;
    case IA32_SYSENTER_EIP:
      return VCPU_MSR_SYSENTER_EIP;
    case IA32_LSTAR:
      return VCPU_MSR_LSTAR;
    case IA32_CSTAR:
      return VCPU_MSR_CSTAR;
    case IA32_FS_BASE:
      return segmentWords(FS) + SEG_BASE;
    case IA32_GS_BASE:
      return segmentWords(GS) + SEG_BASE;
    case IA32_KERNEL_GS_BASE:
      return VCPU_MSR_KERNEL_GS_BASE;
    default:
      return -1;
  }
}

/** Low half returned, high half in `cpu.hi`. */
export function readMsr(cpu: Cpu, index: number): number {
  const r = cpu.r;
  if (r[VCPU_CPL] !== 0) {
    raiseGp(cpu, 0);
    return 0;
  }
  cpu.hi = 0;
  switch (index) {
    case IA32_TSC:
      return timestamp(cpu);
    case IA32_PLATFORM_ID:
    case IA32_MCG_CAP:
    case IA32_MCG_STATUS:
      return 0;
    case IA32_BIOS_SIGN_ID:
      cpu.hi = MICROCODE_REVISION;
      return 0;
    case IA32_EFER:
      return r[VCPU_EFER];
    case IA32_MISC_ENABLE:
      return r[VCPU_MSR_MISC_ENABLE] | MISC_ENABLE_FIXED;
    case IA32_TSC_AUX:
      return r[VCPU_MSR_TSC_AUX];
    case IA32_APIC_BASE:
      return words(cpu, VCPU_MSR_APIC_BASE);
    case IA32_PAT:
      return words(cpu, VCPU_MSR_PAT);
  }
  const at = Math.max(plainWords(index), addressWords(index));
  if (at >= 0) return words(cpu, at);
  if (isMtrr(index)) return readMtrr(cpu, index);
  raiseGp(cpu, 0);
  return 0;
}

function words(cpu: Cpu, at: number): number {
  cpu.hi = cpu.r[at + 1];
  return cpu.r[at];
}

export function writeMsr(cpu: Cpu, index: number, lo: number, hi: number): void {
  const r = cpu.r;
  if (r[VCPU_CPL] !== 0) return raiseGp(cpu, 0);
  switch (index) {
    case IA32_TSC:
      return setTimestamp(cpu, lo, hi);
    case IA32_BIOS_UPDT_TRIG: // an update that is not newer is dropped
    case IA32_BIOS_SIGN_ID: // software clears it before CPUID fills it
      return;
    case IA32_EFER:
      return writeEfer(cpu, lo, hi);
    case IA32_MCG_STATUS:
      if (lo !== 0 || hi !== 0) raiseGp(cpu, 0);
      return;
    case IA32_MISC_ENABLE:
      if (hi !== 0 || (lo & ~(MISC_ENABLE_WRITABLE | MISC_ENABLE_FIXED)) !== 0) return raiseGp(cpu, 0);
      r[VCPU_MSR_MISC_ENABLE] = lo & MISC_ENABLE_WRITABLE;
      return;
    case IA32_TSC_AUX:
      if (hi !== 0) return raiseGp(cpu, 0);
      r[VCPU_MSR_TSC_AUX] = lo;
      return;
    case IA32_APIC_BASE:
      if ((lo & ~(APIC_BASE_WRITABLE_LOW | (r[VCPU_MSR_APIC_BASE] & APIC_BASE_ENABLE))) !== 0) return raiseGp(cpu, 0);
      if (hi >>> (r[VCPU_MAXPHYADDR] - 32) !== 0) return raiseGp(cpu, 0);
      return keep(cpu, VCPU_MSR_APIC_BASE, lo, hi);
    case IA32_PAT:
      if (!patTypesValid(lo) || !patTypesValid(hi)) return raiseGp(cpu, 0);
      return keep(cpu, VCPU_MSR_PAT, lo, hi);
  }
  const plain = plainWords(index);
  if (plain >= 0) return keep(cpu, plain, lo, hi);
  const address = addressWords(index);
  if (address >= 0) return isCanonical(hi) ? keep(cpu, address, lo, hi) : raiseGp(cpu, 0);
  if (isMtrr(index)) return writeMtrr(cpu, index, lo, hi);
  raiseGp(cpu, 0);
}

function keep(cpu: Cpu, at: number, lo: number, hi: number): void {
  cpu.r[at] = lo;
  cpu.r[at + 1] = hi;
}

/** Of one half of IA32_PAT. */
export function patTypesValid(half: number): boolean {
  for (let shift = 0; shift < 32; shift += 8) {
    const type = (half >>> shift) & 0xff;
    if (type > 7 || ((PAT_TYPES >> type) & 1) === 0) return false;
  }
  return true;
}

/** LMA follows LME and CR0.PG; LME cannot change while paging is on. */
function writeEfer(cpu: Cpu, lo: number, hi: number): void {
  const r = cpu.r;
  const old = r[VCPU_EFER];
  if (hi !== 0 || (lo & ~EFER_DEFINED) !== 0) return raiseGp(cpu, 0);
  if (((lo ^ old) & EFER_LME) !== 0 && (r[VCPU_CR0] & CR0_PG) !== 0) return raiseGp(cpu, 0);
  r[VCPU_EFER] = (lo & ~EFER_LMA) | (old & EFER_LMA);
  if (((lo ^ old) & EFER_NXE) !== 0) flushTlb(cpu);
}

/** Ticks of the virtual clock: instructions retired by all vCPUs, and time spent in HLT (device-layout.ts, CLOCK_*). */
function ticks(cpu: Cpu): number {
  const { arena } = cpu;
  let insns = cpu.instructions();
  for (let vcpu = 0; vcpu < arena.layout.config.vcpus; vcpu++) {
    if (vcpu !== cpu.vcpuId) insns += arena.f64[((arena.layout.vcpus + vcpu * VCPU_BYTES) >> 3) + VCPU_F_INSNS];
  }
  return insns + arena.f64[(arena.layout.devices + DEV_CLOCK + CLOCK_IDLE_NS) >> 3] / NS_PER_INSN;
}

function timestamp(cpu: Cpu): number {
  const r = cpu.r;
  const now = ticks(cpu);
  const lo = (now % 0x1_0000_0000) | 0;
  const sum = (lo + r[VCPU_MSR_TSC_OFFSET]) | 0;
  const carry = sum >>> 0 < lo >>> 0 ? 1 : 0;
  cpu.hi = (Math.floor(now / 0x1_0000_0000) + r[VCPU_MSR_TSC_OFFSET + 1] + carry) | 0;
  return sum;
}

function setTimestamp(cpu: Cpu, lo: number, hi: number): void {
  const r = cpu.r;
  const now = ticks(cpu);
  const nowLo = (now % 0x1_0000_0000) | 0;
  const borrow = lo >>> 0 < nowLo >>> 0 ? 1 : 0;
  r[VCPU_MSR_TSC_OFFSET] = (lo - nowLo) | 0;
  r[VCPU_MSR_TSC_OFFSET + 1] = (hi - Math.floor(now / 0x1_0000_0000) - borrow) | 0;
}

/** RDTSC: #GP with CR4.TSD outside CPL 0. Low half returned, high half in `cpu.hi`. */
export function readTimestampCounter(cpu: Cpu): number {
  if ((cpu.r[VCPU_CR4] & CR4_TSD) !== 0 && cpu.r[VCPU_CPL] !== 0) {
    raiseGp(cpu, 0);
    return 0;
  }
  return timestamp(cpu);
}
