import { beforeEach, describe, expect, it } from 'vitest';
import { fuzzyRank } from '../../../renderer/src/search/fuzzy-rank.ts';
import { typedTargets } from '../../../renderer/src/search/go-to-targets.ts';
import { useFocusStore } from '../../../renderer/src/stores/focus-store.ts';
import { useGoToStore } from '../../../renderer/src/stores/go-to-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { ENTRY } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores();
});

/** Answers to these questions come when they are given, and no sooner. */
function holdBack(fake: FakeEngine, names: readonly string[]) {
  const waiting = new Map<string, () => void>();
  const held = new Map(names.map((name) => [name, new Promise<void>((resolve) => waiting.set(name, resolve))]));
  const answer = fake.request.bind(fake);
  fake.request = async (name, params) => {
    await held.get(name);
    return answer(name, params);
  };
  return {
    async give(name: string): Promise<void> {
      waiting.get(name)?.();
      await new Promise((resolve) => setTimeout(resolve));
    },
  };
}

const titles = (): readonly string[] => useGoToStore().matches.map(({ title }) => title);

describe('ranking', () => {
  const NAMES = ['Show panel: Memory', 'Step over', 'Open another panel: Memory', 'Restart from the first instruction'];
  const rank = (query: string): readonly string[] => fuzzyRank(NAMES, query, (name) => name);

  it('keeps the order when nothing is typed', () => expect(rank(' ')).toEqual(NAMES));
  it('finds words in any order', () => expect(rank('memory panel')).toContain('Show panel: Memory'));
  it('forgives a slip of the finger', () => expect(rank('restatr')).toEqual(['Restart from the first instruction']));
  it('finds nothing where nothing is', () => expect(rank('zzz')).toEqual([]));
  it('survives signs and endless text', () => {
    expect(rank('(((')).toEqual([]);
    expect(rank('('.repeat(10_000))).toEqual([]);
    expect(rank('[a-z]+$')).toEqual([]);
  });
});

describe('a typed address', () => {
  it.each([
    ['100000', ['disassembly', 'memory', 'walk']],
    ['gpa:feb00000', ['memory', 'walk', 'sptes', 'memslots']],
    ['gfn:feb00', ['sptes', 'memory', 'walk', 'memslots']],
    ['hva:7f0000000000', ['memory']],
    ['main', []],
  ] as const)('%s can be shown in %o', (text, panels) => {
    expect(typedTargets(text).map(({ panel }) => panel)).toEqual(panels);
  });
});

describe('going to what is still being looked up', () => {
  it('waits for the first match, and no longer', async () => {
    const store = useGoToStore();
    const answers = holdBack(engine, ['registers.read', 'sptes.rows', 'symbols.search']);
    const gathered = store.gather();
    const searched = store.search('rbx');
    expect(store.isBusy).toBe(true);
    let isKnown = false;
    const known = store.firstMatch().then(() => {
      isKnown = true;
    });
    await answers.give('symbols.search');
    await searched;
    expect([isKnown, titles()]).toEqual([false, []]);
    await answers.give('registers.read');
    await known;
    expect([store.isBusy, titles()]).toEqual([true, ['rbx']]);
    await answers.give('sptes.rows');
    await gathered;
    expect(store.isBusy).toBe(false);
  });

  it('ends where nothing matches in the end', async () => {
    const store = useGoToStore();
    const answers = holdBack(engine, ['sptes.rows']);
    const gathered = store.gather();
    await store.search('zzqq');
    const known = store.firstMatch();
    await answers.give('sptes.rows');
    await gathered;
    await known;
    expect(titles()).toEqual([]);
  });

  it('takes the instruction pointer for code', async () => {
    const store = useGoToStore();
    await store.gather();
    await store.search('rip');
    expect(store.matches.at(0)).toMatchObject({ title: 'rip', panel: 'disassembly', focus: { kind: 'code' } });
  });
});

describe('go to anything', () => {
  it('offers what the machine has, and what was looked at, last first', async () => {
    useFocusStore().show({ kind: 'gfn', gfn: 0x123 });
    useFocusStore().show({ kind: 'address', space: 'hva', address: 0x7f00n });
    await engine.request('breakpoints.add', { spec: { kind: 'exec', address: ENTRY } });
    const store = useGoToStore();
    await store.gather();
    expect(titles().slice(0, 2)).toEqual(['hva:0x00007f00', 'gfn:0x123']);
    await store.search('slot 1');
    expect(titles().at(0)).toBe('slot 1');
    await store.search('registers');
    expect(titles()).toContain('Registers');
    await store.search('rbx');
    expect(titles()).toContain('rbx');
  });

  it('shows the focus in the panel that is meant for it', async () => {
    const store = useGoToStore();
    await store.gather();
    await store.search('gfn:feb00');
    store.go(store.matches[0]);
    expect(useFocusStore().focus).toEqual({ kind: 'gfn', gfn: 0xfeb00 });
  });

  it('offers what can be answered when something cannot', async () => {
    engine.refuseAll = { code: 'no-machine', message: 'no machine is loaded.', memslot: undefined };
    const store = useGoToStore();
    await store.gather();
    await store.search('memory');
    expect(titles().at(0)).toBe('Memory');
  });
});
