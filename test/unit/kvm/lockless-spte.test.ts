/** What a vCPU sees of an entry that another thread changes while it reads it: a processor would load all 64 bits at once. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { mmuSpteSet } from '../../../core/kvm/mmu/mmu-spte.ts';
import { spteLockless } from '../../../core/kvm/mmu/mmu-walk.ts';
import { vcpuCacheMmioInfo, vcpuMatchMmioGpa } from '../../../core/kvm/mmio/mmio-cache.ts';
import { freshGeneration } from '../../../core/kvm/mmio/mmio-spte.ts';
import { PT_PRESENT_MASK } from '../../../core/kvm/mmu/mmu.ts';
import { walkHostTable } from '../../../core/x86/second-level/second-level-pagetable.ts';
import { mmioSpteGeneration } from '../../../core/kvm/spte/spte-mmio.ts';
import { reservedHierarchyText } from '../../../core/kvm/spte/spte-reserved.ts';
import { HVA_BASE } from '../../../core/base/address.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

afterEach(() => void vi.restoreAllMocks());

const GPA = 0xe000_0000n;
const LO = Number(GPA) | 0;

/** A threaded VM in which the page has an MMIO spte, and the entry of RAM that will replace it. */
function withMmioSpte(mmu: 'npt' | 'shadow'): { kvm: KvmFixture; word: number; ram: number } {
  const kvm = new KvmFixture({ mmu, threaded: true, era: 'v6.8' });
  kvm.slot(0, 0n, MIB);
  kvm.touch(0x5000n, true);
  kvm.touch(GPA);
  return { kvm, word: kvm.sptep(GPA) >> 2, ram: Number(kvm.spte(0x5000n)) };
}

/** Does `change` right before the `n`-th atomic load of the word. */
function beforeLoad(i32: Int32Array, word: number, n: number, change: () => void): void {
  const load = Atomics.load.bind(Atomics);
  let loads = 0;
  vi.spyOn(Atomics, 'load').mockImplementation(((array: Int32Array, index: number) => {
    if (array === i32 && index === word && ++loads === n) change();
    return load(array, index);
  }) as typeof Atomics.load);
}

describe.each(['npt', 'shadow'] as const)('under %s an MMIO spte that RAM replaces', (mmu) => {
  it('is present to the processor all the time, but for the moment in between', () => {
    const { kvm, word, ram } = withMmioSpte(mmu);
    const { i32 } = kvm.arena;
    const old = [i32[word], i32[word + 1]];
    const seen: number[][] = [];
    const store = Atomics.store.bind(Atomics);
    vi.spyOn(Atomics, 'store').mockImplementation(((array: Int32Array, index: number, value: number) => {
      const done = store(array, index, value);
      if (array === i32 && index === word) seen.push([i32[word], i32[word + 1]]);
      return done;
    }) as typeof Atomics.store);
    mmuSpteSet(kvm.vm.mmu, word << 2, ram, 0);
    expect(old[0] & PT_PRESENT_MASK).toBe(1);
    expect(seen).toEqual([
      [0, old[1]],
      [ram, 0],
    ]);
  });

  it('is never read by KVM as half of each', () => {
    const { kvm, word, ram } = withMmioSpte(mmu);
    const { i32 } = kvm.arena;
    beforeLoad(i32, word + 1, 1, () => mmuSpteSet(kvm.vm.mmu, word << 2, ram, 0));
    expect([spteLockless(kvm.vm.mmu, word << 2), kvm.vm.mmu.spteHigh]).toEqual([ram, 0]);
  });

  it('is never taken by the processor for a page at the address that its generation spells', () => {
    const { kvm, word, ram } = withMmioSpte(mmu);
    const { i32 } = kvm.arena;
    const cpu = Object.assign(Object.create(kvm.cpu), { threaded: true });
    // The high half of RAM's entry is there already when the low one of the MMIO spte was read.
    i32[word + 1] = 0;
    beforeLoad(i32, word, 1, () => {
      i32[word] = ram;
    });
    expect(walkHostTable(cpu, mmu === 'npt' ? 4 : 3, LO, 0, 0, mmu === 'npt')).toBe(ram & ~0xfff);
  });
});

describe('the reserved-bit check of v6.8', () => {
  it.each(['npt', 'shadow'] as const)('lets an MMIO spte pass that another vCPU has made meanwhile: %s', (mmu) => {
    const { kvm } = withMmioSpte(mmu);
    // The vCPU that asks has found an entry that was no MMIO spte.
    expect(reservedHierarchyText(kvm.vm.mmu, kvm.cpu.r, LO, 0)).toBeUndefined();
  });
});

describe('the cache of v6.8', () => {
  it('says that it holds nothing when a memslot update has begun', () => {
    const kvm = new KvmFixture({ era: 'v6.8' });
    kvm.slot(0, 0n, MIB);
    const { mmu } = kvm.vm;
    const { r } = kvm.cpu;
    expect(vcpuCacheMmioInfo(mmu, r, 0, 0, 0xe0000, 0)).toBe(true);
    const begun = kvm.vm.beginMemslotUpdate({
      slot: 1,
      flags: 0,
      guestPhysAddr: GPA,
      memorySize: 4096n,
      userspaceAddr: HVA_BASE,
    });
    if (!begun.ok) throw new Error(begun.error.message);
    begun.value.step();
    expect(freshGeneration(mmu)).toBe(-1);
    expect(vcpuCacheMmioInfo(mmu, r, 0, 0, 0xe0001, 0)).toBe(false);
    expect(vcpuMatchMmioGpa(mmu, r, 0xe000_1000 | 0, 0)).toBe(false);
    begun.value.finish();
  });
});

describe('the cache of v3.17', () => {
  it('is filled at an odd generation while an update is in flight, and matches until it is settled', () => {
    const kvm = new KvmFixture({ era: 'v3.17' });
    kvm.slot(0, 0n, MIB);
    const { mmu } = kvm.vm;
    const { r } = kvm.cpu;
    const matches = (): boolean => vcpuMatchMmioGpa(mmu, r, 0xe000_1000 | 0, 0);
    const begun = kvm.vm.beginMemslotUpdate({
      slot: 1,
      flags: 0,
      guestPhysAddr: GPA,
      memorySize: 4096n,
      userspaceAddr: HVA_BASE,
    });
    if (!begun.ok) throw new Error(begun.error.message);
    begun.value.step();
    expect(freshGeneration(mmu) & 1).toBe(1);
    expect(vcpuCacheMmioInfo(mmu, r, 0, 0, 0xe0001, 0)).toBe(true);
    expect(matches()).toBe(true);
    // The spte that goes with it drops the lowest bit, so that it is stale at once and for ever.
    kvm.touch(GPA + 0x1000n);
    const made = mmioSpteGeneration(
      mmu.mmio,
      kvm.arena.i32[kvm.sptep(GPA + 0x1000n) >> 2],
      kvm.arena.i32[(kvm.sptep(GPA + 0x1000n) >> 2) + 1],
    );
    expect(made).toBe(freshGeneration(mmu) - 1);
    begun.value.finish();
    expect(freshGeneration(mmu)).toBe(made + 2);
    expect(matches()).toBe(false);
  });
});
