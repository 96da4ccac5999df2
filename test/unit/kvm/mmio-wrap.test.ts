import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../../core/base/address.ts';
import { readVmCounters } from '../../../core/kvm/trace/stats.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const HOLE = 0xfee0_0000n - 0x10_0000n;
const MAX = 0x7ffffn;

/** The memslots generation at which an era's MMIO generation has that value. */
const memslotsGenerationFor = (era: 'patch' | 'v3.11', mmioGen: bigint): bigint =>
  era === 'patch' ? mmioGen : (mmioGen + 0x80000n - (MAX - 150n)) & MAX;

const zapLines = (kvm: KvmFixture): readonly string[] => kvm.log.filter((line) => line.includes('zapping'));
const pagesInUse = (kvm: KvmFixture): number => kvm.vm.mmuPages().used;

describe.each(['patch', 'v3.11'] as const)('the generation of %s at its end', (era) => {
  const near = (mmioGen: bigint): KvmFixture => {
    const kvm = new KvmFixture({ era });
    kvm.slot(0, 0n, MIB);
    kvm.touch(0x1000n);
    kvm.vm.setMemslotsGeneration(memslotsGenerationFor(era, mmioGen));
    kvm.touch(HOLE);
    expect(kvm.vm.currentMmioGeneration()).toBe(Number(mmioGen));
    expect(kvm.vm.mmioSpteCounts()).toEqual({ live: 1, fresh: 1 });
    return kvm;
  };

  it('does nothing two below the maximum', () => {
    const kvm = near(MAX - 3n);
    kvm.slot(1, 0x8000_0000n, MIB);
    expect(kvm.vm.currentMmioGeneration()).toBe(0x7fffd);
    expect(kvm.vm.mmioSpteCounts()).toEqual({ live: 1, fresh: 0 });
  });

  it.each([MAX - 2n, MAX - 1n])('zaps every MMIO spte when a slot is created at 0x%s', (gen) => {
    const kvm = near(gen);
    kvm.slot(1, 0x8000_0000n, MIB);
    expect(kvm.vm.mmioSpteCounts()).toEqual({ live: 0, fresh: 0 });
    expect(kvm.spte(HOLE)).toBe(0n);
  });

  it('leaves no old spte when a DELETE carries it from the maximum minus 1 over to 0', () => {
    const kvm = near(MAX - 2n);
    kvm.vm.setMemslotsGeneration(memslotsGenerationFor(era, 0n));
    kvm.touch(HOLE - 0x20_0000n);
    kvm.vm.setMemslotsGeneration(memslotsGenerationFor(era, MAX - 1n));
    expect(kvm.vm.mmioSpteCounts().live).toBe(2);
    kvm.deleteSlot(0);
    expect(kvm.vm.currentMmioGeneration()).toBe(0);
    expect(kvm.vm.mmioSpteCounts(), 'nothing of generation 0 from the last time round').toEqual({ live: 0, fresh: 0 });
  });

  it('makes sptes of generation 0 after it went round', () => {
    const kvm = near(MAX - 1n);
    kvm.slot(1, 0x8000_0000n, MIB);
    kvm.slot(2, 0x9000_0000n, MIB);
    kvm.touch(HOLE);
    expect(kvm.vm.currentMmioGeneration()).toBe(0);
    expect(kvm.spte(HOLE)).toBe(0xc000_0000_0000_0006n | HOLE);
  });
});

describe('how the eras zap at the wrap-around', () => {
  it('walks in the patch: only pages that held an MMIO spte go', () => {
    const kvm = new KvmFixture({ era: 'patch' }).trace('kvm_mmu_invalidate_zap_all_pages', 'kvm_mmu_prepare_zap_page');
    kvm.slot(0, 0n, MIB);
    kvm.touch(0x1000n);
    kvm.vm.setMemslotsGeneration(MAX - 2n);
    kvm.touch(HOLE);
    const used = pagesInUse(kvm);
    kvm.slot(1, 0x8000_0000n, MIB);
    expect(kvm.traced()).toHaveLength(1);
    expect(kvm.traced()[0]).toMatch(/^kvm_mmu_prepare_zap_page .*gfn=fec00/);
    expect(pagesInUse(kvm)).toBe(used - 1);
    expect(kvm.spte(0x1000n) & 7n, 'RAM stays mapped').toBe(7n);
    expect(zapLines(kvm)).toEqual([]);
  });

  it('zaps everything in v3.11, and says so in the log', () => {
    const kvm = new KvmFixture({ era: 'v3.11' }).trace('kvm_mmu_invalidate_zap_all_pages');
    kvm.slot(0, 0n, MIB);
    kvm.touch(0x1000n);
    kvm.vm.setMemslotsGeneration(148n);
    kvm.touch(HOLE);
    kvm.slot(1, 0x8000_0000n, MIB);
    expect(kvm.vm.currentMmioGeneration()).toBe(0x7fffe);
    expect(zapLines(kvm)).toEqual(['kvm: zapping shadow pages for mmio generation wraparound']);
    expect(kvm.traced()).toHaveLength(1);
    expect(kvm.spte(0x1000n)).toBe(0n);
    expect(pagesInUse(kvm), 'one new root').toBe(1);
    expect(readVmCounters(kvm.arena).mmu_shadow_zapped).toBeGreaterThan(4);
  });

  it('begins v3.11 with generation 0x7ff69 and reaches the first zap after 149 changes', () => {
    const kvm = new KvmFixture({ era: 'v3.11' });
    expect(kvm.vm.currentMmioGeneration()).toBe(0x7ff69);
    kvm.slot(0, 0n, MIB);
    for (let change = 2; change < 149; change++) kvm.slot(0, 0n, MIB, (change + 1) & 1, HVA_BASE);
    expect(kvm.log).toEqual([]);
    kvm.slot(0, 0n, MIB, 0, HVA_BASE);
    expect(kvm.vm.memslotsGeneration()).toBe(149n);
    expect(kvm.log).toHaveLength(1);
  });

  it('has no generation in v3.10, so nothing wraps', () => {
    const kvm = new KvmFixture({ era: 'v3.10' });
    kvm.vm.setMemslotsGeneration(MAX - 1n);
    kvm.slot(0, 0n, MIB);
    expect(kvm.vm.currentMmioGeneration()).toBe(-1);
    expect(kvm.log).toEqual([]);
  });
});
