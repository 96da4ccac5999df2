import { describe, expect, it } from 'vitest';
import type { GenerationEvent, GenerationSnapshot } from '../../../core/protocol/index.ts';
import { generationSeries } from '../../../renderer/src/layout/generation-series.ts';

const change = (insns: number, before: number, after: number, kind: GenerationEvent['kind'] = 'create') => ({
  insns,
  kind,
  slot: 2,
  before,
  after,
  text: `${before} → ${after}`,
});

const at = (insns: number, mmioGeneration: number, events: readonly GenerationEvent[]): GenerationSnapshot => ({
  moment: { epoch: 1, insns, live: false, memslotsGeneration: BigInt(mmioGeneration), mmioGeneration },
  mask: 0x7_ffff,
  wrapAt: 0x7_ffff,
  perInstall: 1,
  mmioSptesFresh: 0,
  mmioSptesStale: 0,
  events,
});

describe('the line of the generation', () => {
  it('has an instruction once, however many changes were made at it, and ends where the generation is', () => {
    const snapshot = at(900, 0x7fffe, [
      change(500, 2, 3),
      change(900, 3, 0x7fffd, 'set'),
      change(900, 0x7fffd, 0x7fffe),
    ]);
    const { x, generations, places } = generationSeries(snapshot, 'insns');
    expect(x).toEqual([0, 500, 900]);
    expect(generations).toEqual([2, 3, 0x7fffe]);
    expect(places.map(({ generation }) => generation)).toEqual([3, 0x7fffd, 0x7fffe]);
  });

  it('goes change by change where no instruction tells them apart', () => {
    const snapshot = at(900, 5, [change(900, 2, 3), change(900, 3, 4, 'zap'), change(900, 4, 5)]);
    const { x, generations, places } = generationSeries(snapshot, 'changes');
    expect(x).toEqual([0, 1, 2, 3]);
    expect(generations).toEqual([2, 3, 4, 5]);
    expect(places[1]).toEqual({ x: 2, generation: 4, isZap: true, insns: 900 });
  });

  it('is flat without a change, and of an era without a generation knows none', () => {
    expect(generationSeries(at(0, 2, []), 'changes')).toMatchObject({ x: [0, 1], generations: [2, 2] });
    expect(generationSeries(at(7, -1, [change(3, -1, -1)]), 'insns')).toMatchObject({ x: [0, 7], places: [] });
  });
});
