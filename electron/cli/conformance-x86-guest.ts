/**
 * The guest that processor recordings are replayed in: a VM like any other, with a memory slot and NPT (the
 * recorded processor is AMD's, and the CPU behaves as its CPUID says), whose "operating
 * system" is page tables, a TSS and an IDT of gates that lead to HLT. The recorded instruction runs at CPL 3 in 64-bit mode;
 * what ends it is an exception, delivered through the IDT and read off the kernel's stack.
 */
import { createArena } from '../../core/arena/arena.ts';
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
  TR,
  VCPU_ACTIVITY,
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_CR0,
  VCPU_CR3,
  VCPU_CR4,
  VCPU_EFER,
  VCPU_GDTR_BASE,
  VCPU_GDTR_LIMIT,
  VCPU_GPR,
  VCPU_IDTR_BASE,
  VCPU_IDTR_LIMIT,
  VCPU_MXCSR,
  VCPU_RIP,
  VCPU_SEGMENTS,
  VCPU_XMM,
} from '../../core/arena/vcpu-layout.ts';
import { highHalf, HVA_BASE, lowHalf, u64FromHalves } from '../../core/base/address.ts';
import { RUN_HLT, RUN_NAMES, type VmBus, Vm } from '../../core/kvm/index.ts';
import { allocateArena } from '../host/arena-memory.ts';

export const DATA_BASE = 0x1000_0000n;
export const DATA_WORDS = 1024;
export const CODE_PAGE = 0x2000_0000n;
export const CODE_START = 0x2000_0800n;
const INT3 = 0xcc;

// Guest physical memory, all in one slot from 0.
const RAM_BYTES = 0x2_0000;
const PML4 = 0x1000;
const PDPT_USER = 0x2000;
const PD_USER = 0x3000;
const PT_DATA = 0x4000;
const PT_CODE = 0x5000;
const PDPT_KERNEL = 0x6000;
const PD_KERNEL = 0x7000;
const PT_KERNEL = 0x8000;
const KERNEL = 0x9000;
const STACK = 0xb000;
const DATA = 0x1_0000;
const CODE = 0x1_2000;

/** Where the kernel's two pages and its stack are mapped, supervisor only. */
const KERNEL_GVA = 0xffff_8000_0000_0000n;
const IDT = 0x0;
const GDT = 0x1000;
const TSS = 0x1100;
/** One HLT for each vector, 8 bytes apart. */
const GATES = 0x1200;
const GATE_STEP = 8;
const STACK_TOP = 0x3000;

const KERNEL_CS = 0x08;
const KERNEL_SS = 0x10;
/** As Linux numbers them: instructions that store CS or SS show it. */
const USER_SS = 0x2b;
const USER_CS = 0x33;
const TASK = 0x40;

const PRESENT = 1n;
const WRITABLE = 2n;
const USER = 4n;

const NO_DEVICES: VmBus = {
  hi: 0,
  device: -1,
  mmioRead: () => -1,
  mmioWrite: () => undefined,
  pioRead: () => -1,
  pioWrite: () => undefined,
  interruptPending: () => false,
  acknowledgeInterrupt: () => 0,
  stopRequested: () => false,
};

/** How a case ended: the exception and the frame that its delivery pushed. */
export interface Ending {
  readonly vector: number;
  readonly rip: bigint;
  readonly rflags: bigint;
  readonly rsp: bigint;
}

export class ConformanceGuest {
  readonly vm: Vm;
  private readonly ram: number;

  constructor() {
    const config = { ramBytes: RAM_BYTES, vcpus: 1, memslots: 128, shadowPages: 64, traceRecords: 64 };
    const arena = createArena(config, allocateArena);
    this.vm = new Vm(arena, { mmu: 'npt', era: 'patch', maxPhyAddr: 40, vcpus: 1 }, NO_DEVICES);
    this.ram = arena.layout.ram;
    const slot = this.vm.setUserMemoryRegion({
      slot: 0,
      flags: 0,
      guestPhysAddr: 0n,
      memorySize: BigInt(RAM_BYTES),
      userspaceAddr: HVA_BASE,
    });
    if (!slot.ok) throw new Error(slot.error.message);
    this.buildTables();
    this.buildKernel();
  }

  private get view(): DataView<SharedArrayBuffer> {
    return this.vm.arena.view;
  }

  private put64(gpa: number, value: bigint): void {
    this.view.setBigUint64(this.ram + gpa, BigInt.asUintN(64, value), true);
  }

  private buildTables(): void {
    const user = PRESENT | WRITABLE | USER;
    const kernel = PRESENT | WRITABLE;
    this.put64(PML4, BigInt(PDPT_USER) | user);
    this.put64(PML4 + 256 * 8, BigInt(PDPT_KERNEL) | kernel);
    this.put64(PDPT_USER, BigInt(PD_USER) | user);
    this.put64(PD_USER + Number(DATA_BASE >> 21n) * 8, BigInt(PT_DATA) | user);
    this.put64(PD_USER + Number(CODE_PAGE >> 21n) * 8, BigInt(PT_CODE) | user);
    this.put64(PT_DATA, BigInt(DATA) | user);
    this.put64(PT_DATA + 8, BigInt(DATA + 0x1000) | user);
    this.put64(PT_CODE, BigInt(CODE) | user);
    this.put64(PDPT_KERNEL, BigInt(PD_KERNEL) | kernel);
    this.put64(PD_KERNEL, BigInt(PT_KERNEL) | kernel);
    for (let page = 0; page < 3; page++) this.put64(PT_KERNEL + page * 8, BigInt(KERNEL + page * 0x1000) | kernel);
  }

  /** GDT, TSS, IDT, and a HLT for every vector. */
  private buildKernel(): void {
    const { view, ram } = this;
    const kernel = ram + KERNEL;
    const descriptors: readonly [number, bigint][] = [
      [KERNEL_CS, 0x00af_9b00_0000_ffffn],
      [KERNEL_SS, 0x00cf_9300_0000_ffffn],
      [USER_SS & ~3, 0x00cf_f300_0000_ffffn],
      [USER_CS & ~3, 0x00af_fb00_0000_ffffn],
    ];
    for (const [selector, descriptor] of descriptors) this.put64(KERNEL + GDT + selector, descriptor);
    view.setBigUint64(kernel + TSS + 4, KERNEL_GVA + BigInt(STACK_TOP), true);
    for (let vector = 0; vector < 256; vector++) {
      const handler = GATES + vector * GATE_STEP;
      view.setUint8(kernel + handler, 0xf4);
      const target = KERNEL_GVA + BigInt(handler);
      const gate = kernel + IDT + vector * 16;
      // An interrupt gate of DPL 3, so that INT3 may use its own.
      view.setUint16(gate, Number(target & 0xffffn), true);
      view.setUint16(gate + 2, KERNEL_CS, true);
      view.setUint16(gate + 4, 0xee00, true);
      view.setUint16(gate + 6, Number((target >> 16n) & 0xffffn), true);
      view.setUint32(gate + 8, Number(target >> 32n), true);
    }
  }

  /** Brings data page, code page and processor into the state before a case. */
  prepare(words: BigUint64Array, code: Uint8Array, registers: readonly bigint[], rflags: bigint): void {
    const { arena } = this.vm;
    const [{ cpu }] = this.vm.vcpus;
    arena.u64.set(words, (this.ram + DATA) >> 3);
    arena.u8.fill(INT3, this.ram + CODE, this.ram + CODE + 0x1000);
    arena.u8.set(code, this.ram + CODE + 0x800);
    cpu.noteExternalWrite(this.ram + DATA, 0x2000);
    cpu.noteExternalWrite(this.ram + CODE, 0x1000);
    this.enterUserMode();
    const { r } = cpu;
    r.fill(0, VCPU_XMM, VCPU_MXCSR);
    r[VCPU_MXCSR] = 0x1f80;
    // The case before ended in HLT.
    r[VCPU_ACTIVITY] = 0;
    for (const [n, value] of registers.entries()) {
      r[VCPU_GPR + n * 2] = lowHalf(value);
      r[VCPU_GPR + n * 2 + 1] = highHalf(value);
    }
    r[VCPU_RIP] = lowHalf(CODE_START);
    r[VCPU_RIP + 1] = highHalf(CODE_START);
    cpu.setRflags(lowHalf(rflags));
  }

  private enterUserMode(): void {
    const [vcpu] = this.vm.vcpus;
    const { r } = vcpu.cpu;
    const set64 = (word: number, value: bigint): void => {
      r[word] = lowHalf(value);
      r[word + 1] = highHalf(value);
    };
    const segment = (number: number, selector: number, attributes: number, limit: number, base: bigint): void => {
      const words = VCPU_SEGMENTS + number * SEGMENT_WORDS;
      r[words + SEG_SELECTOR] = selector;
      r[words + SEG_ATTRIBUTES] = attributes;
      r[words + SEG_LIMIT] = limit;
      set64(words + SEG_BASE, base);
    };
    set64(VCPU_CR0, 0x8005_0033n); // PE MP ET NE WP AM PG
    set64(VCPU_CR3, BigInt(PML4));
    set64(VCPU_CR4, 0x620n); // PAE OSFXSR OSXMMEXCPT
    set64(VCPU_EFER, 0xd01n); // SCE LME LMA NXE
    segment(CS, USER_CS, 0xa0fb, -1, 0n);
    for (const number of [SS, DS, ES, FS, GS]) segment(number, USER_SS, 0xc0f3, -1, 0n);
    segment(TR, TASK, 0x8b, 0x67, KERNEL_GVA + BigInt(TSS));
    set64(VCPU_GDTR_BASE, KERNEL_GVA + BigInt(GDT));
    r[VCPU_GDTR_LIMIT] = 0x3f;
    set64(VCPU_IDTR_BASE, KERNEL_GVA + BigInt(IDT));
    r[VCPU_IDTR_LIMIT] = 0xfff;
    r[VCPU_CPL] = 3;
    r[VCPU_CODE_BITS] = 64;
    vcpu.registersChanged();
  }

  /** Runs to the first exception; a string says why there was none. */
  run(budget: number): Ending | string {
    const [vcpu] = this.vm.vcpus;
    const stop = vcpu.run(budget, true);
    const { r } = vcpu.cpu;
    if (stop !== RUN_HLT) return `the guest stopped with ${RUN_NAMES[stop]} ${vcpu.internalError}`.trimEnd();
    // HLT has retired: RIP is one past it.
    const offset = u64FromHalves(r[VCPU_RIP], r[VCPU_RIP + 1]) - KERNEL_GVA - BigInt(GATES);
    const frame = this.ram + STACK + 0x1000 - 40;
    return {
      vector: Number(offset / BigInt(GATE_STEP)),
      rip: this.view.getBigUint64(frame, true),
      rflags: this.view.getBigUint64(frame + 16, true),
      rsp: this.view.getBigUint64(frame + 24, true),
    };
  }

  /** The lower half of an XMM register; the upper is zero. */
  setXmm(n: number, value: bigint): void {
    const { r } = this.vm.vcpus[0].cpu;
    r[VCPU_XMM + n * 4] = lowHalf(value);
    r[VCPU_XMM + n * 4 + 1] = highHalf(value);
  }

  /** Register n after the run; RSP is the kernel's by then, the user's is in {@link Ending}. */
  register(n: number): bigint {
    const { r } = this.vm.vcpus[0].cpu;
    return u64FromHalves(r[VCPU_GPR + n * 2], r[VCPU_GPR + n * 2 + 1]);
  }

  dataWord(n: number): bigint {
    return this.vm.arena.u64[((this.ram + DATA) >> 3) + n];
  }

  codeWord(n: number): bigint {
    return this.vm.arena.u64[((this.ram + CODE) >> 3) + n];
  }
}
