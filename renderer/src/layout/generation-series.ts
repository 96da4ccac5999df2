/** The generation over retired instructions, or change by change, from its events. */
import type { GenerationEvent, GenerationSnapshot } from '@core/protocol/index.ts';

/** While the guest stands still no instruction retires: what is changed then is told apart by counting the changes. */
export type GenerationAxis = 'insns' | 'changes';

interface Place {
  readonly x: number;
  readonly generation: number;
  readonly isZap: boolean;
  readonly insns: number;
}

export interface GenerationSeries {
  /** Each of them once, rising. */
  readonly x: readonly number[];
  /** What held from there on. */
  readonly generations: readonly number[];
  /** Every event, where it is drawn. */
  readonly places: readonly Place[];
}

const isOfGeneration = ({ before, after }: GenerationEvent): boolean => before >= 0 && after >= 0;

/** It stays where the last change has left it, up to now; the plot draws steps. */
export function generationSeries({ events, moment }: GenerationSnapshot, axis: GenerationAxis): GenerationSeries {
  const changes = events.filter(isOfGeneration);
  const places = changes.map(({ insns, after, kind }, index) => ({
    x: axis === 'insns' ? insns : index + 1,
    generation: after,
    isZap: kind === 'zap',
    insns,
  }));
  const start = changes.at(0)?.before ?? moment.mmioGeneration;
  const end = Math.max(1, axis === 'insns' ? moment.insns : changes.length);
  // Several at one instruction: the last is what held.
  const held = new Map([[0, start], ...places.map(({ x, generation }) => [x, generation] as const)]);
  held.set(end, moment.mmioGeneration);
  return { x: [...held.keys()], generations: [...held.values()], places };
}
