/** Which accesses to control registers leave the guest, and what KVM makes of them: masks and shadows of VMX, intercepts of SVM. */
import { describe, expect, it } from 'vitest';
import { VCPU_CR0, VCPU_CR3, VCPU_CR4, VCPU_EFER, VCPU_GPR } from '../../../core/arena/vcpu-layout.ts';
import { MMU_MODES } from '../../../core/base/machine-modes.ts';
import { traceIn, traceTexts } from './kvm-fixture.ts';
import { data, OPEN, ShadowRig, W } from './shadow-rig.ts';

const TS = 0x8;
const MP = 0x2;
const WP = 0x1_0000;
const CD = 0x4000_0000;
const PGE = 0x80;
const PCE = 0x100;
const SMEP = 0x10_0000;
const GP = 13;

const MOV_TO_CR0 = [0x0f, 0x22, 0xc0];
const MOV_TO_CR3 = [0x0f, 0x22, 0xd8];
const MOV_TO_CR4 = [0x0f, 0x22, 0xe0];
const MOV_TO_CR8 = [0x44, 0x0f, 0x22, 0xc0];
const MOV_FROM_CR0 = [0x0f, 0x20, 0xc0];
const MOV_FROM_CR3 = [0x0f, 0x20, 0xd8];
const MOV_FROM_CR4 = [0x0f, 0x20, 0xe0];
const MOV_FROM_CR8 = [0x44, 0x0f, 0x20, 0xc0];
const LMSW = [0x0f, 0x01, 0xf0];
const SMSW = [0x0f, 0x01, 0xe0];
const CLTS = [0x0f, 0x06];

type Rig = { readonly rig: ShadowRig; exitsOf(code: readonly number[], rax?: number): number };

function rigged(
  mmu: (typeof MMU_MODES)[number],
  options: { wp?: boolean; era?: 'v3.11' | 'v3.17' | 'v6.8' } = {},
): Rig {
  const rig = new ShadowRig('4-level', { mmu, ...options });
  rig.read(0x8000);
  const exitsOf = (code: readonly number[], rax = 0): number => {
    const { exits } = rig.counters;
    expect(rig.step(code, BigInt(rax >>> 0))).toBe(-1);
    return rig.counters.exits - exits;
  };
  return { rig, exitsOf };
}

describe.each(MMU_MODES)('control registers under %s', (mmu) => {
  const svm = mmu === 'npt';

  it('MOV to CR0 exits when it changes a bit of the host’s: all but TS, and on AMD MP', () => {
    const { rig, exitsOf } = rigged(mmu);
    const cr0 = rig.r[VCPU_CR0];
    expect(exitsOf(MOV_TO_CR0, cr0), 'the same').toBe(0);
    expect(exitsOf(MOV_TO_CR0, cr0 | TS)).toBe(0);
    expect(exitsOf(MOV_TO_CR0, cr0 | TS | MP)).toBe(svm ? 0 : 1);
    expect(exitsOf(MOV_TO_CR0, cr0 & ~WP)).toBe(1);
    expect(rig.r[VCPU_CR0]).toBe(cr0 & ~WP);
  });

  it('CLTS and SMSW and reads of CR0 do not exit; LMSW does when MP changes', () => {
    const { rig, exitsOf } = rigged(mmu);
    const cr0 = rig.r[VCPU_CR0];
    exitsOf(MOV_TO_CR0, cr0 | TS);
    expect(exitsOf(CLTS)).toBe(0);
    expect(rig.r[VCPU_CR0]).toBe(cr0);
    expect(exitsOf(SMSW)).toBe(0);
    expect(exitsOf(MOV_FROM_CR0)).toBe(0);
    expect(rig.r[VCPU_GPR]).toBe(cr0);
    expect(exitsOf(LMSW, TS | 1)).toBe(0);
    expect(exitsOf(LMSW, MP)).toBe(svm ? 0 : 1);
    expect(rig.r[VCPU_CR0] & 0xf, 'PE stays').toBe(MP | 1);
    // EM is beyond what the selective intercept lets by.
    expect(exitsOf(LMSW, MP | 4)).toBe(1);
    expect(rig.r[VCPU_CR0] & 0xf).toBe(MP | 5);
  });

  it('MOV to CR4 exits for bits of the host’s; PCE is the guest’s, and with EPT so is PGE', () => {
    const { rig, exitsOf } = rigged(mmu);
    const cr4 = rig.r[VCPU_CR4];
    expect(exitsOf(MOV_TO_CR4, cr4 | PCE)).toBe(svm ? 1 : 0);
    expect(exitsOf(MOV_TO_CR4, cr4 | PGE)).toBe(mmu === 'ept' ? 0 : 1);
    expect(exitsOf(MOV_TO_CR4, cr4)).toBe(mmu === 'ept' ? 0 : 1);
    expect(exitsOf(MOV_FROM_CR4)).toBe(svm ? 1 : 0);
    expect(rig.r[VCPU_GPR]).toBe(cr4);
  });

  it('CR3 is KVM’s where it keeps shadow tables', () => {
    const { rig, exitsOf } = rigged(mmu);
    const shadow = mmu === 'shadow' ? 1 : 0;
    expect(exitsOf(MOV_TO_CR3, rig.r[VCPU_CR3])).toBe(shadow);
    expect(exitsOf(MOV_FROM_CR3)).toBe(shadow);
  });

  it('CR8 is user space’s: written by way of KVM, and a task priority that falls is told', () => {
    const { rig, exitsOf } = rigged(mmu);
    traceIn(rig.arena, ['kvm_userspace_exit']);
    expect(exitsOf(MOV_TO_CR8, 9)).toBe(1);
    expect(exitsOf(MOV_FROM_CR8)).toBe(svm ? 0 : 1);
    expect(rig.r[VCPU_GPR]).toBe(9);
    expect(exitsOf(MOV_TO_CR8, 3)).toBe(1);
    expect(traceTexts(rig.arena)).toEqual(['reason KVM_EXIT_SET_TPR (11)']);
  });

  it('a change that the MMU hangs on takes the roots away, and others do not', () => {
    const { rig, exitsOf } = rigged(mmu);
    traceIn(rig.arena, ['kvm_mmu_get_page']);
    const gets = (): number => traceTexts(rig.arena).length;
    exitsOf(MOV_TO_CR0, rig.r[VCPU_CR0] | TS | MP);
    rig.read(0x8000);
    expect(gets()).toBe(0);
    exitsOf(MOV_TO_CR0, rig.r[VCPU_CR0] & ~WP);
    rig.read(0x8000);
    expect(gets()).toBeGreaterThan(0);
    // With two-dimensional paging it is the same root that comes back: its role knows nothing of the guest's registers.
    if (mmu !== 'shadow') expect(traceTexts(rig.arena)[0]).toMatch(/direct .* existing$/);
    const before = gets();
    rig.setEfer(rig.r[VCPU_EFER] ^ 0x800);
    rig.read(0x8000);
    expect(gets()).toBeGreaterThan(before);
  });

  it('says in kvm_exit and kvm_cr what was done', () => {
    const { rig, exitsOf } = rigged(mmu);
    const cr0 = (rig.r[VCPU_CR0] & ~WP) >>> 0;
    traceIn(rig.arena, ['kvm_exit', 'kvm_cr']);
    exitsOf(MOV_TO_CR0, cr0);
    exitsOf(LMSW, 5);
    exitsOf(MOV_TO_CR4, rig.r[VCPU_CR4] | SMEP);
    // Under the shadow MMU code is mapped anew after a change of WP.
    const mine = traceTexts(rig.arena).filter((text) => !text.includes('EXCEPTION_NMI'));
    const lines = mine.map((text) => text.replace(/ rip 0x\w+/, ''));
    const hex = (value: number): string => (value >>> 0).toString(16);
    expect(lines).toEqual(
      svm
        ? ['reason 0x65 info 0 0', 'reason 0x65 info 0 0', 'reason write_cr4 info 8000000000000000 0']
        : [
            'reason CR_ACCESS info 0 0',
            `cr_write 0 = 0x${hex(cr0)}`,
            'reason CR_ACCESS info 50030 0',
            `cr_write 0 = 0x${hex((cr0 & ~0xf) | 5)}`,
            'reason CR_ACCESS info 4 0',
            `cr_write 4 = 0x${hex(rig.r[VCPU_CR4])}`,
          ],
    );
    expect(rig.counters.insn_emulation, 'a selective exit goes through the emulator').toBe(svm ? 2 : 0);
  });

  it('refuses what the processor refuses', () => {
    const { rig } = rigged(mmu);
    traceIn(rig.arena, ['kvm_inj_exception']);
    expect(rig.step(MOV_TO_CR0, BigInt(0x8000_0000))).toBe(GP);
    expect(rig.step(MOV_TO_CR4, 0x8000n | BigInt(rig.r[VCPU_CR4]))).toBe(GP);
    expect(traceTexts(rig.arena), 'injected by KVM').toEqual(['#GP (0x0)', '#GP (0x0)']);
  });
});

describe('CR0.CD on AMD', () => {
  it('is not the hardware’s: while the guest has it set every access to CR0 exits', () => {
    const { rig, exitsOf } = rigged('npt');
    traceIn(rig.arena, ['kvm_exit']);
    exitsOf(MOV_TO_CR0, rig.r[VCPU_CR0] | CD);
    expect(exitsOf(MOV_FROM_CR0)).toBe(1);
    expect(rig.r[VCPU_GPR] & CD).toBe(CD);
    expect(exitsOf(SMSW)).toBe(1);
    expect(exitsOf(CLTS)).toBe(1);
    expect(exitsOf(MOV_TO_CR0, rig.r[VCPU_CR0] & ~CD)).toBe(1);
    expect(exitsOf(MOV_FROM_CR0)).toBe(0);
    const names = traceTexts(rig.arena).map((text) => /reason (\w+)/.exec(text)?.[1]);
    expect(names).toEqual(['0x65', 'read_cr0', 'read_cr0', 'write_cr0', 'write_cr0']);
  });
});

describe('kvm_set_cr3 of v3.11 under the shadow MMU', () => {
  it.each([
    ['a root in no memslot', 0x4000_0000n],
    ['one of the low bits that are ignored', 0x1_0001n],
    ['bit 40', (1n << 40n) | 0x1_0000n],
  ])('refuses %s with #GP(0)', (_what, value) => {
    const { rig } = rigged('shadow');
    const cr3 = rig.r[VCPU_CR3];
    traceIn(rig.arena, ['kvm_inj_exception']);
    expect(rig.step(MOV_TO_CR3, value)).toBe(GP);
    expect(rig.r[VCPU_CR3]).toBe(cr3);
    expect(traceTexts(rig.arena)).toEqual(['#GP (0x0)']);
  });

  it('lets 3.17 have ignored bits', () => {
    const { rig } = rigged('shadow', { era: 'v3.17' });
    expect(rig.step(MOV_TO_CR3, 0x1_0001n)).toBe(-1);
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    expect(rig.read(rig.page(0))).toEqual({ value: 0n });
  });

  it('takes PCD for reserved under PAE paging', () => {
    const rig = new ShadowRig('pae');
    rig.read(0x8000);
    expect(rig.step(MOV_TO_CR3, BigInt(rig.tables.pdpt | 0x10))).toBe(GP);
    expect(rig.step(MOV_TO_CR3, BigInt(rig.tables.pdpt | 0x08))).toBe(-1);
  });
});

describe('CR0.WP = 0 under the shadow MMU', () => {
  it('is emulated when LMSW and MOV come in between', () => {
    const { rig, exitsOf } = rigged('shadow', { wp: false });
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | (OPEN & ~W));
    exitsOf(LMSW, MP | 1);
    expect(rig.write(rig.page(0), 0x77n)).toEqual({ value: 0x77n });
    exitsOf(MOV_TO_CR0, rig.r[VCPU_CR0] | WP);
    expect(rig.write(rig.page(0), 1n)).toEqual({ pageFault: 3, cr2: rig.page(0) });
  });
});
