import { describe, expect, it } from 'vitest';
import { describeGenerations, describeStop } from '../../../core/format/stop-reason.ts';
import type { StopReason } from '../../../core/protocol/snapshots.ts';

const fault = {
  gva: 0x1000n,
  gpa: 0xe000_0000n,
  access: 'read',
  outcome: 'INVALID',
  spteGen: 2,
  kvmGen: 3,
} as const;

describe('why a machine stopped, in one line', () => {
  it.each<readonly [StopReason, string]>([
    [{ kind: 'none' }, ''],
    [{ kind: 'run-to', address: 0x10_0040n }, 'reached 0x00100040'],
    [{ kind: 'breakpoint', id: 3, vcpu: 0, address: 0x10_0040n }, 'breakpoint 3 at 0x00100040'],
    [
      { kind: 'mmio-breakpoint', id: 1, vcpu: 0, fault },
      'breakpoint 1: MMIO read of 0xe0000000, INVALID (spte generation 0x2, current 0x3)',
    ],
    [{ kind: 'exited', status: 33 }, 'guest exited with status 33'],
    [{ kind: 'shutdown', detail: 'triple fault' }, 'shutdown: triple fault'],
    [{ kind: 'error', message: 'opcode 0f ff is not implemented' }, 'opcode 0f ff is not implemented'],
  ])('%o', (reason, text) => {
    expect(describeStop(reason)).toBe(text);
  });

  it('there may be no spte, and an era without a generation', () => {
    expect(describeGenerations(-1, 3)).toBe('no MMIO spte yet');
    expect(describeGenerations(0, -1)).toBe('spte generation 0x0, no current one in this era');
  });
});
