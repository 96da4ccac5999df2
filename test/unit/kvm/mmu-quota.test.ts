import { describe, expect, it } from 'vitest';
import { readVmCounters } from '../../../core/kvm/trace/stats.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const GIB = 0x4000_0000n;
const REGION = 0x20_0000n;

/** A hole at the n-th 2 MiB from 1 GiB on: each needs a page table of its own. */
const hole = (n: number): bigint => GIB + BigInt(n) * REGION;

describe('the quota of shadow pages', () => {
  it('is 64 at least', () => {
    const kvm = new KvmFixture();
    expect(kvm.vm.mmuPages().max).toBe(64);
    kvm.slot(0, 0n, 4n * MIB);
    expect(kvm.vm.mmuPages().max).toBe(64);
  });

  it('is 20 per mille of all slots, of whatever the pool holds', () => {
    const kvm = new KvmFixture({ shadowPages: 4096 });
    kvm.slot(0, 0n, GIB / 2n);
    expect(kvm.vm.mmuPages().max).toBe(2621);
    kvm.slot(1, GIB, GIB / 2n);
    expect(kvm.vm.mmuPages().max).toBe(4096);
  });

  it('can be set, and is not worked out again then', () => {
    const kvm = new KvmFixture({ shadowPages: 512 });
    expect(kvm.vm.setNrMmuPages(500)).toEqual({ ok: true, value: undefined });
    kvm.slot(0, 0n, 4n * MIB);
    expect(kvm.vm.mmuPages().max).toBe(500);
  });

  it.each([
    [63, 'EINVAL'],
    [-1, 'EINVAL'],
    [513, 'ENOMEM'],
  ] as const)('refuses %i pages with %s', (pages, errno) => {
    const kvm = new KvmFixture({ shadowPages: 512 });
    const refused = kvm.vm.setNrMmuPages(pages);
    expect(refused).toMatchObject({ ok: false, error: { errno } });
    expect(kvm.vm.mmuPages().max).toBe(64);
  });

  it('recycles the oldest pages when fewer than five are left, down to 25 free ones', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    let n = 0;
    while (kvm.vm.mmuPages().used < 60) kvm.touch(hole(n++));
    expect(readVmCounters(kvm.arena).mmu_recycled).toBe(0);
    kvm.touch(hole(n));
    const { used, max } = kvm.vm.mmuPages();
    expect(readVmCounters(kvm.arena).mmu_recycled).toBeGreaterThan(20);
    expect(max - used).toBeGreaterThanOrEqual(20);
    expect(kvm.spte(hole(0)), 'the oldest page is gone').toBe(0n);
  });

  it('lets a guest go on for ever with more holes than pages', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    for (let pass = 0; pass < 2; pass++) {
      for (let n = 0; n < 500; n++) {
        kvm.bus.value = BigInt(n);
        kvm.touch(hole(n));
        expect(kvm.bus.accesses.at(-1)?.gpa).toBe(hole(n));
        expect(kvm.vm.mmuPages().used).toBeLessThanOrEqual(64);
      }
    }
    expect(kvm.vm.mmioSpteCounts().live).toBeLessThan(64);
  });

  it('zaps the oldest pages at once when it shrinks', () => {
    const kvm = new KvmFixture({ shadowPages: 512 });
    kvm.slot(0, 0n, MIB);
    kvm.vm.setNrMmuPages(512);
    for (let n = 0; n < 200; n++) kvm.touch(hole(n));
    kvm.vm.setNrMmuPages(100);
    expect(kvm.vm.mmuPages().used).toBeLessThanOrEqual(100);
    expect(kvm.vm.mmuPages().max).toBe(100);
    kvm.enter();
    kvm.touch(hole(7));
    expect(kvm.outcomes().at(-1)).toBe('FIRST');
  });

  it('gives every page back when everything is zapped: none leaks', () => {
    const kvm = new KvmFixture({ shadowPages: 128 });
    kvm.slot(0, 0n, MIB);
    for (let round = 0; round < 10; round++) {
      for (let n = 0; n < 40; n++) kvm.touch(hole(n));
      kvm.deleteSlot(0);
      kvm.slot(0, 0n, MIB);
      expect(kvm.vm.mmuPages().used).toBe(1);
      expect(kvm.vm.mmioSpteCounts()).toEqual({ live: 0, fresh: 0 });
    }
  });
});
