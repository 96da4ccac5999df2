import { beforeEach, describe, expect, it } from 'vitest';
import { regionOfSlot } from '../../../renderer/src/memory-map/region-draft.ts';
import { useDirtyLogStore } from '../../../renderer/src/stores/dirty-log-store.ts';
import { useEditHistoryStore } from '../../../renderer/src/stores/edit-history-store.ts';
import { useMachineStore } from '../../../renderer/src/stores/machine-store.ts';
import { useMemslotsStore } from '../../../renderer/src/stores/memslots-store.ts';
import { useSptesStore } from '../../../renderer/src/stores/sptes-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { HVA_BASE } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores();
  await useMemslotsStore().refresh();
});

describe('a memslot that is being made', () => {
  it('takes the first free number and the first host memory that nothing maps', async () => {
    const memslots = useMemslotsStore();
    await memslots.createOver(0xfeb0_0010n);
    expect(memslots.region).toEqual({
      slot: 2,
      flags: 0,
      guestPhysAddr: 0xfeb0_0000n,
      memorySize: 0x1000n,
      userspaceAddr: HVA_BASE + 0xa0000n,
    });
  });

  it('is previewed without being made', async () => {
    const memslots = useMemslotsStore();
    engine.touch('FIRST');
    await memslots.createOver(0xfeb0_0000n);
    expect(memslots.preview).toMatchObject({
      kind: 'report',
      totals: { changes: ['CREATE'], mmioSptesGoneStale: 1 },
    });
    expect(engine.generation).toBe(2n);
    expect(engine.requests.some(({ name }) => name === 'memslots.apply')).toBe(false);
  });

  it('names the slot it collides with before and after it is applied, and changes nothing', async () => {
    const memslots = useMemslotsStore();
    await memslots.createOver(0x20_0000n);
    expect(memslots.preview?.kind).toBe('refusal');
    expect(memslots.collidingSlot).toBe(1);
    expect(await memslots.apply()).toBe(false);
    expect(memslots.applied).toMatchObject({
      isApplied: false,
      changes: [{ done: { kind: 'refusal', refusal: { errno: 'EEXIST', check: 'overlap' } } }],
    });
    expect(memslots.collidingSlot).toBe(1);
    expect(memslots.snapshot?.slots).toHaveLength(2);
  });

  it('turns the spte stale when it is applied', async () => {
    const memslots = useMemslotsStore();
    const sptes = useSptesStore();
    engine.touch('FIRST');
    await sptes.refresh();
    expect(sptes.selected).toMatchObject({ gen: 2, stale: false });
    await memslots.createOver(0xfeb0_0000n);
    expect(await memslots.apply()).toBe(true);
    await sptes.refresh();
    expect(sptes.selected).toMatchObject({ gen: 2, stale: true });
    expect(memslots.snapshot?.slots.map(({ id }) => id)).toEqual([0, 1, 2]);
  });

  it('is not sent while a field does not parse', async () => {
    const memslots = useMemslotsStore();
    await memslots.createOver(0xfeb0_0000n);
    if (memslots.draft) await memslots.edit({ ...memslots.draft, size: 'four pages' });
    expect(memslots.mistakes).toEqual({ size: 'a size such as 4K, 16M or 0x1000' });
    expect(memslots.preview).toBeUndefined();
    expect(await memslots.apply()).toBe(false);
    expect(engine.requests.some(({ name }) => name === 'memslots.apply')).toBe(false);
  });

  it('is resized by deleting and making it, in one list', async () => {
    const memslots = useMemslotsStore();
    const [slot] = memslots.slots;
    await memslots.editSlot(slot);
    if (memslots.draft) await memslots.edit({ ...memslots.draft, size: '64K' });
    expect(await memslots.apply()).toBe(true);
    expect(engine.requests.findLast(({ name }) => name === 'memslots.apply')?.params).toMatchObject({
      regions: [{ memorySize: 0n }, { memorySize: 0x10000n }],
    });
    expect(memslots.applied?.changes).toMatchObject([{ done: { totals: { changes: ['DELETE', 'CREATE'] } } }]);
  });

  it('stays as it was when the new size is refused', async () => {
    const memslots = useMemslotsStore();
    const before = memslots.slots;
    await memslots.editSlot(before[0]);
    if (memslots.draft) await memslots.edit({ ...memslots.draft, size: '2M' });
    expect(await memslots.apply()).toBe(false);
    expect(memslots.collidingSlot).toBe(1);
    expect(memslots.slots).toEqual(before);
    expect(engine.generation).toBe(2n);
  });
});

describe('several changes', () => {
  const stagedTwo = async (): Promise<ReturnType<typeof useMemslotsStore>> => {
    const memslots = useMemslotsStore();
    await memslots.createOver(0xe000_0000n);
    await memslots.stageDraft();
    await memslots.createOver(0xe000_1000n);
    await memslots.stageDraft();
    return memslots;
  };

  it('take a number each and are foretold one after the other, together', async () => {
    const memslots = await stagedTwo();
    expect(memslots.staged.map(({ slot }) => slot)).toEqual([2, 3]);
    expect(memslots.verdicts).toMatchObject([
      { kind: 'report', totals: { generationBefore: 2n, generationAfter: 3n } },
      { kind: 'report', totals: { generationBefore: 3n, generationAfter: 4n } },
    ]);
    expect(memslots.total).toMatchObject({ generationBefore: 2n, generationAfter: 4n, pagesWalkedBefore: 14 });
    expect(engine.generation).toBe(2n);
  });

  it('are applied as one, and what was done is what was promised', async () => {
    const memslots = await stagedTwo();
    expect(await memslots.apply()).toBe(true);
    expect(memslots.applied?.changes.map(({ isKept }) => isKept)).toEqual([true, true]);
    expect(memslots.staged).toEqual([]);
    expect(memslots.slots.map(({ id }) => id)).toEqual([0, 1, 2, 3]);
  });

  it('say so when the machine has gone on since the promise', async () => {
    const memslots = await stagedTwo();
    engine.generation += 5n;
    await memslots.apply();
    expect(memslots.applied?.changes.some(({ isKept }) => isKept)).toBe(false);
  });

  it('are taken back and made again as one edit', async () => {
    const memslots = await stagedTwo();
    const edits = useEditHistoryStore();
    await memslots.apply();
    expect(edits.undoTitle).toBe('2 memslot changes');
    await edits.undo();
    expect(memslots.slots.map(({ id }) => id)).toEqual([0, 1]);
    await edits.redo();
    expect(memslots.slots.map(({ id }) => id)).toEqual([0, 1, 2, 3]);
  });

  it('bring a deleted slot back with its host memory', async () => {
    const memslots = useMemslotsStore();
    const before = memslots.slots;
    await memslots.stageDeletion(0);
    await memslots.apply();
    expect(memslots.slots.map(({ id }) => id)).toEqual([1]);
    await useEditHistoryStore().undo();
    expect(memslots.slots.toSorted((a, b) => a.id - b.id)).toEqual(before);
  });

  it('are none when one is refused, and the rest is not reached', async () => {
    const memslots = await stagedTwo();
    const [first] = memslots.staged;
    await memslots.stageTarget({ ...first.target, guestPhysAddr: 0x20_0000n });
    expect(memslots.verdicts.map(({ kind }) => kind)).toEqual(['refusal', 'unreached']);
    expect(memslots.isRefused).toBe(true);
    expect(await memslots.apply()).toBe(false);
    expect(engine.slots).toHaveLength(2);
  });

  it('go from the list when they change nothing any more, and a slot only staged is deleted by dropping it', async () => {
    const memslots = await stagedTwo();
    await memslots.stageTarget(regionOfSlot(memslots.slots[0]));
    await memslots.stageDeletion(3);
    expect(memslots.staged.map(({ slot }) => slot)).toEqual([2]);
  });
});

describe('what is prepared', () => {
  const ids = (): readonly number[] => useMemslotsStore().staged.map(({ slot }) => slot);

  async function stageAt(gpa: bigint): Promise<void> {
    const memslots = useMemslotsStore();
    await memslots.createOver(gpa);
    await memslots.stageDraft();
  }

  it('is taken back and done again one by one, and the editor comes back with it', async () => {
    const memslots = useMemslotsStore();
    const edits = useEditHistoryStore();
    await stageAt(0xe000_0000n);
    await stageAt(0xe000_1000n);
    expect(edits.undoTitle).toBe('create slot 3 at 0xe0001000 + 4\u202fKiB (staged)');
    await edits.undo();
    expect(ids()).toEqual([2]);
    expect(memslots.region).toMatchObject({ slot: 3, guestPhysAddr: 0xe000_1000n });
    await edits.undo();
    expect(ids()).toEqual([]);
    await edits.redo();
    await edits.redo();
    expect(ids()).toEqual([2, 3]);
    expect(memslots.draft).toBeUndefined();
    expect(memslots.verdicts.map(({ kind }) => kind)).toEqual(['report', 'report']);
    expect(engine.requests.some(({ name }) => name === 'memslots.apply')).toBe(false);
  });

  it('is taken back after what was applied, which puts it on the list again', async () => {
    const memslots = useMemslotsStore();
    const edits = useEditHistoryStore();
    await stageAt(0xe000_0000n);
    await stageAt(0xe000_1000n);
    await memslots.apply();
    await stageAt(0xe000_2000n);
    await edits.undo();
    expect([ids(), memslots.slots.length]).toEqual([[], 4]);
    await memslots.edit(undefined);
    await edits.undo();
    expect([ids(), memslots.slots.length]).toEqual([[2, 3], 2]);
    await edits.undo();
    expect([ids(), memslots.slots.length]).toEqual([[2], 2]);
    await edits.redo();
    await edits.redo();
    expect([ids(), memslots.slots.length]).toEqual([[], 4]);
    await edits.redo();
    expect([ids(), memslots.slots.length]).toEqual([[4], 4]);
  });

  it('is taken back in its order, its place in the list, and whole', async () => {
    const memslots = useMemslotsStore();
    const edits = useEditHistoryStore();
    await stageAt(0xe000_0000n);
    await stageAt(0xe000_1000n);
    await memslots.move(1, -1);
    await memslots.unstage(2);
    await memslots.dropAll();
    expect(ids()).toEqual([]);
    await edits.undo();
    expect(ids()).toEqual([3]);
    await edits.undo();
    expect(ids()).toEqual([3, 2]);
    await edits.undo();
    expect(ids()).toEqual([2, 3]);
  });

  it('is one edit when a slot is moved key by key, and what changes nothing is none', async () => {
    const memslots = useMemslotsStore();
    const edits = useEditHistoryStore();
    const target = regionOfSlot(memslots.slots[1]);
    await memslots.nudge({ ...target, guestPhysAddr: 0x20_0000n });
    await memslots.nudge({ ...target, guestPhysAddr: 0x30_0000n });
    await memslots.stageTarget(regionOfSlot(memslots.slots[0]));
    await edits.undo();
    expect(memslots.draft).toBeUndefined();
    expect(edits.canUndo).toBe(false);
    await edits.redo();
    expect(memslots.region?.guestPhysAddr).toBe(0x30_0000n);
  });

  it('is gone, and cannot be taken back, when the machine is made anew', async () => {
    await stageAt(0xe000_0000n);
    await useMachineStore().load(await engine.readGuest('storm'), {});
    expect(ids()).toEqual([]);
    expect(useEditHistoryStore().canUndo).toBe(false);
  });
});

describe('the dirty log of a slot', () => {
  it('is read as runs of pages at their guest addresses', async () => {
    const dirty = useDirtyLogStore();
    expect(await dirty.read(1)).toBe(true);
    expect(dirty.logs).toMatchObject([{ slot: 1, pages: 3, runs: [{ gpa: 0x10_0000n, pages: 1 }, { pages: 2 }] }]);
  });
});
