/** Dirty logs of memslots, as they were read last. */
import type { RequestError } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, shallowRef, watch } from 'vue';
import { dirtyRuns } from '../memory-map/dirty-pages.ts';
import type { DirtyRun } from '../memory-map/dirty-pages.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useMemslotsStore } from './memslots-store.ts';

export interface DirtyLog {
  readonly slot: number;
  /** Instructions retired when it was read. */
  readonly insns: number;
  readonly pages: number;
  readonly runs: readonly DirtyRun[];
}

export const useDirtyLogStore = defineStore('dirty-log', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const memslots = useMemslotsStore();
  const logs = shallowRef<readonly DirtyLog[]>([]);
  const error = shallowRef<RequestError>();

  const runs = computed(() => logs.value.flatMap((log) => log.runs).toSorted((a, b) => (a.gpa < b.gpa ? -1 : 1)));
  /** Slots that can be asked. */
  const logging = computed(() => memslots.slots.filter(({ logDirtyPages }) => logDirtyPages));

  /** KVM_GET_DIRTY_LOG: reading clears the log and write-protects the pages again. */
  async function read(slot: number): Promise<boolean> {
    const gpa = memslots.slots.find(({ id }) => id === slot)?.gpa;
    const answer = await desktop.call('memslots.dirtyLog', { slot });
    error.value = answer.ok ? undefined : answer.error;
    if (!answer.ok || gpa === undefined) return false;
    const found = dirtyRuns(answer.value.bitmap, gpa);
    const pages = found.reduce((sum, run) => sum + run.pages, 0);
    const log = { slot, insns: answer.value.moment.insns, pages, runs: found };
    logs.value = [...logs.value.filter((one) => one.slot !== slot), log];
    memslots.announcement = `Dirty log of slot ${slot}: ${pages} pages`;
    await memslots.refresh();
    return true;
  }

  async function readAll(): Promise<void> {
    for (const { id } of logging.value) await read(id);
  }

  function clear(): void {
    logs.value = [];
    error.value = undefined;
  }

  watch(() => machine.loads, clear);

  return { logs, runs, logging, error, read, readAll, clear };
});
