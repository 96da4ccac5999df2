/**
 * A guest with paging on under the shadow MMU and a real processor: one instruction at a time, page tables of its own making.
 *
 * Guest physical: code at 0x1000, IDT at 0x2000, GDT at 0x3000, stack below 0x5000, tables from 0x10000 on, data pages from
 * 0x40000 on. Linear addresses below 2 MiB (4 MiB with 32-bit paging) are mapped as they are, all rights, A and D set; what lies
 * at {@link ShadowRig.window} is up to the test.
 */
import { createArena, type Arena } from '../../../core/arena/arena.ts';
import {
  SP_GFN,
  SP_IN_USE,
  SP_ROLE,
  SP_UNSYNC,
  SP_UNSYNC_CHILDREN,
  MMU_PAGE_BYTES,
} from '../../../core/arena/mmu-layout.ts';
import {
  CS,
  SEG_ATTRIBUTES,
  SEG_BASE,
  SEG_LIMIT,
  SEGMENT_WORDS,
  TR,
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_CR0,
  VCPU_CR2,
  VCPU_CR3,
  VCPU_CR4,
  VCPU_EFER,
  VCPU_GDTR_BASE,
  VCPU_GDTR_LIMIT,
  VCPU_GPR,
  VCPU_IDTR_BASE,
  VCPU_IDTR_LIMIT,
  VCPU_PDPTE,
  VCPU_RIP,
  VCPU_SEGMENTS,
} from '../../../core/arena/vcpu-layout.ts';
import { HVA_BASE, highHalf, lowHalf, u64FromHalves } from '../../../core/base/address.ts';
import type { HostPages } from '../../../core/base/host-pages.ts';
import type { Era, MmuMode } from '../../../core/base/machine-modes.ts';
import { auditMmu } from '../../../core/kvm/audit/audit.ts';
import { type KvmHooks, noHooks, Vm } from '../../../core/kvm/index.ts';
import { lastSptep } from '../../../core/kvm/mmu/mmu-walk.ts';
import { pageOfHpa } from '../../../core/kvm/mmu/shadow-page-pool.ts';
import { readVcpuCounters, readVmCounters } from '../../../core/kvm/trace/stats.ts';
import { memslotsOf } from '../../../core/kvm/memslots/limits.ts';
import { RUN_BUDGET } from '../../../core/kvm/vcpu/vcpu-run.ts';
import { enterImage } from '../../../core/machine/boot-state.ts';
import { RecordingBus } from './kvm-fixture.ts';

export const P = 1n;
export const W = 2n;
export const U = 4n;
export const A = 0x20n;
export const D = 0x40n;
export const PS = 0x80n;
export const NX = 1n << 63n;
/** Present, writable, user, accessed, dirty: an entry that KVM's walker leaves alone. */
export const OPEN = P | W | U | A | D;

export type PagingMode = '4-level' | 'pae' | '32-bit';
export const PAGING_MODES: readonly PagingMode[] = ['4-level', 'pae', '32-bit'];

const MIB = 0x10_0000;
const RAM_BYTES = 8 * MIB;
const CODE = 0x1000;
const IDT = 0x2000;
const GDT = 0x3000;
const TSS = 0x3800;
const STACK = 0x5000;
const HANDLER = 0x1800;

const PML4 = 0x10000;
const PDPT = 0x11000;
const PD = 0x12000;
const PT = 0x13000;
const WINDOW_PT = 0x14000;
const SPARE = 0x15000;
const FAR_PD = 0x16000;
/** Linear address that {@link FAR_PD} maps the window at, too: a page directory on no way to anything else. */
export const FAR = 0x4000_0000;
/** Page n of the data area, as a gpa. */
export const data = (n: number): number => 0x40000 + n * 0x1000;

const CR0_PG_WP_PE = 0x8001_0011 | 0;
const CR0_WP = 0x1_0000;
const CR4_PSE = 0x10;
const CR4_PAE = 0x20;
const EFER_LONG = 0x500;
const EFER_NXE = 0x800;

const ANY_EXCEPTION = -2;

/** What an access came to: a value, or the error code and address of the page fault that the guest got. */
export type Outcome = { readonly value: bigint } | { readonly pageFault: number; readonly cr2: number };

export interface RigOptions {
  readonly era?: Era;
  readonly wp?: boolean;
  readonly cr4?: number;
  readonly maxPhyAddr?: number;
  readonly shadowPages?: number;
  readonly hostPages?: HostPages;
  /** Whether the shadow is audited after every instruction; it is unless told. */
  readonly audited?: boolean;
  readonly hooks?: KvmHooks;
  /** 'shadow' unless told: the same guest under two-dimensional paging. */
  readonly mmu?: MmuMode;
}

export class ShadowRig {
  readonly arena: Arena;
  readonly vm: Vm;
  readonly bus = new RecordingBus();
  readonly r: Int32Array;
  readonly mode: PagingMode;
  private readonly audited: boolean;
  /** First linear address of the window, whose entries are those of the table {@link windowTable}. */
  readonly window: number;
  readonly tables = { pml4: PML4, pdpt: PDPT, pd: PD, pt: PT, window: WINDOW_PT, spare: SPARE, far: FAR_PD } as const;

  constructor(mode: PagingMode, options: RigOptions = {}) {
    const {
      era = 'v3.11',
      wp = true,
      cr4 = 0,
      maxPhyAddr = 40,
      shadowPages = 256,
      hostPages = '4k',
      audited = true,
      hooks = noHooks(),
      mmu = 'shadow',
    } = options;
    this.audited = audited;
    this.mode = mode;
    this.window = mode === '32-bit' ? 4 * MIB : 2 * MIB;
    const memslots = memslotsOf(era);
    this.arena = createArena(
      { ramBytes: RAM_BYTES, vcpus: 1, memslots, shadowPages, traceRecords: 64 },
      (bytes) => new SharedArrayBuffer(bytes),
    );
    this.vm = new Vm(this.arena, { mmu, era, maxPhyAddr, vcpus: 1, hostPages }, this.bus, hooks);
    this.slot(0, 0n, BigInt(RAM_BYTES));
    this.buildTables();
    const [vcpu] = this.vm.vcpus;
    enterImage(vcpu, CODE, 0);
    this.r = vcpu.cpu.r;
    this.enterMode(wp, cr4);
  }

  slot(id: number, gpa: bigint, size: bigint, flags = 0, hva = HVA_BASE): void {
    const region = { slot: id, flags, guestPhysAddr: gpa, memorySize: size, userspaceAddr: hva };
    const done = this.vm.setUserMemoryRegion(region);
    if (!done.ok) throw new Error(done.error.message);
  }

  get entryBytes(): number {
    return this.mode === '32-bit' ? 4 : 8;
  }

  private buildTables(): void {
    const entries = 4096 / this.entryBytes;
    for (let i = 0; i < entries; i++) this.poke(PT, i, BigInt(i * 0x1000) | OPEN);
    this.poke(PD, 0, BigInt(PT) | OPEN);
    this.poke(PD, 1, BigInt(WINDOW_PT) | OPEN);
    this.poke(FAR_PD, 0, BigInt(WINDOW_PT) | OPEN);
    this.poke(PDPT, 1, BigInt(FAR_PD) | (this.mode === 'pae' ? P : OPEN));
    this.poke(PDPT, 0, BigInt(PD) | (this.mode === 'pae' ? P : OPEN));
    this.poke(PML4, 0, BigInt(PDPT) | OPEN);
    // Flat code and data, and their 64-bit code; an interrupt gate for #PF.
    const { view, layout } = this.arena;
    const code = this.mode === '4-level' ? 0x00af_9b00_0000_ffffn : 0x00cf_9b00_0000_ffffn;
    [0n, code, 0x00cf_9300_0000_ffffn].forEach((d, i) => view.setBigUint64(layout.ram + GDT + 8 * i, d, true));
    for (let vector = 0; vector < 32; vector++) {
      const gate = layout.ram + IDT + vector * (this.mode === '4-level' ? 16 : 8);
      view.setUint16(gate, HANDLER + 4 * vector, true);
      view.setUint16(gate + 2, 8, true);
      view.setUint16(gate + 4, 0x8e00, true);
    }
  }

  private enterMode(wp: boolean, cr4: number): void {
    const { r, mode } = this;
    const wide = (at: number, value: number): void => {
      r[at] = value;
      r[at + 1] = 0;
    };
    wide(VCPU_CR0, wp ? CR0_PG_WP_PE : CR0_PG_WP_PE & ~CR0_WP);
    wide(VCPU_CR4, cr4 | (mode === '32-bit' ? CR4_PSE : CR4_PAE));
    wide(VCPU_EFER, mode === '4-level' ? EFER_LONG | EFER_NXE : EFER_NXE);
    wide(VCPU_CR3, mode === '4-level' ? PML4 : mode === 'pae' ? PDPT : PD);
    if (mode === 'pae') {
      wide(VCPU_PDPTE, PD | 1);
      wide(VCPU_PDPTE + 2, FAR_PD | 1);
    }
    wide(VCPU_GDTR_BASE, GDT);
    r[VCPU_GDTR_LIMIT] = 0x17;
    wide(VCPU_IDTR_BASE, IDT);
    r[VCPU_IDTR_LIMIT] = 0x1ff;
    // A stack for faults of user code.
    const tr = VCPU_SEGMENTS + TR * SEGMENT_WORDS;
    r[tr + SEG_ATTRIBUTES] = 0x8b;
    r[tr + SEG_LIMIT] = 0x67;
    wide(tr + SEG_BASE, TSS);
    const tss = this.arena.layout.ram + TSS;
    this.arena.view.setUint32(tss + 4, STACK, true);
    this.arena.view.setUint32(tss + 8, mode === '4-level' ? 0 : 0x10, true);
    if (mode === '4-level') {
      r[VCPU_SEGMENTS + CS * SEGMENT_WORDS + SEG_ATTRIBUTES] = 0xa09b;
      r[VCPU_CODE_BITS] = 64;
    }
  }

  /** Puts an entry into a table behind everybody's back, as if it had always been there. */
  poke(table: number, index: number, entry: bigint): void {
    const at = this.arena.layout.ram + table + index * this.entryBytes;
    if (this.entryBytes === 8) this.arena.view.setBigUint64(at, entry, true);
    else this.arena.view.setUint32(at, Number(BigInt.asUintN(32, entry)), true);
  }

  entry(table: number, index: number): bigint {
    const at = this.arena.layout.ram + table + index * this.entryBytes;
    return this.entryBytes === 8 ? this.arena.view.getBigUint64(at, true) : BigInt(this.arena.view.getUint32(at, true));
  }

  /** Linear address of page n of the window. */
  page(n: number): number {
    return this.window + n * 0x1000;
  }

  byteAt(gpa: number): number {
    return this.arena.u8[this.arena.layout.ram + gpa];
  }

  set cpl(cpl: number) {
    this.r[VCPU_CPL] = cpl;
  }

  set wp(on: boolean) {
    this.setCr0((this.r[VCPU_CR0] & ~CR0_WP) | (on ? CR0_WP : 0));
  }

  private run(code: readonly number[], where = CODE): Outcome {
    const { arena, r } = this;
    const [vcpu] = this.vm.vcpus;
    const at = arena.layout.ram + where;
    arena.u8.set(code, at);
    vcpu.cpu.noteExternalWrite(at, 16);
    vcpu.cpu.successor = 0;
    const { [VCPU_CPL]: cpl } = r;
    r[VCPU_RIP] = where;
    r[VCPU_RIP + 1] = 0;
    r[VCPU_GPR + 2 * 4] = STACK;
    r[VCPU_GPR + 2 * 4 + 1] = 0;
    const stop = vcpu.run(1, false);
    if (vcpu.internalError !== '') throw new Error(vcpu.internalError);
    // After every instruction the shadow must be in order.
    const [violation] = this.audited ? auditMmu(this.vm.mmu).violations : [];
    if (violation !== undefined) throw new Error(violation.text);
    if (r[VCPU_RIP] !== HANDLER + 4 * 14) {
      const vector = (r[VCPU_RIP] - HANDLER) / 4;
      const delivered = vector >= 0 && vector < 32;
      if (this.expected === ANY_EXCEPTION) this.vector = delivered ? vector : -1;
      else if (delivered && vector !== this.expected) throw new Error(`exception ${vector}`);
      if (stop !== RUN_BUDGET) this.stops.push(stop);
      r[VCPU_CPL] = cpl;
      return { value: u64FromHalves(r[VCPU_GPR], this.mode === '4-level' ? r[VCPU_GPR + 1] : 0) };
    }
    const pageFault = arena.i32[(arena.layout.ram + r[VCPU_GPR + 2 * 4]) >> 2];
    r[VCPU_CPL] = cpl;
    return { pageFault, cr2: r[VCPU_CR2] };
  }

  /** RUN_* codes other than the budget's. */
  readonly stops: number[] = [];
  private expected = -1;
  private vector = -1;

  private operands(gva: number, value: bigint): void {
    const { r } = this;
    r[VCPU_GPR + 2 * 7] = gva | 0;
    r[VCPU_GPR + 2 * 7 + 1] = 0;
    r[VCPU_GPR] = lowHalf(value);
    r[VCPU_GPR + 1] = highHalf(value);
  }

  /** mov eax, [rdi] */
  read(gva: number): Outcome {
    this.operands(gva, 0n);
    return this.run([0x8b, 0x07]);
  }

  /** mov [rdi], al … rax, by size. */
  write(gva: number, value: bigint, size = 4): Outcome {
    this.operands(gva, value);
    const forms: Record<number, readonly number[]> = {
      1: [0x88, 0x07],
      2: [0x66, 0x89, 0x07],
      4: [0x89, 0x07],
      8: [0x48, 0x89, 0x07],
    };
    return this.run(forms[size]);
  }

  /** The guest writes an entry of a table through the mapping of what lies below the window. */
  writeEntry(table: number, index: number, entry: bigint): Outcome {
    const gva = table + index * this.entryBytes;
    if (this.entryBytes === 4) return this.write(gva, entry, 4);
    if (this.mode === '4-level') return this.write(gva, entry, 8);
    const low = this.write(gva, BigInt.asUintN(32, entry), 4);
    return 'pageFault' in low || this.entry(table, index) >> 32n === entry >> 32n
      ? low
      : this.write(gva + 4, entry >> 32n, 4);
  }

  /** inc dword [rdi]: no instruction that kernels write page tables with. */
  increment(gva: number): Outcome {
    this.operands(gva, 0n);
    return this.run([0xff, 0x07]);
  }

  /** mov ds, eax: the processor reads the GDT by itself. With EFLAGS.AC, if wanted. */
  loadDataSegment(ac: boolean): void {
    this.vm.vcpus[0].cpu.setRflags(ac ? 0x4_0002 : 2);
    this.operands(0, 0x10n);
    this.run([0x8e, 0xd8]);
  }

  /** int3, with its handler among those of exceptions. */
  breakpoint(): void {
    this.expected = 3;
    this.run([0xcc]);
    this.expected = -1;
  }

  /** One instruction, with RAX as told. Answers the vector of the exception that it came to, −1 for none; page faults are 14. */
  step(code: readonly number[], rax = 0n, where = CODE): number {
    this.operands(0, rax);
    this.expected = ANY_EXCEPTION;
    const outcome = this.run(code, where);
    this.expected = -1;
    return 'pageFault' in outcome ? 14 : this.vector;
  }

  /** invlpg [rdi] */
  invlpg(gva: number): void {
    this.operands(gva, 0n);
    this.run([0x0f, 0x01, 0x3f]);
  }

  /** mov cr3, rax */
  setCr3(value: number): void {
    this.operands(0, BigInt(value));
    this.run([0x0f, 0x22, 0xd8]);
  }

  /** mov cr3, rax with the value that is there */
  reloadCr3(): void {
    this.setCr3(this.r[VCPU_CR3]);
  }

  private setCr0(value: number): void {
    this.operands(0, BigInt(value >>> 0));
    this.run([0x0f, 0x22, 0xc0]);
  }

  setCr4(value: number): void {
    this.operands(0, BigInt(value >>> 0));
    this.run([0x0f, 0x22, 0xe0]);
  }

  /** wrmsr of EFER */
  setEfer(value: number): void {
    this.operands(0, BigInt(value >>> 0));
    this.r[VCPU_GPR + 2] = 0xc000_0080 | 0;
    this.r[VCPU_GPR + 4] = 0;
    this.run([0x0f, 0x30]);
  }

  /** Where the entry stands at which a walk for the address ends; 0 when there is no root. */
  sptepOf(gva: number): number {
    return lastSptep(this.vm.mmu, this.r, gva, 0);
  }

  /** The spte at which a walk for the address ends. */
  spte(gva: number): bigint {
    const sptep = this.sptepOf(gva);
    return sptep === 0 ? 0n : this.arena.u64[sptep >> 3];
  }

  /** The page that this spte stands in. */
  pageOf(gva: number): number {
    return pageOfHpa(this.vm.mmu, lastSptep(this.vm.mmu, this.r, gva, 0));
  }

  /** Pages in use that shadow the table at a gpa, or map from it on: their roles, in no particular order. */
  roles(gpa: number): number[] {
    return this.pages((gfn) => gfn === gpa >> 12).map(({ role }) => role);
  }

  pages(
    wanted: (gfn: number) => boolean,
  ): { readonly role: number; readonly unsync: number; readonly unsyncChildren: number }[] {
    const { i32, f64, layout } = this.arena;
    return Array.from({ length: layout.config.shadowPages }, (_, n) => layout.mmuPages + n * MMU_PAGE_BYTES)
      .filter((at) => i32[(at + SP_IN_USE) >> 2] !== 0 && wanted(f64[(at + SP_GFN) >> 3]))
      .map((at) => ({
        role: i32[(at + SP_ROLE) >> 2],
        unsync: i32[(at + SP_UNSYNC) >> 2],
        unsyncChildren: i32[(at + SP_UNSYNC_CHILDREN) >> 2],
      }));
  }

  get counters() {
    return { ...readVmCounters(this.arena), ...readVcpuCounters(this.arena, 0) };
  }
}
