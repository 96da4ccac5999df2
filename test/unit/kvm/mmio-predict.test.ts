import { describe, expect, it } from 'vitest';
import { highHalf, lowHalf } from '../../../core/base/address.ts';
import { MMIO_OUTCOMES } from '../../../core/base/mmio-outcomes.ts';
import type { PredictedMmioFault } from '../../../core/kvm/index.ts';
import { predictMmioFault } from '../../../core/kvm/mmio/mmio-predict.ts';
import { countMmioSptes } from '../../../core/kvm/probe/probe-sptes.ts';
import { getSpteHierarchy } from '../../../core/kvm/probe/probe-hierarchy.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const HOLE = 0xfeb0_0000n;
const OTHER = 0xfed0_0000n;

const at = (gpa: bigint, access = 0): PredictedMmioFault => ({
  vcpuId: 0,
  gvaLo: 0,
  gvaHi: 0,
  gpaLo: lowHalf(gpa),
  gpaHi: highHalf(gpa),
  access,
  outcome: 0,
  spteGen: 0,
  kvmGen: 0,
});

/** Every byte of the arena before and after. */
function unchanged<T>(kvm: KvmFixture, look: () => T): T {
  const before = kvm.arena.u8.slice();
  const seen = look();
  expect(Buffer.compare(before, kvm.arena.u8), 'looking changes nothing').toBe(0);
  return seen;
}

function predicted(kvm: KvmFixture, gpa: bigint, reserved: boolean, access = 0): string | undefined {
  const fault = at(gpa, access);
  const isMmio = unchanged(kvm, () => predictMmioFault(kvm.vm.mmu, kvm.cpu.r, fault, reserved));
  return isMmio ? `${MMIO_OUTCOMES[fault.outcome]} ${fault.spteGen}/${fault.kvmGen}` : undefined;
}

describe('what a fault is said to come to is what it comes to', () => {
  it.each(['patch', 'v3.10'] as const)('in %s', (era) => {
    const kvm = new KvmFixture({ era });
    const gens = (spte: number, current: number): string => (era === 'patch' ? `${spte}/${current}` : '-1/-1');
    kvm.slot(0, 0n, MIB);
    expect(predicted(kvm, HOLE, false)).toBe(`FIRST ${gens(-1, 1)}`);
    expect(predicted(kvm, 0x5000n, false), 'RAM that is not mapped yet').toBeUndefined();
    kvm.touch(HOLE);
    expect(kvm.outcomes().at(-1)).toBe('FIRST');
    expect(predicted(kvm, HOLE, true)).toBe(`CACHED ${gens(1, 1)}`);
    kvm.touch(HOLE);
    expect(kvm.outcomes().at(-1)).toBe('CACHED');
    kvm.touch(OTHER);
    expect(predicted(kvm, HOLE, true)).toBe(`EMULATE ${gens(1, 1)}`);
    kvm.touch(HOLE);
    expect(kvm.outcomes().at(-1)).toBe('EMULATE');
    expect(predicted(kvm, 0xc000_0000n, true)).toBe(`RETRY ${gens(-1, 1)}`);
    kvm.eptViolation(0x5000n);
    expect(predicted(kvm, 0x5000n, true)).toBe(`BUG ${gens(-1, 1)}`);
    if (era === 'v3.10') return;
    kvm.touch(OTHER);
    kvm.slot(1, 0x8000_0000n, MIB);
    expect(predicted(kvm, HOLE, true)).toBe('INVALID 1/2');
    kvm.touch(HOLE);
    expect(kvm.outcomes().at(-1)).toBe('INVALID');
  });

  it('takes a write to a read-only slot for no MMIO fault', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB, 2);
    expect(predicted(kvm, 0x5000n, false, 1)).toBeUndefined();
  });
});

describe('probes', () => {
  it('see what there is, and change nothing', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.eptViolation(0x5000n);
    kvm.touch(HOLE);
    kvm.touch(HOLE + 0x1000n);
    kvm.touch(OTHER);
    kvm.slot(1, 0x8000_0000n, MIB);
    kvm.touch(HOLE);
    expect(unchanged(kvm, () => countMmioSptes(kvm.arena))).toEqual({ fresh: 1, stale: 2 });
    expect(unchanged(kvm, () => countMmioSptes(kvm.arena, 1))).toEqual({ fresh: 2, stale: 1 });
    expect(kvm.vm.mmioSpteCounts(), 'the counts that are kept').toEqual({ live: 3, fresh: 1 });
    expect(unchanged(kvm, () => getSpteHierarchy(kvm.vm.mmu, kvm.cpu.r, lowHalf(HOLE), 0))).toHaveLength(4);
  });
});
