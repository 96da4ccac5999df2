/** Where tracepoints fire and what their arguments are there, held against the kernel's own trace headers and their callers. */
import { describe, expect, it } from 'vitest';
import { VCPU_RFLAGS, VCPU_RIP } from '../../../core/arena/vcpu-layout.ts';
import { readTrace } from '../../../core/debug/logs/trace-lines.ts';
import type { Era } from '../../../core/base/machine-modes.ts';
import { programmed, runToStop } from '../machine/small-machine.ts';
import { KvmFixture, MIB, traceIn, traceTexts } from './kvm-fixture.ts';
import { data, OPEN, ShadowRig, W } from './shadow-rig.ts';

const HOLE = 0xfeb0_0000n;

describe('kvm_mmu_pagetable_walk', () => {
  it('shows the error code that the fault has, P with it', () => {
    const rig = new ShadowRig('32-bit');
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | (OPEN & ~W));
    rig.read(rig.page(0));
    traceIn(rig.arena, ['kvm_mmu_pagetable_walk', 'kvm_mmu_walker_error']);
    rig.write(rig.page(0), 1n);
    expect(traceTexts(rig.arena).filter((text) => text.startsWith('addr') || text.startsWith('pferr'))).toEqual([
      `addr ${rig.page(0).toString(16)} pferr 3 P|W`,
      'pferr 3 P|W',
    ]);
  });
});

describe('mark_mmio_spte', () => {
  it.each([
    ['ept', 'v3.11', 6],
    ['npt', 'v3.11', 6],
    ['ept', 'v6.8', 6],
    ['npt', 'v6.8', 7],
  ] as const)('says under %s, %s, access %i: v6.8 takes it from the bits of the entry', (mmu, era: Era, access) => {
    const kvm = new KvmFixture({ mmu, era }).trace('mark_mmio_spte');
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    expect(traceTexts(kvm.arena)[0]).toMatch(new RegExp(`^sptep:[0-9a-f]{16} gfn feb00 access ${access} gen `));
  });
});

describe('kvm_mmu_set_spte', () => {
  it('is silent about an entry that stays as it was', () => {
    const kvm = new KvmFixture({ mmu: 'ept', era: 'v6.8' }).trace('kvm_mmu_set_spte');
    kvm.slot(0, 0n, MIB);
    kvm.touch(0x5000n);
    expect(readTrace(kvm.arena, 0, 8, 'modern').lines.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^gfn 5 spte [0-9a-f]+ \(rwxu\) level 1 at [0-9a-f]+$/),
    ]);
    kvm.eptViolation(0x5000n);
    expect(traceTexts(kvm.arena)).toHaveLength(1);
  });
});

describe('kvm_mmu_spte_requested', () => {
  it('names KVM_PFN_NOSLOT where no slot is', () => {
    const kvm = new KvmFixture({ mmu: 'ept', era: 'v6.8' }).trace('kvm_mmu_spte_requested');
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    expect(traceTexts(kvm.arena)).toEqual(['gfn feb00 pfn 8000000000000000 level 1']);
  });
});

describe('kvm_cpuid', () => {
  it('shows the leaf, and what came of it', () => {
    // mov eax, 0x1234; mov ecx, 0; cpuid; hlt
    const code = [0xb8, 0x34, 0x12, 0, 0, 0xb9, 0, 0, 0, 0, 0x0f, 0xa2, 0xf4];
    const { machine } = programmed(code, { mmu: 'ept', era: 'v3.11' });
    const { arena } = machine;
    traceIn(arena, ['kvm_cpuid']);
    runToStop(machine);
    const [ebx] = /rbx ([0-9a-f]+)/.exec(traceTexts(arena)[0])?.slice(1) ?? [];
    expect(traceTexts(arena)).toEqual([`func 1234 rax 0 rbx ${ebx} rcx 0 rdx 0`]);
    expect(readTrace(arena, 0, 8, 'modern').lines.map(({ text }) => text)).toEqual([
      `func 1234 idx 0 rax 0 rbx ${ebx} rcx 0 rdx 0, cpuid entry found, used max basic`,
    ]);
  });
});

describe('kvm_userspace_exit', () => {
  it('tells user space, which keeps the interrupt controllers, that the guest takes interrupts again', () => {
    const rig = new ShadowRig('4-level');
    rig.step([0x90]);
    rig.r[VCPU_RFLAGS] &= ~0x200;
    rig.bus.pending = true;
    // sti; nop; nop
    rig.arena.u8.set([0xfb, 0x90, 0x90], rig.arena.layout.ram + 0x1000);
    const [vcpu] = rig.vm.vcpus;
    vcpu.cpu.noteExternalWrite(rig.arena.layout.ram + 0x1000, 16);
    vcpu.cpu.successor = 0;
    rig.r[VCPU_RIP] = 0x1000;
    traceIn(rig.arena, ['kvm_userspace_exit']);
    vcpu.run(1, false);
    expect(traceTexts(rig.arena)).toEqual([]);
    vcpu.run(2, false);
    expect(traceTexts(rig.arena)).toEqual(['reason KVM_EXIT_IRQ_WINDOW_OPEN (7)']);
  });
});
