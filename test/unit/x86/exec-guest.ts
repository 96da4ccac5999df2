/**
 * A guest for tables of instructions: a few bytes of code, the state before, the state after. Kernel mode; every exception
 * ends in a HLT of its own, so that its vector can be told. In 64-bit mode paging is on and single pages can be taken away.
 */
import { createArena } from '../../../core/arena/arena.ts';
import * as L from '../../../core/arena/vcpu-layout.ts';
import { HVA_BASE, highHalf, lowHalf, u64FromHalves } from '../../../core/base/address.ts';
import { RUN_HLT, RUN_INTERNAL_ERROR, type RunCode, Vm, type VmBus } from '../../../core/kvm/index.ts';

const RAM = 0x40_0000;
export const CODE = 0x1000;
export const DATA = 0x4000;
export const STACK_TOP = 0x9000;
const IDT = 0x1_0000;
const GDT = 0x1_1000;
const HANDLERS = 0x1_2000;
const PML4 = 0x2_0000;
const PDPT = 0x2_1000;
const PD = 0x2_2000;
const PT = 0x2_3000;

export const NAMES = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
export type Registers = Readonly<Record<string, bigint | number>>;

export interface Setup {
  readonly regs?: Registers;
  readonly flags?: number;
  /** Bytes at {@link DATA}. */
  readonly data?: readonly number[];
}

class NoDevices implements VmBus {
  hi = 0;
  device = -1;
  mmioRead(): number {
    this.hi = -1;
    return -1;
  }
  mmioWrite(): void {}
  pioRead(): number {
    return 0xab;
  }
  pioWrite(): void {}
  interruptPending(): boolean {
    return false;
  }
  acknowledgeInterrupt(): number {
    return 0;
  }
  stopRequested(): boolean {
    return false;
  }
}

export class ExecGuest {
  readonly vm: Vm;
  readonly bits: 16 | 32 | 64;
  /** What the last run came back with. */
  stop: RunCode = RUN_HLT;

  constructor(bits: 16 | 32 | 64) {
    this.bits = bits;
    const layout = { ramBytes: RAM, vcpus: 1, memslots: 128, shadowPages: 64, traceRecords: 64 };
    const arena = createArena(layout, (bytes) => new SharedArrayBuffer(bytes));
    this.vm = new Vm(arena, { mmu: 'ept', era: 'patch', maxPhyAddr: 40, vcpus: 1 }, new NoDevices());
    const slot = { slot: 0, flags: 0, guestPhysAddr: 0n, memorySize: BigInt(RAM), userspaceAddr: HVA_BASE };
    if (!this.vm.setUserMemoryRegion(slot).ok) throw new Error('the memory slot was refused');
    this.buildHandlers();
    if (bits === 64) this.buildTables();
    this.power();
  }

  get r(): Int32Array {
    return this.vm.vcpus[0].cpu.r;
  }

  private get ram(): number {
    return this.vm.arena.layout.ram;
  }

  private put64(gpa: number, value: bigint): void {
    this.vm.arena.view.setBigUint64(this.ram + gpa, value, true);
  }

  private buildHandlers(): void {
    const { view, u8 } = this.vm.arena;
    this.put64(GDT + 8, this.bits === 64 ? 0x00af_9b00_0000_ffffn : 0x00cf_9b00_0000_ffffn);
    this.put64(GDT + 16, 0x00cf_9300_0000_ffffn);
    // The gates of a 16-bit guest lead to 32-bit code as well.
    for (let vector = 0; vector < 32; vector++) {
      const handler = HANDLERS + vector * 8;
      u8[this.ram + handler] = 0xf4;
      const gate = this.ram + IDT + vector * (this.bits === 64 ? 16 : 8);
      view.setUint16(gate, handler & 0xffff, true);
      view.setUint16(gate + 2, 8, true);
      view.setUint16(gate + 4, 0x8e00, true);
      view.setUint16(gate + 6, handler >> 16, true);
    }
  }

  private buildTables(): void {
    this.put64(PML4, BigInt(PDPT | 3));
    this.put64(PDPT, BigInt(PD | 3));
    this.put64(PD, BigInt(PT | 3));
    for (let page = 0; page < 512; page++) this.setPage(page, (page << 12) | 3);
  }

  /** The page table entry of a page below 2 MiB: its number in 4 KiB, and the entry. */
  setPage(page: number, entry: number): void {
    this.put64(PT + page * 8, BigInt(entry));
    this.vm.vcpus[0].registersChanged();
  }

  private power(): void {
    const { r, bits } = this;
    const segment = (number: number, selector: number, attributes: number): void => {
      const words = L.VCPU_SEGMENTS + number * L.SEGMENT_WORDS;
      r[words + L.SEG_SELECTOR] = selector;
      r[words + L.SEG_ATTRIBUTES] = attributes;
      r[words + L.SEG_LIMIT] = -1;
      r[words + L.SEG_BASE] = 0;
      r[words + L.SEG_BASE + 1] = 0;
    };
    segment(L.CS, 8, bits === 64 ? 0xa09b : bits === 32 ? 0xc09b : 0x809b);
    for (const number of [L.SS, L.DS, L.ES, L.FS, L.GS]) segment(number, 16, bits === 16 ? 0x8093 : 0xc093);
    r[L.VCPU_CODE_BITS] = bits;
    r[L.VCPU_CPL] = 0;
    r[L.VCPU_CR0] = bits === 64 ? 0x8001_0011 : 0x11;
    r[L.VCPU_CR3] = PML4;
    r[L.VCPU_CR4] = 0x20;
    r[L.VCPU_EFER] = bits === 64 ? 0x500 : 0;
    r[L.VCPU_GDTR_BASE] = GDT;
    r[L.VCPU_GDTR_LIMIT] = 0xff;
    r[L.VCPU_IDTR_BASE] = IDT;
    r[L.VCPU_IDTR_LIMIT] = 0xfff;
  }

  /** Brings the state before into place; the code is followed by HLT. */
  load(code: readonly number[], setup: Setup = {}): this {
    const [{ cpu }] = this.vm.vcpus;
    this.power();
    const { u8 } = this.vm.arena;
    u8.fill(0xf4, this.ram + CODE, this.ram + CODE + 0x1000);
    u8.set(code, this.ram + CODE);
    u8.fill(0, this.ram + DATA, this.ram + DATA + 0x3000);
    u8.set(setup.data ?? [], this.ram + DATA);
    cpu.noteExternalWrite(this.ram + CODE, 0x1000);
    cpu.r.fill(0, L.VCPU_GPR, L.VCPU_GPR + 32);
    this.set('rsp', STACK_TOP);
    for (const [name, value] of Object.entries(setup.regs ?? {})) this.set(name, value);
    cpu.r[L.VCPU_RIP] = CODE;
    cpu.r[L.VCPU_RIP + 1] = 0;
    cpu.r[L.VCPU_ACTIVITY] = 0;
    cpu.r[L.VCPU_INTERRUPT_SHADOW] = 0;
    cpu.setRflags(setup.flags ?? 0);
    this.vm.vcpus[0].registersChanged();
    return this;
  }

  /** To the HLT after the code, or to that of an exception. */
  run(budget = 1000): this {
    this.stop = this.vm.vcpus[0].run(budget, true);
    if (this.stop === RUN_INTERNAL_ERROR) throw new Error(this.vm.vcpus[0].internalError);
    return this;
  }

  execute(code: readonly number[], setup: Setup = {}): this {
    return this.load(code, setup).run();
  }

  set(name: string, value: bigint | number): void {
    const wide = BigInt.asUintN(64, BigInt(value));
    const word = L.VCPU_GPR + NAMES.indexOf(name) * 2;
    this.r[word] = lowHalf(wide);
    this.r[word + 1] = highHalf(wide);
  }

  reg(name: string): bigint {
    const word = L.VCPU_GPR + NAMES.indexOf(name) * 2;
    return u64FromHalves(this.r[word], this.r[word + 1]);
  }

  get rip(): number {
    return this.r[L.VCPU_RIP];
  }

  /** CF PF AF ZF SF OF (and the rest) as they are now. */
  get flags(): number {
    return this.vm.vcpus[0].cpu.rflags();
  }

  /** Vector of the exception that ended the run, −1 when the code ran to its own HLT. */
  get vector(): number {
    const offset = this.rip - HANDLERS;
    return offset < 0 || offset >= 32 * 8 ? -1 : offset >> 3;
  }

  bytes(gpa: number, length: number): number[] {
    return [...this.vm.arena.u8.subarray(this.ram + gpa, this.ram + gpa + length)];
  }

  write(gpa: number, bytes: readonly number[]): void {
    this.vm.arena.u8.set(bytes, this.ram + gpa);
    this.vm.vcpus[0].cpu.noteExternalWrite(this.ram + gpa, bytes.length);
  }

  /** Word n (of 4 or 8 bytes) above the stack pointer at the end. */
  stack(n: number): bigint {
    const bytes = this.bits === 64 ? 8 : 4;
    const at = this.ram + Number(this.reg('rsp')) + n * bytes;
    const { view } = this.vm.arena;
    return bytes === 8 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
  }
}

export const UD = 6;
export const GP = 13;
export const PF = 14;
export const DE = 0;
export const BR = 5;
