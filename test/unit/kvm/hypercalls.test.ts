/** VMCALL and VMMCALL: kvm_emulate_hypercall, and what becomes of the instruction of the other vendor. */
import { describe, expect, it } from 'vitest';
import { VCPU_GPR, VCPU_RIP } from '../../../core/arena/vcpu-layout.ts';
import { MMU_MODES } from '../../../core/base/machine-modes.ts';
import { u64FromHalves } from '../../../core/base/address.ts';
import { traceIn, tracedIn, traceTexts } from './kvm-fixture.ts';
import { OPEN, ShadowRig, W } from './shadow-rig.ts';

const VMCALL = [0x0f, 0x01, 0xc1];
const VMMCALL = [0x0f, 0x01, 0xd9];
const UD2 = [0x0f, 0x0b];
const UD = 6;
const GP = 13;
const PF = 14;
const ENOSYS = BigInt.asUintN(64, -1000n);
const EPERM = BigInt.asUintN(64, -1n);
const CODE = 0x1000;

const rax = (rig: ShadowRig): bigint => u64FromHalves(rig.r[VCPU_GPR], rig.r[VCPU_GPR + 1]);
const codeOf = (rig: ShadowRig): number[] =>
  Array.from(rig.arena.u8.subarray(rig.arena.layout.ram + CODE, rig.arena.layout.ram + CODE + 3));

describe.each(MMU_MODES)('a hypercall under %s', (mmu) => {
  const own = mmu === 'npt' ? VMMCALL : VMCALL;
  const foreign = mmu === 'npt' ? VMCALL : VMMCALL;
  const rigged = (paging: '4-level' | 'pae' = '4-level', era: 'v3.11' | 'v6.8' = 'v3.11'): ShadowRig => {
    const rig = new ShadowRig(paging, { mmu, era });
    rig.read(0x8000);
    return rig;
  };

  it('answers 0 to KVM_HC_VAPIC_POLL_IRQ, −ENOSYS to what it does not know, and counts both', () => {
    const rig = rigged();
    expect(rig.step(own, 1n)).toBe(-1);
    expect(rax(rig)).toBe(0n);
    expect(rig.r[VCPU_RIP]).toBe(CODE + 3);
    // KVM_HC_KICK_CPU, for guests that KVM has offered PV spinlocks.
    rig.step(own, 5n);
    expect(rax(rig)).toBe(ENOSYS);
    rig.step(own, 0x1_0000_0001n);
    expect(rax(rig), 'the number has 64 bits in long mode').toBe(ENOSYS);
    expect(rig.counters.hypercalls).toBe(3);
  });

  it('is for the kernel: −EPERM elsewhere', () => {
    const rig = rigged();
    rig.cpl = 3;
    expect(rig.step(own, 1n)).toBe(-1);
    expect(rax(rig)).toBe(EPERM);
  });

  it('looks at 32 bits outside long mode', () => {
    const rig = rigged('pae');
    rig.step(own, 0x7_0000_0001n);
    expect(rig.r[VCPU_GPR]).toBe(0);
    rig.step(own, 7n);
    expect(rig.r[VCPU_GPR]).toBe(-1000);
  });

  it('is traced with its number and four arguments, and as an exit of its own', () => {
    const rig = rigged();
    traceIn(rig.arena, ['kvm_exit', 'kvm_hypercall']);
    [0x11, 0x22, 0x33, 0x44].forEach((value, i) => (rig.r[VCPU_GPR + 2 * [3, 1, 2, 6][i]] = value));
    rig.step(own, 9n);
    const lines = traceTexts(rig.arena);
    expect(lines[0]).toContain(mmu === 'npt' ? 'reason hypercall' : 'reason VMCALL');
    expect(lines[1]).toBe('nr 0x9 a0 0x11 a1 0x22 a2 0x33 a3 0x44');
  });

  it('by the other vendor’s instruction is #UD to the processor; KVM writes its own over it', () => {
    const rig = rigged();
    traceIn(rig.arena, ['kvm_exit']);
    expect(rig.step(foreign, 1n)).toBe(-1);
    expect(codeOf(rig)).toEqual(own);
    expect(rig.counters.insn_emulation).toBe(1);
    // VMCALL is executed anew, as what it is now; v3.11 goes on behind VMMCALL, and nothing was called.
    expect(rax(rig)).toBe(mmu === 'npt' ? 0n : 1n);
    expect(rig.counters.hypercalls).toBe(mmu === 'npt' ? 1 : 0);
    expect(rig.r[VCPU_RIP]).toBe(CODE + 3);
    expect(tracedIn(rig.arena)[0]).toContain(mmu === 'npt' ? 'exit_reason=46 ' : 'exit_reason=0 ');
  });

  it('by the other vendor’s instruction is executed anew by v6.8', () => {
    const rig = rigged('4-level', 'v6.8');
    rig.step(foreign, 1n);
    expect(rax(rig)).toBe(0n);
    expect(rig.counters.hypercalls).toBe(1);
  });

  it('by the other vendor’s instruction in a page that the guest may not write is a page fault', () => {
    const rig = rigged();
    rig.writeEntry(rig.tables.pt, 1, BigInt(CODE) | (OPEN & ~W));
    rig.reloadCr3();
    expect(rig.step(foreign, 1n)).toBe(PF);
    expect(codeOf(rig)).toEqual(foreign);
  });

  it.each([[[0x66]], [[0x2e, 0xf3]], [[0x67, 0x48]]])(
    'by the other vendor’s instruction with prefixes %j is decoded behind them, and written over from the first of them on',
    (prefixes) => {
      const rig = rigged();
      expect(rig.step([...prefixes, ...foreign], 1n)).toBe(-1);
      expect(codeOf(rig)).toEqual(own);
      // What stands there now is shorter than what did.
      expect(rig.r[VCPU_RIP]).toBe(CODE + 3 + (mmu === 'npt' ? 0 : prefixes.length));
      expect(rig.counters.hypercalls).toBe(mmu === 'npt' ? 1 : 0);
    },
  );

  it('by the other vendor’s instruction is found over the border of two pages', () => {
    const rig = rigged('4-level', 'v6.8');
    const border = 0x7000;
    expect(rig.step(foreign, 1n, border - 1)).toBe(-1);
    expect(
      Array.from(rig.arena.u8.subarray(rig.arena.layout.ram + border - 1, rig.arena.layout.ram + border + 2)),
    ).toEqual(own);
    expect(rax(rig)).toBe(0n);
  });

  it.each([
    ['LOCK', [0xf0, ...foreign]],
    ['a third byte of something else', [0x66, 0x0f, 0x01, 0xc5]],
  ])('with %s is none', (_name, code) => {
    const rig = rigged();
    expect(rig.step(code, 1n)).toBe(UD);
    expect(codeOf(rig)).toEqual(code.slice(0, 3));
  });

  it.runIf(mmu === 'npt')('by VMCALL is #GP for a user: em_vmcall is privileged', () => {
    const rig = rigged();
    rig.cpl = 3;
    expect(rig.step(foreign, 1n)).toBe(GP);
  });

  it('is not what any other undefined opcode is: KVM looks at it and gives it back', () => {
    const rig = rigged();
    rig.step(UD2);
    traceIn(rig.arena, ['kvm_inj_exception']);
    const { exits, insn_emulation } = rig.counters;
    expect(rig.step(UD2)).toBe(UD);
    expect(rig.counters.exits - exits).toBe(1);
    expect(rig.counters.insn_emulation - insn_emulation).toBe(1);
    expect(traceTexts(rig.arena)).toEqual(['#UD (0x0)']);
  });
});
