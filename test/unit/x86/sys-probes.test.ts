import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VCPU_CR0, VCPU_CR4, VCPU_EFER, VCPU_MAXPHYADDR } from '../../../core/arena/vcpu-layout.ts';
import { EXIT_EPT_MISCONFIG, EXIT_EPT_VIOLATION, EXIT_NPF } from '../../../core/x86/system/exits.ts';
import { fetchPage, load8, store8 } from '../../../core/x86/memory/memory-access.ts';
import { probeGuestWalk, probeSecondLevelWalk, type SecondLevelProbe } from '../../../core/x86/probe/probe.ts';
import { Bench, CR0_WP, CR4_SMAP, CR4_SMEP, EFER_NXE, type Paging, PS, RAM_BYTES } from './sys-fixture.ts';

const GVA = 0x0040_3000n;
const MMIO = 0xc000_0000_fee0_0006n;

/** Everything that a walk can depend on: mode, privilege, the guest's entries and the second level's. */
interface World {
  readonly mode: Paging;
  readonly secondLevel: 'ept' | 'npt';
  readonly maxPhyAddr: number;
  readonly access: 'read' | 'write' | 'fetch';
  readonly user: boolean;
  readonly wp: boolean;
  readonly smep: boolean;
  readonly smap: boolean;
  readonly nxe: boolean;
  /** Flipped in the guest entry of this level, besides P, W, U, A and D being chosen freely. */
  readonly level: number;
  readonly low: number;
  readonly flip: number;
  readonly large: boolean;
  /** Low bits of the second-level leaf of the page, and of the last guest table. */
  readonly pageBits: number;
  readonly tableBits: number;
  readonly mmio: boolean;
}

const world: fc.Arbitrary<World> = fc.record({
  mode: fc.constantFrom<Paging>('none', '32-bit', 'pae', '4-level'),
  secondLevel: fc.constantFrom('ept', 'npt'),
  maxPhyAddr: fc.constantFrom(36, 40, 46, 52),
  access: fc.constantFrom('read', 'write', 'fetch'),
  user: fc.boolean(),
  wp: fc.boolean(),
  smep: fc.boolean(),
  smap: fc.boolean(),
  nxe: fc.boolean(),
  level: fc.constantFrom(1, 1, 1, 2, 3, 4),
  low: fc.oneof(fc.constant(0x67), fc.integer({ min: 0, max: 0x7f })),
  flip: fc.constantFrom(-1, -1, -1, 3, 7, 8, 9, 13, 20, 36, 40, 45, 51, 52, 62, 63),
  large: fc.boolean(),
  pageBits: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 0x7f })),
  tableBits: fc.oneof(fc.constant(-1), fc.constant(-1), fc.integer({ min: 0, max: 0x7f })),
  mmio: fc.boolean(),
});

const topLevel = (mode: Paging): number => (mode === '4-level' ? 4 : 2);
/** With paging off the address is the gpa. */
const addressOf = (w: World): bigint => (w.mode === 'none' ? 0x5000n : GVA);

const benches = (['ept', 'npt'] as const).map((secondLevel) => {
  const bench = new Bench({ secondLevel });
  return { secondLevel, bench, restore: bench.checkpoint() };
});

function build(w: World): Bench {
  const { bench, restore } = benches[w.secondLevel === 'ept' ? 0 : 1];
  restore();
  bench.r[VCPU_MAXPHYADDR] = w.maxPhyAddr;
  bench.paging(w.mode);
  if (w.mode !== 'none') {
    bench.mapGuest(w.mode, GVA, 0x5000n);
    const level = Math.min(w.level, topLevel(w.mode));
    const at = bench.guestEntry(w.mode, GVA, level);
    const wide = w.mode !== '32-bit';
    const leafAt = BigInt(bench.guestEntry(w.mode, GVA));
    const was = wide ? bench.readGuest64(at) : BigInt(bench.readGuest32(at));
    let value = (was & ~0x7fn) | BigInt(w.low);
    if (w.large && level > 1 && level < 4) value = (value & 0x7fn) | PS;
    if (w.flip >= 0 && (wide || w.flip < 32)) value ^= 1n << BigInt(w.flip);
    if (wide) bench.writeGuest64(at, value);
    else bench.writeGuest32(at, Number(value));
    if (w.tableBits >= 0) setHostBits(bench, leafAt, w.tableBits);
  }
  if (w.pageBits >= 0) setHostBits(bench, 0x5000n, w.pageBits);
  else if (w.mmio && w.secondLevel === 'ept') bench.write64(bench.hostEntry(0x5000n), MMIO);
  const { r } = bench;
  r[VCPU_CR0] = (r[VCPU_CR0] & ~CR0_WP) | (w.wp ? CR0_WP : 0);
  r[VCPU_CR4] |= (w.smep ? CR4_SMEP : 0) | (w.smap ? CR4_SMAP : 0);
  r[VCPU_EFER] |= w.nxe ? EFER_NXE : 0;
  bench.cpl = w.user ? 3 : 0;
  bench.cpu.flushTlb();
  return bench;
}

function setHostBits(bench: Bench, gpa: bigint, bits: number): void {
  const at = bench.hostEntry(gpa);
  bench.write64(at, (bench.read64(at) & ~0x7fn) | BigInt(bits));
}

/** FNV over the arena's words: enough to see any change. */
function fingerprint(bench: Bench): number {
  const { i32 } = bench.arena;
  let hash = 0x811c_9dc5 | 0;
  for (let i = 0; i < i32.length; i++) hash = Math.imul(hash ^ i32[i], 0x0100_0193);
  return hash;
}

describe('a probe', () => {
  it('leaves every byte of the arena as it was', () => {
    fc.assert(
      fc.property(world, (w) => {
        const bench = build(w);
        const before = fingerprint(bench);
        const walk = probeGuestWalk(bench.arena, 0, addressOf(w), w.access);
        if (walk.gpa !== undefined) probeSecondLevelWalk(bench.arena, 0, walk.gpa, w.access);
        expect(fingerprint(bench)).toBe(before);
        expect(bench.cpu.abort).toBe(0);
      }),
      { numRuns: 60, seed: 20131 },
    );
  });

  it('says what the processor then does: where it arrives, or with which fault and code', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(world, (w) => {
        const bench = build(w);
        const gva = addressOf(w);
        const walk = probeGuestWalk(bench.arena, 0, gva, w.access);
        const reached = walk.gpa === undefined ? undefined : probeSecondLevelWalk(bench.arena, 0, walk.gpa, w.access);
        const outcome = run(bench, w, gva);
        const refused =
          walk.fault?.table ??
          (walk.fault === undefined && reached?.fault !== undefined ? { gpa: walk.gpa, probe: reached } : undefined);
        if (refused !== undefined) {
          // The second level refuses a guest table, the update of A and D bits in one, or the page itself.
          expect(outcome).toEqual({ kind: 'exit', ...exitOf(refused.probe), gpa: refused.gpa });
          const stage = walk.fault === undefined ? 'page' : walk.gpa === undefined ? 'table' : 'accessed';
          seen.add(`${stage}: ${refused.probe.fault?.kind}`);
        } else if (walk.fault !== undefined) {
          expect(outcome).toEqual({ kind: 'exception', vector: 14, errorCode: walk.fault.errorCode });
          seen.add('page fault');
        } else {
          expect(outcome).toEqual({ kind: 'done', at: reached?.hpa });
          seen.add('done');
        }
      }),
      { numRuns: 1000, seed: 20132 },
    );
    expect([...seen].sort()).toEqual([
      'accessed: violation',
      'done',
      'page fault',
      'page: misconfiguration',
      'page: page-fault',
      'page: violation',
      'table: misconfiguration',
      'table: page-fault',
      'table: violation',
    ]);
  });
});

function exitOf({ fault }: SecondLevelProbe): { reason: number; qualification: bigint } {
  if (fault?.kind === 'misconfiguration') return { reason: EXIT_EPT_MISCONFIG, qualification: 0n };
  const qualification = (BigInt(fault?.codeHigh ?? 0) << 32n) | BigInt(fault?.code ?? 0);
  return { reason: fault?.kind === 'violation' ? EXIT_EPT_VIOLATION : EXIT_NPF, qualification };
}

type Run =
  | { readonly kind: 'done'; readonly at: number }
  | { readonly kind: 'exception'; readonly vector: number; readonly errorCode: number }
  | { readonly kind: 'exit'; readonly reason: number; readonly qualification: bigint; readonly gpa: bigint };

/** The access itself; where it arrived is found by marking guest RAM, or from the fetch. */
function run(bench: Bench, w: World, gva: bigint): Run {
  const lo = Number(gva);
  let at = -1;
  if (w.access === 'fetch') at = fetchPage(bench.cpu, lo, 0);
  else if (w.access === 'read') {
    load8(bench.cpu, lo, 0);
    if (bench.cpu.abort === 0) at = byteRead(bench, lo);
  } else {
    const before = column(bench, lo);
    store8(bench.cpu, lo, 0, ~load8Quietly(bench, lo));
    const written = column(bench, lo).findIndex((byte, i) => byte !== before[i]);
    if (bench.cpu.abort === 0) at = bench.ram((written << 12) + (lo & 0xfff));
  }
  const outcome = bench.outcome();
  return outcome.kind === 'done' ? { kind: 'done', at } : outcome;
}

/** The byte at the address's page offset, of every page of guest RAM: where the access can have gone. */
function column(bench: Bench, lo: number): number[] {
  return Array.from({ length: RAM_BYTES >> 12 }, (_, page) => bench.arena.u8[bench.ram((page << 12) + (lo & 0xfff))]);
}

function setColumn(bench: Bench, lo: number, valueOf: (page: number) => number): void {
  for (let page = 0; page < RAM_BYTES >> 12; page++)
    bench.arena.u8[bench.ram((page << 12) + (lo & 0xfff))] = valueOf(page);
}

/** Arena offset that a load of `lo` reads: the low and the high byte of the page's number are put there and read back. */
function byteRead(bench: Bench, lo: number): number {
  const was = column(bench, lo);
  setColumn(bench, lo, (page) => page & 0xff);
  const low = load8(bench.cpu, lo, 0);
  setColumn(bench, lo, (page) => page >> 8);
  const high = load8(bench.cpu, lo, 0);
  setColumn(bench, lo, (page) => was[page]);
  return bench.ram((((high << 8) | low) << 12) + (lo & 0xfff));
}

/** A store must change its byte to be found; what the byte was is read through a probe. */
function load8Quietly(bench: Bench, lo: number): number {
  const walk = probeGuestWalk(bench.arena, 0, BigInt(lo), 'read');
  const hpa = walk.gpa === undefined ? undefined : probeSecondLevelWalk(bench.arena, 0, walk.gpa).hpa;
  return hpa === undefined ? 0 : bench.arena.u8[hpa];
}

describe('a probe of guest tables', () => {
  it('gives the address of a page that the access may not touch, with the fault it would be', () => {
    const bench = new Bench();
    bench.paging('4-level');
    bench.mapGuest('4-level', GVA, 0x5000n, 0x61n);
    const walk = probeGuestWalk(bench.arena, 0, GVA + 4n, 'write');
    expect(walk.gpa).toBe(0x5004n);
    expect(walk.fault?.errorCode).toBe(3);
    expect(walk.levels.map(({ level }) => level)).toEqual([4, 3, 2, 1]);
  });

  it('reads tables through memslots when it is given them, mapped in the second level or not', () => {
    const bench = new Bench();
    bench.paging('4-level');
    bench.mapGuest('4-level', GVA, 0x5000n);
    bench.write64(bench.hostEntry(BigInt(bench.guestEntry('4-level', GVA))), 0n);
    expect(probeGuestWalk(bench.arena, 0, GVA, 'read').gpa).toBeUndefined();
    const frames = { frameOf: (gpaLo: number) => bench.ram(gpaLo) };
    expect(probeGuestWalk(bench.arena, 0, GVA, 'read', frames).gpa).toBe(0x5000n);
  });
});
