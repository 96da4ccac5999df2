/**
 * KVM_SET_SREGS, KVM_SET_DEBUGREGS and KVM_SET_MSRS for one register at a time, as a debugger writes them
 * (kvm_arch_vcpu_ioctl_set_sregs, kvm_vcpu_ioctl_x86_set_debugregs and do_set_msr of arch/x86/kvm/x86.c). User space reads the
 * registers, changes one and writes all back: so every check sees the others as they are.
 */
import {
  CS,
  SEGMENT_WORDS,
  SEG_ATTRIBUTES,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SELECTOR,
  SS,
  VCPU_CR0,
  VCPU_CR3,
  VCPU_CR4,
  VCPU_CR8,
  VCPU_DR,
  VCPU_EFER,
  VCPU_MAXPHYADDR,
  VCPU_MSR_APIC_BASE,
  VCPU_MSR_PAT,
  VCPU_SEGMENTS,
} from '../../arena/vcpu-layout.ts';
import { highHalf, lowHalf, u64FromHalves } from '../../base/address.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { patTypesValid, PROCESSOR_BITS, reloadPdptes, settleRegisters } from '../../x86/index.ts';
import { updateControlIntercepts } from '../exits/control-intercepts.ts';
import { ERA_V6_8 } from '../eras.ts';
import { MMU_NPT } from '../mmu/mmu.ts';
import { mmuUnload } from '../mmu/mmu-roots.ts';
import { mmuFlushTlb } from './requests.ts';
import { settleMode, type ModeRegisters, type RegisterRefusal } from './sregs-checks.ts';
import type { VcpuContext } from './vcpu-context.ts';

export type SpecialRegister = 'cr0' | 'cr3' | 'cr4' | 'cr8' | 'efer' | 'apic_base' | 'pat' | DebugRegister;
export type DebugRegister = 'dr0' | 'dr1' | 'dr2' | 'dr3' | 'dr6' | 'dr7';

/** struct kvm_segment. */
export interface KvmSegment {
  readonly selector: number;
  /** As SEG_ATTRIBUTES has them. */
  readonly attributes: number;
  readonly limit: number;
  readonly base: bigint;
}

type Written = Result<undefined, RegisterRefusal>;

const CS_L = 0x2000;
const DR_WORDS: Readonly<Record<DebugRegister, number>> = { dr0: 0, dr1: 2, dr2: 4, dr3: 6, dr6: 8, dr7: 10 };
/** Bits of DR6 and DR7 that are always one, and those that can be written. */
const DR6_ONES = 0xffff_0ff0n;
const DR6_WRITABLE = 0xe00fn;
const DR7_ONES = 0x400n;
const DR7_WRITABLE = 0xffff_23ffn;
/** L0 … G3 and GD. */
const DR7_ACTIVE = 0x20ffn;
const APIC_BASE_BSP = 0x100n;
/** MSR_IA32_APICBASE's low bits that are none (no x2APIC is offered). */
const APIC_BASE_RESERVED = 0x6ffn;

const read = (r: Int32Array, at: number): bigint => u64FromHalves(r[at], r[at + 1]);

function write(r: Int32Array, at: number, value: bigint): void {
  r[at] = lowHalf(value);
  r[at + 1] = highHalf(value);
}

const segmentWord = (segment: number, field: number): number => VCPU_SEGMENTS + segment * SEGMENT_WORDS + field;

const modeOf = (r: Int32Array): ModeRegisters => ({
  cr0: read(r, VCPU_CR0),
  cr3: read(r, VCPU_CR3),
  cr4: read(r, VCPU_CR4),
  efer: read(r, VCPU_EFER),
  longCode: (r[segmentWord(CS, SEG_ATTRIBUTES)] & CS_L) !== 0,
});

/** Writes one register. What is refused has changed nothing. */
export function setSpecialRegister(vcpu: VcpuContext, name: SpecialRegister, value: bigint): Written {
  switch (name) {
    case 'cr0':
    case 'cr3':
    case 'cr4':
    case 'efer':
      return setMode(vcpu, { ...modeOf(vcpu.r), [name]: value });
    case 'cr8':
      return setCr8(vcpu, value);
    case 'apic_base':
      return setApicBase(vcpu, value);
    case 'pat':
      return setPat(vcpu, value);
    default:
      return setDebugRegister(vcpu, name, value);
  }
}

function setMode(vcpu: VcpuContext, wanted: ModeRegisters): Written {
  const { r, mmu } = vcpu;
  const before = modeOf(r);
  const settled = settleMode(wanted, before, {
    era: mmu.era,
    maxPhyAddr: r[VCPU_MAXPHYADDR],
    isAmd: mmu.mode === MMU_NPT,
  });
  if ('check' in settled) return err(settled);
  const cr0 = settled.cr0 & BigInt(PROCESSOR_BITS.cr0 >>> 0);
  const resetNeeded =
    cr0 !== before.cr0 || settled.cr3 !== before.cr3 || settled.cr4 !== before.cr4 || settled.efer !== before.efer;
  write(r, VCPU_CR3, settled.cr3);
  write(r, VCPU_EFER, settled.efer);
  write(r, VCPU_CR0, cr0);
  write(r, VCPU_CR4, settled.cr4);
  afterSregs(vcpu, resetNeeded);
  return ok(undefined);
}

/** The rest of the call: the PDPTEs are loaded anew in any case, and the MMU is reset where a register of the mode has changed. */
function afterSregs(vcpu: VcpuContext, changed: boolean): void {
  const { r, mmu, cpu, emulator, id } = vcpu;
  const hasPdptes = reloadPdptes(cpu, (lo, hi) => emulator.frameOf(lo, hi, false));
  settleRegisters(cpu);
  updateControlIntercepts(mmu, r);
  if (!changed && !hasPdptes) return;
  // kvm_mmu_reset_context; since 6.7 the guest's translations are flushed besides.
  mmuUnload(mmu, r);
  if (mmu.era === ERA_V6_8) mmuFlushTlb(mmu, id);
}

/** kvm_set_cr8, whose refusal KVM_SET_SREGS does not look at: the old value would stay without a word. */
function setCr8({ r }: VcpuContext, value: bigint): Written {
  if (value > 0xfn) {
    return refuse('kvm_set_cr8', 'CR8 has four bits; KVM_SET_SREGS drops any other value without a word.');
  }
  write(r, VCPU_CR8, value);
  return ok(undefined);
}

function setApicBase({ r, mmu }: VcpuContext, value: bigint): Written {
  const reserved = value & (APIC_BASE_RESERVED | ~((1n << BigInt(r[VCPU_MAXPHYADDR])) - 1n));
  if (mmu.era === ERA_V6_8 && reserved !== 0n) {
    return err({
      errno: 'EINVAL',
      check: 'kvm_set_apic_base',
      message: `the bits 0x${reserved.toString(16)} of IA32_APIC_BASE are reserved.`,
    });
  }
  if (reserved !== 0n) {
    return refuse(
      'the processor',
      `it would read as no IA32_APIC_BASE can: the bits 0x${reserved.toString(16)} are reserved.`,
    );
  }
  // kvm_lapic_set_base, where user space keeps the local APIC: the bit of the boot processor is always set.
  write(r, VCPU_MSR_APIC_BASE, mmu.era === ERA_V6_8 ? value : value | APIC_BASE_BSP);
  return ok(undefined);
}

function setPat({ r }: VcpuContext, value: bigint): Written {
  if (!patTypesValid(lowHalf(value)) || !patTypesValid(highHalf(value))) {
    return refuse('valid_pat_type', 'KVM_SET_MSRS sets 0 of 1 MSRs: a byte of IA32_PAT is none of UC WC WT WP WB UC−.');
  }
  write(r, VCPU_MSR_PAT, value);
  return ok(undefined);
}

function setDebugRegister({ r, mmu }: VcpuContext, name: DebugRegister, value: bigint): Written {
  const at = VCPU_DR + DR_WORDS[name];
  if (name !== 'dr6' && name !== 'dr7') {
    write(r, at, value);
    return ok(undefined);
  }
  if (value >> 32n !== 0n) {
    // kvm_dr6_valid and kvm_dr7_valid came with 4.7.
    const message = `bits 63 to 32 of ${name.toUpperCase()} are reserved.`;
    if (mmu.era === ERA_V6_8) return err({ errno: 'EINVAL', check: `kvm_${name}_valid`, message });
    return refuse(
      'the host',
      `KVM_SET_DEBUGREGS takes it, and the host faults when it loads it (mended in 4.7): ${message}`,
    );
  }
  if (name === 'dr7' && (value & DR7_ACTIVE) !== 0n) {
    return refuse('Umbra', 'hardware breakpoints of the guest (DR7) are not built; use breakpoints of the debugger.');
  }
  write(r, at, name === 'dr6' ? (value & DR6_WRITABLE) | DR6_ONES : (value & DR7_WRITABLE) | DR7_ONES);
  return ok(undefined);
}

const refuse = (check: string, message: string): Written => err({ errno: undefined, check, message });

/** A segment register (CS … TR) and what it is to hold. */
export interface SegmentWrite {
  readonly segment: number;
  readonly wanted: KvmSegment;
}

/**
 * Segment registers with their hidden parts, as struct kvm_segment has them: all of them or, where one is refused, none. Whether
 * they fit each other the caller has seen to.
 */
export function setSegmentRegisters(vcpu: VcpuContext, writes: readonly SegmentWrite[]): Written {
  const { r, mmu, cpu } = vcpu;
  for (const { segment, wanted } of writes) {
    if (segment !== CS) continue;
    const before = modeOf(r);
    const next = { ...before, longCode: (wanted.attributes & CS_L) !== 0 };
    const settled = settleMode(next, before, {
      era: mmu.era,
      maxPhyAddr: r[VCPU_MAXPHYADDR],
      isAmd: mmu.mode === MMU_NPT,
    });
    if ('check' in settled) return err(settled);
  }
  for (const { segment, wanted } of writes) {
    r[segmentWord(segment, SEG_SELECTOR)] = wanted.selector;
    r[segmentWord(segment, SEG_ATTRIBUTES)] = wanted.attributes;
    r[segmentWord(segment, SEG_LIMIT)] = wanted.limit | 0;
    write(r, segmentWord(segment, SEG_BASE), wanted.base);
  }
  if (writes.some(({ segment }) => segment === CS || segment === SS)) settleRegisters(cpu);
  return ok(undefined);
}
