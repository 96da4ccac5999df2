import { describe, expect, it } from 'vitest';
import type { MmioFaultRecord } from '../../../core/protocol/index.ts';
import { mmioColumns, shortAddress } from '../../../renderer/src/layout/mmio-columns.ts';

const fault = (parts: Partial<MmioFaultRecord>): MmioFaultRecord => ({
  seq: 0,
  insns: 1,
  vcpu: 0,
  gva: 0n,
  gpa: 0n,
  rip: 0n,
  access: 'read',
  outcome: 'EMULATE',
  spte: 0n,
  spteGen: 2,
  kvmGen: 2,
  value: 0n,
  size: 4,
  claim: 'unsatisfied',
  device: undefined,
  ...parts,
});

/** The least that each column gets, in pixels. */
const leasts = (records: readonly MmioFaultRecord[]): readonly number[] =>
  [...mmioColumns(records).matchAll(/(\d+)px/g)].map(([, pixels]) => Number(pixels));

describe('the columns of the MMIO log', () => {
  it('have room for every digit of what stands in them', () => {
    const widest = { insns: 362_062_400, gpa: 0x1_0000_7000n, spteGen: 0x7fffe, kvmGen: 0x7fffe, value: 1n << 63n };
    const [insns, gpa, , , generations, value] = leasts([fault({}), fault(widest)]);
    expect(insns).toBeGreaterThan('362 062 400'.length * 7);
    expect(gpa).toBeGreaterThan('0x100007000'.length * 7);
    expect(generations).toBeGreaterThan('0x7fffe = 0x7fffe'.length * 7);
    expect(value).toBeGreaterThan('0x8000000000000000'.length * 7);
  });

  it('fit beside one another into the panel of a window of 1280 pixels', () => {
    const usual = fault({ insns: 362_062_400, gpa: 0x1_0000_7000n, value: 0xffff_ffffn });
    const gaps = 6 * 10 + 2 * 10;
    expect(leasts([usual]).reduce((sum, pixels) => sum + pixels, gaps)).toBeLessThan(565);
  });

  it('write addresses above 4 GiB without leading zeros', () => {
    expect([0xb8000n, 0x1_0000_7000n].map(shortAddress)).toEqual(['0x000b8000', '0x100007000']);
  });
});
