/** kvm_age_hva and kvm_unmap_hva_range: what the host's memory management asks KVM about pages of user space. */
import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../../core/base/address.ts';
import { auditMmu } from '../../../core/kvm/audit/audit.ts';
import { KvmFixture, MIB, traceTexts } from './kvm-fixture.ts';
import { data, OPEN, ShadowRig } from './shadow-rig.ts';

const A = { npt: 0x20n, ept: 0x100n } as const;

describe.each(['ept', 'npt'] as const)('ageing under %s with accessed bits', (mmu) => {
  const fixture = (): KvmFixture => {
    const kvm = new KvmFixture({ mmu, eptAd: true });
    kvm.slot(0, 0n, MIB);
    kvm.touch(0x5000n);
    return kvm;
  };

  it('clears the bit, says that the page was used, and leaves it mapped; asked again it is old', () => {
    const kvm = fixture();
    expect(kvm.spte(0x5000n) & A[mmu]).toBe(A[mmu]);
    const before = kvm.spte(0x5000n);
    expect(kvm.vm.ageHva(HVA_BASE + 0x5000n, 1)).toBe(1);
    expect(kvm.spte(0x5000n)).toBe(before & ~A[mmu]);
    expect(kvm.vm.ageHva(HVA_BASE + 0x5000n, 1)).toBe(0);
  });

  it('finds prefetched neighbours old, and what was never mapped', () => {
    const kvm = fixture();
    expect(kvm.spte(0x3000n) & 1n).toBe(1n);
    expect(kvm.vm.ageHva(HVA_BASE, 16)).toBe(1);
  });

  it('is traced for each level of reverse map, with hva and gfn', () => {
    const kvm = fixture().trace('kvm_age_page');
    kvm.vm.ageHva(HVA_BASE + 0x5000n, 1);
    const hva = (HVA_BASE + 0x5000n).toString(16);
    expect(traceTexts(kvm.arena)).toEqual(['YOUNG', 'OLD', 'OLD'].map((age) => `hva ${hva} gfn 5 ${age}`));
  });
});

describe('in the words of later kernels', () => {
  it('the host’s questions are traced once each, by their ranges', () => {
    const kvm = new KvmFixture({ mmu: 'ept' }).trace('kvm_age_hva', 'kvm_unmap_hva_range');
    kvm.slot(0, 0n, MIB);
    kvm.touch(0x5000n);
    kvm.vm.ageHva(HVA_BASE + 0x5000n, 1);
    kvm.vm.unmapHva(HVA_BASE, 16);
    const hva = (offset: bigint): string => `0x${(HVA_BASE + offset).toString(16).padStart(14, '0')}`;
    expect(traceTexts(kvm.arena)).toEqual([
      `mmu notifier age hva: ${hva(0x5000n)} -- ${hva(0x6000n)}`,
      `mmu notifier unmap range: ${hva(0n)} -- ${hva(0x1_0000n)}`,
    ]);
  });
});

describe('ageing on EPT without A/D flags', () => {
  it('takes the mapping away: a fault is how the host hears of the next use', () => {
    const kvm = new KvmFixture({ mmu: 'ept' });
    kvm.slot(0, 0n, MIB);
    kvm.touch(0x5000n);
    expect(kvm.vm.ageHva(HVA_BASE + 0x5000n, 1)).toBe(1);
    expect(kvm.spte(0x5000n)).toBe(0n);
    expect(kvm.vm.ageHva(HVA_BASE + 0x5000n, 1)).toBe(0);
  });
});

describe('unmapping a range', () => {
  it('drops every spte of it, through every slot that has it, and no other', () => {
    const kvm = new KvmFixture({ mmu: 'ept' });
    kvm.slot(0, 0n, MIB);
    kvm.slot(1, 2n * MIB, MIB);
    for (const gpa of [0x5000n, 0x6000n, 0x7000n, 2n * MIB + 0x6000n]) kvm.touch(gpa);
    expect(kvm.vm.unmapHva(HVA_BASE + 0x6000n, 1)).toBe(2);
    expect([0x5000n, 0x6000n, 0x7000n, 2n * MIB + 0x6000n].map((gpa) => kvm.spte(gpa) & 1n)).toEqual([1n, 0n, 1n, 0n]);
    expect(auditMmu(kvm.vm.mmu).violations).toEqual([]);
  });

  it('drops the large page that holds it, which v3.11 goes on counting', () => {
    const kvm = new KvmFixture({ mmu: 'ept', era: 'v3.11', hostPages: '2m' });
    kvm.slot(0, 0n, 4n * MIB);
    kvm.touch(2n * MIB + 0x5000n);
    expect(kvm.spte(2n * MIB) & 0x80n).toBe(0x80n);
    expect(kvm.vm.unmapHva(HVA_BASE + 2n * MIB + 0x7000n, 1)).toBe(1);
    expect(kvm.spte(2n * MIB) & 1n).toBe(0n);
  });

  it('makes the guest fault, and come back to the same memory, shadow paging included', () => {
    const rig = new ShadowRig('4-level');
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.write(rig.page(0), 0x77n);
    const { exits } = rig.counters;
    expect(rig.vm.unmapHva(HVA_BASE + BigInt(data(0)), 1)).toBe(1);
    expect(rig.read(rig.page(0))).toEqual({ value: 0x77n });
    expect(rig.counters.exits - exits).toBe(1);
  });

  it('of a guest table takes away its mappings and not its shadow: nothing of KVM’s looks at the table again', () => {
    const rig = new ShadowRig('4-level', { audited: false });
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.arena.u8[rig.arena.layout.ram + data(0)] = 0x11;
    rig.arena.u8[rig.arena.layout.ram + data(1)] = 0x22;
    rig.read(rig.page(0));
    // The host (or a debugger) writes the entry through its own mapping.
    rig.poke(rig.tables.window, 0, BigInt(data(1)) | OPEN);
    rig.vm.unmapHva(HVA_BASE + BigInt(rig.tables.window), 1);
    rig.reloadCr3();
    expect(rig.read(rig.page(0)), 'the shadow is as it was').toEqual({ value: 0x11n });
    // Whatever zaps the shadow page mends it.
    for (let n = 0; n < 16; n++) rig.vm.shrinkMmu();
    expect(rig.read(rig.page(0))).toEqual({ value: 0x22n });
  });
});
