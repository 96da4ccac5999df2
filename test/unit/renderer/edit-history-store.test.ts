import { beforeEach, describe, expect, it } from 'vitest';
import { useEditHistoryStore } from '../../../renderer/src/stores/edit-history-store.ts';
import { useMachineStore } from '../../../renderer/src/stores/machine-store.ts';
import { useNoticesStore } from '../../../renderer/src/stores/notices-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
/** What the edits of the tests write to. */
let written: number;

beforeEach(async () => {
  engine = await startStores();
  written = 0;
});

function edit(value: number): void {
  const before = written;
  const set = async (next: number): Promise<boolean> => {
    written = next;
    return true;
  };
  written = value;
  useEditHistoryStore().record({ title: `value = ${value}`, undo: () => set(before), redo: () => set(value) });
}

describe('the history of edits', () => {
  it('takes edits back newest first, and makes them again', async () => {
    const edits = useEditHistoryStore();
    expect(edits.canUndo).toBe(false);
    edit(1);
    edit(2);
    expect(edits.undoTitle).toBe('value = 2');
    await edits.undo();
    expect([written, edits.undoTitle, edits.redoTitle]).toEqual([1, 'value = 1', 'value = 2']);
    await edits.undo();
    expect([written, edits.canUndo]).toEqual([0, false]);
    await edits.redo();
    await edits.redo();
    expect([written, edits.canRedo]).toEqual([2, false]);
  });

  it('forgets what was taken back when something else is edited', async () => {
    const edits = useEditHistoryStore();
    edit(1);
    await edits.undo();
    edit(5);
    expect(edits.canRedo).toBe(false);
  });

  it('keeps an edit whose undo was refused', async () => {
    const edits = useEditHistoryStore();
    edits.record({ title: 'refused', undo: async () => false, redo: async () => true });
    await edits.undo();
    expect([edits.undoTitle, edits.canRedo]).toEqual(['refused', false]);
  });

  it('takes back as many as were asked for, each behind the one before', async () => {
    const edits = useEditHistoryStore();
    edit(1);
    let finish = (): void => {};
    const slow = new Promise<boolean>((resolve) => {
      finish = () => resolve(true);
    });
    edits.record({ title: 'slow', undo: () => slow, redo: async () => true });
    const steps = [edits.undo(), edits.undo(), edits.redo(), edits.undo()];
    expect([written, edits.undoTitle]).toEqual([1, 'slow']);
    finish();
    await Promise.all(steps);
    expect([written, edits.undoTitle, edits.redoTitle]).toEqual([0, undefined, 'value = 1']);
  });

  it('goes on behind a step that fails', async () => {
    const edits = useEditHistoryStore();
    edit(1);
    edits.record({ title: 'fails', undo: () => Promise.reject(new Error('lost')), redo: async () => true });
    const first = edits.undo();
    const second = edits.undo();
    await expect(first).rejects.toThrow('lost');
    await expect(second).rejects.toThrow('lost');
    expect([edits.undoTitle, edits.canRedo]).toEqual(['fails', false]);
  });

  it('says when the guest has run since the edit that it took back', async () => {
    const notices = useNoticesStore();
    const edits = useEditHistoryStore();
    edit(1);
    await edits.undo();
    expect(notices.latest?.text).toBe('Undone: value = 1');
    await edits.redo();
    await useMachineStore().step();
    await edits.undo();
    expect(notices.latest?.text).toMatch(/^Undone: value = 1 — the guest has run \d+\sinstructions? since/);
  });

  it('is empty for a machine made anew', async () => {
    const edits = useEditHistoryStore();
    edit(1);
    await useMachineStore().restart();
    expect(edits.canUndo).toBe(false);
    expect(engine.requests.some(({ name }) => name === 'machine.reset')).toBe(true);
  });
});
