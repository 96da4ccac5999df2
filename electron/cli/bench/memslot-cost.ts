/** What one memslot change costs while so many MMIO sptes are live: by generation, and by the walk that v3.10 did. */
import type { MmuMode } from '../../../core/base/machine-modes.ts';
import { COST_PLAN, type CostPlan, measureMemslotCost } from '../../../core/debug/memslots/memslot-cost.ts';
import type { CostEra, CostPoint } from '../../../core/protocol/memslot-cost.ts';
import { allocateArena } from '../../host/arena-memory.ts';
import { readImage } from '../image-file.ts';
import type { Benchmark, Figure } from './measurement.ts';

const OTHER_MODES_PLAN: CostPlan = { sptes: [100_000], patchSamples: 60, walkSamples: 0 };

export const memslotCost: Benchmark = {
  name: 'memslots',
  summary: 'cost of creating a memslot against live MMIO sptes, patch and v3.10',
  run(say) {
    const points = measure(say, 'ept', COST_PLAN);
    const figures = points.map((point) => figureOf(point, 'ept'));
    for (const mmu of ['npt', 'shadow'] as const) {
      figures.push(...measure(say, mmu, OTHER_MODES_PLAN).map((point) => figureOf(point, mmu)));
    }
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

const figureOf = ({ era, sptes, microseconds, samples }: CostPoint, mmu: MmuMode): Figure => ({
  name: `create a slot, ${mmu}, ${era}, ${sptes} sptes`,
  value: microseconds,
  unit: 'µs',
  target: undefined,
  how: `median of ${samples} calls after the guest storm${mmu === 'shadow' ? ', whose page tables are shadowed' : ''}`,
});

function measure(say: (line: string) => void, mmu: MmuMode, plan: CostPlan): readonly CostPoint[] {
  const now = (): number => Number(process.hrtime.bigint()) / 1e6;
  const measurement = measureMemslotCost({ image: readImage('storm').bytes, allocate: allocateArena, mmu, now }, plan);
  for (;;) {
    const step = measurement.next();
    if (step.done === true) return step.value;
    say(`${step.value.text}, ${mmu}`);
  }
}

/** The dearest against the cheapest of an era. */
function growth(points: readonly CostPoint[], wanted: CostEra): number {
  const costs = points.filter(({ era }) => era === wanted).map(({ microseconds }) => microseconds);
  return costs[costs.length - 1] / costs[0];
}
