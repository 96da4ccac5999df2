/** What sets the eras that run apart: generations, the vCPU's cache, sptes, and the bugs that strike in some of them. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { VCPU_MMIO_GFN } from '../../../core/arena/vcpu-layout.ts';
import { HVA_BASE } from '../../../core/base/address.ts';
import { ERAS, MMU_MODES, type Era } from '../../../core/base/machine-modes.ts';
import {
  changeWraps,
  currentMmioGeneration,
  generationRefusal,
  generationsToWrap,
  memslotsUpdateInProgress,
  mmioGenerationOf,
} from '../../../core/kvm/eras.ts';
import { LIMITS_V3_11, limitsOf } from '../../../core/kvm/memslots/limits.ts';
import { beginMemslotUpdate, type MemslotUpdate } from '../../../core/kvm/memslots/memslot-update.ts';
import { memslotsGeneration } from '../../../core/kvm/memslots/memslots.ts';
import { bugStrikes } from '../../../core/kvm/mmio/mmio-bugs.ts';
import { markMmioSpte } from '../../../core/kvm/mmio/mmio-spte.ts';
import { explainSpte } from '../../../core/kvm/spte/spte-decode.ts';
import { findSpteEra } from '../../../core/kvm/spte/spte-eras.ts';
import { spteHostOf } from '../../../core/kvm/spte/spte-mmio.ts';
import { readVmCounters } from '../../../core/kvm/trace/stats.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';
import { region, SlotBench, type Call } from './memslot-bench.ts';

const HOLE = 0x8000_0000n;
/** What the types of a mocked Atomics function say of its array; here it is the arena's int32 words. */
type Words = BigInt64Array | BigUint64Array;
const U64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const IN_PROGRESS = 1n << 63n;

function begin(bench: SlotBench, call: Call): MemslotUpdate {
  const begun = beginMemslotUpdate(bench.arena, bench.limits, bench.mmu, region(call));
  if (!begun.ok) throw new Error(begun.error.message);
  return begun.value;
}

/** Steps of a change with the memslots generation after each. */
function stepsOf(bench: SlotBench, call: Call): string[] {
  const update = begin(bench, call);
  const seen: string[] = [];
  while (update.next !== undefined) {
    const name = update.next;
    update.step();
    seen.push(
      `${name} ${memslotsGeneration(bench.arena) & 0xffffn}${memslotsUpdateInProgress(bench.arena) ? '*' : ''}`,
    );
  }
  return seen;
}

describe('a memslot update, step by step (* = in flight),', () => {
  const deletion = (era: Era): string[] => {
    const bench = new SlotBench(era, limitsOf(era, 'ept', 46));
    bench.mustSet([3, 0x100, 16]);
    return stepsOf(bench, [3, 0, 0]);
  };

  it.each(['v3.10', 'patch', 'v3.11'] as const)('in %s moves the generation by publishing it', (era) => {
    expect(deletion(era)).toEqual([
      'invalid-installed 2',
      'invalid-settled 2',
      'invalid-drained 2',
      'flushed 2',
      'installed 3',
      'settled 3',
      'drained 3',
      'committed 3',
      'wrap-checked 3',
      'freed 3',
    ]);
  });

  it('in v3.17 is at an odd generation until its readers are gone', () => {
    expect(deletion('v3.17')).toEqual([
      'invalid-installed 65389*',
      'invalid-drained 65389*',
      'invalid-settled 65390',
      'invalid-wrap-checked 65390',
      'flushed 65390',
      'installed 65391*',
      'drained 65391*',
      'settled 65392',
      'wrap-checked 65392',
      'committed 65392',
      'freed 65392',
    ]);
  });

  it('in v6.8 flags the old generation, and looks for the wrap-around before it publishes the new one', () => {
    expect(deletion('v6.8')).toEqual([
      'invalid-installed 2*',
      'invalid-drained 2*',
      'invalid-wrap-checked 2*',
      'invalid-settled 4',
      'flushed 4',
      'installed 4*',
      'drained 4*',
      'wrap-checked 4*',
      'settled 6',
      'committed 6',
      'freed 6',
    ]);
  });

  it.each(ERAS)('in %s comes to the same as the call as a whole', (era) => {
    const limits = limitsOf(era, 'ept', 46);
    const [whole, stepped] = [new SlotBench(era, limits), new SlotBench(era, limits)];
    for (const call of [
      [3, 0x100, 16],
      [3, 0x200, 16],
      [3, 0x200, 16, 1],
      [3, 0, 0],
    ] as const) {
      whole.mustSet(call);
      stepsOf(stepped, call);
    }
    expect(stepped.mmu.calls).toEqual(whole.mmu.calls);
    expect(Buffer.compare(stepped.arena.u8, whole.arena.u8)).toBe(0);
  });
});

describe('the generation', () => {
  it('of v3.17 starts 75 changes below its end, that of v6.8 at 0', () => {
    expect(memslotsGeneration(new SlotBench('v3.17').arena)).toBe(U64(-150n));
    expect(currentMmioGeneration(new SlotBench('v3.17').arena)).toBe(0xfff6a);
    expect(generationsToWrap('v3.17', U64(-150n))).toBe(75);
    expect(memslotsGeneration(new SlotBench('v6.8').arena)).toBe(0n);
    expect(generationsToWrap('v6.8', 0n)).toBe(0x40000);
  });

  it.each([
    ['v3.17', U64(-2n), 0xffffe],
    ['v3.17', 0n, 0],
    ['v3.17', 0x10_0003n, 3],
    ['v6.8', 0x7fffen, 0x7fffe],
    ['v6.8', IN_PROGRESS | 6n, 6],
  ] as const)('of %s from memslots generation %s is %i', (era, generation, mmio) => {
    expect(mmioGenerationOf(era, generation)).toBe(mmio);
  });

  it.each([
    ['v3.17', U64(-2n), 1, true],
    ['v3.17', U64(-4n), 1, false],
    ['v3.17', U64(-4n), 2, true],
    // Every install is looked at: the second of a DELETE is past it.
    ['v3.17', U64(-2n), 2, true],
    ['v6.8', 0x7fffen, 1, true],
    ['v6.8', 0x7fffcn, 1, false],
    ['v3.11', 148n, 1, true],
    ['v3.10', 148n, 1, false],
    ['patch', 0x7fffen, 2, false],
  ] as const)('of %s at %s wraps with %i installs: %s', (era, before, installs, wraps) => {
    expect(changeWraps(era, before, installs)).toBe(wraps);
  });

  it('cannot be set to one that says that an update is in flight', () => {
    expect(generationRefusal('v3.17', 3n)).toContain('odd');
    expect(generationRefusal('v6.8', 3n)).toContain('address space 1');
    expect(generationRefusal('v6.8', IN_PROGRESS)).toContain('bit 63');
    expect(generationRefusal('v3.11', 3n)).toBeUndefined();
  });

  it.each(['v3.17', 'v6.8'] as const)('of %s zaps all shadow pages when it has gone round', (era) => {
    const kvm = new KvmFixture({ era });
    kvm.slot(0, 0n, MIB);
    kvm.vm.setMemslotsGeneration(0n);
    kvm.touch(HOLE);
    kvm.vm.setMemslotsGeneration(era === 'v3.17' ? U64(-4n) : 0x7fffcn);
    kvm.slot(1, 0x1_0000_0000n, MIB);
    expect(kvm.vm.mmioSpteCounts()).toEqual({ live: 1, fresh: 0 });
    kvm.slot(2, 0x1_1000_0000n, MIB);
    expect(kvm.vm.currentMmioGeneration()).toBe(0);
    expect(kvm.vm.mmioSpteCounts()).toEqual({ live: 0, fresh: 0 });
    // From 5.1 on the line is for kernels built to debug.
    expect(kvm.log.filter((line) => line.includes('wraparound'))).toHaveLength(era === 'v3.17' ? 1 : 0);
  });
});

describe('a hole that becomes RAM', () => {
  const served = (era: Era): KvmFixture => {
    const kvm = new KvmFixture({ era });
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    kvm.touch(HOLE);
    kvm.slot(1, HOLE, MIB);
    kvm.touch(HOLE);
    return kvm;
  };

  it.each(['patch', 'v3.11'] as const)('is still MMIO to the cache of %s, and the log says so', (era) => {
    const kvm = served(era);
    expect(kvm.outcomes()).toEqual(['FIRST', 'CACHED', 'CACHED']);
    expect(bugStrikes(kvm.arena)).toMatchObject({ 'stale-mmio-cache': 1 });
    expect(kvm.log).toEqual([
      "kvm: stale MMIO cache (56f17dd3fbc4, fixed in 3.17): vCPU 0's read of gpa 0x80000000 is served as MMIO although " +
        'slot 1 maps gfn 0x80000: the cache was filled at memslots generation 1, now 2',
    ]);
    kvm.touch(HOLE, true);
    expect(bugStrikes(kvm.arena)['stale-mmio-cache']).toBe(2);
  });

  it.each(['v3.17', 'v6.8'] as const)('is RAM at once in %s', (era) => {
    const kvm = served(era);
    expect(kvm.outcomes()).toEqual(['FIRST', 'CACHED', 'INVALID']);
    expect(kvm.spte(HOLE) & 7n).toBe(7n);
    const { 'stale-mmio-cache': stale, 'corrupt-mmio-spte': corrupt } = bugStrikes(kvm.arena);
    expect([stale, corrupt]).toEqual([0, 0]);
  });

  it('is RAM in v3.10, which has zapped the spte', () => {
    const kvm = served('v3.10');
    expect(kvm.outcomes()).toEqual(['FIRST', 'CACHED']);
    expect(kvm.spte(HOLE) & 7n).toBe(7n);
    expect(kvm.log).toEqual([]);
  });

  it.each(ERAS)('elsewhere names no bug in %s: the cached hole is one still', (era) => {
    const kvm = new KvmFixture({ era });
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    kvm.slot(1, 0xc000_0000n, MIB);
    for (let i = 0; i < 3; i++) kvm.touch(HOLE);
    const { 'stale-mmio-cache': stale, 'corrupt-mmio-spte': corrupt } = bugStrikes(kvm.arena);
    expect([stale, corrupt]).toEqual([0, 0]);
  });

  it('names a bug ten times and then only counts it', () => {
    const kvm = served('v3.11');
    for (let i = 0; i < 20; i++) kvm.touch(HOLE);
    expect(bugStrikes(kvm.arena)['stale-mmio-cache']).toBe(21);
    expect(kvm.log).toHaveLength(10);
    expect(kvm.log[9]).toContain('more of these are only counted');
  });
});

describe('every MMIO spte that a machine makes', () => {
  const hosts = [32, 33, 36, 39, 40, 44, 46, 47, 48, 51, 52];
  const cases = ERAS.flatMap((era) => MMU_MODES.flatMap((mmu) => hosts.map((phys) => [era, mmu, phys] as const)));

  it.each(cases)('in %s under %s with MAXPHYADDR %i decodes to what the machine means', (era, mmu, maxPhyAddr) => {
    // A CPU's cache has at least the address bits that it reports.
    const affected = era === 'v6.8' ? [36, 44, 46].filter((bits) => bits >= maxPhyAddr) : [];
    const caches = [undefined, ...affected];
    for (const l1tfCacheBits of caches) {
      const kvm = new KvmFixture({ era, mmu, maxPhyAddr, l1tfCacheBits });
      kvm.slot(0, 0n, MIB);
      const gpas = [0xfee0_0000n, 0xffff_f000n, 0x1000_0000n];
      if (mmu !== 'shadow' && maxPhyAddr > 36)
        gpas.push(0xf_8765_4000n, (1n << BigInt(Math.min(maxPhyAddr, 48) - 1)) | 0x7000n);
      for (const gpa of gpas) {
        kvm.touch(gpa);
        const name = findSpteEra(era);
        if (name === undefined) throw new Error(era);
        const spte = kvm.spte(gpa);
        if (era === 'v6.8' && mmu !== 'ept' && maxPhyAddr === 52) {
          expect(spte, 'no MMIO caching on such a host').toBe(0n);
          continue;
        }
        const decoded = explainSpte(name, spteHostOf(kvm.arena), spte);
        expect(decoded).toMatchObject({ kind: 'mmio', gfn: gpa >> 12n, access: mmu === 'ept' ? '' : 'wu' });
        expect(decoded.gen).toBe(era === 'v3.10' ? undefined : kvm.vm.currentMmioGeneration());
        expect(
          decoded.notes.filter((note) => note.includes('did not write') || note.includes('should be zero')),
        ).toEqual([]);
      }
    }
  });
});

describe('MAXPHYADDR 52', () => {
  it.each(['patch', 'v3.11', 'v3.17'] as const)(
    'leaves no reserved bit to npt and shadow in %s: every access goes the slow way',
    (era) => {
      for (const mmu of ['npt', 'shadow'] as const) {
        const kvm = new KvmFixture({ era, mmu, maxPhyAddr: 52 });
        for (let i = 0; i < 3; i++) kvm.touch(HOLE);
        expect(kvm.outcomes()).toEqual(['FIRST', 'FIRST', 'FIRST']);
        expect(kvm.spte(HOLE) & 1n, 'not present to the hardware').toBe(0n);
        expect(kvm.spte(HOLE)).not.toBe(0n);
        expect(kvm.vm.mmioSpteCounts()).toEqual({ live: 1, fresh: 1 });
      }
    },
  );

  it('turns MMIO caching off in v6.8 under npt and shadow, and not under ept', () => {
    for (const mmu of MMU_MODES) {
      const kvm = new KvmFixture({ era: 'v6.8', mmu, maxPhyAddr: 52 });
      for (let i = 0; i < 3; i++) kvm.touch(HOLE);
      expect(kvm.outcomes()).toEqual(mmu === 'ept' ? ['FIRST', 'CACHED', 'CACHED'] : ['FIRST', 'FIRST', 'FIRST']);
      expect(kvm.vm.mmioSpteCounts().live).toBe(mmu === 'ept' ? 1 : 0);
      expect(kvm.bus.accesses).toHaveLength(3);
    }
  });
});

describe('a misconfiguration at an entry that is present by now', () => {
  const raced = (era: Era): { kvm: KvmFixture; result: number } => {
    const kvm = new KvmFixture({ era });
    kvm.slot(0, 0n, MIB);
    kvm.touch(0x1000n);
    return { kvm, result: kvm.eptMisconfig(0x1000n) };
  };

  it.each(['v3.10', 'patch', 'v3.11', 'v3.17'] as const)('stops the VM in %s', (era) => {
    const { kvm, result } = raced(era);
    expect(kvm.outcomes()).toEqual(['BUG']);
    expect(result).toBeGreaterThanOrEqual(0);
    expect(bugStrikes(kvm.arena)['mmio-pf-bug']).toBe(1);
    expect(kvm.log[0]).toContain('RET_MMIO_PF_BUG (fully check zero bits for sptes, fixed in 4.3)');
  });

  it('is tried again in v6.8, unless the entry has reserved bits', () => {
    const { kvm, result } = raced('v6.8');
    expect(kvm.outcomes()).toEqual(['RETRY']);
    expect(result).toBe(-1);
    expect(kvm.log).toEqual([]);
    // Somebody sets bit 45 of the entry by hand: beyond MAXPHYADDR 40.
    kvm.arena.u64[kvm.sptep(0x1000n) >> 3] |= 1n << 45n;
    expect(kvm.eptMisconfig(0x1000n)).toBeGreaterThanOrEqual(0);
    expect(kvm.outcomes().at(-1)).toBe('BUG');
    expect(kvm.log[0]).toContain('reserved bits set on MMU-present spte, addr 0x1000, hierarchy:');
    expect(kvm.log[0]).toContain('level = 1, rsvd bits = 0x200000000000');
  });
});

describe('counters', () => {
  it.each([
    ['v3.11', 0],
    ['v3.17', 0],
    ['v6.8', 2],
  ] as const)('in %s mmio_exits has %i of two misconfigurations that were emulated', (era, counted) => {
    const kvm = new KvmFixture({ era });
    kvm.touch(HOLE);
    const first = kvm.arena.f64[kvm.vcpu.cMmioExits];
    kvm.touch(HOLE);
    kvm.touch(HOLE);
    expect(kvm.arena.f64[kvm.vcpu.cMmioExits] - first).toBe(counted);
  });

  it.each([
    ['v3.11', 0x10n + 0x80000n - 0x7ff69n, 1],
    ['v3.17', 0x20n, 1],
    ['v6.8', 0x10n, 0],
  ] as const)('in %s largepages drifts with bit 7 of an MMIO spte', (era, generation, drift) => {
    const kvm = new KvmFixture({ era });
    kvm.vm.setMemslotsGeneration(generation);
    kvm.touch(HOLE);
    expect(kvm.spte(HOLE) & 0x80n).toBe(0x80n);
    expect(readVmCounters(kvm.arena).largepages).toBe(drift);
    expect(bugStrikes(kvm.arena)['largepages-drift']).toBe(drift);
  });
});

describe('the calls of an era', () => {
  it('in v6.8 know 32764 user slots and refuse the address space of SMM', () => {
    const limits = limitsOf('v6.8', 'ept', 39);
    const bench = new SlotBench('v6.8', limits);
    expect(bench.set([32763, 0x100, 1])).toMatchObject({ ok: true });
    expect(bench.set([32764, 0x200, 1])).toMatchObject({ ok: false, error: { check: 'slot-out-of-range' } });
    expect(bench.set([0x1_0000, 0x200, 1])).toMatchObject({ ok: false, error: { check: 'address-space' } });
    expect(bench.set([1, 2 ** 27 - 1, 1])).toMatchObject({ ok: true });
    expect(bench.set([2, 2 ** 27, 1])).toMatchObject({ ok: false, error: { check: 'beyond-max-gfn' } });
  });

  it('are those of v3.11 until then', () => {
    for (const era of ['v3.10', 'patch', 'v3.11', 'v3.17'] as const) {
      expect(limitsOf(era, 'ept', 39)).toBe(LIMITS_V3_11);
    }
  });
});

describe('a memslot update that is published while a vCPU marks an MMIO spte', () => {
  afterEach(() => void vi.restoreAllMocks());

  it.each([1, 2, 3, 4, 5, 6])('is no strike of a bug that v6.8 has not, before look %i at the table', (look) => {
    const kvm = new KvmFixture({ era: 'v6.8', vcpus: 2 });
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    const { mmu } = kvm.vm;
    const region = { slot: 1, flags: 0, guestPhysAddr: HOLE, memorySize: 0x1000n, userspaceAddr: HVA_BASE };
    const update = kvm.vm.beginMemslotUpdate(region);
    if (!update.ok) throw new Error(update.error.message);
    const sptep = kvm.sptep(HOLE);
    // It looked the frame up under another generation, as one does that another access has taken the cache from since.
    kvm.cpu.r[VCPU_MMIO_GFN] = 0;
    const { load } = Atomics;
    let looks = 0;
    vi.spyOn(Atomics, 'load').mockImplementation((array: Words, index) => {
      if (index === mmu.activeMemslots && ++looks === look) update.value.step();
      return load(array, index);
    });
    markMmioSpte(mmu, 0, sptep, Number(HOLE >> 12n), 7, false);
    vi.restoreAllMocks();
    while (update.value.next !== undefined) update.value.step();
    expect(bugStrikes(kvm.arena)['corrupt-mmio-spte']).toBe(0);
    kvm.touch(HOLE);
    expect(kvm.spte(HOLE) & 7n, 'the entry was stale, and the frame is RAM now').toBe(7n);
  });
});
