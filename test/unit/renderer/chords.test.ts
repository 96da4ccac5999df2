/** Keys of two strokes, as the window hears them. */
import { enableAutoUnmount, mount } from '@vue/test-utils';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { defineComponent, h } from 'vue';
import { useKeyboard } from '../../../renderer/src/composables/useKeyboard.ts';
import { useBreakpointsStore } from '../../../renderer/src/stores/breakpoints-store.ts';
import { useChordStore } from '../../../renderer/src/stores/chord-store.ts';
import { useNoticesStore } from '../../../renderer/src/stores/notices-store.ts';
import { startStores } from './stores.ts';

enableAutoUnmount(afterEach);

let typed: string[];

beforeEach(async () => {
  await startStores();
  typed = [];
  vi.useFakeTimers();
  const page = defineComponent({
    setup() {
      useKeyboard();
      return () => h('input', { onKeydown: ({ key }: KeyboardEvent) => typed.push(key) });
    },
  });
  mount(page, { attachTo: document.body });
});
afterEach(() => {
  vi.useRealTimers();
});

/** @returns whether it is left to whoever has the keyboard */
function press(key: string, how: KeyboardEventInit = {}): boolean {
  const field = document.querySelector('input');
  return field?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...how })) ?? false;
}
const begin = (): boolean => press('k', { ctrlKey: true });

describe('a key of two strokes', () => {
  it('is a command, wherever the keyboard is, and nothing of it is typed', () => {
    expect(begin()).toBe(false);
    expect(useChordStore().isBegun).toBe(true);
    expect(press('b')).toBe(false);
    expect(useBreakpointsStore().wanted).toBe('form');
    expect(useChordStore().isBegun).toBe(false);
    expect(typed).not.toContain('b');
    expect(press('b')).toBe(true);
  });

  it.each([
    ['with Ctrl held on', [['b', { ctrlKey: true }]]],
    [
      'behind a Shift that it does not need',
      [
        ['Shift', { shiftKey: true }],
        ['Control', {}],
        ['b', {}],
      ],
    ],
  ] as const)('may be pressed %s', (_how, strokes) => {
    begin();
    for (const [key, how] of strokes) press(key, how);
    expect(useBreakpointsStore().wanted).toBe('form');
  });

  it('tells a stroke with Shift from one without', () => {
    begin();
    // To remove all, of which there are none.
    expect(press('B', { shiftKey: true })).toBe(false);
    expect(useBreakpointsStore().wanted).toBeUndefined();
    expect(useNoticesStore().latest?.text ?? '').not.toContain('No command');
  });

  it('is not two strokes because the first is held down', () => {
    begin();
    for (let times = 0; times < 5; times++) press('k', { ctrlKey: true, repeat: true });
    expect(useChordStore().isBegun).toBe(true);
  });

  it('is given up by Escape, by another window, and after a while', () => {
    const chord = useChordStore();
    begin();
    press('Escape');
    expect(chord.isBegun).toBe(false);
    begin();
    window.dispatchEvent(new Event('blur'));
    expect(chord.isBegun).toBe(false);
    begin();
    vi.advanceTimersByTime(1000);
    expect([chord.isBegun, chord.isHesitating]).toEqual([true, true]);
    vi.advanceTimersByTime(10_000);
    expect([chord.isBegun, chord.isHesitating]).toEqual([false, false]);
  });

  it('that no command has is said to be none', () => {
    begin();
    press('F19');
    expect(useNoticesStore().latest?.text).toBe('No command has the key Ctrl+K F19.');
  });
});
