/** What vcpu_enter_guest does about vcpu->requests, in the order of v3.11: reload, sync, flush, triple fault. */
import { describe, expect, it, vi } from 'vitest';
import { VCPU_ACTIVITY, VCPU_REQUESTS, VCPU_ROOT_PAGE } from '../../../core/arena/vcpu-layout.ts';
import { VCPU_ROOT_VALID } from '../../../core/kvm/mmu/mmu-words.ts';
import {
  KVM_REQ_MMU_RELOAD,
  KVM_REQ_MMU_SYNC,
  KVM_REQ_TLB_FLUSH,
  KVM_REQ_TRIPLE_FAULT,
  makeRequest,
} from '../../../core/kvm/vcpu/requests.ts';
import { readVcpuCounters } from '../../../core/kvm/trace/stats.ts';
import { RUN_SHUTDOWN } from '../../../core/kvm/vcpu/vcpu-run.ts';
import { programmed } from '../machine/small-machine.ts';

/** jmp to itself, and the machine in the middle of it. */
function running() {
  const { machine } = programmed([0xeb, 0xfe]);
  machine.run(100);
  const [vcpu] = machine.vm.vcpus;
  const { mmu } = machine.vm;
  const events: string[] = [];
  const { r } = vcpu.cpu;
  const flush = vcpu.cpu.flushTlb.bind(vcpu.cpu);
  vi.spyOn(vcpu.cpu, 'flushTlb').mockImplementation(() => {
    events.push(r[VCPU_ROOT_VALID] === 0 ? 'flush without roots' : 'flush');
    flush();
  });
  const ask = (...requests: number[]): void => requests.forEach((request) => makeRequest(mmu, 0, request));
  return { machine, vcpu, r, events, ask };
}

describe('requests', () => {
  it('are served and forgotten', () => {
    const { vcpu, r, events, ask } = running();
    ask(KVM_REQ_TLB_FLUSH);
    vcpu.run(10, false);
    expect(events).toEqual(['flush']);
    expect(r[VCPU_REQUESTS]).toBe(0);
    vcpu.run(10, false);
    expect(events).toEqual(['flush']);
  });

  it('are numbered as in v3.11', () => {
    expect([KVM_REQ_TLB_FLUSH, KVM_REQ_MMU_RELOAD, KVM_REQ_TRIPLE_FAULT, KVM_REQ_MMU_SYNC]).toEqual([0, 3, 4, 7]);
  });

  it('of new roots free the old ones first; roots are built, and the TLB flushed for them, before entry', () => {
    const { vcpu, r, events, ask } = running();
    ask(KVM_REQ_MMU_RELOAD, KVM_REQ_TLB_FLUSH);
    vcpu.run(10, false);
    expect(events).toEqual(['flush without roots', 'flush']);
    expect(r[VCPU_ROOT_VALID]).toBe(1);
    expect(r[VCPU_ROOT_PAGE]).toBeGreaterThanOrEqual(0);
  });

  it('end the guest only after the others were served, and enter no more', () => {
    const { machine, vcpu, r, events, ask } = running();
    const insns = machine.insns;
    ask(KVM_REQ_TRIPLE_FAULT, KVM_REQ_TLB_FLUSH, KVM_REQ_MMU_RELOAD);
    expect(vcpu.run(10, false)).toBe(RUN_SHUTDOWN);
    expect(events).toEqual(['flush without roots']);
    expect(machine.insns).toBe(insns);
    expect(r[VCPU_ACTIVITY]).toBe(2);
    expect(r[VCPU_ROOT_VALID], 'no new roots for a guest that is over').toBe(0);
  });

  it('of a sync do nothing to a direct map but are no mistake', () => {
    const { machine, vcpu, r, ask } = running();
    ask(KVM_REQ_MMU_SYNC);
    vcpu.run(10, false);
    expect(r[VCPU_REQUESTS]).toBe(0);
    expect(r[VCPU_ROOT_VALID]).toBe(1);
    expect(readVcpuCounters(machine.arena, 0).tlb_flush, 'counted where it is asked for').toBe(0);
  });
});
