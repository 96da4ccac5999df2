/**
 * Every register that can be shown, where the arena keeps it and what may be written into it. RFLAGS alone is not a plain
 * field: its arithmetic flags are lazy (core/x86/exec/flags.ts), so they are worked out to be shown and the processor writes them.
 * Registers that choose how the machine translates addresses, and those that KVM or the processor looks at closely, are written
 * by KVM's own calls.
 */
import {
  CS,
  DS,
  ES,
  FS,
  GS,
  LDTR,
  SEGMENT_WORDS,
  SEG_BASE,
  SEG_SELECTOR,
  SS,
  TR,
  VCPU_CR0,
  VCPU_CR2,
  VCPU_CR3,
  VCPU_CR4,
  VCPU_CR8,
  VCPU_DR,
  VCPU_EFER,
  VCPU_GDTR_BASE,
  VCPU_GDTR_LIMIT,
  VCPU_GPR,
  VCPU_IDTR_BASE,
  VCPU_IDTR_LIMIT,
  VCPU_MSR_APIC_BASE,
  VCPU_MSR_CSTAR,
  VCPU_MSR_KERNEL_GS_BASE,
  VCPU_MSR_LSTAR,
  VCPU_MSR_PAT,
  VCPU_MSR_SFMASK,
  VCPU_MSR_STAR,
  VCPU_MSR_SYSENTER_CS,
  VCPU_MSR_SYSENTER_EIP,
  VCPU_MSR_SYSENTER_ESP,
  VCPU_MSR_TSC_AUX,
  VCPU_MSR_TSC_OFFSET,
  VCPU_RIP,
  VCPU_SEGMENTS,
} from '../../arena/vcpu-layout.ts';
import type { RegisterValue } from '../../protocol/register-snapshots.ts';

/** What a user's value must satisfy. */
export type RegisterRule =
  | 'any'
  | 'canonical'
  | 'rflags'
  /** KVM_SET_SREGS, KVM_SET_DEBUGREGS or KVM_SET_MSRS says what it takes (core/kvm/vcpu/set-sregs.ts). */
  | 'kvm'
  /** A selector: it brings the hidden part that its descriptor has. */
  | 'selector';

export interface RegisterPlace {
  readonly name: string;
  readonly group: RegisterValue['group'];
  readonly bits: 16 | 32 | 64;
  /** int32 index into the vCPU block; −1 for RFLAGS. */
  readonly word: number;
  readonly rule: RegisterRule;
}

const place = (
  group: RegisterValue['group'],
  name: string,
  word: number,
  rule: RegisterRule = 'any',
  bits: RegisterPlace['bits'] = 64,
): RegisterPlace => ({ name, group, bits, word, rule });

const GENERAL = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const SEGMENTS: readonly (readonly [name: string, index: number])[] = [
  ['es', ES],
  ['cs', CS],
  ['ss', SS],
  ['ds', DS],
  ['fs', FS],
  ['gs', GS],
  ['ldtr', LDTR],
  ['tr', TR],
];
const segmentWord = (index: number, field: number): number => VCPU_SEGMENTS + index * SEGMENT_WORDS + field;

export const REGISTERS: readonly RegisterPlace[] = [
  ...GENERAL.map((name, i) => place('general', name, VCPU_GPR + 2 * i)),
  place('general', 'rip', VCPU_RIP, 'canonical'),
  place('general', 'rflags', -1, 'rflags'),
  ...SEGMENTS.map(([name, index]) => place('segment', name, segmentWord(index, SEG_SELECTOR), 'selector', 16)),
  place('segment', 'fs_base', segmentWord(FS, SEG_BASE), 'canonical'),
  place('segment', 'gs_base', segmentWord(GS, SEG_BASE), 'canonical'),
  place('segment', 'gdtr_base', VCPU_GDTR_BASE, 'canonical'),
  place('segment', 'gdtr_limit', VCPU_GDTR_LIMIT, 'any', 16),
  place('segment', 'idtr_base', VCPU_IDTR_BASE, 'canonical'),
  place('segment', 'idtr_limit', VCPU_IDTR_LIMIT, 'any', 16),
  place('control', 'cr0', VCPU_CR0, 'kvm'),
  place('control', 'cr2', VCPU_CR2),
  place('control', 'cr3', VCPU_CR3, 'kvm'),
  place('control', 'cr4', VCPU_CR4, 'kvm'),
  place('control', 'cr8', VCPU_CR8, 'kvm'),
  place('control', 'efer', VCPU_EFER, 'kvm'),
  place('msr', 'star', VCPU_MSR_STAR),
  place('msr', 'lstar', VCPU_MSR_LSTAR, 'canonical'),
  place('msr', 'cstar', VCPU_MSR_CSTAR, 'canonical'),
  place('msr', 'sfmask', VCPU_MSR_SFMASK, 'any', 32),
  place('msr', 'kernel_gs_base', VCPU_MSR_KERNEL_GS_BASE, 'canonical'),
  place('msr', 'sysenter_cs', VCPU_MSR_SYSENTER_CS, 'any', 32),
  place('msr', 'sysenter_esp', VCPU_MSR_SYSENTER_ESP, 'canonical'),
  place('msr', 'sysenter_eip', VCPU_MSR_SYSENTER_EIP, 'canonical'),
  place('msr', 'tsc_aux', VCPU_MSR_TSC_AUX, 'any', 32),
  place('msr', 'tsc_offset', VCPU_MSR_TSC_OFFSET),
  place('msr', 'pat', VCPU_MSR_PAT, 'kvm'),
  place('msr', 'apic_base', VCPU_MSR_APIC_BASE, 'kvm'),
  ...[0, 1, 2, 3, 6, 7].map((number, i) => place('debug', `dr${number}`, VCPU_DR + 2 * i, 'kvm')),
];

/** Number of a segment register by its name. */
export const segmentNamed = (name: string): number | undefined => SEGMENTS.find(([one]) => one === name)?.[1];

export const registerNamed = (name: string): RegisterPlace | undefined =>
  REGISTERS.find((candidate) => candidate.name === name.toLowerCase());
