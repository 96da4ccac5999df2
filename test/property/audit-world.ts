/**
 * A small machine for random scripts: a real processor over KVM, whose guest is a few bytes at a time. Its home slot holds
 * descriptor tables, code, and guest page tables of every paging mode; other slots come and go.
 */
import { createArena, type Arena } from '../../core/arena/arena.ts';
import {
  CS,
  DS,
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
  VCPU_GDTR_BASE,
  VCPU_GDTR_LIMIT,
  VCPU_GPR,
  VCPU_IDTR_BASE,
  VCPU_IDTR_LIMIT,
  VCPU_RIP,
  VCPU_SEGMENTS,
} from '../../core/arena/vcpu-layout.ts';
import { HVA_BASE } from '../../core/base/address.ts';
import type { HostPages } from '../../core/base/host-pages.ts';
import type { Era, MmuMode } from '../../core/base/machine-modes.ts';
import { TRACEPOINTS } from '../../core/base/tracepoints.ts';
import { RUN_HLT, RUN_NAMES, RUN_VMM_STOP, Vm, type Vcpu } from '../../core/kvm/index.ts';
import { memslotsOf } from '../../core/kvm/memslots/limits.ts';
import { setTraceEnabled } from '../../core/kvm/trace/trace.ts';
import { enterImage } from '../../core/machine/boot-state.ts';
import { RecordingBus } from '../unit/kvm/kvm-fixture.ts';

export const PAGE = 0x1000;
export const RAM_BYTES = 0x40_0000;
/** The home slot: gpa 0 up to here is host memory from its first byte on. */
export const HOME_BYTES = 0x20_0000;
/** Host frames from here on hold data only. */
export const FIRST_DATA_FRAME = 0x80;
/** Descriptor tables, handlers, stacks and code lie below. */
const FIRST_TABLE_FRAME = 0x10;

const GDT = 0x1000;
/** Each vCPU's own, as are stacks and code. */
const TSS = [0x1800, 0x1900] as const;
const IDT_32 = 0x2000;
const IDT_64 = 0x3000;
/** Page faults end here; #GP, which HLT is for a user, 16 bytes on. */
const HANDLER = 0x4000;
const HANDLER_GP = HANDLER + 16;
const STACK = [0x5800, 0x6000] as const;
const USER_STACK = [0x6800, 0x7000] as const;
const CODE = [0x7000, 0x8000] as const;
/** Where code can be jumped to in every data frame: it loads EAX with the frame's number and halts. */
export const CODE_OFFSET = 0xfe0;

/** Where loads and stores go in every page. */
export const DATA_OFFSET = 0x40;

export const PAGINGS = ['flat', '32-bit', 'pae', '4-level'] as const;
export type Paging = (typeof PAGINGS)[number];

/**
 * Guest tables by gpa. Two address spaces, A and B, which share their leaf tables; PAE and 4-level share all below the top.
 * A maps the home by a table, B by a large page, which has all these tables in it.
 */
export const TABLES = {
  pd32: [0x1_0000, 0x1_1000],
  low32: 0x1_2000,
  window32: 0x1_3000,
  other32: 0x1_4000,
  pdpt: [0x2_0000, 0x2_1000],
  pd64: [0x2_2000, 0x2_3000],
  low64: 0x2_4000,
  window64: 0x2_5000,
  other64: 0x2_6000,
  pml4: [0x3_0000, 0x3_1000],
  pdpt4: [0x3_2000, 0x3_3000],
} as const;

/**
 * Windows: gva of the first page of each; the third is a large page. The second lies in another quadrant of 32-bit paging,
 * and under PAE and in long mode the page directory hangs at two places.
 */
export const WINDOWS = [0x40_0000, 0x8080_0000, 0xc0_0000] as const;
/** The upper half of the first window: another quadrant again, or the same table once more. */
export const UPPER_HALF = WINDOWS[0] + 0x20_0000;
/** The first window where the page directory hangs a second time: PAE and long mode only. */
export const ALIAS = WINDOWS[0] + 0x8000_0000;
export const WINDOW_PAGES = 4;
/** The table of the first window as a large page at the third shows it, when that page maps the home. */
export const TABLES_SEEN: readonly number[] = [WINDOWS[2] + TABLES.window32, WINDOWS[2] + TABLES.window64];
/** Pages whose translations change. */
export const WINDOW_GVAS: readonly number[] = [
  ...[...WINDOWS, UPPER_HALF, ALIAS].flatMap((gva) => Array.from({ length: WINDOW_PAGES }, (_, n) => gva + n * PAGE)),
  ...TABLES_SEEN,
];
/** Host frames that a random store must leave alone, or the machine falls apart: the processor's, and tables beside the windows'. */
export const isVital = (frame: number): boolean => frame < FIRST_TABLE_FRAME || VITAL_TABLES.includes(frame * PAGE);
const VITAL_TABLES: readonly number[] = [
  ...[TABLES.low32, TABLES.low64],
  ...[...TABLES.pdpt, ...TABLES.pml4, ...TABLES.pdpt4],
];
/** What the first pages of the first two windows map to begin with. */
const MAPPED_AT_FIRST = [0x100_0000, 0x9_0000, 0xe000_0000, 0x100_4000, 0x9_1000, 0x9_0000] as const;

const P = 1;
const W = 2;
const U = 4;
const PS = 0x80;
const CR0_PE = 0x31;
const CR0_WP = 0x1_0000;
const CR0_PG = 0x8000_0000;
const CR4_PSE = 0x10;
const CR4_PAE = 0x20;
const EFER_LME = 0x100;
const EFER_NXE = 0x800;

/** What a machine is made of. */
export interface WorldOptions {
  readonly mmu: MmuMode;
  readonly era: Era;
  readonly hostPages?: HostPages;
  readonly eptAd?: boolean;
  readonly vcpus?: number;
}

export interface Control {
  readonly paging: Paging;
  /** Address space A or B. */
  readonly space: 0 | 1;
  readonly writeProtect: boolean;
  /** EFER.NXE. */
  readonly noExecute: boolean;
}

/** More than any few instructions lead to; a guest whose fault is mended for ever and never made good has no end otherwise. */
const EXITS = 1000;

class WorldBus extends RecordingBus {
  exitsLeft = EXITS;

  /** Asked after every exit. */
  override stopRequested(): boolean {
    this.exitsLeft -= 1;
    return this.exitsLeft < 0;
  }
}

/** How a few instructions ended. */
export interface Ending {
  readonly kind: 'done' | 'fault';
  readonly eax: number;
}

const dword = (value: number): number[] => [value, value >>> 8, value >>> 16, value >>> 24].map((byte) => byte & 0xff);
const movEax = (value: number): number[] => [0xb8, ...dword(value)];
const HLT = 0xf4;

export class World {
  readonly arena: Arena;
  readonly vm: Vm;
  readonly bus = new WorldBus();
  readonly era: Era;
  /** The vCPU that runs what follows. */
  current = 0;
  readonly #controls: Control[];

  constructor({ mmu, era, hostPages = '4k', eptAd = false, vcpus = 1 }: WorldOptions) {
    this.era = era;
    const config = { ramBytes: RAM_BYTES, vcpus, memslots: memslotsOf(era), shadowPages: 256, traceRecords: 256 };
    this.arena = createArena(config, (bytes) => new SharedArrayBuffer(bytes));
    this.bus.claims = -1;
    this.vm = new Vm(this.arena, { mmu, era, maxPhyAddr: 40, vcpus, hostPages, eptAd }, this.bus);
    for (const { id, system } of TRACEPOINTS) if (system !== 'kvm') setTraceEnabled(this.arena, id, true);
    const home = { slot: 0, flags: 0, guestPhysAddr: 0n, memorySize: BigInt(HOME_BYTES), userspaceAddr: HVA_BASE };
    if (!this.vm.setUserMemoryRegion(home).ok) throw new Error('no home');
    this.#fill();
    this.#makeTables();
    this.#controls = this.vm.vcpus.map(() => ({ paging: 'flat', space: 0, writeProtect: false, noExecute: false }));
    for (const [id, vcpu] of this.vm.vcpus.entries()) {
      this.current = id;
      enterImage(vcpu, CODE[id], 0);
      const { r } = vcpu.cpu;
      r[VCPU_GDTR_BASE] = GDT;
      r[VCPU_GDTR_LIMIT] = 0x2f;
      this.#segment(TR, 0x30, 0x8b);
      r[VCPU_SEGMENTS + TR * SEGMENT_WORDS + SEG_BASE] = TSS[id];
      r[VCPU_SEGMENTS + TR * SEGMENT_WORDS + SEG_LIMIT] = 0x67;
      this.#setIdt();
    }
    this.current = 0;
  }

  get vcpu(): Vcpu {
    return this.vm.vcpus[this.current];
  }

  get control(): Control {
    return this.#controls[this.current];
  }

  set control(control: Control) {
    this.#controls[this.current] = control;
  }

  /** Arena offset of a host byte. */
  host(offset: number): number {
    return this.arena.layout.ram + offset;
  }

  peek32(offset: number): number {
    return this.arena.view.getUint32(this.host(offset), true);
  }

  peek16(offset: number): number {
    return this.arena.view.getUint16(this.host(offset), true);
  }

  poke32(offset: number, value: number): void {
    this.arena.view.setUint32(this.host(offset), value, true);
  }

  /** EAX from a 32-bit load. */
  read(gva: number, user = false): Ending {
    return this.execute([0x8b, 0x03, HLT], gva, 0, user);
  }

  write(gva: number, value: number, size: 1 | 2 | 4, user = false): Ending {
    return this.execute([...(size === 2 ? [0x66] : []), size === 1 ? 0x88 : 0x89, 0x0b, HLT], gva, value, user);
  }

  /** A load and a store of one instruction: add [ebx], ecx. */
  add(gva: number, value: number, locked: boolean): Ending {
    return this.execute([...(locked ? [0xf0] : []), 0x01, 0x0b, HLT], gva, value);
  }

  fetch(gva: number, user: boolean): Ending {
    return this.execute([0xff, 0xe3], gva, 0, user);
  }

  invlpg(gva: number): Ending {
    return this.execute([0x0f, 0x01, 0x3b, HLT], gva, 0);
  }

  /** MOV CR3 without another change: the same address space again, or the other. */
  loadCr3(space: 0 | 1): void {
    const { paging } = this.control;
    this.control = { ...this.control, space };
    if (paging === 'flat') return;
    this.#mustEnd([...movEax(this.cr3()), 0x0f, 0x22, 0xd8, HLT]);
  }

  /** From any paging mode to any other, as a guest does it: paging off first. Long mode is its compatibility submode. */
  enter(control: Control): void {
    const { paging } = control;
    this.control = control;
    const cr4 = paging === 'flat' ? 0 : paging === '32-bit' ? CR4_PSE : CR4_PAE;
    const protect = control.writeProtect ? CR0_WP : 0;
    const efer = (paging === '4-level' ? EFER_LME : 0) | (control.noExecute ? EFER_NXE : 0);
    const cr0 = (paging === 'flat' ? CR0_PE : CR0_PE | CR0_PG) | protect;
    this.#mustEnd([
      ...[...movEax(CR0_PE), 0x0f, 0x22, 0xc0],
      ...[0xb9, ...dword(0xc000_0080), ...movEax(efer), 0x31, 0xd2, 0x0f, 0x30],
      ...[...movEax(cr4), 0x0f, 0x22, 0xe0],
      ...[...movEax(this.cr3()), 0x0f, 0x22, 0xd8],
      ...[...movEax(cr0), 0x0f, 0x22, 0xc0],
      HLT,
    ]);
    this.#setIdt();
  }

  /** MOV CR0 that changes WP alone. */
  setWriteProtect(on: boolean): void {
    this.control = { ...this.control, writeProtect: on };
    const cr0 = (this.control.paging === 'flat' ? CR0_PE : CR0_PE | CR0_PG) | (on ? CR0_WP : 0);
    this.#mustEnd([...movEax(cr0), 0x0f, 0x22, 0xc0, HLT]);
  }

  /** The page directory that the vCPU's address space has. */
  directory(): number {
    const { paging, space } = this.control;
    return (paging === '32-bit' ? TABLES.pd32 : TABLES.pd64)[space];
  }

  cr3(): number {
    const { paging, space } = this.control;
    if (paging === '32-bit') return TABLES.pd32[space];
    if (paging === 'pae') return TABLES.pdpt[space];
    return paging === '4-level' ? TABLES.pml4[space] : 0;
  }

  /** Runs a few bytes with EBX and ECX given, to HLT or the page fault handler. */
  execute(code: readonly number[], ebx: number, ecx: number, user = false): Ending {
    const { cpu } = this.vcpu;
    const { r } = cpu;
    const at = CODE[this.current];
    this.arena.u8.set(code, this.host(at));
    cpu.noteExternalWrite(this.host(at), code.length);
    this.#segment(CS, user ? 0x23 : 0x08, user ? 0xc0fb : 0xc09b);
    for (const segment of [SS, DS]) this.#segment(segment, user ? 0x2b : 0x10, user ? 0xc0f3 : 0xc093);
    r[VCPU_CODE_BITS] = 32;
    r[VCPU_CPL] = user ? 3 : 0;
    r[VCPU_ACTIVITY] = 0;
    for (const [n, value] of [
      [1, ecx],
      [3, ebx],
      [4, (user ? USER_STACK : STACK)[this.current]],
    ]) {
      r[VCPU_GPR + 2 * n] = value | 0;
      r[VCPU_GPR + 2 * n + 1] = 0;
    }
    r[VCPU_RIP] = at;
    r[VCPU_RIP + 1] = 0;
    cpu.successor = 0;
    this.bus.exitsLeft = EXITS;
    const ended = this.vcpu.run(200, false);
    if (ended === RUN_VMM_STOP) {
      throw new Error(
        `the guest makes no progress at 0x${(r[VCPU_RIP] >>> 0).toString(16)}: ${EXITS} exits, and no end`,
      );
    }
    if (ended !== RUN_HLT) {
      throw new Error(
        `the guest ended with ${RUN_NAMES[ended]} at 0x${(r[VCPU_RIP] >>> 0).toString(16)}: ${this.vcpu.internalError}`,
      );
    }
    return { kind: r[VCPU_RIP] === HANDLER + 1 ? 'fault' : 'done', eax: r[VCPU_GPR] >>> 0 };
  }

  #mustEnd(code: readonly number[]): void {
    const { kind } = this.execute(code, 0, 0);
    if (kind !== 'done') throw new Error('a page fault where none can be: the code of the control page');
  }

  #segment(segment: number, selector: number, attributes: number): void {
    const { r } = this.vcpu.cpu;
    const at = VCPU_SEGMENTS + segment * SEGMENT_WORDS;
    r[at + SEG_SELECTOR] = selector;
    r[at + SEG_ATTRIBUTES] = attributes;
    r[at + SEG_LIMIT] = -1;
    r[at + SEG_BASE] = 0;
    r[at + SEG_BASE + 1] = 0;
  }

  /** The tables of interrupts, and the stack that they find: the TSS has another form in long mode. */
  #setIdt(): void {
    const { r } = this.vcpu.cpu;
    const long = this.control.paging === '4-level';
    this.poke32(TSS[this.current] + 4, STACK[this.current]);
    this.poke32(TSS[this.current] + 8, long ? 0 : 0x10);
    r[VCPU_IDTR_BASE] = long ? IDT_64 : IDT_32;
    r[VCPU_IDTR_LIMIT] = 0xfff;
  }

  /** Every data frame has its number where accesses go, and its code. */
  #fill(): void {
    for (let frame = FIRST_DATA_FRAME; frame < RAM_BYTES / PAGE; frame++) {
      this.poke32(frame * PAGE + DATA_OFFSET, (frame << 16) | 0xda7a);
      this.arena.u8.set([...movEax(frame), HLT], this.host(frame * PAGE + CODE_OFFSET));
    }
  }

  #makeTables(): void {
    const poke = (gpa: number, low: number, high = 0): void => {
      this.poke32(gpa, low);
      this.poke32(gpa + 4, high);
    };
    poke(GDT + 8, 0x0000_ffff, 0x00cf_9b00);
    poke(GDT + 16, 0x0000_ffff, 0x00cf_9300);
    poke(GDT + 24, 0x0000_ffff, 0x00af_9b00);
    poke(GDT + 32, 0x0000_ffff, 0x00cf_fb00);
    poke(GDT + 40, 0x0000_ffff, 0x00cf_f300);
    for (const [vector, handler] of [
      [13, HANDLER_GP],
      [14, HANDLER],
    ]) {
      poke(IDT_32 + vector * 8, (0x08 << 16) | handler, 0x8e00);
      poke(IDT_64 + vector * 16, (0x18 << 16) | handler, 0x8e00);
      this.arena.u8[this.host(handler)] = HLT;
    }

    const all = P | W | U;
    for (let page = 0; page < HOME_BYTES / PAGE; page++) {
      this.poke32(TABLES.low32 + page * 4, (page * PAGE) | all);
      poke(TABLES.low64 + page * 8, (page * PAGE) | all);
    }
    for (const [n, target] of MAPPED_AT_FIRST.entries()) {
      const at = n % 3;
      this.poke32((n < 3 ? TABLES.window32 : TABLES.other32) + at * 4, (target | all) >>> 0);
      poke((n < 3 ? TABLES.window64 : TABLES.other64) + at * 8, (target | all) >>> 0);
    }
    const large = 0x200_0000 | all | PS;
    for (const space of [0, 1] as const) {
      this.poke32(TABLES.pd32[space], space === 0 ? TABLES.low32 | all : all | PS);
      for (const [n, entry] of [TABLES.window32 | all, TABLES.other32 | all, large].entries()) {
        this.poke32(TABLES.pd32[space] + (WINDOWS[n] >>> 22) * 4, entry);
      }
      for (const entry of [0, 2]) {
        poke(TABLES.pdpt[space] + entry * 8, TABLES.pd64[space] | P);
        poke(TABLES.pdpt4[space] + entry * 8, TABLES.pd64[space] | all);
      }
      poke(TABLES.pml4[space], TABLES.pdpt4[space] | all);
      poke(TABLES.pd64[space], space === 0 ? TABLES.low64 | all : all | PS);
      for (const [n, entry] of [TABLES.window64 | all, TABLES.other64 | all, large].entries()) {
        poke(TABLES.pd64[space] + ((WINDOWS[n] >>> 21) & 0x1ff) * 8, entry);
      }
      poke(TABLES.pd64[space] + (UPPER_HALF >>> 21) * 8, TABLES.window64 | all);
    }
  }
}
