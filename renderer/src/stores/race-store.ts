/** The race that is being played: its script, what came of it line by line, and in which kernels its bug strikes. */
import type { RaceOutcomes, RaceScriptText, RequestError } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import type { Era, MmuMode } from '../api/contract-words.ts';
import { ERA_CHOICES } from '../layout/machine-choices.ts';
import { useDesktopStore } from './desktop-store.ts';

/** What a script came to in one kernel, by playing it there. */
export interface EraResult {
  readonly era: Era;
  readonly bugs: RaceOutcomes['bugs'];
  readonly failures: readonly string[];
  /** Why it cannot be played there. */
  readonly refusal: string | undefined;
}

export const useRaceStore = defineStore('race', () => {
  const desktop = useDesktopStore();
  const plays = latestRequest();
  const races = shallowRef<readonly RaceScriptText[]>([]);
  const name = ref('stale-cache');
  /** Whether the start page shows the player. */
  const isOpen = ref(false);
  const script = ref('');
  const era = ref<Era>('patch');
  const mmu = ref<MmuMode>('ept');
  const outcomes = shallowRef<RaceOutcomes>();
  const eras = shallowRef<readonly EraResult[]>([]);
  const error = shallowRef<RequestError>();
  /** Lines of it that are shown. */
  const shown = ref(0);

  const events = computed(() => outcomes.value?.events.slice(0, shown.value) ?? []);
  const latest = computed(() => events.value.at(-1));
  const isOver = computed(() => outcomes.value !== undefined && shown.value >= outcomes.value.events.length);
  const original = computed(() => races.value.find((race) => race.name === name.value)?.script ?? '');
  const titles = computed(() =>
    races.value.map(({ name: which, script: text }) => ({
      name: which,
      title: /^title (.*)$/m.exec(text)?.[1] ?? which,
    })),
  );
  const isEdited = computed(() => script.value !== original.value);

  async function loadRaces(): Promise<void> {
    if (races.value.length > 0) return;
    const answer = await desktop.call('race.labs', {});
    if (!answer.ok) {
      error.value = answer.error;
      return;
    }
    races.value = answer.value;
    choose();
  }

  /** Another script, kernel or MMU: what was played is of the last one. */
  function forget(): void {
    plays.forget();
    outcomes.value = undefined;
    eras.value = [];
    error.value = undefined;
    shown.value = 0;
  }

  function choose(): void {
    script.value = original.value;
    forget();
  }

  async function open(which: string): Promise<void> {
    await loadRaces();
    isOpen.value = true;
    if (which === name.value) return;
    name.value = which;
    choose();
  }

  /** Plays it on a machine of its own, in the chosen kernel and in every other; the lines are then shown one by one. */
  async function play(): Promise<void> {
    forget();
    const asked = { script: script.value, mmu: mmu.value };
    const results: EraResult[] = [];
    for (const { value } of ERA_CHOICES) {
      const answer = await plays.run(() => desktop.call('race.run', { ...asked, era: value }));
      // Another one was chosen meanwhile, or the same begun anew: nothing is told of this one.
      if (answer === undefined) return;
      if (value === era.value) {
        outcomes.value = answer.ok ? answer.value : undefined;
        error.value = answer.ok ? undefined : answer.error;
      }
      results.push(
        answer.ok
          ? { era: value, bugs: answer.value.bugs, failures: answer.value.failures, refusal: undefined }
          : { era: value, bugs: [], failures: [], refusal: answer.error.message },
      );
    }
    // A script that cannot be read says so once.
    eras.value = outcomes.value === undefined ? [] : results;
  }

  function go(lines: number): void {
    shown.value = Math.min(outcomes.value?.events.length ?? 0, Math.max(0, shown.value + lines));
  }

  return {
    races,
    titles,
    isOpen,
    open,
    name,
    script,
    era,
    mmu,
    outcomes,
    eras,
    error,
    shown,
    events,
    latest,
    isOver,
    isEdited,
    loadRaces,
    choose,
    forget,
    play,
    go,
  };
});
