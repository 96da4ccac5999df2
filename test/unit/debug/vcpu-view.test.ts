import { describe, expect, it } from 'vitest';
import { VCPU_EXIT_REASON, VCPU_F_COUNTERS } from '../../../core/arena/vcpu-layout.ts';
import { VCPU_COUNTER_INDEX } from '../../../core/base/counters.ts';
import { vcpuSummary } from '../../../core/debug/registers/vcpu-view.ts';
import { EXIT_CPUID, EXIT_EPT_MISCONFIG, EXIT_HLT, EXIT_NPF } from '../../../core/x86/index.ts';
import { KvmFixture } from '../kvm/kvm-fixture.ts';

describe('the last exit of a vCPU', () => {
  it.each([
    ['ept', EXIT_EPT_MISCONFIG, 'EPT_MISCONFIG'],
    ['ept', EXIT_HLT, 'HLT'],
    ['shadow', EXIT_CPUID, 'CPUID'],
    ['npt', EXIT_NPF, 'npf'],
    ['npt', EXIT_HLT, 'hlt'],
    ['npt', EXIT_CPUID, 'cpuid'],
    ['ept', -2, ''],
  ] as const)('under %s, reason %i, is called %j as KVM calls it on that host', (mmu, reason, name) => {
    const { cpu } = new KvmFixture({ mmu }).vm.vcpus[0];
    cpu.f[VCPU_F_COUNTERS + VCPU_COUNTER_INDEX.exits] = 1;
    cpu.r[VCPU_EXIT_REASON] = reason;
    expect(vcpuSummary(cpu).lastExit).toBe(name);
  });
});
