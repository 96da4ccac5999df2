import { beforeEach, describe, expect, it } from 'vitest';
import { nextTick } from 'vue';
import { panelId, panelTitle, parsePanelId } from '../../../renderer/src/layout/panel-kinds.ts';
import { parseSavedLayout } from '../../../renderer/src/layout/saved-layout.ts';
import { useFocusStore } from '../../../renderer/src/stores/focus-store.ts';
import { useMemoryStore } from '../../../renderer/src/stores/memory-store.ts';
import { panelOf, usePanelsStore } from '../../../renderer/src/stores/panels-store.ts';
import { startStores } from './stores.ts';

beforeEach(async () => {
  await startStores();
});

describe('the name of a panel', () => {
  it.each([
    ['memory', 'memory', 1],
    ['memory-2', 'memory', 2],
    ['walk-12', 'walk', 12],
  ] as const)('%s is the %s number %i', (id, kind, number) => {
    expect(parsePanelId(id)).toEqual({ kind, number });
    expect(panelId(kind, number)).toBe(id);
  });

  it.each(['', 'nothing', 'memory-1', 'memory-0', 'memory-100', 'registers-2', 'constructor', 'memory 2'])(
    '%j is none',
    (id) => expect(parsePanelId(id)).toBeUndefined(),
  );

  it('is what people read', () => {
    expect([panelTitle('memory'), panelTitle('memory-2')]).toEqual(['Memory', 'Memory 2']);
  });
});

describe('a panel', () => {
  it('follows the focus until it is locked, and again when it is unlocked', async () => {
    const focus = useFocusStore();
    const [first, second] = [panelOf('memory'), panelOf('memory-2')];
    focus.show({ kind: 'gfn', gfn: 1 });
    first.isLocked.value = true;
    focus.show({ kind: 'gfn', gfn: 2 });
    await nextTick();
    expect([first.focus.value, second.focus.value]).toEqual([
      { kind: 'gfn', gfn: 1 },
      { kind: 'gfn', gfn: 2 },
    ]);
    first.isLocked.value = false;
    expect(first.focus.value).toEqual({ kind: 'gfn', gfn: 2 });
  });

  it('has a store of its own', async () => {
    await useMemoryStore('memory').goTo('gpa', 0x1000n);
    await useMemoryStore('memory-2').goTo('gpa', 0x2000n);
    expect([useMemoryStore().address, useMemoryStore('memory-2').address]).toEqual([0x1000n, 0x2000n]);
  });

  it('is kept with its lock and its state, and forgotten when it is closed', () => {
    const panels = usePanelsStore();
    panels.setLocked('walk', true);
    panels.setState('walk', { address: '0x1000' });
    const saved = panels.snapshot();
    panels.forget('walk');
    expect(panelOf('walk').isLocked.value).toBe(false);
    panels.restore({ ...saved, 'no-such-panel': { isLocked: true, state: {} } });
    expect([panelOf('walk').isLocked.value, panelOf('walk').state.value]).toEqual([true, { address: '0x1000' }]);
    expect(Object.keys(panels.snapshot())).toEqual(['walk']);
  });
});

describe('a saved layout', () => {
  const panel = { id: 'memory', contentComponent: 'DockPanel', tabComponent: 'DockTab', title: 'Memory' };
  const good = { version: 2, layout: { grid: {}, panels: { memory: panel } }, panels: {} };

  it('is read when its panels can all exist', () => {
    expect(parseSavedLayout(JSON.stringify(good))).toMatchObject({ version: 2 });
  });

  it.each([
    ['nothing', null],
    ['no JSON', '{'],
    ['JSON of something else', '[1, 2]'],
    ['an older version', JSON.stringify({ ...good, version: 1 })],
    ['a panel of no kind', JSON.stringify({ ...good, layout: { grid: {}, panels: { hex: { ...panel, id: 'hex' } } } })],
    ['a panel under another id', JSON.stringify({ ...good, layout: { grid: {}, panels: { walk: panel } } })],
    [
      'a component of somebody else',
      JSON.stringify({ ...good, layout: { grid: {}, panels: { memory: { ...panel, contentComponent: 'Evil' } } } }),
    ],
    ['state of no panel', JSON.stringify({ ...good, panels: { hex: { isLocked: true, state: {} } } })],
    [
      'state that is no small JSON',
      JSON.stringify({ ...good, panels: { memory: { isLocked: true, state: { a: [] } } } }),
    ],
    [
      'state without end',
      JSON.stringify({ ...good, panels: { memory: { isLocked: true, state: { a: 'x'.repeat(5000) } } } }),
    ],
  ])('is not read from %s', (_what, text) => {
    expect(parseSavedLayout(text)).toBeUndefined();
  });
});
