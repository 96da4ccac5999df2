/** What one memslot change costs while so many MMIO sptes are live: by generation, and by the walk that v3.10 did. */
import { COST_PLAN, measureMemslotCost } from '../../../core/debug/memslot-cost.ts';
import type { CostEra, CostPoint } from '../../../core/protocol/memslot-cost.ts';
import { allocateArena } from '../../host/arena-memory.ts';
import { readImage } from '../image-file.ts';
import type { Benchmark, Figure } from './measurement.ts';

export const memslotCost: Benchmark = {
  name: 'memslots',
  summary: 'cost of creating a memslot against live MMIO sptes, patch and v3.10',
  run(say) {
    const points = measure(say);
    const figures = points.map(({ era, sptes, microseconds, samples }): Figure => ({
      name: `create a slot, ${era}, ${sptes} sptes`,
      value: microseconds,
      unit: 'µs',
      target: undefined,
      how: `median of ${samples} calls after the guest storm`,
    }));
    figures.push(
      {
        name: 'patch: 1 M sptes against 1 k',
        value: growth(points, 'patch'),
        unit: '×',
        target: { atMost: 2 },
        how: 'flat: one addition whatever there is to invalidate',
      },
      {
        name: 'v3.10: 1 M sptes against 1 k',
        value: growth(points, 'v3.10'),
        unit: '×',
        target: undefined,
        how: 'grows with what has to be walked and zapped',
      },
    );
    return Promise.resolve({ benchmark: 'memslots', figures, skipped: undefined });
  },
};

function measure(say: (line: string) => void): readonly CostPoint[] {
  const now = (): number => Number(process.hrtime.bigint()) / 1e6;
  const measurement = measureMemslotCost({ image: readImage('storm').bytes, allocate: allocateArena, now }, COST_PLAN);
  for (;;) {
    const step = measurement.next();
    if (step.done === true) return step.value;
    say(step.value.text);
  }
}

/** The dearest against the cheapest of an era. */
function growth(points: readonly CostPoint[], wanted: CostEra): number {
  const costs = points.filter(({ era }) => era === wanted).map(({ microseconds }) => microseconds);
  return costs[costs.length - 1] / costs[0];
}
