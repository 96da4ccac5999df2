/** KVM's debugfs counters (names and order: core/base/counters.ts). One double each; only the owner of the vCPU or mmu_lock adds. */
import type { Arena } from '../../arena/arena.ts';
import { VM_COUNTERS_AT } from '../../arena/mmu-layout.ts';
import { VCPU_BYTES, VCPU_F_COUNTERS } from '../../arena/vcpu-layout.ts';
import {
  GAUGE_COUNTERS,
  VCPU_COUNTERS,
  VCPU_COUNTER_INDEX,
  VM_COUNTERS,
  VM_COUNTER_INDEX,
  vcpuCounterNames,
  vmCounterNames,
  type VcpuCounter,
  type VcpuCounts,
  type VmCounter,
  type VmCounts,
} from '../../base/counters.ts';
import { eraOf } from '../eras.ts';

const vcpuCountersAt = (arena: Arena, vcpuId: number): number =>
  ((arena.layout.vcpus + vcpuId * VCPU_BYTES) >> 3) + VCPU_F_COUNTERS;
const vmCountersAt = (arena: Arena): number => (arena.layout.vm + VM_COUNTERS_AT) >> 3;

/** Index into `arena.f64` of a counter; take it once and add to the word on hot paths. */
export const vcpuCounterWord = (arena: Arena, vcpuId: number, name: VcpuCounter): number =>
  vcpuCountersAt(arena, vcpuId) + VCPU_COUNTER_INDEX[name];
export const vmCounterWord = (arena: Arena, name: VmCounter): number => vmCountersAt(arena) + VM_COUNTER_INDEX[name];

export function readVcpuCounters(arena: Arena, vcpuId: number): Record<VcpuCounter, number> {
  const at = vcpuCountersAt(arena, vcpuId);
  return Object.fromEntries(VCPU_COUNTERS.map((name, i) => [name, arena.f64[at + i]])) as Record<VcpuCounter, number>;
}

export function readVmCounters(arena: Arena): Record<VmCounter, number> {
  const at = vmCountersAt(arena);
  return Object.fromEntries(VM_COUNTERS.map((name, i) => [name, arena.f64[at + i]])) as Record<VmCounter, number>;
}

/** The sum over all vCPUs, by the names that the era's kernel has for them. */
export function vcpuCounts(arena: Arena): VcpuCounts {
  const sum = (counter: VcpuCounter): number => {
    let total = 0;
    for (let vcpu = 0; vcpu < arena.layout.config.vcpus; vcpu++)
      total += arena.f64[vcpuCounterWord(arena, vcpu, counter)];
    return total;
  };
  return Object.fromEntries(
    vcpuCounterNames(eraOf(arena)).map(([name, counter]) => [name, sum(counter)]),
  ) as VcpuCounts;
}

/** The VM's own. */
export const vmCounts = (arena: Arena): VmCounts =>
  Object.fromEntries(
    vmCounterNames(eraOf(arena)).map(([name, counter]) => [name, arena.f64[vmCounterWord(arena, counter)]]),
  ) as VmCounts;

/** Gauges describe what is there now, so resetting leaves them alone. */
export function resetCounters(arena: Arena): void {
  for (let vcpu = 0; vcpu < arena.layout.config.vcpus; vcpu++) {
    const at = vcpuCountersAt(arena, vcpu);
    arena.f64.fill(0, at, at + VCPU_COUNTERS.length);
  }
  for (const name of VM_COUNTERS) {
    if (!GAUGE_COUNTERS.has(name)) arena.f64[vmCounterWord(arena, name)] = 0;
  }
}
