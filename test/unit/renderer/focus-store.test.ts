import { beforeEach, describe, expect, it } from 'vitest';
import { gpaOfFocus, useFocusStore } from '../../../renderer/src/stores/focus-store.ts';
import { startStores } from './stores.ts';

beforeEach(async () => {
  await startStores();
});

describe('the focus', () => {
  it('goes back and forward through what was looked at', () => {
    const focus = useFocusStore();
    expect(focus.focus).toBeUndefined();
    focus.show({ kind: 'gfn', gfn: 1 });
    focus.show({ kind: 'gfn', gfn: 2 });
    focus.show({ kind: 'gfn', gfn: 3 });
    focus.back();
    focus.back();
    expect(focus.focus).toEqual({ kind: 'gfn', gfn: 1 });
    expect([focus.canGoBack, focus.canGoForward]).toEqual([false, true]);
    focus.forward();
    expect(focus.focus).toEqual({ kind: 'gfn', gfn: 2 });
  });

  it('forgets what was ahead when something new is looked at', () => {
    const focus = useFocusStore();
    focus.show({ kind: 'gfn', gfn: 1 });
    focus.show({ kind: 'gfn', gfn: 2 });
    focus.back();
    focus.show({ kind: 'gfn', gfn: 9 });
    expect(focus.canGoForward).toBe(false);
    expect(focus.history.map((one) => gpaOfFocus(one))).toEqual([0x1000n, 0x9000n]);
  });

  it('has a guest physical address only where it is about one', () => {
    expect(gpaOfFocus({ kind: 'address', space: 'gpa', address: 5n })).toBe(5n);
    expect(gpaOfFocus({ kind: 'address', space: 'gva', address: 5n })).toBeUndefined();
    expect(gpaOfFocus({ kind: 'slot', slot: 1, gpa: 0x10_0000n, size: 1n })).toBe(0x10_0000n);
    expect(gpaOfFocus(undefined)).toBeUndefined();
  });
});
