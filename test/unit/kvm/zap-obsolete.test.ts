/** mmu_valid_gen and kvm_zap_obsolete_pages (arch/x86/kvm/mmu.c of v3.11). */
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  SP_IN_USE,
  SP_LINK_NEXT,
  SP_MMU_VALID_GEN,
  SP_ROLE,
  VM_ACTIVE_HEAD,
  VM_MMU_VALID_GEN,
} from '../../../core/arena/mmu-layout.ts';
import { VCPU_REQUESTS, VCPU_ROOT_PAGE } from '../../../core/arena/vcpu-layout.ts';
import { VM_MMU_LOCK_WAITERS, VM_ZAPPED_OBSOLETE } from '../../../core/kvm/mmu/mmu-words.ts';
import { KVM_REQ_MMU_RELOAD, KVM_REQ_TLB_FLUSH } from '../../../core/kvm/vcpu/requests.ts';
import { isObsolete, NO_PAGE, pageHeader } from '../../../core/kvm/mmu/shadow-page-pool.ts';
import { ROLE_INVALID } from '../../../core/kvm/mmu/shadow-page-role.ts';
import { invalidateZapAllPages } from '../../../core/kvm/mmu/shadow-page-zap.ts';
import { readVmCounters } from '../../../core/kvm/trace/stats.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const GIB = 1024n * MIB;

/** Pages on active_mmu_pages, newest first. */
function activePages(kvm: KvmFixture): number[] {
  const { mmu } = kvm.vm;
  const pages: number[] = [];
  for (let page = mmu.i32[(mmu.vm + VM_ACTIVE_HEAD) >> 2]; page !== NO_PAGE;) {
    pages.push(page);
    page = mmu.i32[pageHeader(mmu, page) + (SP_LINK_NEXT >> 2)];
  }
  return pages;
}

const word = (kvm: KvmFixture, page: number, field: number): number =>
  kvm.arena.i32[pageHeader(kvm.vm.mmu, page) + (field >> 2)];
const zappedAndNotFreed = (kvm: KvmFixture): number => {
  const { mmu } = kvm.vm;
  let count = 0;
  for (let page = mmu.i32[(mmu.vm + VM_ZAPPED_OBSOLETE) >> 2] - 1; page !== NO_PAGE; count++) {
    page = mmu.i32[pageHeader(mmu, page) + (SP_LINK_NEXT >> 2)];
  }
  return count;
};

/** A VM with so many page tables below its root; each holds an MMIO spte. */
function withTables(tables: number, threaded = false): KvmFixture {
  const kvm = new KvmFixture({ era: 'v3.11', shadowPages: 512, threaded });
  kvm.slot(0, 0n, MIB);
  kvm.vm.setNrMmuPages(512);
  for (let n = 0; n < tables; n++) kvm.touch(GIB + BigInt(n) * 2n * MIB);
  return kvm;
}

afterEach(() => vi.restoreAllMocks());

describe('kvm_mmu_invalidate_zap_all_pages', () => {
  it('numbers a generation of pages, and traces the old number with the pages in use', () => {
    const kvm = withTables(3).trace('kvm_mmu_invalidate_zap_all_pages');
    const before = kvm.arena.i32[(kvm.vm.mmu.vm + VM_MMU_VALID_GEN) >> 2];
    const { used } = kvm.vm.mmuPages();
    invalidateZapAllPages(kvm.vm.mmu);
    expect(kvm.arena.i32[(kvm.vm.mmu.vm + VM_MMU_VALID_GEN) >> 2]).toBe(before + 1);
    expect(kvm.traced()).toEqual([
      `kvm_mmu_invalidate_zap_all_pages mmu_valid_gen=${before.toString(16)} mmu_used_pages=${used.toString(16)}`,
    ]);
  });

  it('asks every vCPU for new roots, and keeps a root in use until its vCPU lets go of it', () => {
    const kvm = withTables(3);
    const root = kvm.cpu.r[VCPU_ROOT_PAGE];
    invalidateZapAllPages(kvm.vm.mmu);
    expect(kvm.cpu.r[VCPU_REQUESTS] & (1 << KVM_REQ_MMU_RELOAD)).not.toBe(0);
    expect(activePages(kvm), 'everything else is gone').toEqual([root]);
    expect(word(kvm, root, SP_ROLE) & ROLE_INVALID).toBe(ROLE_INVALID);
    expect(isObsolete(kvm.vm.mmu, root)).toBe(true);
    expect(kvm.vm.mmuPages().used, 'it still counts').toBe(1);
    kvm.enter();
    expect(kvm.cpu.r[VCPU_ROOT_PAGE]).not.toBe(NO_PAGE);
    expect(activePages(kvm)).toEqual([kvm.cpu.r[VCPU_ROOT_PAGE]]);
    expect(isObsolete(kvm.vm.mmu, kvm.cpu.r[VCPU_ROOT_PAGE])).toBe(false);
    expect(kvm.vm.mmuPages().used).toBe(1);
  });

  it('never finds an obsolete page again: a vCPU that enters gets a new one for the same gfn and role', () => {
    const kvm = withTables(1);
    const generation = kvm.arena.i32[(kvm.vm.mmu.vm + VM_MMU_VALID_GEN) >> 2];
    const misses = readVmCounters(kvm.arena).mmu_cache_miss;
    invalidateZapAllPages(kvm.vm.mmu);
    kvm.enter();
    kvm.touch(GIB);
    expect(readVmCounters(kvm.arena).mmu_cache_miss - misses).toBe(4);
    for (const page of activePages(kvm)) expect(word(kvm, page, SP_MMU_VALID_GEN)).toBe(generation + 1);
  });

  it('zaps from the oldest on', () => {
    const kvm = withTables(4).trace('kvm_mmu_prepare_zap_page');
    const pages = activePages(kvm);
    const gfns = pages.toReversed().map((page) => kvm.arena.f64[(kvm.arena.layout.mmuPages >> 3) + page * 16]);
    invalidateZapAllPages(kvm.vm.mmu);
    const zapped = kvm.traced().map((line) => Number.parseInt(/gfn=(\w+)/.exec(line)?.[1] ?? '', 16));
    expect(zapped).toEqual(gfns);
  });

  it('flushes once, when the pages are freed', () => {
    const kvm = withTables(30);
    kvm.cpu.r[VCPU_REQUESTS] = 0;
    invalidateZapAllPages(kvm.vm.mmu);
    expect(kvm.cpu.r[VCPU_REQUESTS]).toBe((1 << KVM_REQ_MMU_RELOAD) | (1 << KVM_REQ_TLB_FLUSH));
    expect(zappedAndNotFreed(kvm)).toBe(0);
  });
});

describe('kvm_zap_obsolete_pages with somebody waiting for mmu_lock', () => {
  /** Runs `step` whenever the lock is given up in between. */
  function breaks(kvm: KvmFixture, step: () => void): number {
    const { mmu } = kvm.vm;
    kvm.arena.i32[(mmu.vm + VM_MMU_LOCK_WAITERS) >> 2] = 1;
    const { exchange } = Atomics;
    let count = 0;
    let within = false;
    vi.spyOn(Atomics, 'exchange').mockImplementation((array: BigInt64Array | BigUint64Array, index, value) => {
      const done = exchange(array, index, value);
      if (index === mmu.lock && Number(value) === 0 && !within) {
        count += 1;
        within = true;
        step();
        within = false;
      }
      return done;
    });
    invalidateZapAllPages(mmu);
    vi.restoreAllMocks();
    kvm.arena.i32[(mmu.vm + VM_MMU_LOCK_WAITERS) >> 2] = 0;
    // The last time is the end of the whole.
    return count - 1;
  }

  it.each([
    // The root in use is not counted: it was not zapped to the list.
    [7, 0],
    [8, 0],
    [9, 1],
    [18, 1],
    [19, 2],
  ])('gives the lock up after every tenth page: %i tables, %i times', (tables, times) => {
    const kvm = withTables(tables, true);
    expect(kvm.vm.mmuPages().used, 'root, level 3, level 2, tables').toBe(tables + 3);
    expect(breaks(kvm, () => {})).toBe(times);
    expect(zappedAndNotFreed(kvm)).toBe(0);
  });

  it('frees none of them until the end: a lockless walk may be in them', () => {
    const kvm = withTables(25, true);
    const seen: number[] = [];
    breaks(kvm, () => seen.push(zappedAndNotFreed(kvm)));
    expect(seen.slice(0, -1)).toEqual([10, 20]);
  });

  it('leaves alone the pages that a vCPU makes meanwhile', () => {
    const kvm = withTables(25, true);
    let made: number[] = [];
    breaks(kvm, () => {
      if (made.length > 0) return;
      kvm.enter();
      kvm.touch(GIB);
      made = activePages(kvm).filter((page) => !isObsolete(kvm.vm.mmu, page));
    });
    expect(made).toHaveLength(4);
    for (const page of made) expect(word(kvm, page, SP_IN_USE)).toBe(1);
    expect(activePages(kvm).toSorted()).toEqual(made.toSorted());
    expect(kvm.spte(GIB)).not.toBe(0n);
  });
});
