/** The memslots generation and what has moved it. */
import type { Moment } from './machine-snapshots.ts';

export interface GenerationEvent {
  readonly insns: number;
  readonly kind: 'create' | 'delete' | 'move' | 'flags' | 'set' | 'zap';
  readonly slot: number;
  readonly before: number;
  readonly after: number;
  readonly text: string;
}

export interface GenerationSnapshot {
  readonly moment: Moment;
  readonly mask: number;
  readonly wrapAt: number;
  /** By how much a table that is installed moves the memslots generation: 2 from 3.17 on. */
  readonly perInstall: number;
  readonly mmioSptesFresh: number;
  readonly mmioSptesStale: number;
  readonly events: readonly GenerationEvent[];
}
