/** The generation: where it is, what has moved it, and how far it is from its wrap-around. */
import type { GenerationSnapshot, Reply, RequestError } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { keepUnchanged } from '../api/unchanged.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useTurnsStore } from './turns-store.ts';

/** Parts of the timeline of outcomes. */
const BUCKETS = 60;

export const useGenerationStore = defineStore('generation', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const turns = useTurnsStore();
  const requests = latestRequest();
  const timelines = latestRequest();
  const snapshot = shallowRef<GenerationSnapshot>();
  /** How the newest MMIO faults came out. */
  const timeline = shallowRef<Reply<'mmio.timeline'>>();
  const error = shallowRef<RequestError>();

  /** An era without a generation in its sptes says −1. */
  const hasGeneration = computed(() => (machine.status?.moment.mmioGeneration ?? -1) >= 0);
  const toWrap = computed(() => machine.status?.generationsToWrap ?? -1);
  const current = computed(() => machine.status?.moment.mmioGeneration ?? -1);
  /** How much of the way to the wrap-around is behind us, 0 … 1. */
  const fraction = computed(() => {
    const { wrapAt } = snapshot.value ?? { wrapAt: 0 };
    return wrapAt > 0 && hasGeneration.value ? Math.min(1, current.value / wrapAt) : 0;
  });

  /** Why it cannot be moved there; undefined when it can. Forward only: sptes of a later generation would come to life again. */
  function whyNotBeforeWrap(changes: unknown): string | undefined {
    if (typeof changes !== 'number' || !Number.isInteger(changes) || changes < 0) return 'a whole number of changes';
    if (changes === toWrap.value) return 'that is where it is';
    return changes > toWrap.value ? 'forward only: it is nearer than that' : undefined;
  }

  async function refresh(): Promise<void> {
    const answer = await requests.run(() => desktop.call('generation.read', {}));
    if (answer === undefined) return;
    error.value = answer.ok ? undefined : answer.error;
    if (answer.ok && machine.admit(answer.value.moment)) snapshot.value = keepUnchanged(snapshot.value, answer.value);
  }

  async function refreshTimeline(): Promise<void> {
    const answer = await timelines.run(() => desktop.call('mmio.timeline', { buckets: BUCKETS }));
    if (answer?.ok && machine.admit(answer.value.moment)) timeline.value = keepUnchanged(timeline.value, answer.value);
  }

  /** Moves the generation so that `changes` more memslot changes wrap it. */
  const setBeforeWrap = (changes: number): Promise<boolean> =>
    turns.take(async () => {
      // A change of memslots just before has moved it.
      await machine.refreshStatus();
      return setNow(changes);
    });

  async function setNow(changes: number): Promise<boolean> {
    const status = machine.status;
    if (status === undefined || status.generationsToWrap < 0 || whyNotBeforeWrap(changes) !== undefined) return false;
    const distance = BigInt((status.generationsToWrap - changes) * (snapshot.value?.perInstall ?? 1));
    const answer = await desktop.call('generation.set', {
      memslotsGeneration: BigInt.asUintN(64, status.moment.memslotsGeneration + distance),
    });
    error.value = answer.ok ? undefined : answer.error;
    if (answer.ok && machine.admit(answer.value.moment)) snapshot.value = answer.value;
    return answer.ok;
  }

  return {
    snapshot,
    error,
    hasGeneration,
    toWrap,
    current,
    fraction,
    timeline,
    refresh,
    refreshTimeline,
    whyNotBeforeWrap,
    setBeforeWrap,
  };
});
