import { describe, expect, it } from 'vitest';
import { ExecGuest } from './exec-guest.ts';

const ARITHMETIC = 0x8d5;
/** PUSHFQ, POPFQ: whatever was lazy has been worked out by the time the rotate runs. */
const SETTLE = [0x9c, 0x9d];

const BEFORE: readonly [string, readonly number[]][] = [
  ['ADD AL, CL', [0x00, 0xc8]],
  ['ADD EAX, ECX', [0x01, 0xc8]],
  ['ADD RAX, RCX', [0x48, 0x01, 0xc8]],
  ['SUB EAX, ECX', [0x29, 0xc8]],
  ['SUB RAX, RCX', [0x48, 0x29, 0xc8]],
  ['SBB EAX, ECX', [0x19, 0xc8]],
  ['SBB RAX, RCX', [0x48, 0x19, 0xc8]],
  ['AND EAX, ECX', [0x21, 0xc8]],
  ['AND RAX, RCX', [0x48, 0x21, 0xc8]],
  ['INC EAX', [0xff, 0xc0]],
  ['SHL EAX, 3', [0xc1, 0xe0, 0x03]],
  ['ROR EAX, 1', [0xd1, 0xc8]],
];
const ROTATES: readonly [string, readonly number[]][] = [
  ['ROL EDX, 5', [0xc1, 0xc2, 0x05]],
  ['ROR RDX, 1', [0x48, 0xd1, 0xca]],
  ['RCL EDX, 1', [0xd1, 0xd2]],
  ['RCR DL, 1', [0xd0, 0xda]],
];
const VALUES: readonly (readonly [bigint, bigint])[] = [
  [0n, 0n],
  [0xffff_ffff_ffff_fff8n, 0x8n],
  [0x7fff_ffff_7fff_ffffn, 0x1n],
  [0x8000_0000_8000_0000n, 0x8000_0000_8000_0001n],
  [0x1234_5678_9abc_def0n, 0xf0f0_f0f0_0f0f_0f8fn],
];

describe('a rotate', () => {
  const guest = new ExecGuest(64);
  const flagsAfter = (code: readonly number[], rax: bigint, rcx: bigint): number =>
    guest.execute(code, { regs: { rax, rcx, rdx: 0x8123_4567_8765_4321n }, flags: 1 }).flags & ARITHMETIC;

  for (const [rotate, rotateCode] of ROTATES) {
    it.each(BEFORE)(`${rotate} leaves the flags that %s set, but CF and OF`, (_name, before) => {
      for (const [rax, rcx] of VALUES) {
        const settled = flagsAfter([...before, ...SETTLE, ...rotateCode], rax, rcx);
        expect(flagsAfter([...before, ...rotateCode], rax, rcx)).toBe(settled);
      }
    });
  }
});
