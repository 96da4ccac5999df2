/** What v6.8's mmu.c, spte.c and x86.c do otherwise than v3.11's where the model follows the era: function by function. */
import { describe, expect, it } from 'vitest';
import { VM_MMU_VALID_GEN } from '../../../core/arena/mmu-layout.ts';
import type { Era } from '../../../core/base/machine-modes.ts';
import { auditMmu } from '../../../core/kvm/audit/audit.ts';
import { mmuSpteUpdate } from '../../../core/kvm/mmu/mmu-spte.ts';
import { readVmCounters } from '../../../core/kvm/trace/stats.ts';
import { KvmFixture, MIB, type FixtureOptions } from './kvm-fixture.ts';

const LOG_DIRTY = 1;
const READONLY = 2;
const RAM = 0x5000n;
const CHUNK = 2n * MIB;
const SIZE = 8n * MIB;

const withRam = (options: FixtureOptions, flags = 0): KvmFixture => {
  const kvm = new KvmFixture(options);
  kvm.slot(0, 0n, SIZE, flags);
  return kvm;
};
const clean = (kvm: KvmFixture): void => expect(auditMmu(kvm.vm.mmu).violations.map(({ text }) => text)).toEqual([]);
const flushes = (kvm: KvmFixture): number => readVmCounters(kvm.arena).remote_tlb_flush_requests;

describe('make_spte', () => {
  it.each([
    ['npt', 0x40n],
    ['shadow', 0x40n],
    ['ept', 0x200n],
  ] as const)('makes under %s what may be written dirty from the start, as 4.0 and later do', (mmu, dirty) => {
    for (const [era, expected] of [
      ['v3.17', 0n],
      ['v6.8', dirty],
    ] as const) {
      const kvm = withRam({ mmu, era, eptAd: true });
      kvm.touch(RAM, true);
      expect(kvm.spte(RAM) & dirty, era).toBe(expected);
    }
  });

  it('leaves a read-only page clean, and one that EPT has no D flag for', () => {
    const readonly = withRam({ mmu: 'npt', era: 'v6.8' }, READONLY);
    readonly.touch(RAM);
    expect(readonly.spte(RAM) & 0x42n).toBe(0n);
    const bare = withRam({ mmu: 'ept', era: 'v6.8', eptAd: false });
    bare.touch(RAM, true);
    expect(bare.spte(RAM) & 0x302n).toBe(2n);
  });
});

describe('mmu_spte_update', () => {
  /** Both writeable bits and no W: protected for dirty logging. */
  const protectedSpte = (era: Era): { kvm: KvmFixture; sptep: number } => {
    const kvm = withRam({ mmu: 'npt', era });
    kvm.touch(RAM, true);
    kvm.slot(0, 0n, SIZE, LOG_DIRTY);
    return { kvm, sptep: kvm.sptep(RAM) };
  };

  it.each([
    ['v3.10', false],
    ['v3.11', false],
    ['v3.17', true],
    ['v6.8', true],
  ] as const)('of an entry that the fast path might have made writable asks in %s for a flush: %s', (era, asks) => {
    const { kvm, sptep } = protectedSpte(era);
    const { mmu } = kvm.vm;
    const [lo, hi] = [kvm.arena.i32[sptep >> 2], kvm.arena.i32[(sptep >> 2) + 1]];
    expect(mmuSpteUpdate(mmu, sptep, lo & ~mmu.mmuWriteableLo, hi)).toBe(asks);
  });

  it.each([
    ['v3.17', false],
    ['v6.8', true],
  ] as const)('that takes the accessed bit asks in %s for a flush: %s', (era, asks) => {
    const kvm = withRam({ mmu: 'npt', era });
    kvm.touch(RAM, true);
    const sptep = kvm.sptep(RAM);
    const [lo, hi] = [kvm.arena.i32[sptep >> 2], kvm.arena.i32[(sptep >> 2) + 1]];
    expect(mmuSpteUpdate(kvm.vm.mmu, sptep, lo & ~0x20, hi)).toBe(asks);
  });
});

describe('kvm_mmu_zap_all_fast', () => {
  const validGen = (kvm: KvmFixture): number => kvm.arena.i32[(kvm.vm.mmu.vm + VM_MMU_VALID_GEN) >> 2];

  it.each([
    ['v3.11', [0, 1, 2, 3]],
    ['v6.8', [0, 1, 0, 1]],
  ] as const)('counts in %s the generations %j', (era, generations) => {
    const kvm = withRam({ era });
    const seen = [validGen(kvm)];
    for (let n = 0; n < 3; n++) {
      kvm.touch(RAM, true);
      kvm.slot(1, 16n * MIB, MIB);
      kvm.deleteSlot(1);
      seen.push(validGen(kvm));
      clean(kvm);
    }
    expect(seen).toEqual(generations);
    kvm.touch(RAM, true);
    expect(kvm.spte(RAM) & 3n).toBe(3n);
  });

  it('takes a root that another vCPU still has for obsolete, though its generation has come round', () => {
    const kvm = withRam({ era: 'v6.8', vcpus: 2 });
    kvm.touch(RAM, true);
    for (let n = 0; n < 2; n++) {
      // The second vCPU never enters: nobody serves its requests.
      kvm.slot(1, 16n * MIB, MIB);
      kvm.deleteSlot(1);
    }
    kvm.touch(RAM, true);
    expect(kvm.spte(RAM) & 3n).toBe(3n);
    clean(kvm);
  });
});

describe('kvm_mmu_slot_apply_flags', () => {
  const large = (era: Era, hostPages: '2m' | 'thp'): KvmFixture => {
    const kvm = withRam({ era, hostPages }, LOG_DIRTY);
    kvm.touch(CHUNK, true);
    expect(kvm.spte(CHUNK) & 0x80n, 'small while logging').toBe(0n);
    return kvm;
  };

  it.each(['2m', 'thp'] as const)(
    'drops small sptes that could be large when logging ends, host pages %s',
    (hostPages) => {
      const kvm = large('v6.8', hostPages);
      kvm.slot(0, 0n, SIZE);
      expect(kvm.spte(CHUNK)).toBe(0n);
      clean(kvm);
      kvm.touch(CHUNK, true);
      expect(kvm.spte(CHUNK) & 0x80n).toBe(0x80n);
      clean(kvm);
    },
  );

  it('leaves them where the host has no large page, and in eras before', () => {
    const small = withRam({ era: 'v6.8' }, LOG_DIRTY);
    small.touch(CHUNK, true);
    const old = large('v3.17', '2m');
    for (const kvm of [small, old]) {
      const spte = kvm.spte(CHUNK);
      kvm.slot(0, 0n, SIZE);
      expect(kvm.spte(CHUNK)).toBe(spte);
    }
  });

  it.each([
    ['v3.17', 1],
    ['v6.8', 0],
  ] as const)('makes a slot that logs from the start with %s: %i flushes', (era, expected) => {
    const kvm = withRam({ era });
    const before = flushes(kvm);
    kvm.slot(1, 16n * MIB, MIB, LOG_DIRTY);
    expect(flushes(kvm) - before).toBe(expected);
  });

  it('does nothing for a read-only slot, which cannot get dirty', () => {
    const kvm = withRam({ era: 'v6.8' }, READONLY);
    kvm.touch(RAM);
    const [spte, before] = [kvm.spte(RAM), flushes(kvm)];
    kvm.slot(0, 0n, SIZE, READONLY | LOG_DIRTY);
    expect([kvm.spte(RAM), flushes(kvm)]).toEqual([spte, before]);
  });
});
