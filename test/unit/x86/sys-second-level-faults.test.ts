/** Faults of the second level against the manuals' tables: every right, access, size of leaf and reserved bit. */
import { describe, expect, it } from 'vitest';
import { VCPU_CR3, VCPU_CR4, VCPU_EPT_AD } from '../../../core/arena/vcpu-layout.ts';
import { writeControlRegister } from '../../../core/x86/system/control-registers.ts';
import { probeSecondLevelWalk } from '../../../core/x86/probe/probe-second-level.ts';
import {
  EXIT_EPT_MISCONFIG,
  EXIT_EPT_VIOLATION,
  EXIT_EXCEPTION_NMI,
  EXIT_NPF,
} from '../../../core/x86/system/exits.ts';
import {
  A,
  Bench,
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  D,
  done,
  NX,
  P,
  PS,
  U,
  W,
  type Access,
  type Outcome,
} from './sys-fixture.ts';

const WRITE_BACK = 0x30n;
const EPT_A = 0x100n;
const EPT_D = 0x200n;
const SIZES = [0n, 0x1000n, 0x20_0000n, 0x4000_0000n] as const;
const ACCESSES: readonly Access[] = ['read', 'write', 'fetch'];

/** A gpa that one leaf of any size maps to itself: a 1 GiB page of this small host can only lie at 0. */
const identityGpa = (bench: Bench): bigint => BigInt(bench.ram(0x5004));

/** A bench whose leaf for the gpa is at `level` with the given bits. */
function withLeaf(level: number, bits: bigint, options: ConstructorParameters<typeof Bench>[0] = {}) {
  const bench = new Bench(options);
  const gpa = identityGpa(bench);
  bench.write64(bench.hostEntry(gpa, level), (gpa & -SIZES[level]) | bits | (level > 1 ? PS : 0n));
  bench.cpu.flushTlb();
  return { bench, gpa };
}

const violation = (qualification: bigint, gpa: bigint): Outcome => ({
  kind: 'exit',
  reason: EXIT_EPT_VIOLATION,
  qualification,
  gpa,
});
const misconfigured = (outcome: Outcome): boolean => outcome.kind === 'exit' && outcome.reason === EXIT_EPT_MISCONFIG;

describe('the exit qualification of an EPT violation', () => {
  // SDM volume 3C, "Exit Qualification for EPT Violations": bits 0–2 the access, 3–5 the rights, 7 and 8 set.
  it.each<readonly [string, bigint, readonly (bigint | 'done')[]]>([
    ['---', 0b000n, [0x181n, 0x182n, 0x184n]],
    ['r--', 0b001n, ['done', 0x18an, 0x18cn]],
    ['rw-', 0b011n, ['done', 'done', 0x19cn]],
    ['--x', 0b100n, [0x1a1n, 0x1a2n, 'done']],
    ['r-x', 0b101n, ['done', 0x1aan, 'done']],
    ['rwx', 0b111n, ['done', 'done', 'done']],
  ])('of a %s leaf is the same at every level', (_name, rwx, expected) => {
    for (const level of [1, 2, 3]) {
      ACCESSES.forEach((access, i) => {
        const { bench, gpa } = withLeaf(level, rwx | WRITE_BACK);
        const wanted = expected[i];
        const outcome = wanted === 'done' ? done : violation(wanted, gpa);
        expect(bench.access(access, gpa), `${access} at level ${level}`).toEqual(outcome);
      });
    }
  });

  it('has the rights of every table on the way', () => {
    for (const level of [2, 3, 4]) {
      for (const [rwx, qualification] of [
        [0b001n, 0x18an],
        [0b100n, 0x1a2n],
        [0b101n, 0x1aan],
      ] as const) {
        const bench = new Bench();
        const at = bench.hostEntry(0x5000n, level);
        bench.write64(at, (bench.read64(at) & ~7n) | rwx);
        bench.cpu.flushTlb();
        expect(bench.access('write', 0x5000n), `level ${level}`).toEqual(violation(qualification, 0x5000n));
      }
    }
  });

  it('has neither rights nor a linear address valid bit where there are none: MOV CR3 loading PDPTEs', () => {
    const bench = new Bench();
    bench.paging('pae');
    bench.write64(bench.hostEntry(0x9000n), 0n);
    bench.cpu.flushTlb();
    writeControlRegister(bench.cpu, 3, 0x9000, 0);
    expect(bench.outcome()).toEqual(violation(0x1n, 0x9000n));
    expect(bench.r[VCPU_CR4] & CR4_PAE).toBe(CR4_PAE);
    expect(bench.r[VCPU_CR3], 'the instruction did not complete').not.toBe(0x9000);
  });
});

describe('an EPT misconfiguration of a large leaf', () => {
  it.each([2, 3])('at level %i follows the memory type as that of a small one', (level) => {
    for (let type = 0n; type < 8n; type++) {
      const { bench, gpa } = withLeaf(level, 7n | (type << 3n));
      expect(misconfigured(bench.access('read', gpa)), `type ${type}`).toBe([2n, 3n, 7n].includes(type));
    }
  });

  it.each([1, 2, 3])('at level %i comes before access rights, for every combination of R, W and X', (level) => {
    for (let rwx = 0n; rwx < 8n; rwx++) {
      for (const access of ACCESSES) {
        const { bench, gpa } = withLeaf(level, rwx | WRITE_BACK);
        const expected = rwx === 0b010n || rwx === 0b110n;
        expect(misconfigured(bench.access(access, gpa)), `${rwx} ${access}`).toBe(expected);
      }
    }
  });

  it('above hides what stands below it', () => {
    const bench = new Bench();
    bench.write64(bench.hostEntry(0x5000n, 1), 0n);
    const at = bench.hostEntry(0x5000n, 2);
    bench.write64(at, bench.read64(at) | 0x8n);
    bench.cpu.flushTlb();
    expect(bench.access('read', 0x5000n)).toMatchObject({ reason: EXIT_EPT_MISCONFIG, qualification: 0n });
  });
});

describe('accessed and dirty flags for EPT', () => {
  const entries = (bench: Bench, gpa: bigint, leaf: number): bigint[] =>
    [4, 3, 2, 1].filter((level) => level >= leaf).map((level) => bench.read64(bench.hostEntry(gpa, level)) & 0x300n);

  it('are ignored bits unless the EPT pointer asks for them', () => {
    const { bench, gpa } = withLeaf(1, 7n | WRITE_BACK);
    expect(bench.access('write', gpa)).toEqual(done);
    expect(entries(bench, gpa, 1)).toEqual([0n, 0n, 0n, 0n]);
  });

  it.each([1, 2, 3])('are set by a read and then by a write, with the leaf at level %i', (level) => {
    const { bench, gpa } = withLeaf(level, 7n | WRITE_BACK);
    bench.r[VCPU_EPT_AD] = 1;
    expect(bench.access('read', gpa)).toEqual(done);
    const upper = Array.from({ length: 4 - level }, () => EPT_A);
    expect(entries(bench, gpa, level)).toEqual([...upper, EPT_A]);
    // The translation is in the TLB now, but not for writing: the first write must be seen.
    expect(bench.access('write', gpa)).toEqual(done);
    expect(entries(bench, gpa, level)).toEqual([...upper, EPT_A | EPT_D]);
  });

  it('are not set by an access that faults', () => {
    const { bench, gpa } = withLeaf(1, 5n | WRITE_BACK);
    bench.r[VCPU_EPT_AD] = 1;
    expect(bench.access('write', gpa)).toEqual(violation(0x1aan, gpa));
    expect(entries(bench, gpa, 1)).toEqual([0n, 0n, 0n, 0n]);
  });

  it('make every access to a guest page table a write: D is set, and a protected table is a violation', () => {
    const bench = new Bench();
    bench.r[VCPU_EPT_AD] = 1;
    bench.paging('4-level');
    bench.mapGuest('4-level', 0x7000_0000n, 0x5000n);
    const table = BigInt(bench.guestEntry('4-level', 0x7000_0000n));
    bench.cpu.flushTlb();
    expect(bench.access('read', 0x7000_0000n)).toEqual(done);
    expect(bench.read64(bench.hostEntry(table)) & 0x300n).toBe(EPT_A | EPT_D);
    expect(bench.read64(bench.hostEntry(0x5000n)) & 0x300n, 'the page itself was only read').toBe(EPT_A);
    bench.mapHost(table & ~0xfffn, bench.ram(Number(table) & ~0xfff), 0x35n);
    bench.cpu.flushTlb();
    // Read and write, of a page that can be read and executed, not the final translation.
    expect(bench.access('read', 0x7000_0000n)).toEqual(violation(0xabn, table));
    // Whoever only looks foresees the same.
    expect(probeSecondLevelWalk(bench.arena, 0, table, 'read', false, 'table').fault).toMatchObject({ code: 0xab });
    bench.r[VCPU_EPT_AD] = 0;
    expect(probeSecondLevelWalk(bench.arena, 0, table, 'read', false, 'table').fault).toBeUndefined();
  });
});

describe('the error code of a nested page fault', () => {
  const FINAL = 1n << 32n;
  const npf = (code: bigint, gpa: bigint): Outcome => ({ kind: 'exit', reason: EXIT_NPF, qualification: code, gpa });

  // Always a user's access: U in the code, and U needed in the entry.
  it.each<readonly [string, bigint, readonly (bigint | 'done')[]]>([
    ['nothing', 0n, [4n, 6n, 20n]],
    ['P', P | A | D, [5n, 7n, 21n]],
    ['P W', P | W | A | D, [5n, 7n, 21n]],
    ['P U', P | U | A | D, ['done', 7n, 'done']],
    ['P U XD', P | U | A | D | NX, ['done', 7n, 21n]],
    ['P W U', P | W | U | A | D, ['done', 'done', 'done']],
    ['P W U XD', P | W | U | A | D | NX, ['done', 'done', 21n]],
  ])('with a leaf of %s is the same at every level', (_name, bits, expected) => {
    for (const level of [1, 2, 3]) {
      ACCESSES.forEach((access, i) => {
        const { bench, gpa } = withLeaf(level, bits, { secondLevel: 'npt' });
        const code = expected[i];
        const outcome = code === 'done' ? done : npf(FINAL | code, gpa);
        expect(bench.access(access, gpa), `${access} at level ${level}`).toEqual(outcome);
      });
    }
  });

  // APM volume 2, "Long-Mode Page Translation": bit 12 of a large entry is PAT, bits 7 and 8 of a PML4E must be zero.
  it.each<readonly [string, number, boolean, readonly number[]]>([
    ['PML4E', 4, false, [7, 8]],
    ['PDPTE that points to a directory', 3, false, []],
    ['PDE that points to a table', 2, false, []],
    ['PTE', 1, true, []],
    ['2 MiB leaf', 2, true, [13, 14, 15, 16, 17, 18, 19, 20]],
    ['1 GiB leaf', 3, true, [13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]],
  ])('has RSVD for the reserved bits of a %s', (_name, level, leaf, low) => {
    for (const maxPhyAddr of [36, 40, 52]) {
      const bench = new Bench({ secondLevel: 'npt', maxPhyAddr });
      const gpa = identityGpa(bench);
      if (!leaf) bench.mapHost(gpa & ~0xfffn, Number(gpa & ~0xfffn));
      const at = bench.hostEntry(gpa, level);
      const base = leaf
        ? (gpa & -SIZES[level]) | P | W | U | A | D | (level > 1 ? PS : 0n)
        : bench.read64(at) & ~0xf80n;
      for (let bit = 3; bit < 63; bit++) {
        const high = bit >= maxPhyAddr && bit < 52;
        const reserved = low.includes(bit) || high;
        // Other address bits lead out of the arena, and bit 7 below level 4 changes what the entry is.
        if (!reserved && ((bit > 12 && bit < 52) || bit === 7 || (bit === 12 && (!leaf || level === 1)))) continue;
        bench.write64(at, base ^ (1n << BigInt(bit)));
        bench.cpu.flushTlb();
        const outcome = bench.access('read', gpa);
        expect(outcome, `bit ${bit}, MAXPHYADDR ${maxPhyAddr}`).toEqual(reserved ? npf(FINAL | 13n, gpa) : done);
      }
    }
  });

  it('is W for the processor itself: A and D bits of guest tables need W and set D', () => {
    const bench = new Bench({ secondLevel: 'npt' });
    bench.paging('4-level', { cr0: CR0_WP | CR0_PG });
    bench.mapGuest('4-level', 0x7000_0000n, 0x5000n);
    const table = BigInt(bench.guestEntry('4-level', 0x7000_0000n));
    bench.mapHost(table & ~0xfffn, bench.ram(Number(table) & ~0xfff), P | U | A | D);
    bench.cpu.flushTlb();
    expect(bench.access('read', 0x7000_0000n)).toEqual(npf((1n << 33n) | 7n, table));
  });
});

describe('reserved bits of a PAE shadow page table', () => {
  const fault = (code: bigint, gpa: bigint): Outcome => ({
    kind: 'exit',
    reason: EXIT_EXCEPTION_NMI,
    qualification: code,
    gpa,
  });

  // SDM volume 3A, "PAE Paging", tables of entry formats. In a PDPTE bits 1, 2 and 5 to 8 must be zero, and 52 to 63 too.
  it.each<readonly [string, number, bigint, readonly number[]]>([
    ['PDPTE', 3, P, [1, 2, 5, 6, 7, 8]],
    ['PDE that points to a table', 2, P | W | U | A, []],
    ['2 MiB leaf', 2, P | W | U | A | D | PS, [13, 14, 15, 16, 17, 18, 19, 20]],
    ['PTE', 1, P | W | U | A | D, []],
  ])('%s', (_name, level, bits, low) => {
    for (const maxPhyAddr of [36, 40, 52]) {
      const bench = new Bench({ secondLevel: 'shadow', rootLevels: 3, maxPhyAddr });
      const gpa = identityGpa(bench);
      const leaf = (bits & PS) !== 0n || level === 1;
      if (!leaf) bench.mapHost(gpa & ~0xfffn, Number(gpa & ~0xfffn));
      const at = bench.hostEntry(gpa, level);
      const base = leaf ? (gpa & -SIZES[level]) | bits : (bench.read64(at) & ~0xfffn) | bits;
      for (let bit = 1; bit < 63; bit++) {
        const reserved = low.includes(bit) || (bit >= maxPhyAddr && bit < 63);
        if (!reserved && (bit < 9 || (bit >= 12 && bit < 52))) continue;
        bench.write64(at, base | (1n << BigInt(bit)));
        bench.cpu.flushTlb();
        const outcome = bench.access('read', gpa);
        expect(outcome, `bit ${bit}, MAXPHYADDR ${maxPhyAddr}`).toEqual(reserved ? fault(9n, gpa) : done);
      }
    }
  });
});
