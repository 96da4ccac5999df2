import { describe, expect, it } from 'vitest';
import { SP_ROOT_COUNT } from '../../../core/arena/mmu-layout.ts';
import {
  EXITING_GUEST_MODE,
  IN_GUEST_MODE,
  VCPU_MODE,
  VCPU_REQUESTS,
  VCPU_ROOT_PAGE,
} from '../../../core/arena/vcpu-layout.ts';
import { mmuLoad, mmuUnload } from '../../../core/kvm/mmu/mmu-roots.ts';
import { flushRemoteTlbs, KVM_REQ_MMU_RELOAD, KVM_REQ_TLB_FLUSH } from '../../../core/kvm/vcpu/requests.ts';
import { pageHeader } from '../../../core/kvm/mmu/shadow-page-pool.ts';
import { readVmCounters } from '../../../core/kvm/trace/stats.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const rootCount = (kvm: KvmFixture, page: number): number =>
  kvm.arena.i32[pageHeader(kvm.vm.mmu, page) + (SP_ROOT_COUNT >> 2)];

describe('two vCPUs', () => {
  it('share one root, which lives as long as one of them uses it', () => {
    const kvm = new KvmFixture({ vcpus: 2 });
    kvm.slot(0, 0n, MIB);
    const { mmu } = kvm.vm;
    const other = kvm.vm.vcpus[1].cpu.r;
    mmuLoad(mmu, other, 1);
    const root = other[VCPU_ROOT_PAGE];
    expect(kvm.cpu.r[VCPU_ROOT_PAGE]).toBe(root);
    expect(rootCount(kvm, root)).toBe(2);
    const region = { slot: 0, flags: 0, guestPhysAddr: 0n, memorySize: 0n, userspaceAddr: 0n };
    expect(kvm.vm.setUserMemoryRegion(region).ok).toBe(true);
    expect(kvm.vm.mmuPages().used, 'zapped, but in use').toBe(1);
    kvm.enter();
    expect(kvm.cpu.r[VCPU_ROOT_PAGE], 'the first vCPU has a new one').not.toBe(root);
    expect(rootCount(kvm, root)).toBe(1);
    expect(kvm.vm.mmuPages().used).toBe(2);
    expect(other[VCPU_REQUESTS] & (1 << KVM_REQ_MMU_RELOAD)).not.toBe(0);
    mmuUnload(mmu, other);
    expect(kvm.vm.mmuPages().used, 'the last user gone, the page goes back').toBe(1);
  });

  it('are told to flush, and only one in guest mode is interrupted for it', () => {
    const kvm = new KvmFixture({ vcpus: 2 });
    const [first, second] = kvm.vm.vcpus.map(({ cpu }) => cpu.r);
    flushRemoteTlbs(kvm.vm.mmu);
    expect(readVmCounters(kvm.arena).remote_tlb_flush, 'nobody was in the guest').toBe(0);
    second[VCPU_MODE] = IN_GUEST_MODE;
    flushRemoteTlbs(kvm.vm.mmu);
    expect(readVmCounters(kvm.arena).remote_tlb_flush).toBe(1);
    expect(second[VCPU_MODE]).toBe(EXITING_GUEST_MODE);
    for (const r of [first, second]) expect(r[VCPU_REQUESTS] & (1 << KVM_REQ_TLB_FLUSH)).not.toBe(0);
  });
});
