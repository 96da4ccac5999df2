import { describe, expect, it } from 'vitest';
import { probeRmap } from '../../../core/kvm/probe/probe-rmap.ts';
import { getSpteHierarchy } from '../../../core/kvm/probe/probe-hierarchy.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const LOG_DIRTY = 1;
const READONLY = 2;

describe.each(['ept', 'npt', 'shadow'] as const)('the reverse map of a frame under %s', (mmu) => {
  it('names the one spte that a fault made, and the shadow page it stands in', () => {
    const kvm = new KvmFixture({ mmu });
    kvm.slot(3, MIB, MIB);
    kvm.touch(MIB + 0x5000n, true);
    const map = probeRmap(kvm.vm.mmu, 0x105);
    const leaf = getSpteHierarchy(kvm.vm.mmu, kvm.cpu.r, Number(MIB) + 0x5000, 0).at(-1);
    expect(map.slot).toMatchObject({ id: 3, baseGfn: 0x100, npages: 256, logDirtyPages: false });
    expect(map.hpa).toBe(kvm.arena.layout.ram + 0x5000);
    expect(map.levels.map(({ shape }) => shape)).toEqual(['one spte', 'empty', 'empty']);
    expect(map.levels[0].sptes).toMatchObject([{ sptep: leaf?.sptep, value: leaf?.value, writable: true }]);
    expect(map.levels[0].sptes[0].page).toMatchObject({ gfn: 0, unsync: false, obsolete: false });
    expect(map).toMatchObject({ writeState: 'writable', dirty: undefined, mmioSptes: [], shadowedBy: [] });
  });

  it('tells a frame that is protected for dirty logging from one that is read-only or not mapped', () => {
    const kvm = new KvmFixture({ mmu });
    kvm.slot(3, MIB, MIB, LOG_DIRTY);
    kvm.slot(4, 4n * MIB, MIB, READONLY, 0x7f00_0010_0000n);
    kvm.touch(MIB, true);
    kvm.touch(4n * MIB);
    expect(probeRmap(kvm.vm.mmu, 0x100)).toMatchObject({ writeState: 'writable', dirty: true });
    kvm.vm.getDirtyLog(3);
    expect(probeRmap(kvm.vm.mmu, 0x100)).toMatchObject({ writeState: 'dirty logging', dirty: false });
    expect(probeRmap(kvm.vm.mmu, 0x101)).toMatchObject({ writeState: 'not mapped', dirty: false });
    expect(probeRmap(kvm.vm.mmu, 0x400)).toMatchObject({ writeState: 'read-only', dirty: undefined });
  });

  it('finds the MMIO spte of a frame without slot, and says when it has gone stale', () => {
    const kvm = new KvmFixture({ mmu });
    kvm.touch(0xd000_0000n);
    const [mmio] = probeRmap(kvm.vm.mmu, 0xd0000).mmioSptes;
    expect(mmio.gen).toBe(mmio.kvmGen);
    expect(probeRmap(kvm.vm.mmu, 0xd0000)).toMatchObject({
      slot: undefined,
      hva: undefined,
      levels: [],
      largePages: [],
    });
    kvm.slot(3, MIB, MIB);
    const [stale] = probeRmap(kvm.vm.mmu, 0xd0000).mmioSptes;
    expect(stale).toMatchObject({ sptep: mmio.sptep, gen: mmio.gen, kvmGen: mmio.gen + 1 });
  });

  it('follows the chain of descriptors of a frame that two slots and several gfns share', () => {
    const kvm = new KvmFixture({ mmu });
    kvm.slot(3, MIB, MIB);
    kvm.touch(MIB, true);
    const { mmu: it } = kvm.vm;
    const own = probeRmap(it, 0x100).levels[0];
    // One gfn has one spte in a direct map; the chain is laid by hand over the same word, as a shadowed guest would have it.
    const desc = kvm.arena.layout.pteListDescs + 64 * 16;
    const [{ sptep }] = own.sptes;
    kvm.arena.i32.set([sptep, sptep + 8, sptep + 16, desc + 16], desc >> 2);
    kvm.arena.i32.set([sptep + 24, 0, 0, 0], (desc + 16) >> 2);
    kvm.arena.i32[own.word >> 2] = desc | 1;
    const level = probeRmap(it, 0x100).levels[0];
    expect(level).toMatchObject({ shape: 'descriptors', descriptors: [desc, desc + 16] });
    expect(level.sptes.map((spte) => spte.sptep - sptep)).toEqual([0, 8, 16, 24]);
  });
});
