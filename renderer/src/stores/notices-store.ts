/** What the engine and the window have to say that belongs to no panel: the log, and the newest problem. */
import type { RequestError } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { refusalText } from '../api/request-refusal.ts';

export interface Notice {
  readonly id: number;
  readonly level: 'info' | 'warning' | 'error';
  readonly text: string;
}

const KEPT = 200;

export const useNoticesStore = defineStore('notices', () => {
  const notices = shallowRef<readonly Notice[]>([]);
  const dismissed = ref(0);
  const latest = computed(() => notices.value.at(-1));
  /** The newest problem that nobody has closed. */
  const problem = computed(() => notices.value.findLast(({ id, level }) => level === 'error' && id > dismissed.value));

  function add(level: Notice['level'], text: string): void {
    const id = (latest.value?.id ?? 0) + 1;
    notices.value = [...notices.value.slice(1 - KEPT), { id, level, text }];
  }

  const addError = (error: RequestError): void => add('error', refusalText(error));
  function dismiss(): void {
    dismissed.value = latest.value?.id ?? 0;
  }

  /** Something has come to a good end: problems on the way there are none any more. */
  function settle(text: string): void {
    add('info', text);
    dismiss();
  }

  return { notices, latest, problem, dismissed, add, addError, dismiss, settle };
});
