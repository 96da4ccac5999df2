/** The processor in front of an image's first instruction (Multiboot Specification 0.6.96, §3.2 "Machine state"). */
import {
  CS,
  DS,
  ES,
  FS,
  GS,
  SEG_ATTRIBUTES,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SELECTOR,
  SEGMENT_WORDS,
  SS,
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_CR0,
  VCPU_GPR,
  VCPU_RIP,
  VCPU_SEGMENTS,
} from '../arena/vcpu-layout.ts';
import type { Vcpu } from '../kvm/index.ts';

export const MULTIBOOT_LOADED = 0x2bad_b002;

const RAX = 0;
const RBX = 3;
const RDI = 7;
const CR0_PE_ET = 0x11;
const RFLAGS_FIXED = 2;
/** Flat 4 GiB segments, present, ring 0, 32 bits, accessed: execute/read and read/write. */
const CODE_32 = 0xc09b;
const DATA_32 = 0xc093;

/** 32-bit protected mode without paging, interrupts off, at `entry`; EBX points to the boot information, EDI has the vCPU's number. */
export function enterImage(vcpu: Vcpu, entry: number, information: number): void {
  const { cpu } = vcpu;
  const { r } = cpu;
  cpu.reset();
  const setWide = (index: number, low: number): void => {
    r[index] = low;
    r[index + 1] = 0;
  };
  const loadFlat = (segment: number, selector: number, attributes: number): void => {
    const at = VCPU_SEGMENTS + segment * SEGMENT_WORDS;
    r[at + SEG_SELECTOR] = selector;
    r[at + SEG_ATTRIBUTES] = attributes;
    r[at + SEG_LIMIT] = -1;
    setWide(at + SEG_BASE, 0);
  };
  for (let n = 0; n < 16; n += 1) setWide(VCPU_GPR + 2 * n, 0);
  setWide(VCPU_GPR + 2 * RAX, MULTIBOOT_LOADED);
  setWide(VCPU_GPR + 2 * RBX, information);
  setWide(VCPU_GPR + 2 * RDI, vcpu.id);
  setWide(VCPU_RIP, entry);
  setWide(VCPU_CR0, CR0_PE_ET);
  loadFlat(CS, 0x08, CODE_32);
  for (const segment of [DS, ES, SS, FS, GS]) loadFlat(segment, 0x10, DATA_32);
  r[VCPU_CPL] = 0;
  r[VCPU_CODE_BITS] = 32;
  cpu.setRflags(RFLAGS_FIXED);
  cpu.flushTlb();
}
