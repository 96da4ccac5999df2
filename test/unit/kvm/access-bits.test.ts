/** Accessed and dirty bits of direct maps: what KVM sets, what the processor sets, what it costs to keep them. */
import { describe, expect, it } from 'vitest';
import { VCPU_EPT_AD } from '../../../core/arena/vcpu-layout.ts';
import { HVA_BASE } from '../../../core/base/address.ts';
import { getSpteHierarchy } from '../../../core/kvm/probe/probe-hierarchy.ts';
import { programmed, runToStop } from '../machine/small-machine.ts';
import { KvmFixture, MIB, type FixtureOptions } from './kvm-fixture.ts';

const EPT: FixtureOptions = { mmu: 'ept' };
const EPT_AD: FixtureOptions = { mmu: 'ept', eptAd: true };
const NPT: FixtureOptions = { mmu: 'npt' };
const SHADOW: FixtureOptions = { mmu: 'shadow' };

function faulted(options: FixtureOptions): KvmFixture {
  const kvm = new KvmFixture(options);
  kvm.slot(0, 0n, 4n * MIB);
  kvm.touch(0x5000n, true);
  return kvm;
}
const low = (kvm: KvmFixture, gpa: bigint): bigint => kvm.spte(gpa) & 0xfffn;

describe('what KVM puts into an spte', () => {
  it.each<readonly [string, FixtureOptions, bigint]>([
    ['EPT without A/D flags has neither', EPT, 0xc77n],
    ['EPT with A/D flags: accessed', EPT_AD, 0xd77n],
    ['nested paging: accessed', NPT, 0xc27n],
    ['the shadow MMU: accessed', SHADOW, 0xc27n],
  ])('%s; dirty is left to the processor, for a write too', (_what, options, bits) => {
    expect(low(faulted(options), 0x5000n)).toBe(bits);
  });

  it.each<readonly [string, FixtureOptions, bigint]>([
    ['EPT without A/D flags', EPT, 0x007n],
    ['EPT with A/D flags', EPT_AD, 0x107n],
    ['nested paging', NPT, 0x027n],
  ])('links of %s are accessed where their leaves can be', (_what, options, bits) => {
    const kvm = faulted(options);
    const entries = getSpteHierarchy(kvm.vm.mmu, kvm.cpu.r, 0x5000, 0);
    expect(entries.slice(0, -1).map(({ value }) => value & 0xfffn)).toEqual([bits, bits, bits]);
  });

  it.each<readonly [string, FixtureOptions, bigint]>([
    ['EPT without A/D flags: no prefetch, an access would leave no trace', EPT, 0n],
    ['EPT with A/D flags', EPT_AD, 0xc77n],
    ['nested paging', NPT, 0xc07n],
    ['the shadow MMU', SHADOW, 0xc07n],
  ])('prefetched neighbours are not accessed: %s', (_what, options, bits) => {
    expect(low(faulted(options), 0x3000n)).toBe(bits);
  });

  it('prefetches nothing beside a large page', () => {
    const kvm = new KvmFixture({ ...NPT, hostPages: '2m' });
    kvm.slot(0, 0n, 8n * MIB);
    kvm.touch(0x20_0000n + 0x5000n);
    expect(kvm.spte(0n)).toBe(0n);
    expect(low(kvm, 0x20_0000n)).toBe(0xca7n);
  });
});

describe('what the processor adds', () => {
  // mov al, [0x8000]; mov [0x9000], al; mov al, [0x9000]; hlt: in the flat 32-bit mode that a flat image starts in.
  const PROGRAM = [0xa0, 0x00, 0x80, 0, 0, 0xa2, 0x00, 0x90, 0, 0, 0xa0, 0x00, 0x90, 0, 0, 0xf4];
  const A = { ept: 0x100n, npt: 0x20n, shadow: 0x20n } as const;
  const D = { ept: 0x200n, npt: 0x40n, shadow: 0x40n } as const;

  it.each(['ept', 'npt', 'shadow'] as const)('under %s: A for what is read, A and D for what is written', (mmu) => {
    const { machine } = programmed(PROGRAM, { mmu, eptAd: true });
    expect(runToStop(machine)).toMatchObject({ kind: 'halted' });
    const { mmu: model, vcpus } = machine.vm;
    const flags = (gpa: number): bigint => {
      const leaf = getSpteHierarchy(model, vcpus[0].cpu.r, gpa, 0).at(-1);
      return (leaf?.value ?? 0n) & (A[mmu] | D[mmu]);
    };
    expect(flags(0x8000)).toBe(A[mmu]);
    expect(flags(0x9000)).toBe(A[mmu] | D[mmu]);
    expect(flags(0xa000), 'prefetched with the others at most').toBe(0n);
  });

  it('nothing under EPT without A/D flags', () => {
    const { machine } = programmed(PROGRAM, { mmu: 'ept' });
    runToStop(machine);
    expect(machine.vm.vcpus[0].cpu.r[VCPU_EPT_AD]).toBe(0);
    const entries = getSpteHierarchy(machine.vm.mmu, machine.vm.vcpus[0].cpu.r, 0x9000, 0);
    expect(entries.map(({ value }) => value & 0x300n)).toEqual([0n, 0n, 0n, 0n]);
  });

  it('is kept over a reset of the vCPUs and by who attaches to the arena', () => {
    const kvm = new KvmFixture(EPT_AD);
    kvm.vm.resetVcpus();
    expect(kvm.vm.vcpus[0].cpu.r[VCPU_EPT_AD]).toBe(1);
    expect(kvm.vm.mmu.accessedMask).toBe(0x100);
    expect(kvm.vm.mmu.dirtyMask).toBe(0x200);
    expect(HVA_BASE % 0x4000_0000n, 'large pages of the host lie alike in hva and memory').toBe(0n);
  });
});
