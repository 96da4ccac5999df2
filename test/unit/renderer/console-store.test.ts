import { flushPromises } from '@vue/test-utils';
import { beforeEach, describe, expect, it } from 'vitest';
import { ref } from 'vue';
import { useConsoleInput } from '../../../renderer/src/composables/useConsoleInput.ts';
import { useConsoleStore } from '../../../renderer/src/stores/console-store.ts';
import { useEditHistoryStore } from '../../../renderer/src/stores/edit-history-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  localStorage.clear();
  engine = await startStores();
});

const said = (): string[] => useConsoleStore().entries.map(({ kind, text }) => `${kind}: ${text}`);
const key = (name: string, more: KeyboardEventInit = {}) => new KeyboardEvent('keydown', { key: name, ...more });

describe('the console', () => {
  it('shows what was typed and what came of it', async () => {
    const store = useConsoleStore();
    await store.run('hello');
    expect(said()).toEqual(['input: > hello', 'output: you said hello', 'output: gpa 0xfee00000: here']);
  });

  it('puts a caret under what a refusal is about', async () => {
    await useConsoleStore().run('bad word');
    expect(said()).toEqual(['input: > bad word', 'refusal:       ^^^^', 'refusal: EINVAL: word is bad.']);
  });

  it('repeats a step on an empty line, and nothing else', async () => {
    const store = useConsoleStore();
    await store.run('');
    expect(said()).toEqual([]);
    await store.run('step');
    await store.run(' ');
    expect(said().filter((line) => line.startsWith('input'))).toEqual(['input: > step', 'input: > step']);
    await store.run('hello');
    await store.run('');
    expect(store.entries.filter(({ kind }) => kind === 'input')).toHaveLength(3);
  });

  it('tells where a machine came to a stand that it let run, once', async () => {
    const store = useConsoleStore();
    await store.run('continue');
    engine.stop({ kind: 'paused' });
    await flushPromises();
    expect(said().slice(-2)).toEqual(['output: on request, after 7 instructions', 'output: => 0x100000 <main>: nop']);
    const { length } = store.entries;
    engine.stop({ kind: 'none' }, 'running');
    engine.stop({ kind: 'paused' });
    await flushPromises();
    expect(store.entries).toHaveLength(length);
  });

  it('leaves what it changed to undo and redo', async () => {
    await useConsoleStore().run('poke');
    const edits = useEditHistoryStore();
    expect(edits.undoTitle).toBe('poke');
    await edits.undo();
    await edits.redo();
    const written = engine.requests.filter(({ name }) => name === 'memory.write').map(({ params }) => params);
    const place = { space: 'gpa', vcpu: 0, address: 0x1000n };
    expect(written).toEqual([
      { ...place, bytes: Uint8Array.of(1) },
      { ...place, bytes: Uint8Array.of(2) },
    ]);
  });

  it('keeps its history from window to window, and believes no other text', async () => {
    await useConsoleStore().run('first');
    await useConsoleStore().run('first');
    await useConsoleStore().run('second');
    engine = await startStores();
    expect(useConsoleStore().history).toEqual(['first', 'second']);
    localStorage.setItem('umbra.console-history', '{"0":"rm"}');
    engine = await startStores();
    expect(useConsoleStore().history).toEqual([]);
  });
});

describe('the line that is being typed', () => {
  it('walks through the history and back to what was begun', async () => {
    const store = useConsoleStore();
    await store.run('first');
    await store.run('second');
    const input = useConsoleInput(ref(null));
    input.text.value = 'begun';
    for (const expected of ['second', 'first', 'first']) {
      expect(input.handleKey(key('ArrowUp'))).toBe(true);
      expect(input.text.value).toBe(expected);
    }
    for (const expected of ['second', 'begun', 'begun']) {
      input.handleKey(key('ArrowDown'));
      expect(input.text.value).toBe(expected);
    }
  });

  it('searches the history, newest first', async () => {
    const store = useConsoleStore();
    for (const line of ['walk 0x1000', 'slots', 'walk 0x2000']) await store.run(line);
    const input = useConsoleInput(ref(null));
    input.handleKey(key('r', { ctrlKey: true }));
    input.query.value = 'WALK';
    expect(input.hit.value).toBe('walk 0x2000');
    input.handleSearchKey(key('r', { ctrlKey: true }));
    expect(input.hit.value).toBe('walk 0x1000');
    input.handleSearchKey(key('Enter'));
    expect(input.text.value).toBe('walk 0x1000');
    expect(input.query.value).toBeUndefined();
  });

  it('takes the only completion, and lists several', async () => {
    const input = useConsoleInput(ref(null));
    input.text.value = 'sl';
    await input.complete();
    expect(input.text.value).toBe('slots ');
    input.text.value = 's';
    await input.complete();
    expect(input.list.value?.candidates).toEqual(['slots', 'sptes', 'step']);
    input.handleKey(key('Tab'));
    input.handleKey(key('Enter'));
    expect(input.text.value).toBe('sptes ');
  });

  it('is dropped by Ctrl+C, which pauses a guest that runs', async () => {
    const store = useConsoleStore();
    const input = useConsoleInput(ref(null));
    input.text.value = 'half a li';
    expect(input.handleKey(key('c', { ctrlKey: true }))).toBe(true);
    expect(input.text.value).toBe('');
    expect(said()).toEqual(['input: > half a li^C']);
    await store.run('continue');
    expect(input.handleKey(key('c', { ctrlKey: true }))).toBe(true);
    await flushPromises();
    expect(engine.requests.filter(({ name }) => name === 'run.pause')).toHaveLength(1);
    expect(said()).toContain('input: > ^C');
    expect(said().at(-1), 'and where it stands').toBe('output: => 0x100000 <main>: nop');
  });

  it('lets a selection be copied', () => {
    const field = document.createElement('input');
    field.value = 'slots';
    field.setSelectionRange(0, 3);
    const input = useConsoleInput(ref(field));
    input.text.value = 'slots';
    expect(input.handleKey(key('c', { ctrlKey: true }))).toBe(false);
    expect(input.text.value).toBe('slots');
    field.setSelectionRange(3, 3);
    input.handleKey(key('u', { ctrlKey: true }));
    expect(input.text.value, 'Ctrl+U drops what stands before the cursor').toBe('ts');
  });

  it('leaves Tab to the window when nothing is typed, and keys that are not its own', () => {
    const input = useConsoleInput(ref(null));
    expect(input.handleKey(key('Tab'))).toBe(false);
    expect(input.handleKey(key('F5'))).toBe(false);
    expect(input.handleKey(key('c', { ctrlKey: true }))).toBe(false);
    expect(input.handleKey(key('Escape'))).toBe(false);
  });
});
