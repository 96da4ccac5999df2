/** Which paths mark a page dirty, and what reading the log does to the sptes (mark_page_dirty's callers in v3.11). */
import { describe, expect, it, vi } from 'vitest';
import { MEMSLOT_DIRTY_BITMAP } from '../../../core/arena/memslot-layout.ts';
import { IN_GUEST_MODE, VCPU_MODE, VCPU_REQUESTS } from '../../../core/arena/vcpu-layout.ts';
import { HVA_BASE } from '../../../core/base/address.ts';
import { gfnToMemslot } from '../../../core/kvm/memslots/memslots.ts';
import { KVM_REQ_TLB_FLUSH } from '../../../core/kvm/vcpu/requests.ts';
import { readVmCounters } from '../../../core/kvm/trace/stats.ts';
import { KvmFixture, MIB, type FixtureOptions } from './kvm-fixture.ts';

const LOG_DIRTY = 1;
const READONLY = 2;

function logging(flags = LOG_DIRTY, options: FixtureOptions = {}): KvmFixture {
  const kvm = new KvmFixture(options);
  kvm.slot(0, 0n, MIB, flags);
  return kvm;
}
const dirty = (kvm: KvmFixture, slot = 0): number[] => {
  const log = kvm.vm.getDirtyLog(slot);
  if (!log.ok) throw new Error(log.error.message);
  return [...log.value].flatMap((byte, i) => [...Array(8).keys()].filter((b) => byte & (1 << b)).map((b) => i * 8 + b));
};
const writable = (kvm: KvmFixture, gpa: bigint): boolean => (kvm.spte(gpa) & 2n) !== 0n;

describe('a page is marked', () => {
  it('when an spte becomes writable, even for a read: the host page can be written, so W is given at once', () => {
    const kvm = logging();
    kvm.touch(0x5000n);
    expect(writable(kvm, 0x5000n)).toBe(true);
    expect(dirty(kvm)).toEqual([5]);
  });

  it('when the fast path gives W back', () => {
    const kvm = logging();
    kvm.touch(0x5000n);
    dirty(kvm);
    kvm.eptViolation(0x5000n, 0x1aa);
    expect(dirty(kvm)).toEqual([5]);
  });

  it('when the full path finds the page mapped and makes it writable again', () => {
    const kvm = logging();
    kvm.touch(0x5000n);
    dirty(kvm);
    // Without "readable" in the qualification the fault cannot be fast.
    kvm.eptViolation(0x5000n, 0x182);
    expect(dirty(kvm)).toEqual([5]);
  });

  it('when the emulator writes it, each page of a write that crosses', () => {
    const kvm = logging();
    kvm.writes(0x7ffcn, 0x1122_3344_5566_7788n, 8).eptViolation(0x4000_0000n, 0x182);
    expect(dirty(kvm)).toEqual([7, 8]);
  });

  it('not by a read of a read-only slot, nor by a write, which goes to user space', () => {
    const kvm = logging(LOG_DIRTY | READONLY);
    kvm.touch(0x5000n);
    kvm.writes(0x5000n, 1n).eptViolation(0x5000n, 0x1aa);
    expect(kvm.bus.accesses).toHaveLength(1);
    expect(dirty(kvm)).toEqual([]);
  });

  it('not by prefetch: a slot that logs is not prefetched', () => {
    const kvm = logging(LOG_DIRTY, { mmu: 'npt' });
    kvm.touch(0x5000n);
    expect(kvm.spte(0x3000n)).toBe(0n);
    expect(dirty(kvm)).toEqual([5]);
  });

  it('not in a slot that does not log, although it is the same host memory', () => {
    const kvm = logging(0);
    kvm.slot(1, 4n * MIB, MIB, LOG_DIRTY, HVA_BASE);
    kvm.touch(0x5000n, true);
    kvm.touch(4n * MIB + 0x6000n, true);
    expect(dirty(kvm, 1)).toEqual([6]);
  });
});

describe('reading the log', () => {
  it('takes W but neither writeable bit from marked pages, and leaves others alone', () => {
    const kvm = logging();
    for (const gpa of [0x5000n, 0x6000n, 0x8_0000n]) kvm.touch(gpa, true);
    expect(dirty(kvm)).toEqual([5, 6, 128]);
    kvm.eptViolation(0x6000n, 0x1aa);
    expect([0x5000n, 0x6000n, 0x8_0000n].map((gpa) => kvm.spte(gpa) & 0xc02n)).toEqual([0xc00n, 0xc02n, 0xc00n]);
    expect(dirty(kvm)).toEqual([6]);
  });

  it('flushes TLBs when a page was dirty, and only then', () => {
    const kvm = logging();
    const { r } = kvm.cpu;
    kvm.touch(0x5000n, true);
    for (const flushes of [1, 0]) {
      r[VCPU_REQUESTS] = 0;
      r[VCPU_MODE] = IN_GUEST_MODE;
      const before = readVmCounters(kvm.arena).remote_tlb_flush;
      dirty(kvm);
      expect(readVmCounters(kvm.arena).remote_tlb_flush - before).toBe(flushes);
      expect(r[VCPU_REQUESTS] & (1 << KVM_REQ_TLB_FLUSH)).toBe(flushes);
      r[VCPU_MODE] = 0;
    }
  });

  it('answers from the second half of the bitmap and empties the first', () => {
    const kvm = logging();
    kvm.touch(0x5000n, true);
    const slot = gfnToMemslot(kvm.arena, 5);
    const bitmap = kvm.arena.i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2];
    expect([kvm.arena.u8[bitmap], kvm.arena.u8[bitmap + 32]]).toEqual([0x20, 0]);
    dirty(kvm);
    expect([kvm.arena.u8[bitmap], kvm.arena.u8[bitmap + 32]]).toEqual([0, 0x20]);
  });
});

describe('switching the log', () => {
  it('on again while it is on changes nothing: the call is not a change', () => {
    const kvm = logging();
    kvm.touch(0x5000n, true);
    const before = kvm.vm.memslotsGeneration();
    kvm.slot(0, 0n, MIB, LOG_DIRTY);
    expect(kvm.vm.memslotsGeneration()).toBe(before);
    expect(writable(kvm, 0x5000n)).toBe(true);
  });

  it('off does nothing to sptes, and the bitmap is gone', () => {
    const kvm = logging();
    kvm.touch(0x5000n, true);
    dirty(kvm);
    kvm.slot(0, 0n, MIB);
    expect(writable(kvm, 0x5000n), 'still protected').toBe(false);
    expect(kvm.vm.getDirtyLog(0)).toMatchObject({ ok: false, error: { errno: 'ENOENT' } });
    kvm.eptViolation(0x5000n, 0x1aa);
    expect(writable(kvm, 0x5000n)).toBe(true);
  });

  it('on flushes TLBs before it lets somebody else have mmu_lock', () => {
    const kvm = new KvmFixture({ threaded: true });
    kvm.slot(0, 0n, MIB);
    kvm.touch(0x5000n, true);
    const { mmu } = kvm.vm;
    const seen: boolean[] = [];
    kvm.arena.i32[mmu.lockWaiters] = 1;
    kvm.cpu.r[VCPU_REQUESTS] = 0;
    const { exchange } = Atomics;
    vi.spyOn(Atomics, 'exchange').mockImplementation((array: BigInt64Array | BigUint64Array, index, value) => {
      if (index === mmu.lock && !writable(kvm, 0x5000n)) seen.push((kvm.cpu.r[VCPU_REQUESTS] & 1) !== 0);
      return exchange(array, index, value);
    });
    const region = { slot: 0, flags: LOG_DIRTY, guestPhysAddr: 0n, memorySize: MIB, userspaceAddr: HVA_BASE };
    expect(kvm.vm.setUserMemoryRegion(region).ok).toBe(true);
    vi.restoreAllMocks();
    kvm.arena.i32[mmu.lockWaiters] = 0;
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.every((flushed) => flushed)).toBe(true);
  });

  it('on with a move protects what is mapped at the new place from then on', () => {
    const kvm = new KvmFixture({ era: 'v3.11' });
    kvm.slot(0, 0n, MIB);
    kvm.touch(0x5000n, true);
    kvm.slot(0, 16n * MIB, MIB, LOG_DIRTY);
    expect(kvm.spte(0x5000n), 'everything was zapped').toBe(0n);
    expect(dirty(kvm)).toEqual([]);
    kvm.touch(16n * MIB + 0x5000n);
    expect(dirty(kvm)).toEqual([5]);
  });
});
