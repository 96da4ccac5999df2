import { beforeEach, describe, expect, it } from 'vitest';
import { useGenerationStore } from '../../../renderer/src/stores/generation-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores();
  await useGenerationStore().refresh();
});

describe('the generation set near its wrap-around', () => {
  it.each([
    ['', 'a whole number'],
    [1.5, 'a whole number'],
    [-1, 'a whole number'],
    [Number.POSITIVE_INFINITY, 'a whole number'],
    [1e9, 'forward only'],
  ])('is not set %o changes before it, and says why', async (changes, why) => {
    const generation = useGenerationStore();
    expect(generation.whyNotBeforeWrap(changes)).toMatch(why);
    if (typeof changes === 'number') expect(await generation.setBeforeWrap(changes)).toBe(false);
    expect(engine.requests.some(({ name }) => name === 'generation.set')).toBe(false);
  });

  it('is not set where it is', () => {
    const generation = useGenerationStore();
    expect(generation.whyNotBeforeWrap(generation.toWrap)).toMatch('where it is');
    expect(generation.whyNotBeforeWrap(3)).toBeUndefined();
  });
});
