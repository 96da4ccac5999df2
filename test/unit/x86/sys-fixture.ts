/**
 * A processor on a small arena, with second-level and guest page tables laid out by hand. Guest RAM is gpa 0 …
 * {@link RAM_BYTES}; second-level tables live in the shadow page pool, as KVM's do.
 */
import { createArena, type Arena } from '../../../core/arena/arena.ts';
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
  VCPU_BYTES,
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_CR0,
  VCPU_CR3,
  VCPU_CR4,
  VCPU_EFER,
  VCPU_EXIT_ERROR_CODE,
  VCPU_EXIT_GPA,
  VCPU_EXIT_GVA,
  VCPU_EXIT_QUALIFICATION,
  VCPU_EXIT_REASON,
  VCPU_GPR,
  VCPU_MAXPHYADDR,
  VCPU_PDPTE,
  VCPU_RIP,
  VCPU_ROOT_HPA,
  VCPU_ROOT_LEVELS,
  VCPU_SECOND_LEVEL,
  VCPU_SEGMENTS,
} from '../../../core/arena/vcpu-layout.ts';
import { u64FromHalves } from '../../../core/base/address.ts';
import { Cpu } from '../../../core/x86/cpu.ts';
import { raisedVector } from '../../../core/x86/interrupts/exceptions.ts';
import { ABORT_EXCEPTION, ABORT_EXIT, ABORT_NONE } from '../../../core/x86/system/exits.ts';
import { fetchPage, load8, store8 } from '../../../core/x86/memory/memory-access.ts';

export const RAM_BYTES = 0x40_0000;
export const P = 1n;
export const W = 2n;
export const U = 4n;
export const A = 0x20n;
export const D = 0x40n;
export const PS = 0x80n;
export const G = 0x100n;
export const NX = 1n << 63n;
export const CR0_PROTECTED = 0x31; // PE, ET, NE
export const CR0_WP = 0x1_0000;
export const CR0_PG = 0x8000_0000 | 0;
export const CR4_PSE = 0x10;
export const CR4_PAE = 0x20;
export const CR4_PGE = 0x80;
export const CR4_SMEP = 0x10_0000;
export const CR4_SMAP = 0x20_0000;
export const EFER_LONG = 0x500; // LME, LMA
export const EFER_NXE = 0x800;
export const AC = 0x4_0000;

export type SecondLevel = 'ept' | 'npt' | 'shadow';
export type Paging = 'none' | '32-bit' | 'pae' | '4-level';
export type Access = 'read' | 'write' | 'fetch';

const SECOND_LEVEL_NUMBER = { ept: 1, npt: 2, shadow: 3 } as const;
/** Leaf bits of a second-level entry that allows everything: EPT RWX and write-back; page tables P W U A D. */
export const OPEN_LEAF = { ept: 0x37n, npt: 0x67n, shadow: 0x67n } as const;
const OPEN_TABLE = { ept: 0x7n, npt: 0x27n, shadow: 0x27n } as const;

/** What an access came to: data for comparison. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'exception'; readonly vector: number; readonly errorCode: number }
  | { readonly kind: 'exit'; readonly reason: number; readonly qualification: bigint; readonly gpa: bigint };

export interface BenchOptions {
  readonly secondLevel?: SecondLevel;
  readonly maxPhyAddr?: number;
  readonly rootLevels?: 3 | 4;
  readonly vcpus?: number;
}

export class Bench {
  readonly arena: Arena;
  readonly cpu: Cpu;
  readonly r: Int32Array;
  readonly secondLevel: SecondLevel;
  private poolNext: number;
  /** Guest tables are handed out from here downwards. */
  private tableNext = 0x30_0000;

  constructor(options: BenchOptions = {}) {
    const { secondLevel = 'ept', maxPhyAddr = 46, rootLevels = 4, vcpus = 1 } = options;
    this.arena = createArena(
      { ramBytes: RAM_BYTES, vcpus, memslots: 8, shadowPages: 64, traceRecords: 64 },
      (bytes) => new SharedArrayBuffer(bytes),
    );
    this.secondLevel = secondLevel;
    this.poolNext = this.arena.layout.shadowPages;
    this.cpu = new Cpu(this.arena, 0, { maxPhyAddr });
    this.cpu.reset();
    this.r = this.cpu.r;
    this.r[VCPU_SECOND_LEVEL] = SECOND_LEVEL_NUMBER[secondLevel];
    this.r[VCPU_MAXPHYADDR] = maxPhyAddr;
    this.r[VCPU_ROOT_LEVELS] = rootLevels;
    this.r[VCPU_ROOT_HPA] = this.newHostTable();
    for (let gpa = 0; gpa < RAM_BYTES; gpa += 0x1000) this.mapHost(BigInt(gpa), this.ram(gpa));
    this.flat(32);
  }

  /** A function that puts the bench back to what it is now, guest RAM cleared: cheaper than a new one. */
  checkpoint(): () => void {
    const { u8, layout } = this.arena;
    const { poolNext, tableNext } = this;
    const block = u8.slice(layout.vcpus, layout.vcpus + VCPU_BYTES);
    const tables = u8.slice(layout.shadowPages, poolNext);
    return () => {
      u8.set(block, layout.vcpus);
      u8.set(tables, layout.shadowPages);
      u8.fill(0, layout.shadowPages + tables.length, this.poolNext);
      u8.fill(0, layout.ram, layout.ram + RAM_BYTES);
      this.poolNext = poolNext;
      this.tableNext = tableNext;
      this.cpu.abort = ABORT_NONE;
    };
  }

  /** Arena offset of guest RAM. */
  ram(gpa: number): number {
    return this.arena.layout.ram + gpa;
  }

  newHostTable(): number {
    const table = this.poolNext;
    this.poolNext += 0x1000;
    return table;
  }

  /** Arena offset of the second-level entry for an address at `level`, its tables made on the way. */
  hostEntry(address: bigint, level = 1): number {
    const levels = this.r[VCPU_ROOT_LEVELS];
    let table = this.r[VCPU_ROOT_HPA];
    for (let l = levels; ; l--) {
      const at = table + Number((address >> BigInt(12 + 9 * (l - 1))) & (levels === 3 && l === 3 ? 3n : 0x1ffn)) * 8;
      if (l === level) return at;
      if (this.read64(at) === 0n) {
        const root = levels === 3 && l === 3 ? 1n : OPEN_TABLE[this.secondLevel];
        this.write64(at, BigInt(this.newHostTable()) | root);
      }
      table = Number(this.read64(at) & 0xf_ffff_ffff_f000n);
    }
  }

  mapHost(address: bigint, hpa: number, bits: bigint = OPEN_LEAF[this.secondLevel], level = 1): void {
    this.write64(this.hostEntry(address, level), BigInt(hpa) | bits);
  }

  /** By arena offset. */
  read64(at: number): bigint {
    return this.arena.view.getBigUint64(at, true);
  }

  write64(at: number, value: bigint): void {
    this.arena.view.setBigUint64(at, BigInt.asUintN(64, value), true);
  }

  /** By guest physical address. */
  readGuest64(gpa: number): bigint {
    return this.read64(this.ram(gpa));
  }

  writeGuest64(gpa: number, value: bigint): void {
    this.write64(this.ram(gpa), value);
  }

  readGuest32(gpa: number): number {
    return this.arena.view.getUint32(this.ram(gpa), true);
  }

  writeGuest32(gpa: number, value: number): void {
    this.arena.view.setUint32(this.ram(gpa), value >>> 0, true);
  }

  newGuestTable(): number {
    this.tableNext -= 0x1000;
    return this.tableNext;
  }

  /** Flat segments at CPL 0 in 32- or 64-bit code. */
  flat(bits: 32 | 64): void {
    for (const segment of [ES, SS, DS, FS, GS]) this.segment(segment, 0x10, 0xc093, -1, 0);
    this.segment(CS, 0x08, bits === 64 ? 0xa09b : 0xc09b, -1, 0);
    this.r[VCPU_CODE_BITS] = bits;
    this.r[VCPU_CPL] = 0;
    this.r[VCPU_CR0] = CR0_PROTECTED;
  }

  segment(segment: number, selector: number, attributes: number, limit: number, base: number): void {
    const s = VCPU_SEGMENTS + segment * SEGMENT_WORDS;
    this.r[s + SEG_SELECTOR] = selector;
    this.r[s + SEG_ATTRIBUTES] = attributes;
    this.r[s + SEG_LIMIT] = limit;
    this.r[s + SEG_BASE] = base;
    this.r[s + SEG_BASE + 1] = 0;
  }

  selector(segment: number): number {
    return this.r[VCPU_SEGMENTS + segment * SEGMENT_WORDS + SEG_SELECTOR];
  }

  /** Turns guest paging on with an empty root; A and D are set in advance in what {@link mapGuest} makes. */
  paging(mode: Paging, flags: { cr0?: number; cr4?: number; efer?: number } = {}): void {
    const { cr0 = CR0_WP, cr4 = 0, efer = 0 } = flags;
    const root = mode === 'none' ? 0 : this.newGuestTable();
    this.flat(mode === '4-level' ? 64 : 32);
    this.r[VCPU_CR0] = CR0_PROTECTED | cr0 | (mode === 'none' ? 0 : CR0_PG);
    this.r[VCPU_CR4] = cr4 | (mode === '32-bit' ? CR4_PSE : mode === 'none' ? 0 : CR4_PAE);
    this.r[VCPU_EFER] = efer | (mode === '4-level' ? EFER_LONG : 0);
    this.r[VCPU_CR3] = root;
    this.r[VCPU_CR3 + 1] = 0;
    this.cpu.flushTlb();
  }

  /** gpa of the guest's entry for an address at `level`, its tables made on the way with P W U A. */
  guestEntry(mode: Paging, gva: bigint, level = 1): number {
    const wide = mode !== '32-bit';
    let table = this.r[VCPU_CR3];
    for (let l = mode === '4-level' ? 4 : mode === 'pae' ? 3 : 2; ; l--) {
      const index = wide
        ? Number((gva >> BigInt(12 + 9 * (l - 1))) & (mode === 'pae' && l === 3 ? 3n : 0x1ffn))
        : Number((gva >> BigInt(12 + 10 * (l - 1))) & 0x3ffn);
      const at = table + index * (wide ? 8 : 4);
      if (l === level) return at;
      const value = wide ? this.readGuest64(at) : BigInt(this.readGuest32(at));
      if (value === 0n) {
        const bits = mode === 'pae' && l === 3 ? P : P | W | U | A;
        const entry = BigInt(this.newGuestTable()) | bits;
        if (wide) this.writeGuest64(at, entry);
        else this.writeGuest32(at, Number(entry));
        table = Number(entry & ~0xfffn);
      } else table = Number(value & 0xf_ffff_ffff_f000n);
      if (mode === 'pae' && l === 3) this.loadPdptes();
    }
  }

  /** Copies the four PDPTEs into their registers, as MOV CR3 does. */
  loadPdptes(): void {
    const at = this.ram(this.r[VCPU_CR3]) >> 2;
    for (let i = 0; i < 8; i++) this.r[VCPU_PDPTE + i] = this.arena.i32[at + i];
  }

  mapGuest(mode: Paging, gva: bigint, gpa: bigint, bits: bigint = P | W | U | A | D, level = 1): void {
    const at = this.guestEntry(mode, gva, level);
    if (mode === '32-bit') this.writeGuest32(at, Number(BigInt.asUintN(32, gpa | bits)));
    else this.writeGuest64(at, gpa | bits);
  }

  gpr(n: number): bigint {
    return u64FromHalves(this.r[VCPU_GPR + 2 * n], this.r[VCPU_GPR + 2 * n + 1]);
  }

  setGpr(n: number, value: bigint): void {
    this.set64(VCPU_GPR + 2 * n, value);
  }

  get64(word: number): bigint {
    return u64FromHalves(this.r[word], this.r[word + 1]);
  }

  set64(word: number, value: bigint): void {
    this.r[word] = Number(BigInt.asIntN(32, value));
    this.r[word + 1] = Number(BigInt.asIntN(32, value >> 32n));
  }

  get rip(): bigint {
    return this.get64(VCPU_RIP);
  }

  get rsp(): bigint {
    return this.gpr(4);
  }

  get rflags(): number {
    return this.cpu.rflags();
  }

  set rflags(value: number) {
    this.cpu.setRflags(value);
  }

  set cpl(value: number) {
    this.r[VCPU_CPL] = value;
  }

  get cpl(): number {
    return this.r[VCPU_CPL];
  }

  /** What `cpu.abort` says, cleared. */
  outcome(): Outcome {
    const { abort } = this.cpu;
    this.cpu.abort = ABORT_NONE;
    if (abort === ABORT_NONE) return { kind: 'done' };
    if (abort === ABORT_EXCEPTION) {
      return { kind: 'exception', vector: raisedVector(this.cpu), errorCode: this.r[VCPU_EXIT_ERROR_CODE] };
    }
    if (abort !== ABORT_EXIT) throw new Error(`not implemented: ${this.cpu.unimplemented}`);
    return {
      kind: 'exit',
      reason: this.r[VCPU_EXIT_REASON],
      qualification: this.get64(VCPU_EXIT_QUALIFICATION),
      gpa: this.get64(VCPU_EXIT_GPA),
    };
  }

  /** One byte, at the current privilege. */
  access(kind: Access, gva: bigint): Outcome {
    const lo = Number(BigInt.asIntN(32, gva));
    const hi = Number(BigInt.asIntN(32, gva >> 32n));
    if (kind === 'read') load8(this.cpu, lo, hi);
    else if (kind === 'write') store8(this.cpu, lo, hi, 0x5a);
    else fetchPage(this.cpu, lo, hi);
    return this.outcome();
  }

  faultAddress(): bigint {
    return this.get64(VCPU_EXIT_GVA);
  }

  unimplemented(): string {
    const text = this.cpu.unimplemented;
    this.cpu.unimplemented = '';
    this.cpu.abort = ABORT_NONE;
    return text;
  }
}

export const pageFault = (errorCode: number): Outcome => ({ kind: 'exception', vector: 14, errorCode });
export const gp = (errorCode = 0): Outcome => ({ kind: 'exception', vector: 13, errorCode });
export const done: Outcome = { kind: 'done' };
