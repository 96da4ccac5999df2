/** How fast the guest runs, from the status events themselves: no request is made for it. */
import { ref, watch } from 'vue';
import type { InjectionKey, Ref } from 'vue';
import { useMachineStore } from '../stores/machine-store.ts';

export const RUN_SPEED: InjectionKey<Readonly<Ref<number>>> = Symbol('instructions per second');

/** Milliseconds over which the speed is taken. */
const WINDOW = 500;

export function useRunSpeed(): Readonly<Ref<number>> {
  const machine = useMachineStore();
  const speed = ref(0);
  let since = 0;
  let insnsThen = 0;

  watch([() => machine.isRunning, () => machine.status?.moment.insns ?? 0] as const, ([isRunning, insns]) => {
    const now = performance.now();
    if (!isRunning || since === 0 || insns < insnsThen) {
      since = isRunning ? now : 0;
      insnsThen = insns;
      speed.value = 0;
    } else if (now - since >= WINDOW) {
      speed.value = ((insns - insnsThen) * 1000) / (now - since);
      since = now;
      insnsThen = insns;
    }
  });
  return speed;
}
