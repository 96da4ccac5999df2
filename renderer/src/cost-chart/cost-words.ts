/** What was measured, in words: the same on screen, in the picture and in the table that leave the window. */
import { csvText } from '@core/format/csv-text.ts';
import type { CostPoint, CostSetting } from '@core/protocol/index.ts';
import { MMU_CHOICES } from '../layout/machine-choices.ts';

export type CostEra = CostPoint['era'];

/** In the order of the legend. */
export const COST_LINES: readonly { readonly era: CostEra; readonly title: string; readonly isDashed: boolean }[] = [
  { era: 'patch', title: 'fast: the generation changes (era patch)', isDashed: false },
  { era: 'v3.10', title: 'walk: every MMIO spte is zapped (era v3.10)', isDashed: true },
];

export const COST_TITLE = 'Cost of creating one memslot against live MMIO sptes';
export const SPTES_AXIS = 'live MMIO sptes';
export const TIME_AXIS = 'time of one change (median)';

const mmuTitle = (mmu: CostSetting['mmu']): string => MMU_CHOICES.find(({ value }) => value === mmu)?.title ?? mmu;

/** `2026-11-23 14:51 UTC` */
const dateText = (startedAt: string): string => `${startedAt.slice(0, 10)} ${startedAt.slice(11, 16)} UTC`;

function samplesText(points: readonly CostPoint[]): string {
  const of = (era: CostEra): number | undefined => points.find((point) => point.era === era)?.samples;
  return COST_LINES.flatMap(({ era }) => {
    const samples = of(era);
    return samples === undefined ? [] : [`${samples} (${era})`];
  }).join(', ');
}

/** What, with what, where and when: two lines under a picture. */
export function settingLines(setting: CostSetting, points: readonly CostPoint[]): readonly [string, string] {
  return [
    `${mmuTitle(setting.mmu)} · guest storm in long mode, 128 MiB of RAM · median of ${samplesText(points)} calls, bars from fastest to slowest`,
    `${dateText(setting.startedAt)} · ${setting.processor} · ${setting.system} · ${setting.runtime}`,
  ];
}

export const costCsv = (setting: CostSetting, points: readonly CostPoint[]): string =>
  csvText(
    [
      'mmio_sptes',
      'era',
      'mmu',
      'microseconds_median',
      'microseconds_min',
      'microseconds_max',
      'samples',
      'measured_at',
      'processor',
      'system',
      'runtime',
    ],
    points.map(({ sptes, era, microseconds, fastest, slowest, samples }) => [
      sptes,
      era,
      setting.mmu,
      microseconds.toFixed(3),
      fastest.toFixed(3),
      slowest.toFixed(3),
      samples,
      setting.startedAt,
      setting.processor,
      setting.system,
      setting.runtime,
    ]),
  );
