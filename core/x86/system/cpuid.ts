/**
 * CPUID: what this processor really does, nothing more (SDM vol 2, CPUID; APM vol 3, appendix E). No x87, no SSE, no local
 * APIC: integer instructions, paging, and the system features that control-registers.ts and msr.ts accept.
 */
import { VCPU_GPR, VCPU_MAXPHYADDR, VCPU_SECOND_LEVEL } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { SECOND_LEVEL_NPT } from '../second-level/second-level-entry.ts';

const bits = (...numbers: readonly number[]): number => numbers.reduce((mask, n) => mask | (1 << n), 0);

// PSE TSC MSR PAE MCE CX8 SEP MTRR PGE CMOV PAT PSE36 CLFLUSH
const LEAF_1_EDX = bits(3, 4, 5, 6, 7, 8, 11, 12, 13, 15, 16, 17, 19);
// CMPXCHG16B MOVBE POPCNT, and a hypervisor is present
const LEAF_1_ECX = bits(13, 22, 23, 31);
// FSGSBASE BMI1 SMEP BMI2 ADX SMAP
const LEAF_7_EBX = bits(0, 3, 7, 8, 19, 20);
// SYSCALL NX 1-GiB pages RDTSCP long mode
const EXTENDED_EDX = bits(11, 20, 26, 27, 29);
// LAHF in 64-bit mode, LZCNT, PREFETCHW
const EXTENDED_ECX = bits(0, 5, 8);
/** What AMD's 0x80000001 EDX repeats of leaf 1 EDX, where both have it (APM vol 3, "Function 8000_0001h"). */
const AMD_REPEATED = 0x0183_f3ff;
/** CLFLUSH line of 64 bytes, one logical processor a package. */
const LEAF_1_EBX = (8 << 8) | (1 << 16);
/** Sandy Bridge's and Bulldozer's signatures: the hosts of KVM 3.11. */
const SIGNATURE_INTEL = 0x2_06a7;
const SIGNATURE_AMD = 0x60_0f12;
const INVARIANT_TSC = 1 << 8;

const MAX_BASIC = 7;
const MAX_EXTENDED = 0x8000_0008 | 0;
const HYPERVISOR = 0x4000_0000;

/** Four characters as CPUID packs them into a register. */
const pack = (text: string, at: number): number =>
  [0, 1, 2, 3].reduce((word, i) => word | ((text.charCodeAt(at + i) || 0) << (8 * i)), 0);

const BRAND = 'Umbra virtual CPU'.padEnd(48, '\0');

/** Executes CPUID on EAX and ECX; all four registers are written zero-extended. */
export function executeCpuid(cpu: Cpu): void {
  const r = cpu.r;
  const [a, b, c, d] = cpuidLeaf(r[VCPU_GPR], r[VCPU_GPR + 2], {
    amd: r[VCPU_SECOND_LEVEL] === SECOND_LEVEL_NPT,
    maxPhyAddr: r[VCPU_MAXPHYADDR],
    vcpuId: cpu.vcpuId,
  });
  put(r, 0, a);
  put(r, 3, b);
  put(r, 1, c);
  put(r, 2, d);
}

function put(r: Int32Array, register: number, value: number): void {
  r[VCPU_GPR + 2 * register] = value;
  r[VCPU_GPR + 2 * register + 1] = 0;
}

export interface CpuidModel {
  /** AuthenticAMD with NPT; GenuineIntel with EPT and on a shadow MMU. */
  readonly amd: boolean;
  readonly maxPhyAddr: number;
  readonly vcpuId: number;
}

export type CpuidRegisters = readonly [eax: number, ebx: number, ecx: number, edx: number];

const NOTHING: CpuidRegisters = [0, 0, 0, 0];

/**
 * One leaf: EAX, EBX, ECX, EDX. A leaf beyond the ranges answers zeros on AMD's; on Intel's it answers as the last basic one
 * (SDM vol 2, CPUID; check_cpuid_limit of arch/x86/kvm/cpuid.c).
 */
export function cpuidLeaf(leaf: number, subleaf: number, model: CpuidModel): CpuidRegisters {
  const vendor = model.amd ? 'AuthenticAMD' : 'GenuineIntel';
  switch (leaf) {
    case 0:
      return [MAX_BASIC, pack(vendor, 0), pack(vendor, 8), pack(vendor, 4)];
    case 1:
      return [model.amd ? SIGNATURE_AMD : SIGNATURE_INTEL, LEAF_1_EBX | (model.vcpuId << 24), LEAF_1_ECX, LEAF_1_EDX];
    case 7:
      return subleaf === 0 ? [0, LEAF_7_EBX, 0, 0] : NOTHING;
    case HYPERVISOR:
      return [HYPERVISOR + 1, pack('KVMKVMKVM', 0), pack('KVMKVMKVM', 4), pack('KVMKVMKVM', 8)];
    case HYPERVISOR + 1: // KVM's own features: none
      return NOTHING;
    default:
      if (isBeyond(leaf >>> 0)) return model.amd ? NOTHING : cpuidLeaf(MAX_BASIC, subleaf, model);
      return extendedLeaf(leaf, vendor, model);
  }
}

/** Leaf and subleaf are an entry of the table, and the last basic leaf answers for one beyond it: bits 0 and 1 of kvm_cpuid. */
export function cpuidEntry(leaf: number, subleaf: number, amd: boolean): number {
  if (isBeyond(leaf >>> 0) && leaf !== HYPERVISOR && leaf !== HYPERVISOR + 1) {
    return !amd && subleaf === 0 ? CPUID_FOUND | CPUID_MAX_BASIC : 0;
  }
  if (leaf === 7) return subleaf === 0 ? CPUID_FOUND : 0;
  return WITHOUT_SUBLEAVES.includes(leaf >>> 0) ? CPUID_FOUND : 0;
}

const CPUID_FOUND = 1;
const CPUID_MAX_BASIC = 2;
const WITHOUT_SUBLEAVES: readonly number[] = [
  ...[0, 1, HYPERVISOR, HYPERVISOR + 1],
  ...[0, 1, 2, 3, 4, 7, 8].map((n) => 0x8000_0000 + n),
];

const isBeyond = (leaf: number): boolean => leaf > MAX_EXTENDED >>> 0 || (leaf > MAX_BASIC && leaf < 0x8000_0000);

function extendedLeaf(leaf: number, vendor: string, model: CpuidModel): CpuidRegisters {
  switch (leaf >>> 0) {
    case 0x8000_0000:
      // Intel leaves the vendor out here, AMD repeats it.
      return model.amd ? [MAX_EXTENDED, pack(vendor, 0), pack(vendor, 8), pack(vendor, 4)] : [MAX_EXTENDED, 0, 0, 0];
    case 0x8000_0001:
      return model.amd
        ? [SIGNATURE_AMD, 0, EXTENDED_ECX, EXTENDED_EDX | (LEAF_1_EDX & AMD_REPEATED)]
        : [0, 0, EXTENDED_ECX, EXTENDED_EDX];
    case 0x8000_0002:
    case 0x8000_0003:
    case 0x8000_0004: {
      const at = ((leaf & 0xf) - 2) * 16;
      return [pack(BRAND, at), pack(BRAND, at + 4), pack(BRAND, at + 8), pack(BRAND, at + 12)];
    }
    case 0x8000_0007:
      return [0, 0, 0, INVARIANT_TSC];
    case 0x8000_0008:
      return [model.maxPhyAddr | (48 << 8), 0, 0, 0];
    default:
      return NOTHING;
  }
}
