/** MMIO sptes over a range of the map: how many a bucket holds, fresh and stale. */
import type { Reply } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import { inPieces } from '../api/in-pieces.ts';
import { latestRequest } from '../api/latest-request.ts';
import { keepUnchanged } from '../api/unchanged.ts';
import type { MapViewport } from '../memory-map/map-viewport.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

export interface HeatStrip {
  readonly viewport: MapViewport;
  readonly counts: Pick<Reply<'sptes.heat'>, 'fresh' | 'stale'>;
}

export const useMmioHeatStore = defineStore('mmio-heat', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const requests = latestRequest();
  const strip = shallowRef<HeatStrip>();

  async function refresh(viewport: MapViewport, buckets: number): Promise<void> {
    const { start, length } = viewport;
    const asked = { start, length, buckets, inPieces: true };
    const answer = await requests.run((isNewest) => inPieces(() => desktop.call('sptes.heat', asked), isNewest));
    if (!answer?.ok || !machine.admit(answer.value.moment)) return;
    const { fresh, stale } = answer.value;
    strip.value = keepUnchanged(strip.value, { viewport, counts: { fresh, stale } });
  }

  return { strip, refresh };
});
