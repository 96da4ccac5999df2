/** The state of a processor after power-up (SDM vol 3A, table "IA-32 and Intel 64 Processor States Following Reset"). */
import {
  CS,
  LDTR,
  SEG_ATTRIBUTES,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SELECTOR,
  SEGMENT_WORDS,
  TR,
  VCPU_CODE_BITS,
  VCPU_CR0,
  VCPU_DR,
  VCPU_EXIT_INSN_LENGTH,
  VCPU_GDTR_LIMIT,
  VCPU_GPR,
  VCPU_IDTR_LIMIT,
  VCPU_INTERRUPT_WINDOW,
  VCPU_MSR_APIC_BASE,
  VCPU_MSR_MORE,
  VCPU_MSR_PAT,
  VCPU_MXCSR,
  VCPU_RFLAGS,
  VCPU_RIP,
  VCPU_SEGMENTS,
  VCPU_XMM,
} from '../arena/vcpu-layout.ts';
import type { Cpu } from './cpu.ts';

const DATA_ATTRIBUTES = 0x93;
const CODE_ATTRIBUTES = 0x9b;
const LDT_ATTRIBUTES = 0x82;
const BUSY_TSS_ATTRIBUTES = 0x8b;
/** Family 6; the loaders overwrite it as their boot protocol asks. */
const PROCESSOR_SIGNATURE = 0x600;

/** Everything architectural from VCPU_GPR to the MSRs and the exit words; the control block and KVM's words stay. */
export function resetState(cpu: Cpu): void {
  const { r } = cpu;
  r.fill(0, VCPU_GPR, VCPU_MSR_MORE + 60);
  r.fill(0, VCPU_INTERRUPT_WINDOW - 2, VCPU_EXIT_INSN_LENGTH + 1);
  r.fill(0, VCPU_XMM, VCPU_MXCSR);
  r[VCPU_MXCSR] = 0x1f80;
  r[VCPU_RFLAGS] = 2;
  r[VCPU_RIP] = 0xfff0;
  r[VCPU_GPR + 4] = PROCESSOR_SIGNATURE;
  for (let segment = 0; segment < 6; segment++) setSegment(r, segment, 0, DATA_ATTRIBUTES, 0);
  setSegment(r, CS, 0xf000, CODE_ATTRIBUTES, 0xffff_0000);
  setSegment(r, LDTR, 0, LDT_ATTRIBUTES, 0);
  setSegment(r, TR, 0, BUSY_TSS_ATTRIBUTES, 0);
  r[VCPU_GDTR_LIMIT] = 0xffff;
  r[VCPU_IDTR_LIMIT] = 0xffff;
  r[VCPU_CODE_BITS] = 16;
  r[VCPU_CR0] = 0x6000_0010;
  r[VCPU_DR + 8] = 0xffff_0ff0;
  r[VCPU_DR + 10] = 0x400;
  r[VCPU_MSR_PAT] = 0x0007_0406;
  r[VCPU_MSR_PAT + 1] = 0x0007_0406;
  r[VCPU_MSR_APIC_BASE] = 0xfee0_0800 | (cpu.vcpuId === 0 ? 0x100 : 0);
}

function setSegment(r: Cpu['r'], segment: number, selector: number, attributes: number, base: number): void {
  const words = VCPU_SEGMENTS + segment * SEGMENT_WORDS;
  r[words + SEG_SELECTOR] = selector;
  r[words + SEG_ATTRIBUTES] = attributes;
  r[words + SEG_LIMIT] = 0xffff;
  r[words + SEG_BASE] = base;
}
