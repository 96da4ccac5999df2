/** The generation over retired instructions, from its events. */
import type { GenerationSnapshot } from '@core/protocol/index.ts';

export interface GenerationSeries {
  readonly insns: readonly number[];
  readonly generations: readonly number[];
}

/** It stays where the last change has left it, up to now; the plot draws steps. */
export function generationSeries({ events, moment }: GenerationSnapshot): GenerationSeries {
  const changes = events.filter(({ before, after }) => before >= 0 && after >= 0);
  const start = changes.at(0)?.before ?? moment.mmioGeneration;
  const insns = [0, ...changes.map((change) => change.insns), moment.insns];
  const generations = [start, ...changes.map(({ after }) => after), moment.mmioGeneration];
  return { insns, generations };
}
