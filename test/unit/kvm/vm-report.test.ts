import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../../core/base/address.ts';
import type { Era } from '../../../core/base/machine-modes.ts';
import type { VmMemslotReport } from '../../../core/kvm/index.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const HOLE = 0xfeb0_0000n;

/** RAM and five MMIO sptes in one page table, then a change. */
function report(era: Era, slot: number, gpa: bigint, size: bigint, flags = 0): VmMemslotReport {
  const kvm = new KvmFixture({ era });
  kvm.slot(0, 0n, MIB);
  kvm.eptViolation(0x5000n);
  for (let i = 0n; i < 5n; i++) kvm.touch(HOLE + i * 0x1000n);
  expect(kvm.vm.mmuPages().used).toBe(6);
  const region = { slot, flags, guestPhysAddr: gpa, memorySize: size, userspaceAddr: HVA_BASE };
  const preview = kvm.vm.previewUserMemoryRegion(region);
  const done = kvm.vm.setUserMemoryRegion(region);
  if (!done.ok) throw new Error(done.error.message);
  expect(preview, 'the preview').toEqual(done);
  return done.value;
}

describe('what a change of memslots is said to have done', () => {
  it.each([
    ['patch', 'CREATE', 5, 0, 6, [1, 0x8000_0000n, MIB, 0]],
    ['v3.11', 'CREATE', 5, 0, 6, [1, 0x8000_0000n, MIB, 0]],
    ['v3.10', 'CREATE', 0, 1, 6, [1, 0x8000_0000n, MIB, 0]],
    ['patch', 'FLAGS_ONLY', 5, 0, 0, [0, 0n, MIB, 1]],
    ['v3.10', 'FLAGS_ONLY', 0, 0, 0, [0, 0n, MIB, 1]],
    ['patch', 'DELETE', 0, 6, 0, [0, 0n, 0n, 0]],
    ['v3.11', 'MOVE', 0, 6, 1, [0, 0x1000_0000n, MIB, 0]],
    ['v3.10', 'MOVE', 0, 6, 1, [0, 0x1000_0000n, MIB, 0]],
    ['patch', 'NONE', 0, 0, 0, [0, 0n, MIB, 0]],
  ] as const)('%s %s: %i stale, %i zapped, %i walked by v3.10', (era, change, stale, zapped, walked, arguments_) => {
    const [slot, gpa, size, flags] = arguments_;
    expect(report(era, slot, gpa, size, flags)).toMatchObject({
      change,
      mmioSptesGoneStale: stale,
      pagesZapped: zapped,
      pagesWalkedBefore: walked,
      wrapped: false,
    });
  });
});

describe('a root that was recycled and made anew', () => {
  it.each(['patch', 'v3.11', 'v3.10'] as const)('is foreseen to be zapped as often as it is, in %s', (era) => {
    const kvm = new KvmFixture({ era });
    kvm.slot(0, 0n, MIB);
    expect(kvm.vm.setNrMmuPages(64).ok).toBe(true);
    // Every fault far from the last one takes a page or two, until the oldest page goes: the root.
    for (let i = 0n; i < 40n; i++) kvm.touch(HOLE + (i << 30n));
    const region = { slot: 0, flags: 0, guestPhysAddr: 0n, memorySize: 0n, userspaceAddr: HVA_BASE };
    const preview = kvm.vm.previewUserMemoryRegion(region);
    expect(preview).toEqual(kvm.vm.setUserMemoryRegion(region));
  });
});
