/** The MMIO sptes of the map as little columns: fresh below, stale above, higher where there are more. */
import { formatAddress } from '@core/format/address-text.ts';
import { formatCount } from '@core/format/quantity.ts';
import type { HeatStrip } from '../stores/mmio-heat-store.ts';
import { positionOf } from './map-viewport.ts';
import type { MapViewport } from './map-viewport.ts';

export interface HeatCell {
  readonly kind: 'fresh' | 'stale';
  readonly x: number;
  readonly width: number;
  readonly height: number;
  readonly title: string;
}

const FULL = 14;
const LEAST = 5;
/** A lone page in a wide view would be thinner than a hair. */
const MIN_WIDTH = 4;

/** @param viewport what is shown now; the strip may still be of the one before */
export function heatCells(
  { viewport: of, counts }: HeatStrip,
  viewport: MapViewport,
  width: number,
): readonly HeatCell[] {
  const { fresh, stale } = counts;
  const most = Math.max(1, ...fresh, ...stale);
  const bucketLength = of.length / BigInt(fresh.length);
  const cells: HeatCell[] = [];
  for (let i = 0; i < fresh.length; i += 1) {
    if (fresh[i] + stale[i] === 0) continue;
    const start = of.start + (of.length * BigInt(i)) / BigInt(fresh.length);
    const x = positionOf(viewport, start, width);
    const end = positionOf(viewport, start + bucketLength, width);
    const kind = stale[i] > 0 ? 'stale' : 'fresh';
    const title = `${formatAddress(start)}: ${formatCount(fresh[i])} fresh, ${formatCount(stale[i])} stale MMIO sptes`;
    const share = Math.log1p(fresh[i] + stale[i]) / Math.log1p(most);
    const height = Math.min(FULL, LEAST + (FULL - LEAST) * share);
    cells.push({ kind, x, width: Math.max(MIN_WIDTH, end - x), height, title });
  }
  return cells;
}
