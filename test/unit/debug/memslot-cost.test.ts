import { describe, expect, it } from 'vitest';
import { measureMemslotCost } from '../../../core/debug/memslots/memslot-cost.ts';
import type { CostPoint, CostProgress } from '../../../core/protocol/memslot-cost.ts';
import { guestImage } from './debug-guest.ts';

describe('the cost of a memslot change', () => {
  it('is measured step by step, for both ways at every number of MMIO sptes', () => {
    let time = 0;
    const rig = {
      image: guestImage('storm'),
      allocate: (bytes: number) => new SharedArrayBuffer(bytes),
      // Every look at the clock is a millisecond later: nothing but the call lies between two looks.
      now: () => (time += 1),
    };
    const measurement = measureMemslotCost(rig, { sptes: [100, 300], patchSamples: 3, walkSamples: 1 });
    const steps: CostProgress[] = [];
    let points: readonly CostPoint[] | undefined;
    while (points === undefined) {
      const step = measurement.next();
      if (step.done === true) points = step.value;
      else steps.push(step.value);
    }
    expect(steps.map(({ done }) => done)).toEqual(steps.map((_step, i) => i));
    expect(steps.every(({ of }) => of === steps.length)).toBe(true);
    expect(points).toEqual([
      { era: 'patch', sptes: 100, microseconds: 1000, fastest: 1000, slowest: 1000, samples: 3 },
      { era: 'patch', sptes: 300, microseconds: 1000, fastest: 1000, slowest: 1000, samples: 3 },
      { era: 'v3.10', sptes: 100, microseconds: 1000, fastest: 1000, slowest: 1000, samples: 1 },
      { era: 'v3.10', sptes: 300, microseconds: 1000, fastest: 1000, slowest: 1000, samples: 1 },
    ]);
  });
});
