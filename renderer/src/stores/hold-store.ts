/** A memslot update of the present machine that stands between two of its steps, and what vCPUs do meanwhile. */
import type { Answer, HoldSnapshot, RequestError, UserMemoryRegion } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useMemslotsStore } from './memslots-store.ts';
import { useTurnsStore } from './turns-store.ts';

/** The calls that were begun, for whoever makes them again. */
interface Begun {
  readonly title: string;
  readonly regions: readonly UserMemoryRegion[];
  /** What stood on the list. */
  readonly before: ReturnType<ReturnType<typeof useMemslotsStore>['prepared']>;
}

export const useHoldStore = defineStore('hold', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const memslots = useMemslotsStore();
  const turns = useTurnsStore();
  const requests = latestRequest();
  const snapshot = shallowRef<HoldSnapshot>();
  const error = shallowRef<RequestError>();
  /** Somebody has read what came of the last one. */
  const isDismissed = ref(true);
  let begun: Begun | undefined;

  const isHeld = computed(() => machine.heldUpdate !== undefined);
  const held = computed(() => (isHeld.value ? snapshot.value?.held : undefined));
  const isShown = computed(() => isHeld.value || (!isDismissed.value && (snapshot.value?.events.length ?? 0) > 0));

  async function refresh(): Promise<void> {
    if (!isHeld.value && snapshot.value?.held === undefined) return;
    const answer = await requests.run(() => desktop.call('hold.read', {}));
    if (answer?.ok) snapshot.value = answer.value;
  }

  /** @returns whether it went through */
  async function take(answer: Answer<'hold.read'>): Promise<boolean> {
    error.value = answer.ok ? undefined : answer.error;
    if (!answer.ok) return false;
    snapshot.value = answer.value;
    await machine.refreshStatus();
    if (answer.value.held === undefined) recordFinished(answer.value);
    await memslots.refresh();
    return true;
  }

  function recordFinished({ inverse, reports }: HoldSnapshot): void {
    if (begun === undefined) return;
    const { title, regions, before } = begun;
    begun = undefined;
    memslots.announcement = `Applied, step by step: ${title}`;
    if (reports.length > 0) memslots.recordApplied(title, regions, inverse, before);
  }

  /** Everything that Apply would do, one step at a time. */
  const begin = (): Promise<boolean> => turns.take(beginNow);

  async function beginNow(): Promise<boolean> {
    if (!memslots.canApply) return false;
    if (machine.isRunning) await machine.standStill();
    const asked = { title: memslots.planTitle, regions: memslots.calls.flat(), before: memslots.prepared() };
    const answer = await desktop.call('hold.begin', { regions: asked.regions });
    if (answer.ok) {
      begun = asked;
      isDismissed.value = false;
      memslots.leavePlan();
      memslots.dismissApplied();
      memslots.announcement = `Held between its steps: ${asked.title}`;
    }
    const taken = await take(answer);
    // Where every refusal of a change is shown.
    memslots.error = error.value;
    return taken;
  }

  /** Of an update that has ended by then nothing goes on. */
  const goOn = (ask: () => Promise<Answer<'hold.read'>>): Promise<boolean> =>
    turns.take(async () => isHeld.value && take(await ask()));
  const step = (): Promise<boolean> => goOn(() => desktop.call('hold.step', {}));
  const finish = (): Promise<boolean> => goOn(() => desktop.call('hold.finish', {}));
  /** @param insns instructions to retire; without a number up to the next exit */
  const runVcpu = (vcpu: number, insns?: number): Promise<boolean> =>
    goOn(() => desktop.call('hold.vcpu', { vcpu, ...(insns === undefined ? {} : { insns }) }));

  function dismiss(): void {
    isDismissed.value = true;
    error.value = undefined;
  }

  watch(
    () => machine.loads,
    () => {
      snapshot.value = undefined;
      begun = undefined;
      dismiss();
    },
  );

  return { snapshot, error, isHeld, held, isShown, refresh, begin, step, finish, runVcpu, dismiss };
});
