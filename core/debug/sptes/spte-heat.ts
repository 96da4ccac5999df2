/** How many MMIO sptes stand over each part of a range of guest physical addresses, fresh and stale. */
import { type SpteIndex } from './spte-index.ts';
import { KIND_MMIO } from './spte-kind.ts';
import { inParts, type WorkSteps } from './work-steps.ts';

export interface SpteHeat {
  readonly fresh: Uint32Array;
  readonly stale: Uint32Array;
}

/** @param start @param length the range, in bytes; it is cut into `buckets` equal parts */
export function* spteHeat(index: SpteIndex, start: bigint, length: bigint, buckets: number): WorkSteps<SpteHeat> {
  const fresh = new Uint32Array(buckets);
  const stale = new Uint32Array(buckets);
  const first = Number(start) / 4096;
  const perBucket = Number(length) / 4096 / buckets;
  yield* inParts(index.count, (from, to) => {
    for (let row = from; row < to; row++) {
      if (index.kind[row] !== KIND_MMIO) continue;
      const bucket = Math.floor((index.gfn[row] - first) / perBucket);
      if (bucket < 0 || bucket >= buckets) continue;
      if (index.gen[row] === index.format.generation) fresh[bucket] += 1;
      else stale[bucket] += 1;
    }
  });
  return { fresh, stale };
}
