/** Keeps a panel up to date: at every stop, and while the guest runs as often as it asks for — but only while it is seen. */
import { inject, onScopeDispose, ref, watch } from 'vue';
import type { InjectionKey, Ref } from 'vue';
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
export function useLiveRefresh(ask: () => Promise<unknown>, perSecond: number): LiveRefresh {
  const machine = useMachineStore();
  const isVisible = inject(PANEL_VISIBLE, ref(true));
  let isAsking = false;
  let isStale = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const isWanted = (): boolean => isVisible.value && machine.hasMachine;

  async function round(): Promise<void> {
    clearTimeout(timer);
    isStale = true;
    if (isAsking) return;
    isAsking = true;
    while (isStale && isWanted()) {
      isStale = false;
      await ask();
    }
    isAsking = false;
    if (machine.isRunning && perSecond > 0 && isWanted()) timer = setTimeout(refresh, 1000 / perSecond);
  }

  const refresh = (): void => void round();

  watch(
    () => [machine.epoch, machine.isRunning, machine.selectedVcpu, machine.hasMachine, isVisible.value] as const,
    refresh,
    { immediate: true },
  );
  onScopeDispose(() => {
    clearTimeout(timer);
    isStale = false;
  });

  return { refresh };
}
