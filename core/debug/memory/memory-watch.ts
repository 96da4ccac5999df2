/**
 * Data breakpoints and guest page-table breakpoints over the accesses that the processor and KVM's emulator tell of
 * (core/x86/memory/watch.ts). By gva the linear address counts; by gpa the memory behind it, whatever way the guest takes to it.
 */
import type { Arena } from '../../arena/arena.ts';
import type { Cpu } from '../../x86/index.ts';
import { VCPU_CR4, VCPU_EFER, VCPU_GPR, VCPU_RIP } from '../../arena/vcpu-layout.ts';
import { u64FromHalves } from '../../base/address.ts';
import { hvaToRamOffset } from '../../kvm/memslots/memslots.ts';
import type { ArmedBreakpoint } from '../breakpoints/event-watch.ts';
import { translateGva } from './guest-translation.ts';
import type { MachineEvent } from '../breakpoints/machine-event.ts';
import { resolveGpa } from './memory-target.ts';
import { listMemslots } from '../memslots/memslot-list.ts';
import { readMemory, type DevicePeek } from './memory-view.ts';

/** A piece of guest memory in the arena, and its gpa. */
interface Place {
  readonly from: number;
  readonly to: number;
  readonly gpa: bigint;
}

type Watched =
  | { readonly entry: ArmedBreakpoint; readonly by: 'gva'; readonly start: bigint; readonly end: bigint }
  | { readonly entry: ArmedBreakpoint; readonly by: 'gpa'; readonly places: readonly Place[] };

interface Store {
  readonly gva: bigint;
  readonly size: number;
  readonly old: bigint;
  readonly touched: readonly Touched[];
}

interface Touched {
  readonly entry: ArmedBreakpoint;
  /** Guest page-table entries that the store reaches into: where they are and what they hold. */
  readonly entries: readonly { readonly at: number; readonly gpa: bigint; readonly old: bigint }[];
}

export type Meet = (id: number, event: MachineEvent, cpu: Cpu, key: string) => void;

const PAGE = 4096n;
const RSP = VCPU_GPR + 2 * 4;
const CR4_PAE = 0x20;
const EFER_LMA = 0x400;
const BY_GUEST = 0n;
const BY_PROCESSOR = 1n;
const BY_KVM = 2n;

export const ripOf = ({ r }: Cpu): bigint => u64FromHalves(r[VCPU_RIP], r[VCPU_RIP + 1]);

/**
 * An instruction in progress: its vCPU, how much has retired before it, and the stack pointer, which tells an exception on
 * top of an exception from one whose delivery is tried again after an exit.
 */
export const instructionKey = (cpu: Cpu): string => `${cpu.vcpuId}:${cpu.instructions()}:${cpu.r[RSP]}`;

export class MemoryWatch {
  readonly #arena: Arena;
  readonly #bus: DevicePeek;
  readonly #meet: Meet;
  #watched: readonly Watched[] = [];
  #byGpa = false;
  #store: Store | undefined;

  constructor(arena: Arena, bus: DevicePeek, meet: Meet) {
    this.#arena = arena;
    this.#bus = bus;
    this.#meet = meet;
  }

  get armed(): boolean {
    return this.#watched.length > 0;
  }

  /** Ranges by gpa follow the memslots: to be called anew when those change. */
  get followsMemslots(): boolean {
    return this.#byGpa;
  }

  rearm(breakpoints: readonly ArmedBreakpoint[]): void {
    const watched: Watched[] = [];
    for (const entry of breakpoints) {
      const { spec } = entry;
      if (spec.kind === 'data' && spec.space === 'gva') {
        watched.push({ entry, by: 'gva', start: spec.start, end: spec.start + spec.length });
      } else if (spec.kind === 'data' || spec.kind === 'gpte') {
        watched.push({ entry, by: 'gpa', places: this.#placesOf(spec.start, spec.length) });
      }
    }
    this.#watched = watched;
    this.#byGpa = watched.some(({ by }) => by === 'gpa');
  }

  watchesPage(lo: number, hi: number, page: number): boolean {
    const gva = u64FromHalves(lo, hi);
    return this.#watched.some((range) =>
      range.by === 'gva'
        ? gva < range.end && gva + PAGE > range.start
        : range.places.some(({ from, to }) => page < to && page + 4096 > from),
    );
  }

  onLoad(cpu: Cpu, lo: number, hi: number, size: number, value: number, valueHi: number): void {
    const gva = u64FromHalves(lo, hi);
    const touched = this.#touchedBy(cpu, gva, size, false);
    if (touched.length === 0) return;
    const read = BigInt.asUintN(8 * size, u64FromHalves(value, valueHi));
    this.#dataEvents(cpu, touched, gva, size, 0n, read, read);
  }

  beforeStore(cpu: Cpu, lo: number, hi: number, size: number): void {
    const gva = u64FromHalves(lo, hi);
    const touched = this.#touchedBy(cpu, gva, size, true);
    this.#store = touched.length === 0 ? undefined : { gva, size, old: this.#valueAt(cpu, gva, size), touched };
  }

  onStore(cpu: Cpu, lo: number, hi: number, size: number, value: number, valueHi: number): void {
    const store = this.#store;
    this.#store = undefined;
    if (store === undefined || store.gva !== u64FromHalves(lo, hi) || store.size !== size) return;
    const next = BigInt.asUintN(8 * size, u64FromHalves(value, valueHi));
    this.#dataEvents(cpu, store.touched, store.gva, size, 1n, store.old, next);
    for (const { entry, entries } of store.touched) this.#tableEvents(cpu, entry, entries, BY_GUEST);
  }

  /** A or D bits: told before they are set. */
  onTableMark(cpu: Cpu, at: number, bits: number, kvm: boolean): void {
    const entrySize = entryBytes(cpu);
    for (const range of this.#watched) {
      if (range.by !== 'gpa' || range.entry.spec.kind !== 'gpte') continue;
      for (const place of range.places) {
        if (at >= place.to || at + entrySize <= place.from) continue;
        const old = this.#entryAt(at, entrySize);
        const gpa = place.gpa + BigInt(at - place.from);
        this.#tableEvent(cpu, range.entry, gpa, entrySize, old, old | BigInt(bits >>> 0), kvm ? BY_KVM : BY_PROCESSOR);
      }
    }
  }

  #dataEvents(
    cpu: Cpu,
    touched: readonly Touched[],
    gva: bigint,
    size: number,
    access: bigint,
    old: bigint,
    next: bigint,
  ): void {
    const values = [gva, BigInt(size), access, old, next, this.#ripOfInstruction(cpu)];
    for (const { entry } of touched) {
      if (entry.spec.kind !== 'data') continue;
      const key = `${instructionKey(cpu)}:data:${entry.id}:${gva}:${access}`;
      this.#meet(entry.id, { kind: 'data', vcpu: cpu.vcpuId, values }, cpu, key);
    }
  }

  #tableEvents(cpu: Cpu, entry: ArmedBreakpoint, entries: Touched['entries'], by: bigint): void {
    const size = entryBytes(cpu);
    for (const { at, gpa, old } of entries) {
      this.#tableEvent(cpu, entry, gpa, size, old, this.#entryAt(at, size), by);
    }
  }

  #tableEvent(
    cpu: Cpu,
    entry: ArmedBreakpoint,
    gpa: bigint,
    size: number,
    old: bigint,
    next: bigint,
    by: bigint,
  ): void {
    if (entry.spec.kind !== 'gpte' || ((old ^ next) & entry.spec.mask) === 0n) return;
    const values = [gpa, BigInt(size), old, next, old ^ next, by, this.#ripOfInstruction(cpu)];
    const key = `${instructionKey(cpu)}:gpte:${entry.id}:${gpa}:${old}:${next}`;
    this.#meet(entry.id, { kind: 'gpte', vcpu: cpu.vcpuId, values }, cpu, key);
  }

  /** While an instruction executes, rip is at the next one. */
  #ripOfInstruction(cpu: Cpu): bigint {
    return BigInt.asUintN(64, ripOf(cpu) - BigInt(cpu.lengthInProgress));
  }

  #touchedBy(cpu: Cpu, gva: bigint, size: number, write: boolean): readonly Touched[] {
    const touched: Touched[] = [];
    let pieces: readonly { readonly at: number; readonly bytes: number }[] | undefined;
    for (const range of this.#watched) {
      const { entry } = range;
      if (entry.spec.kind === 'data' && entry.spec.access === (write ? 'read' : 'write')) continue;
      if (entry.spec.kind === 'gpte' && !write) continue;
      if (range.by === 'gva') {
        if (gva < range.end && gva + BigInt(size) > range.start) touched.push({ entry, entries: [] });
        continue;
      }
      pieces ??= this.#piecesOf(cpu, gva, size);
      const hit = pieces.filter(({ at, bytes }) => range.places.some(({ from, to }) => at < to && at + bytes > from));
      if (hit.length === 0) continue;
      const entries =
        entry.spec.kind === 'gpte' ? hit.flatMap((piece) => this.#entriesOf(cpu, range.places, piece)) : [];
      touched.push({ entry, entries });
    }
    return touched;
  }

  #entriesOf(
    cpu: Cpu,
    places: readonly Place[],
    { at, bytes }: { readonly at: number; readonly bytes: number },
  ): Touched['entries'] {
    const size = entryBytes(cpu);
    const entries: { at: number; gpa: bigint; old: bigint }[] = [];
    for (let entry = at & -size; entry < at + bytes; entry += size) {
      const place = places.find(({ from, to }) => entry < to && entry + size > from);
      if (place === undefined) continue;
      entries.push({ at: entry, gpa: place.gpa + BigInt(entry - place.from), old: this.#entryAt(entry, size) });
    }
    return entries;
  }

  #entryAt(at: number, size: number): bigint {
    const { view } = this.#arena;
    return size === 8 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
  }

  /** Where the bytes of an access lie, page by page; nothing where no memory is. */
  #piecesOf(cpu: Cpu, gva: bigint, size: number): readonly { readonly at: number; readonly bytes: number }[] {
    const arena = this.#arena;
    const pieces: { at: number; bytes: number }[] = [];
    for (let done = 0; done < size;) {
      const address = BigInt.asUintN(64, gva + BigInt(done));
      const bytes = Math.min(size - done, 4096 - Number(address & 0xfffn));
      const gpa = translateGva(arena, cpu.vcpuId, address);
      const target = gpa.ok ? resolveGpa(arena, gpa.value) : undefined;
      if (target?.kind === 'ram') pieces.push({ at: target.offset, bytes });
      done += bytes;
    }
    return pieces;
  }

  /** What is at an address now; zero where nothing can be read. */
  #valueAt(cpu: Cpu, gva: bigint, size: number): bigint {
    let value = 0n;
    for (const span of readMemory(this.#arena, this.#bus, cpu.vcpuId, 'gva', gva, size)) {
      if (span.kind === 'unreadable' || span.bytes === undefined) continue;
      for (let i = 0; i < span.length; i++) value |= BigInt(span.bytes[i]) << BigInt(8 * (span.offset + i));
    }
    return value;
  }

  /** The memory of a gpa range through the present slots. */
  #placesOf(start: bigint, length: bigint): readonly Place[] {
    const arena = this.#arena;
    return listMemslots(arena).flatMap(({ gpa, size, hva }) => {
      const first = start > gpa ? start : gpa;
      const end = start + length < gpa + size ? start + length : gpa + size;
      const from = first < end ? hvaToRamOffset(arena, hva + (first - gpa)) : -1;
      return from < 0 ? [] : [{ from, to: from + Number(end - first), gpa: first }];
    });
  }
}

const entryBytes = ({ r }: Cpu): number => ((r[VCPU_CR4] & CR4_PAE) !== 0 || (r[VCPU_EFER] & EFER_LMA) !== 0 ? 8 : 4);
