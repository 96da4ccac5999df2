import { enableAutoUnmount, mount } from '@vue/test-utils';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { defineComponent, h, nextTick, ref } from 'vue';
import { PANEL_VISIBLE, useLiveRefresh } from '../../../renderer/src/composables/useLiveRefresh.ts';
import { useMachineStore } from '../../../renderer/src/stores/machine-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

enableAutoUnmount(afterEach);

let engine: FakeEngine;
const isVisible = ref(true);
let asked: number;

beforeEach(async () => {
  engine = await startStores();
  isVisible.value = true;
  asked = 0;
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function mountPanel(perSecond: number) {
  const panel = defineComponent({
    setup() {
      useLiveRefresh(async () => {
        asked += 1;
      }, perSecond);
      return () => h('div');
    },
  });
  return mount(panel, { global: { provide: { [PANEL_VISIBLE]: isVisible } } });
}

const settle = (): Promise<void> => vi.advanceTimersByTimeAsync(0).then(() => nextTick());

describe('a panel', () => {
  it('asks once when it appears and once at every stop', async () => {
    mountPanel(10);
    await settle();
    expect(asked).toBe(1);
    engine.stop({ kind: 'step' });
    await settle();
    expect(asked).toBe(2);
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toBe(2);
  });

  it('asks so often and no more while the guest runs', async () => {
    mountPanel(10);
    await useMachineStore().run();
    await settle();
    asked = 0;
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toBeGreaterThanOrEqual(9);
    expect(asked).toBeLessThanOrEqual(11);
  });

  it('follows the guest although another one gets no answer any more', async () => {
    const slow = defineComponent({
      setup() {
        let rounds = 0;
        useLiveRefresh(() => {
          rounds += 1;
          return rounds < 5 ? Promise.resolve() : new Promise(() => undefined);
        });
        return () => h('div');
      },
    });
    mount(slow, { global: { provide: { [PANEL_VISIBLE]: isVisible } } });
    mountPanel(10);
    await settle();
    await useMachineStore().run();
    await settle();
    asked = 0;
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toBeGreaterThanOrEqual(9);
  });

  it('asks nothing while nobody sees it, and at once when somebody does', async () => {
    mountPanel(10);
    await settle();
    isVisible.value = false;
    await useMachineStore().run();
    await settle();
    asked = 0;
    await vi.advanceTimersByTimeAsync(1000);
    engine.stop({ kind: 'paused' });
    await settle();
    expect(asked).toBe(0);
    isVisible.value = true;
    await settle();
    expect(asked).toBe(1);
  });

  it('asks nothing more when it is closed', async () => {
    const panel = mountPanel(10);
    await useMachineStore().run();
    await settle();
    panel.unmount();
    asked = 0;
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toBe(0);
  });
});
