import { beforeEach, describe, expect, it, vi } from 'vitest';
import { nextTick, watch } from 'vue';
import { useMachineStore } from '../../../renderer/src/stores/machine-store.ts';
import { useMemoryCompareStore } from '../../../renderer/src/stores/memory-compare-store.ts';
import { useMemoryEditsStore } from '../../../renderer/src/stores/memory-edits-store.ts';
import { useMemorySearchStore } from '../../../renderer/src/stores/memory-search-store.ts';
import { useEditHistoryStore } from '../../../renderer/src/stores/edit-history-store.ts';
import { MAX_WATCHES } from '@core/protocol/index.ts';
import { useWatchesStore } from '../../../renderer/src/stores/watches-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

const MIB = 1n << 20n;
const NEEDLE = Uint8Array.from([0xde, 0xad]);

let engine: FakeEngine;
beforeEach(async () => {
  localStorage.clear();
  engine = await startStores();
});

const poke = async (address: bigint, ...bytes: readonly number[]): Promise<void> => {
  await useMemoryEditsStore().write({ space: 'gpa', address }, Uint8Array.from(bytes));
};

describe('an edit of memory', () => {
  it('is taken back byte for byte, wherever it was made', async () => {
    const before = await engine.request('memory.read', { space: 'gpa', vcpu: 0, address: 0x1000n, length: 4 });
    await poke(0x1000n, 1, 2, 3, 4);
    expect(useEditHistoryStore().undoTitle).toBe('gpa:0x00001000 = 01 02 03 04');
    await useEditHistoryStore().undo();
    const after = await engine.request('memory.read', { space: 'gpa', vcpu: 0, address: 0x1000n, length: 4 });
    expect(after.ok && after.value.spans).toEqual(before.ok && before.value.spans);
  });
});

describe('a search', () => {
  it('goes through its range in pieces and gathers what they hold', async () => {
    await poke(0x10n, ...NEEDLE);
    await poke(40n * MIB, ...NEEDLE);
    const search = useMemorySearchStore();
    await search.search({ space: 'gpa', start: 0n, length: 64n * MIB }, NEEDLE);
    expect(search.matches).toEqual([0x10n, 40n * MIB]);
    expect([search.progress, search.isSearching]).toEqual([1, false]);
  });

  it.each([
    ['larger while they are answered at once', 1, [1, 2, 4, 8, 16, 16, 16, 1]],
    ['as they are while they are answered in a blink', 60, Array.from({ length: 64 }, () => 1)],
  ])('asks for pieces that become, or stay, %s', async (_how, milliseconds, pieces) => {
    let now = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += milliseconds));
    await useMemorySearchStore().search({ space: 'gpa', start: 0n, length: 64n * MIB }, NEEDLE);
    clock.mockRestore();
    const asked = engine.requests.flatMap(({ name, params }) => {
      const length = name === 'memory.search' && Reflect.get(Object(params), 'length');
      return typeof length === 'number' ? length / Number(MIB) : [];
    });
    expect(asked).toEqual(pieces);
  });

  it('gives what it has found while it goes on, and what is not looked at yet stays open', async () => {
    await poke(0x10n, ...NEEDLE);
    const search = useMemorySearchStore();
    const seen: string[] = [];
    const stop = watch(
      () => search.matches.length,
      (count) => seen.push(`${count} ${search.isSearching}`),
      { flush: 'sync' },
    );
    await search.search({ space: 'gpa', start: 0n, length: 64n * MIB }, NEEDLE);
    stop();
    expect(seen).toEqual(['1 true']);
    expect([0x0fn, 0x10n, 0x11n, 0x12n].map((at) => search.covers('gpa', at))).toEqual([false, true, true, false]);
    expect(search.covers('gva', 0x10n)).toBe(false);
    search.forget();
    expect(search.covers('gpa', 0x10n)).toBe(false);
  });

  it('stops when it is told to, and asks for nothing more', async () => {
    const search = useMemorySearchStore();
    let open = (): void => {};
    engine.gate = new Promise((resolve) => {
      open = () => resolve();
    });
    const whole = search.search({ space: 'gpa', start: 0n, length: 4096n * MIB }, NEEDLE);
    search.cancel();
    open();
    await whole;
    expect([search.isSearching, search.isGivenUp]).toEqual([false, true]);
    expect(engine.requests.filter(({ name }) => name === 'memory.search')).toHaveLength(1);
  });

  it('says why it cannot go on', async () => {
    const search = useMemorySearchStore();
    engine.refuseAll = { code: 'no-machine', message: 'no machine is loaded.', memslot: undefined };
    await search.search({ space: 'gpa', start: 0n, length: MIB }, NEEDLE);
    expect([search.error?.message, search.isSearching]).toEqual(['no machine is loaded.', false]);
  });
});

describe('memory of another moment', () => {
  it('is kept, and what differs from it now is said run by run', async () => {
    const compare = useMemoryCompareStore();
    await compare.keep('gpa', 0x1000n, 0x2_0000);
    await poke(0x1001n, 0xaa, 0xbb);
    await poke(0x2_0ff0n, 0xcc);
    await compare.compare();
    expect(compare.differences).toEqual([
      { address: 0x1001n, length: 2 },
      { address: 0x2_0ff0n, length: 1 },
    ]);
    expect(compare.before('gpa', 0x1001n)).not.toBe(0xaa);
    expect([compare.before('gpa', 0xfffn), compare.before('gva', 0x1001n)]).toEqual([undefined, undefined]);
    compare.forget();
    expect(compare.before('gpa', 0x1001n)).toBeUndefined();
  });

  it('knows where there was no byte', async () => {
    const compare = useMemoryCompareStore();
    await compare.keep('gpa', 0xd000_0000n, 16);
    expect(compare.before('gpa', 0xd000_0000n)).toBe(-1);
    await compare.compare();
    expect(compare.differences).toEqual([]);
  });
});

describe('watched places', () => {
  it('are read, marked when they have changed since the last stop, and removed', async () => {
    const watches = useWatchesStore();
    await poke(0x1000n, 1, 0, 0, 0);
    watches.add('gpa', 0x1000n, 4);
    await watches.refresh();
    expect(watches.rows).toMatchObject([{ text: '0x00000001', hasChanged: false }]);
    engine.edits.poked.set(`gpa:${0x1000n}`, 2);
    await useMachineStore().step();
    await watches.refresh();
    expect(watches.rows).toMatchObject([{ text: '0x00000002', hasChanged: true }]);
    watches.remove(watches.rows[0].id);
    expect(watches.rows).toEqual([]);
  });

  it('say what is not there', async () => {
    const watches = useWatchesStore();
    watches.add('gpa', 0xd000_0000n, 8);
    await watches.refresh();
    expect(watches.rows).toMatchObject([{ text: '--', note: 'no memslot and no device' }]);
  });

  it('are so many and no more, and end where 64 bits end', () => {
    const watches = useWatchesStore();
    expect(watches.add('gva', (1n << 64n) - 4n, 8)).toMatch(/beyond 64 bits/);
    for (let i = 0; i < MAX_WATCHES; i += 1) expect(watches.add('gva', BigInt(i), 1)).toBeUndefined();
    expect(watches.add('gva', 0n, 1)).toMatch(/remove one first/);
  });

  it('are saved and come back, and are not read from anything else', () => {
    const watches = useWatchesStore();
    watches.add('hva', 0x7f00n, 2);
    const saved = watches.snapshot();
    watches.remove(watches.watches[0].id);
    expect(watches.restore(JSON.parse(JSON.stringify(saved)))).toBe(true);
    expect(watches.watches).toMatchObject([{ space: 'hva', address: 0x7f00n, size: 2 }]);
    for (const hostile of [
      undefined,
      5,
      [{ space: 'io', address: '0x0', size: 1 }],
      [{ space: 'gva', address: 'x', size: 1 }],
    ]) {
      expect(watches.restore(hostile)).toBe(false);
    }
  });

  it('outlive the page', async () => {
    const watches = useWatchesStore();
    watches.add('gpa', 0x1234n, 4);
    await nextTick();
    // Another page, another set of stores.
    await startStores();
    expect(useWatchesStore().watches).toMatchObject([{ space: 'gpa', address: 0x1234n, size: 4 }]);
    // What is still being read belongs to the page before.
    await new Promise((done) => setTimeout(done));
    localStorage.setItem('umbra.watches', '{broken');
    await startStores();
    expect(useWatchesStore().watches).toEqual([]);
  });
});
