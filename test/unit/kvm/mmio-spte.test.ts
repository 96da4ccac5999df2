import { describe, expect, it } from 'vitest';
import type { Era, MmuMode } from '../../../core/base/machine-modes.ts';
import { readVmCounters } from '../../../core/kvm/trace/stats.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const GPA = 0xfee0_0000n;

/** Era, mode, MAXPHYADDR, memslots generation, and what stands in the table after the first access. */
const VECTORS: readonly (readonly [Era, MmuMode, number, bigint, bigint])[] = [
  ['patch', 'ept', 40, 0n, 0xc000_0000_fee0_0006n],
  ['patch', 'ept', 40, 1n, 0xc000_0000_fee0_000en],
  ['patch', 'ept', 40, 0x1ffn, 0xc000_0000_fee0_0ffen],
  ['patch', 'ept', 40, 0x200n, 0xc010_0000_fee0_0006n],
  ['patch', 'ept', 40, 0x7ffffn, 0xfff0_0000_fee0_0ffen],
  ['patch', 'ept', 40, 0x8_0001n, 0xc000_0000_fee0_000en],
  ['v3.11', 'ept', 40, 0n, 0xfff0_0000_fee0_0b4en],
  ['v3.11', 'ept', 40, 1n, 0xfff0_0000_fee0_0b56n],
  ['v3.11', 'ept', 46, 148n, 0xfff0_0000_fee0_0feen],
  // ACC_ALL of a direct map: W and U are kept where the format has room for them.
  ['v3.11', 'npt', 40, 0n, 0xffff_ff00_fee0_0b4fn],
  ['v3.11', 'shadow', 40, 0n, 0xffff_ff00_fee0_0b4fn],
  ['patch', 'npt', 46, 1n, 0xc00f_c000_fee0_000fn],
  ['patch', 'npt', 52, 1n, 0xc000_0000_fee0_000en],
  ['v3.10', 'ept', 40, 77n, 0x01fe_0000_fee0_0006n],
  ['v3.10', 'npt', 40, 77n, 0x7fff_ff00_fee0_0007n],
];

describe('the MMIO spte that the MMU writes', () => {
  it.each(VECTORS)('in %s under %s with MAXPHYADDR %i and generation %s', (era, mmu, maxPhyAddr, generation, spte) => {
    const kvm = new KvmFixture({ era, mmu, maxPhyAddr });
    kvm.vm.setMemslotsGeneration(generation);
    kvm.touch(GPA);
    expect(kvm.spte(GPA)).toBe(spte);
    expect(kvm.vm.mmioSpteCounts()).toEqual({ live: 1, fresh: 1 });
  });

  it('keeps 40 bits of gfn', () => {
    const kvm = new KvmFixture();
    kvm.vm.setMemslotsGeneration(1n);
    kvm.touch(0x7abc_dead_b000n);
    expect(kvm.spte(0x7abc_dead_b000n)).toBe(0xc000_7abc_dead_b00en);
  });

  it('marks its page as holding one, except in v3.11, which has no use for that any more', () => {
    for (const era of ['patch', 'v3.11', 'v3.10'] as const) {
      const kvm = new KvmFixture({ era });
      kvm.touch(GPA);
      expect(pageIsMmioCached(kvm)).toBe(era !== 'v3.11');
    }
  });

  it('lets the largepages counter drift when bit 4 of its generation is set, as bit 7 is tested without a look at the rest', () => {
    const kvm = new KvmFixture();
    kvm.vm.setMemslotsGeneration(0x0fn);
    kvm.touch(GPA);
    expect(readVmCounters(kvm.arena).largepages).toBe(0);
    kvm.vm.setMemslotsGeneration(0x10n);
    kvm.touch(0xfed0_0000n);
    expect(readVmCounters(kvm.arena).largepages).toBe(1);
  });

  it('is counted when it is fresh, when it goes stale and when it is renewed', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    for (let i = 0n; i < 10n; i++) kvm.touch(0xc000_0000n + i * 0x1000n);
    expect(kvm.vm.mmioSpteCounts()).toEqual({ live: 10, fresh: 10 });
    kvm.slot(1, 0x8000_0000n, MIB);
    expect(kvm.vm.mmioSpteCounts()).toEqual({ live: 10, fresh: 0 });
    for (let i = 0n; i < 4n; i++) kvm.touch(0xc000_0000n + i * 0x1000n);
    expect(kvm.vm.mmioSpteCounts()).toEqual({ live: 10, fresh: 4 });
  });
});

function pageIsMmioCached(kvm: KvmFixture): boolean {
  const page = (kvm.sptep(GPA) - kvm.arena.layout.shadowPages) >> 12;
  return kvm.arena.i32[(kvm.arena.layout.mmuPages + page * 128 + 32) >> 2] !== 0;
}
