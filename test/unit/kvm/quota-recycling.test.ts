/** The page quota from both sides: what recycling takes, in which order, and what KVM_SET_NR_MMU_PAGES changes. */
import { describe, expect, it } from 'vitest';
import { SP_ROLE, VM_ACTIVE_HEAD, VM_N_REQUESTED_MMU_PAGES } from '../../../core/arena/mmu-layout.ts';
import { VCPU_REQUESTS, VCPU_ROOT_PAGE } from '../../../core/arena/vcpu-layout.ts';
import { auditMmu } from '../../../core/kvm/audit/audit.ts';
import { VM_ZAPPED_OBSOLETE } from '../../../core/kvm/mmu/mmu-words.ts';
import { KVM_REQ_MMU_RELOAD } from '../../../core/kvm/vcpu/requests.ts';
import { pageHeader, pageRole } from '../../../core/kvm/mmu/shadow-page-pool.ts';
import { ROLE_INVALID } from '../../../core/kvm/mmu/shadow-page-role.ts';
import { prepareZapPage } from '../../../core/kvm/mmu/shadow-page-zap.ts';
import { readVmCounters } from '../../../core/kvm/trace/stats.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const GIB = 1024n * MIB;
const hole = (n: number): bigint => GIB + BigInt(n) * 2n * MIB;

/** Fills 59 of 64 pages: five are left. */
function full(): KvmFixture {
  const kvm = new KvmFixture();
  kvm.slot(0, 0n, MIB);
  for (let n = 0; kvm.vm.mmuPages().used < 59; n++) kvm.touch(hole(n));
  return kvm;
}

describe('make_mmu_pages_available', () => {
  it('takes nothing while five pages are left, and then until 25 are', () => {
    const kvm = full();
    kvm.touch(hole(100));
    expect([kvm.vm.mmuPages().used, readVmCounters(kvm.arena).mmu_recycled]).toEqual([60, 0]);
    kvm.touch(hole(101));
    // 64 − 25 are kept, and the fault takes what its walk needs: everything above it had gone.
    expect(kvm.vm.mmuPages().used).toBeLessThanOrEqual(39 + 4);
    expect(kvm.vm.mmuPages().used).toBeGreaterThan(39);
    expect(auditMmu(kvm.vm.mmu).violations.map(({ text }) => text)).toEqual([]);
  });

  it('takes the oldest first: the root and what hangs below it, before any newer table', () => {
    const kvm = full().trace('kvm_mmu_prepare_zap_page');
    kvm.touch(hole(100));
    kvm.touch(hole(101));
    const levels = kvm.traced().map((line) => Number.parseInt(/role=(\w+)/.exec(line)?.[1] ?? '', 16) & 0xf);
    expect(levels.slice(0, 4), 'root, level 3, level 2, first table').toEqual([4, 3, 2, 1]);
  });

  it('zaps a root in use twice: it goes invalid now, and for good when its vCPU lets go of it', () => {
    const kvm = full();
    const root = kvm.arena.i32[pageHeader(kvm.vm.mmu, kvm.cpu.r[VCPU_ROOT_PAGE]) + (SP_ROLE >> 2)];
    kvm.touch(hole(100));
    const before = readVmCounters(kvm.arena);
    kvm.trace('kvm_mmu_prepare_zap_page');
    kvm.touch(hole(101));
    const after = readVmCounters(kvm.arena);
    const role = (line: string): number => Number.parseInt(/role=(\w+)/.exec(line)?.[1] ?? '', 16);
    const roots = kvm.traced().filter((line) => (role(line) & 0xf) === 4);
    expect(roots.map(role)).toEqual([root, root | ROLE_INVALID]);
    const recycled = after.mmu_recycled - before.mmu_recycled;
    expect(after.mmu_shadow_zapped - before.mmu_shadow_zapped, 'only the first time is recycling').toBe(recycled + 1);
    expect(pageRole(kvm.vm.mmu, kvm.cpu.r[VCPU_ROOT_PAGE]) & ROLE_INVALID).toBe(0);
  });

  it('counts mmu_recycled for each, and mmu_shadow_zapped too', () => {
    const kvm = full();
    const before = readVmCounters(kvm.arena);
    for (let n = 100; n < 160; n++) kvm.touch(hole(n));
    const after = readVmCounters(kvm.arena);
    expect(after.mmu_recycled).toBeGreaterThan(before.mmu_recycled);
    expect(after.mmu_shadow_zapped - before.mmu_shadow_zapped).toBeGreaterThanOrEqual(after.mmu_recycled);
  });
});

describe('KVM_SET_NR_MMU_PAGES', () => {
  it('stops the quota from following the slots', () => {
    const kvm = new KvmFixture({ shadowPages: 4096 });
    kvm.slot(0, 0n, GIB / 2n);
    expect(kvm.vm.mmuPages().max).toBe(2621);
    kvm.vm.setNrMmuPages(100);
    expect(kvm.arena.i32[(kvm.vm.mmu.vm + VM_N_REQUESTED_MMU_PAGES) >> 2]).toBe(100);
    kvm.slot(1, GIB, GIB / 2n);
    kvm.deleteSlot(0);
    expect(kvm.vm.mmuPages().max).toBe(100);
  });

  it('cannot go below what roots in use take', () => {
    const kvm = new KvmFixture({ shadowPages: 512, mmu: 'shadow' });
    kvm.slot(0, 0n, MIB);
    kvm.vm.setNrMmuPages(512);
    for (let n = 0; n < 100; n++) kvm.touch(hole(n));
    kvm.vm.setNrMmuPages(64);
    // Four roots of PAE tables are in use; they went invalid and stay until the next entry.
    expect(kvm.vm.mmuPages().used).toBeLessThanOrEqual(64);
    expect(kvm.cpu.r[VCPU_REQUESTS] & (1 << KVM_REQ_MMU_RELOAD)).not.toBe(0);
    kvm.enter();
    kvm.touch(hole(3));
    expect(kvm.outcomes().at(-1)).toBe('FIRST');
    expect(auditMmu(kvm.vm.mmu).violations.map(({ text }) => text)).toEqual([]);
  });
});

describe('the shrinker', () => {
  it('takes one page, the oldest, each time it asks', () => {
    const kvm = full().trace('kvm_mmu_prepare_zap_page');
    expect(kvm.vm.shrinkMmu(), 'the root is the oldest, in use, and with it goes nothing').toBe(0);
    expect(kvm.vm.shrinkMmu(), 'then its level 3 table').toBe(1);
    expect(kvm.vm.shrinkMmu()).toBe(1);
    const levels = kvm.traced().map((line) => Number.parseInt(/role=(\w+)/.exec(line)?.[1] ?? '', 16) & 0xf);
    expect(levels).toEqual([4, 3, 2]);
    expect(readVmCounters(kvm.arena).mmu_recycled, 'that is not recycling').toBe(0);
    kvm.enter();
    kvm.touch(hole(0));
    expect(auditMmu(kvm.vm.mmu).violations.map(({ text }) => text)).toEqual([]);
  });

  it('lets an obsolete VM give what it zapped and has not freed yet', () => {
    const kvm = full();
    const { mmu } = kvm.vm;
    // Between two batches of kvm_zap_obsolete_pages, when it let the lock go.
    prepareZapPage(mmu, mmu.i32[(mmu.vm + VM_ACTIVE_HEAD) >> 2], VM_ZAPPED_OBSOLETE);
    const zapped = readVmCounters(kvm.arena).mmu_shadow_zapped;
    expect(kvm.vm.shrinkMmu()).toBe(1);
    expect(readVmCounters(kvm.arena).mmu_shadow_zapped, 'nothing else is zapped for it').toBe(zapped);
  });
});
