import { describe, expect, it } from 'vitest';
import { VCPU_CR0, VCPU_CR4 } from '../../../core/arena/vcpu-layout.ts';
import {
  EXIT_EPT_MISCONFIG,
  EXIT_EPT_VIOLATION,
  EXIT_EXCEPTION_NMI,
  EXIT_NPF,
} from '../../../core/x86/system/exits.ts';
import { type Access, A, Bench, CR0_PG, D, done, NX, OPEN_LEAF, type Outcome, P, PS, U, W } from './sys-fixture.ts';

const GPA = 0x20_3004n;
const misconfig: Outcome = { kind: 'exit', reason: EXIT_EPT_MISCONFIG, qualification: 0n, gpa: GPA };
const violation = (qualification: bigint, gpa = GPA): Outcome => ({
  kind: 'exit',
  reason: EXIT_EPT_VIOLATION,
  qualification,
  gpa,
});
const ACCESSES: readonly Access[] = ['read', 'write', 'fetch'];

/** Bench with the entry for GPA at `level` replaced by `entry`. */
function withEptEntry(level: number, entry: bigint, maxPhyAddr = 46): Bench {
  const bench = new Bench({ maxPhyAddr });
  bench.write64(bench.hostEntry(GPA, level), entry);
  bench.cpu.flushTlb();
  return bench;
}

describe('an EPT violation', () => {
  it.each([
    ['a read of nothing', 'read', 0n, 0x181n],
    ['a write to nothing', 'write', 0n, 0x182n],
    ['a fetch from nothing', 'fetch', 0n, 0x184n],
    ['a write to a read-only page', 'write', 0x31n, 0x18an],
    ['a write to a read-and-execute page', 'write', 0x35n, 0x1aan],
    ['a fetch from a read-write page', 'fetch', 0x33n, 0x19cn],
    ['a read of an execute-only page', 'read', 0x34n, 0x1a1n],
    ['a write to an execute-only page', 'write', 0x34n, 0x1a2n],
  ] as const)('for %s has the qualification of the manual', (_what, access, bits, qualification) => {
    const bench = new Bench();
    const hpa = bits === 0n ? 0n : BigInt(bench.ram(0x5000));
    bench.write64(bench.hostEntry(GPA), hpa | bits);
    bench.cpu.flushTlb();
    expect(bench.access(access, GPA)).toEqual(violation(qualification));
    expect(bench.faultAddress()).toBe(GPA);
  });

  it('is what an entry with RWX = 000b gives, whatever else it holds', () => {
    const bench = withEptEntry(1, 0xffff_ffff_ffff_fff8n);
    expect(bench.access('read', GPA)).toEqual(violation(0x181n));
  });

  it('counts the rights of all levels, not of the last alone', () => {
    const bench = new Bench();
    const at = bench.hostEntry(GPA, 2);
    bench.write64(at, (bench.read64(at) & ~7n) | 5n);
    bench.cpu.flushTlb();
    expect(bench.access('write', GPA)).toEqual(violation(0x1aan));
    expect(bench.access('read', GPA)).toEqual(done);
  });

  it('on a guest page table is reported for the table, not for the page', () => {
    const bench = new Bench();
    bench.paging('4-level');
    bench.mapGuest('4-level', 0x7000_0000n, 0x5000n);
    const table = BigInt(bench.guestEntry('4-level', 0x7000_0000n));
    bench.write64(bench.hostEntry(table), 0n);
    bench.cpu.flushTlb();
    expect(bench.access('read', 0x7000_0123n)).toEqual(violation(0x81n, table));
    expect(bench.faultAddress()).toBe(0x7000_0123n);
  });

  it('comes as a write when the processor cannot set an A bit in a write-protected guest table', () => {
    const bench = new Bench();
    bench.paging('4-level');
    bench.mapGuest('4-level', 0x7000_0000n, 0x5000n, P | W | U);
    const table = BigInt(bench.guestEntry('4-level', 0x7000_0000n));
    bench.mapHost(table, bench.ram(Number(table) & ~0xfff), 0x31n);
    bench.cpu.flushTlb();
    expect(bench.access('read', 0x7000_0000n)).toEqual(violation(0x8bn, table));
  });

  it('is what a guest physical address beyond 48 bits gives', () => {
    const bench = new Bench({ maxPhyAddr: 52 });
    bench.paging('4-level');
    bench.mapGuest('4-level', 0x7000_0000n, 1n << 50n);
    bench.cpu.flushTlb();
    expect(bench.access('read', 0x7000_0000n)).toEqual(violation(0x181n, 1n << 50n));
  });
});

describe('an EPT misconfiguration', () => {
  it.each(ACCESSES)('comes before access rights: a %s of an MMIO spte', (access) => {
    const bench = withEptEntry(1, 0xc000_0000_fee0_0006n);
    expect(bench.access(access, GPA)).toEqual(misconfig);
  });

  it('depends on R, W and X as the manual lists them', () => {
    const bench = new Bench();
    for (let rwx = 1; rwx < 8; rwx++) {
      bench.mapHost(GPA & ~0xfffn, bench.ram(0x5000), BigInt(rwx) | 0x30n);
      bench.cpu.flushTlb();
      const misconfigured = rwx === 0b010 || rwx === 0b110;
      for (const access of ACCESSES) {
        const outcome = bench.access(access, GPA);
        expect(outcome.kind === 'exit' && outcome.reason === EXIT_EPT_MISCONFIG, `${rwx} ${access}`).toBe(
          misconfigured,
        );
      }
    }
  });

  it('depends on the memory type of a leaf', () => {
    const bench = new Bench();
    for (let type = 0; type < 8; type++) {
      bench.mapHost(GPA & ~0xfffn, bench.ram(0x5000), 7n | BigInt(type << 3));
      bench.cpu.flushTlb();
      expect(bench.access('read', GPA), `type ${type}`).toEqual([2, 3, 7].includes(type) ? misconfig : done);
    }
  });

  // Bits 3 … 11 that are reserved in an entry of each kind, and the address bits that a large leaf may not set.
  const RESERVED: readonly (readonly [string, number, bigint, readonly number[]])[] = [
    ['PML4E', 4, 0n, [3, 4, 5, 6, 7]],
    ['PDPTE that points to a directory', 3, 0n, [3, 4, 5, 6]],
    ['PDE that points to a table', 2, 0n, [3, 4, 5, 6]],
    ['2 MiB leaf', 2, 0x30n | PS, [12, 13, 14, 15, 16, 17, 18, 19, 20]],
    ['1 GiB leaf', 3, 0x30n | PS, [12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]],
    ['4 KiB leaf', 1, 0x30n, []],
  ];
  it.each(RESERVED)('is a reserved bit of a %s', (_what, level, leafBits, low) => {
    for (const maxPhyAddr of [36, 46, 52]) {
      const bench = new Bench({ maxPhyAddr });
      const at = bench.hostEntry(GPA, level);
      const base = leafBits === 0n ? bench.read64(at) & ~0xff8n : leafBits | 7n;
      for (let bit = 3; bit < 64; bit++) {
        const isLow = low.includes(bit);
        const isHigh = bit >= maxPhyAddr && bit < 52;
        // Other address bits would lead out of the arena, other low bits change what kind of entry it is.
        if (!isLow && !isHigh && (bit < 8 || (bit >= 12 && bit < 52))) continue;
        bench.write64(at, base | (1n << BigInt(bit)));
        bench.cpu.flushTlb();
        const outcome = bench.access('read', GPA);
        const misconfigured = outcome.kind === 'exit' && outcome.reason === EXIT_EPT_MISCONFIG;
        expect(misconfigured, `bit ${bit} with MAXPHYADDR ${maxPhyAddr}`).toBe(isLow || isHigh);
      }
    }
  });
});

describe('a large EPT leaf', () => {
  it('maps 2 MiB with the offset taken from the guest physical address', () => {
    const bench = new Bench();
    const { arena } = bench;
    // A 2 MiB page must lie on a 2 MiB boundary of host memory.
    const hpa = Math.ceil(arena.layout.ram / 0x20_0000) * 0x20_0000;
    bench.write64(bench.hostEntry(GPA, 2), BigInt(hpa) | 7n | 0x30n | PS);
    bench.cpu.flushTlb();
    expect(bench.access('write', GPA)).toEqual(done);
    expect(arena.u8[hpa + Number(GPA & 0x1f_ffffn)]).toBe(0x5a);
  });
});

describe('a nested page fault', () => {
  const npf = (code: bigint, gpa = GPA): Outcome => ({ kind: 'exit', reason: EXIT_NPF, qualification: code, gpa });
  const FINAL = 1n << 32n;
  const TABLE = 1n << 33n;

  it.each([
    ['read', 0n, FINAL | 4n],
    ['write', 0n, FINAL | 6n],
    ['fetch', 0n, FINAL | 20n],
    ['write', P | U | A | D, FINAL | 7n],
    ['fetch', P | W | U | A | D | NX, FINAL | 21n],
    ['read', P | W | A | D, FINAL | 5n],
    ['read', 0xfff_ff00_0000_0001n | U | (1n << 50n), FINAL | 13n],
  ] as const)('on a %s of an entry 0x%s', (access, bits, code) => {
    const bench = new Bench({ secondLevel: 'npt', maxPhyAddr: 40 });
    const hpa = bits === 0n || bits > 1n << 63n ? 0n : BigInt(bench.ram(0x5000));
    bench.write64(bench.hostEntry(GPA), hpa | bits);
    bench.cpu.flushTlb();
    expect(bench.access(access, GPA)).toEqual(npf(code));
  });

  it('for an MMIO spte says RSVD and P, and with MAXPHYADDR 52 only that nothing is there', () => {
    for (const [maxPhyAddr, spte, code] of [
      [40, 0xffff_ff00_fee0_0b4fn, FINAL | 13n],
      [52, 0xfff0_0000_fee0_0b4en, FINAL | 4n],
    ] as const) {
      const bench = new Bench({ secondLevel: 'npt', maxPhyAddr });
      bench.write64(bench.hostEntry(GPA), spte);
      bench.cpu.flushTlb();
      expect(bench.access('read', GPA)).toEqual(npf(code));
    }
  });

  it('on a guest page table is a user write with the page bit', () => {
    const bench = new Bench({ secondLevel: 'npt' });
    bench.paging('4-level');
    bench.mapGuest('4-level', 0x7000_0000n, 0x5000n);
    const table = BigInt(bench.guestEntry('4-level', 0x7000_0000n));
    bench.write64(bench.hostEntry(table), 0n);
    bench.cpu.flushTlb();
    expect(bench.access('read', 0x7000_0000n)).toEqual(npf(TABLE | 6n, table));
  });

  it('does not come from A and D bits: the processor sets them in the nested entry', () => {
    const bench = new Bench({ secondLevel: 'npt' });
    const at = bench.hostEntry(GPA);
    bench.write64(at, BigInt(bench.ram(0x5000)) | P | W | U);
    bench.cpu.flushTlb();
    expect(bench.access('read', GPA)).toEqual(done);
    expect(bench.read64(at) & (A | D)).toBe(A);
    expect(bench.access('write', GPA)).toEqual(done);
    expect(bench.read64(at) & (A | D)).toBe(A | D);
  });
});

describe('a shadow page table', () => {
  const fault = (code: bigint): Outcome => ({
    kind: 'exit',
    reason: EXIT_EXCEPTION_NMI,
    qualification: code,
    gpa: GPA,
  });

  it.each([3, 4] as const)('of %i levels is walked with the linear address of a guest without paging', (rootLevels) => {
    const bench = new Bench({ secondLevel: 'shadow', rootLevels });
    expect(bench.access('write', GPA)).toEqual(done);
    expect(bench.arena.u8[bench.ram(Number(GPA))]).toBe(0x5a);
    bench.write64(bench.hostEntry(GPA), 0n);
    bench.cpu.flushTlb();
    expect(bench.access('read', GPA)).toEqual(fault(0n));
    expect(bench.access('write', GPA)).toEqual(fault(2n));
    bench.cpl = 3;
    expect(bench.access('fetch', GPA)).toEqual(fault(20n));
  });

  it('with an MMIO spte faults with RSVD', () => {
    const bench = new Bench({ secondLevel: 'shadow', maxPhyAddr: 46 });
    bench.write64(bench.hostEntry(GPA), 0xffff_c000_fee0_0b4bn);
    bench.cpu.flushTlb();
    expect(bench.access('write', GPA)).toEqual(fault(11n));
  });

  it('write-protects the supervisor too', () => {
    const bench = new Bench({ secondLevel: 'shadow' });
    bench.mapHost(GPA & ~0xfffn, bench.ram(0x5000), OPEN_LEAF.shadow & ~W);
    bench.cpu.flushTlb();
    expect(bench.access('write', GPA)).toEqual(fault(3n));
  });

  it('is all there is to walk when the guest has paging on', () => {
    const bench = new Bench({ secondLevel: 'shadow' });
    bench.r[VCPU_CR0] |= CR0_PG;
    expect(bench.access('write', GPA)).toEqual(done);
    bench.r[VCPU_CR4] |= 1 << 20; // SMEP
    bench.cpu.flushTlb();
    expect(bench.access('fetch', GPA), 'a user page under SMEP').toEqual(fault(0x11n));
  });
});

it('a second-level entry that points outside host memory stops the machine with a sentence', () => {
  const bench = new Bench({ maxPhyAddr: 52 });
  bench.write64(bench.hostEntry(GPA), (1n << 40n) | 0x37n);
  bench.cpu.flushTlb();
  expect(() => bench.access('read', GPA)).toThrow(/outside host memory/);
});
