/** Keeps a panel up to date: at every stop, and while the guest runs as often as it asks for — but only while it is seen. */
import { inject, onScopeDispose, ref, watch } from 'vue';
import type { InjectionKey, Ref } from 'vue';
import { LIVE_HERTZ, useLiveClockStore } from '../stores/live-clock-store.ts';
import { useMachineStore } from '../stores/machine-store.ts';

/** Whether the panel that a component is in can be seen. */
export const PANEL_VISIBLE: InjectionKey<Readonly<Ref<boolean>>> = Symbol('panel visible');

export interface LiveRefresh {
  /** Asks again as soon as the request under way is done. */
  readonly refresh: () => void;
}

/**
 * @param ask one round of requests
 * @param perSecond how often while the guest runs; 0 = only at stops
 */
export function useLiveRefresh(ask: () => Promise<unknown>, perSecond: number = LIVE_HERTZ): LiveRefresh {
  const machine = useMachineStore();
  const clock = useLiveClockStore();
  const isVisible = inject(PANEL_VISIBLE, ref(true));
  let isAsking = false;
  let isStale = false;

  const isWanted = (): boolean => isVisible.value && machine.hasMachine;

  async function round(): Promise<void> {
    isStale = true;
    if (isAsking) return;
    isAsking = true;
    while (isStale && isWanted()) {
      isStale = false;
      await ask();
    }
    isAsking = false;
  }

  const refresh = (): void => void round();

  watch(
    [() => machine.epoch, () => machine.isRunning, () => machine.selectedVcpu, () => machine.hasMachine, isVisible],
    refresh,
    { immediate: true },
  );
  const leave =
    perSecond > 0
      ? clock.join({
          every: Math.max(1, Math.round(LIVE_HERTZ / perSecond)),
          // What is being asked already is not asked twice.
          ask: async () => (isAsking || !isWanted() ? undefined : round()),
        })
      : undefined;
  onScopeDispose(() => {
    leave?.();
    isStale = false;
  });

  return { refresh };
}
