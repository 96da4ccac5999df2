import { describe, expect, it } from 'vitest';
import { VCPU_CR3, VCPU_CR4 } from '../../../core/arena/vcpu-layout.ts';
import { invalidatePage, writeControlRegister } from '../../../core/x86/system/control-registers.ts';
import { walkGuest } from '../../../core/x86/paging/paging.ts';
import type { GuestFrames } from '../../../core/x86/paging/paging-walk.ts';
import { GUEST_WALK_GPA } from '../../../core/x86/tlb/tlb-layout.ts';
import {
  A,
  Bench,
  CR4_PAE,
  CR4_PSE,
  D,
  done,
  EFER_NXE,
  G,
  gp,
  P,
  pageFault,
  type Paging,
  PS,
  U,
  W,
} from './sys-fixture.ts';

const GVA = 0x0040_3000n;
const MODES = ['32-bit', 'pae', '4-level'] as const;

const entryOf = (bench: Bench, mode: Paging, level: number): bigint => {
  const at = bench.guestEntry(mode, GVA, level);
  return mode === '32-bit' ? BigInt(bench.readGuest32(at)) : bench.readGuest64(at);
};
const setEntry = (bench: Bench, mode: Paging, level: number, value: bigint): void => {
  const at = bench.guestEntry(mode, GVA, level);
  if (mode === '32-bit') bench.writeGuest32(at, Number(BigInt.asUintN(32, value)));
  else bench.writeGuest64(at, value);
};
/** Levels whose entries have an A bit. */
const levelsOf = (mode: Paging): readonly number[] => (mode === '4-level' ? [4, 3, 2, 1] : [2, 1]);

function withoutAccessed(mode: Paging): Bench {
  const bench = new Bench();
  bench.paging(mode);
  bench.mapGuest(mode, GVA, 0x5000n, P | W | U);
  for (const level of levelsOf(mode)) setEntry(bench, mode, level, entryOf(bench, mode, level) & ~A);
  bench.cpu.flushTlb();
  return bench;
}

describe.each(MODES)('A and D bits under %s paging', (mode) => {
  const bits = (bench: Bench): readonly bigint[] =>
    levelsOf(mode).map((level) => entryOf(bench, mode, level) & (A | D));
  const tables = levelsOf(mode).slice(1);

  it('are set by a read: A on every level, D nowhere', () => {
    const bench = withoutAccessed(mode);
    expect(bench.access('read', GVA)).toEqual(done);
    expect(bits(bench)).toEqual([...tables.map(() => A), A]);
  });

  it('are set by a fetch as by a read', () => {
    const bench = withoutAccessed(mode);
    expect(bench.access('fetch', GVA)).toEqual(done);
    expect(bits(bench)).toEqual([...tables.map(() => A), A]);
  });

  it('are set by a write: A on every level, D on the leaf alone', () => {
    const bench = withoutAccessed(mode);
    expect(bench.access('write', GVA)).toEqual(done);
    expect(bits(bench)).toEqual([...tables.map(() => A), A | D]);
  });

  it('get D by the first write after a read has filled the TLB', () => {
    const bench = withoutAccessed(mode);
    bench.access('read', GVA);
    bench.access('write', GVA);
    expect(bits(bench).at(-1)).toBe(A | D);
  });

  it('stay as they are when the access faults', () => {
    const bench = withoutAccessed(mode);
    setEntry(bench, mode, 1, entryOf(bench, mode, 1) & ~W);
    expect(bench.access('write', GVA)).toEqual(pageFault(3));
    expect(bits(bench)).toEqual(levelsOf(mode).map(() => 0n));
  });

  it('are not set again behind the back of the TLB: a cleared bit stays clear until a flush', () => {
    const bench = withoutAccessed(mode);
    bench.access('write', GVA);
    setEntry(bench, mode, 1, entryOf(bench, mode, 1) & ~(A | D));
    bench.access('write', GVA);
    expect(entryOf(bench, mode, 1) & (A | D)).toBe(0n);
    bench.cpu.flushTlb();
    bench.access('write', GVA);
    expect(entryOf(bench, mode, 1) & (A | D)).toBe(A | D);
  });
});

interface ReservedCase {
  readonly mode: Paging;
  readonly level: number;
  readonly large?: boolean;
  readonly nxe: boolean;
  readonly amd?: boolean;
  /** Whether a bit is reserved, from the tables of entry formats. */
  readonly reserved: (bit: number, maxPhyAddr: number) => boolean;
}

const between = (bit: number, from: number, to: number): boolean => bit >= from && bit <= to;
const CASES: readonly ReservedCase[] = [
  { mode: '32-bit', level: 2, nxe: false, reserved: () => false },
  { mode: '32-bit', level: 1, nxe: false, reserved: () => false },
  { mode: '32-bit', level: 2, large: true, nxe: false, reserved: (b, m) => between(b, Math.min(m, 40) - 19, 21) },
  { mode: 'pae', level: 2, nxe: true, reserved: (b, m) => between(b, m, 62) },
  { mode: 'pae', level: 2, nxe: false, reserved: (b, m) => between(b, m, 63) },
  { mode: 'pae', level: 2, large: true, nxe: true, reserved: (b, m) => between(b, m, 62) || between(b, 13, 20) },
  { mode: 'pae', level: 1, nxe: true, reserved: (b, m) => between(b, m, 62) },
  { mode: '4-level', level: 4, nxe: true, reserved: (b, m) => between(b, m, 51) || b === 7 },
  { mode: '4-level', level: 4, nxe: true, amd: true, reserved: (b, m) => between(b, m, 51) || b === 7 || b === 8 },
  { mode: '4-level', level: 4, nxe: false, reserved: (b, m) => between(b, m, 51) || b === 7 || b === 63 },
  { mode: '4-level', level: 3, nxe: true, reserved: (b, m) => between(b, m, 51) },
  { mode: '4-level', level: 3, large: true, nxe: true, reserved: (b, m) => between(b, m, 51) || between(b, 13, 29) },
  { mode: '4-level', level: 2, nxe: true, reserved: (b, m) => between(b, m, 51) },
  { mode: '4-level', level: 2, large: true, nxe: true, reserved: (b, m) => between(b, m, 51) || between(b, 13, 20) },
  { mode: '4-level', level: 1, nxe: true, reserved: (b, m) => between(b, m, 51) },
  { mode: '4-level', level: 1, nxe: false, reserved: (b, m) => between(b, m, 51) || b === 63 },
];

describe('reserved bits of guest entries', () => {
  it.each(CASES)('$mode level $level, large $large, NXE $nxe, AMD $amd', (c) => {
    for (const maxPhyAddr of [32, 36, 39, 40, 46, 48, 52]) {
      const bench = new Bench({ maxPhyAddr, secondLevel: c.amd ? 'npt' : 'ept' });
      bench.paging(c.mode, { efer: c.nxe ? EFER_NXE : 0, cr4: CR4_PSE });
      bench.mapGuest(c.mode, GVA, 0x5000n);
      const base = c.large ? P | W | U | A | D | PS : entryOf(bench, c.mode, c.level);
      for (let bit = 1; bit < (c.mode === '32-bit' ? 32 : 64); bit++) {
        // PS changes the kind of entry where it may be set; a leaf's own address bits are tried as reserved or not.
        if (bit === 7 && c.level > 1 && c.level < 4) continue;
        setEntry(bench, c.mode, c.level, base | (1n << BigInt(bit)));
        bench.cpu.flushTlb();
        const outcome = bench.access('read', GVA);
        const rsvd = outcome.kind === 'exception' && (outcome.errorCode & 8) !== 0;
        expect(rsvd, `bit ${bit} with MAXPHYADDR ${maxPhyAddr}`).toBe(c.reserved(bit, maxPhyAddr));
        if (rsvd) expect(outcome).toEqual(pageFault(9));
      }
    }
  });

  it('say RSVD with P, W, U and F of the access', () => {
    const bench = new Bench({ maxPhyAddr: 40 });
    bench.paging('4-level', { efer: EFER_NXE });
    bench.mapGuest('4-level', GVA, 0x5000n, P | W | U | (1n << 45n));
    expect(bench.access('write', GVA)).toEqual(pageFault(0xb));
    bench.cpl = 3;
    expect(bench.access('read', GVA)).toEqual(pageFault(0xd));
    expect(bench.access('fetch', GVA)).toEqual(pageFault(0x1d));
  });

  it('are not looked at in an entry that is not present', () => {
    const bench = new Bench({ maxPhyAddr: 40 });
    bench.paging('4-level');
    bench.mapGuest('4-level', GVA, 0x5000n, W | U | (1n << 45n));
    expect(bench.access('read', GVA)).toEqual(pageFault(0));
  });
});

describe('large pages', () => {
  it.each([
    ['32-bit', 2, 0x40_0000n],
    ['pae', 2, 0x20_0000n],
    ['4-level', 2, 0x20_0000n],
    ['4-level', 3, 0x4000_0000n],
  ] as const)('%s level %i maps with the offset of the linear address', (mode, level, size) => {
    const bench = new Bench();
    bench.paging(mode);
    bench.mapGuest(mode, 0x4000_0000n, 0n, P | W | U | PS, level);
    const offset = (0x3f_e123n % size) & 0x3f_ffffn;
    expect(bench.access('write', 0x4000_0000n + offset)).toEqual(done);
    expect(bench.arena.u8[bench.ram(Number(offset))]).toBe(0x5a);
  });

  it('of 4 MiB take bits 32 and up of the address from bits 13 and up (PSE-36)', () => {
    const bench = new Bench({ maxPhyAddr: 36 });
    bench.paging('32-bit');
    bench.mapGuest('32-bit', GVA, 0n, P | W | U | PS | (0xfn << 13n), 2);
    const outcome = bench.access('read', GVA);
    expect(outcome).toMatchObject({ kind: 'exit', gpa: 0xf_0000_3000n });
  });

  it('do not exist in 32-bit paging without CR4.PSE: the PDE points to a table', () => {
    const bench = new Bench();
    bench.paging('32-bit');
    bench.r[VCPU_CR4] = 0;
    bench.mapGuest('32-bit', GVA, 0x5000n);
    setEntry(bench, '32-bit', 2, entryOf(bench, '32-bit', 2) | PS);
    bench.cpu.flushTlb();
    expect(bench.access('write', GVA)).toEqual(done);
    expect(bench.arena.u8[bench.ram(0x5000)]).toBe(0x5a);
  });
});

describe('PAE PDPTEs', () => {
  it('are read with MOV CR3 and not looked at again', () => {
    const bench = new Bench();
    bench.paging('pae');
    bench.mapGuest('pae', GVA, 0x5000n);
    const root = bench.r[VCPU_CR3];
    bench.writeGuest64(root, 0n);
    bench.cpu.flushTlb();
    expect(bench.access('read', GVA)).toEqual(done);
    writeControlRegister(bench.cpu, 3, root, 0);
    expect(bench.outcome()).toEqual(done);
    expect(bench.access('read', GVA)).toEqual(pageFault(0));
  });

  it('with reserved bits make MOV CR3 #GP(0) and change nothing', () => {
    for (const bit of [1, 2, 5, 6, 7, 8, 46, 51, 52, 63]) {
      const bench = new Bench({ maxPhyAddr: 46 });
      bench.paging('pae');
      bench.mapGuest('pae', GVA, 0x5000n);
      const other = bench.newGuestTable();
      bench.writeGuest64(other + 24, P | (1n << BigInt(bit)));
      const before = bench.r[VCPU_CR3];
      writeControlRegister(bench.cpu, 3, other, 0);
      expect(bench.outcome(), `bit ${bit}`).toEqual(gp());
      expect(bench.r[VCPU_CR3]).toBe(before);
      expect(bench.access('read', GVA)).toEqual(done);
    }
  });

  it('that lie in a page EPT does not map make MOV CR3 leave the guest without a linear address', () => {
    const bench = new Bench();
    bench.paging('pae');
    const table = bench.newGuestTable();
    bench.write64(bench.hostEntry(BigInt(table)), 0n);
    bench.cpu.flushTlb();
    writeControlRegister(bench.cpu, 3, table + 0x20, 0);
    expect(bench.outcome()).toEqual({ kind: 'exit', reason: 48, qualification: 1n, gpa: BigInt(table + 0x20) });
  });
});

describe('linear addresses of 64 bits', () => {
  it.each([0x0000_8000_0000_0000n, 0xffff_7fff_ffff_ffffn, 0x0100_0000_0040_3000n])('#GP(0) for %s', (gva) => {
    const bench = new Bench();
    bench.paging('4-level');
    bench.mapGuest('4-level', GVA, 0x5000n);
    bench.access('read', GVA);
    for (const access of ['read', 'write', 'fetch'] as const) expect(bench.access(access, gva)).toEqual(gp());
  });

  it('reach the upper half', () => {
    const bench = new Bench();
    bench.paging('4-level');
    bench.mapGuest('4-level', 0xffff_ffff_8010_0000n, 0x5000n, P | W | G);
    expect(bench.access('write', 0xffff_ffff_8010_0007n)).toEqual(done);
    expect(bench.arena.u8[bench.ram(0x5007)]).toBe(0x5a);
  });
});

it('the mode follows CR4.PAE and EFER.LMA', () => {
  const bench = new Bench();
  bench.paging('32-bit');
  bench.mapGuest('32-bit', GVA, 0x5000n);
  expect(bench.access('read', GVA)).toEqual(done);
  writeControlRegister(bench.cpu, 4, CR4_PAE | CR4_PSE, 0);
  // The same table, read as PDPTEs: its first entry is empty.
  expect(bench.outcome()).toEqual(done);
  expect(bench.access('read', GVA)).toEqual(pageFault(0));
});

describe.each(MODES)('an entry that another processor changes during the walk, under %s paging', (mode) => {
  it('is not marked for what it says now: the compare-exchange fails and the walk is made again', () => {
    const bench = withoutAccessed(mode);
    const other = mode === '32-bit' ? 0x6000n | P : 0x6000n | P | W | U;
    let races = 1;
    const frames: GuestFrames = {
      frameOf(gpaLo, _gpaHi, write) {
        // The last look before the leaf is marked.
        if (write && gpaLo === bench.guestEntry(mode, GVA, 1) && races-- > 0) setEntry(bench, mode, 1, other | U);
        return bench.arena.layout.ram + gpaLo;
      },
    };
    const [lo, hi] = [Number(GVA), 0];
    expect(walkGuest(bench.cpu, lo, hi, 0, frames)).toBe(true);
    expect(races).toBeLessThan(1);
    expect(bench.cpu.r[GUEST_WALK_GPA], 'where the entry leads now').toBe(0x6000);
    expect(entryOf(bench, mode, 1)).toBe(other | U | A);
  });

  it('that turns not present is a fault, and stays without A', () => {
    const bench = withoutAccessed(mode);
    const frames: GuestFrames = {
      frameOf(gpaLo, _gpaHi, write) {
        if (write && gpaLo === bench.guestEntry(mode, GVA, 1)) setEntry(bench, mode, 1, 0n);
        return bench.arena.layout.ram + gpaLo;
      },
    };
    expect(walkGuest(bench.cpu, Number(GVA), 0, 0, frames)).toBe(false);
    expect(entryOf(bench, mode, 1)).toBe(0n);
  });
});

describe.each(MODES)('the cache of page directory entries under %s paging', (mode) => {
  const NEXT = GVA + 0x1000n;
  /** The directory entry is in the cache, and names another table by now. */
  const changed = (): Bench => {
    const bench = new Bench();
    bench.paging(mode);
    bench.mapGuest(mode, GVA, 0x5000n, P | W | U);
    bench.mapGuest(mode, NEXT, 0x6000n, P | W | U);
    expect(bench.access('read', GVA)).toEqual(done);
    const table = bench.newGuestTable();
    const index = bench.guestEntry(mode, NEXT, 1) & 0xfff;
    if (mode === '32-bit') bench.writeGuest32(table + index, Number(0x7000n | P | W | U | A));
    else bench.writeGuest64(table + index, 0x7000n | P | W | U | A);
    setEntry(bench, mode, 2, BigInt(table) | P | W | U | A);
    return bench;
  };
  const leadsTo = (bench: Bench): number => {
    expect(walkGuest(bench.cpu, Number(NEXT), 0, 0)).toBe(true);
    return bench.cpu.r[GUEST_WALK_GPA];
  };

  it('leads a walk to the table that the entry named when it was read', () => {
    expect(leadsTo(changed())).toBe(0x6000);
  });

  it('is emptied by INVLPG of any page', () => {
    const bench = changed();
    invalidatePage(bench.cpu, 0x1234_5000, 0);
    expect(leadsTo(bench)).toBe(0x7000);
  });

  it.runIf(mode !== 'pae')('is emptied by a load of CR3', () => {
    const bench = changed();
    writeControlRegister(bench.cpu, 3, bench.cpu.r[VCPU_CR3], 0);
    expect(leadsTo(bench)).toBe(0x7000);
  });
});
