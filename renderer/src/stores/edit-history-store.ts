/** Edits of the user's that can be taken back: registers, memory, memslots, breakpoints. */
import { defineStore } from 'pinia';
import { computed, shallowRef, watch } from 'vue';
import { formatPlural } from '@core/format/quantity.ts';
import { useMachineStore } from './machine-store.ts';
import { useNoticesStore } from './notices-store.ts';
import { useTurnsStore } from './turns-store.ts';

export interface Edit {
  /** `rax = 0x5`. */
  readonly title: string;
  /** Resolve to false when they were refused; whoever recorded the edit says why where the user looks. */
  readonly undo: () => Promise<boolean>;
  readonly redo: () => Promise<boolean>;
  /** It prepares something and has not changed the machine: whether the guest has run since is nothing to it. */
  readonly isPlan?: boolean;
}

interface RecordedEdit {
  readonly edit: Edit;
  /** Instructions retired when it was made, or last made again. */
  readonly insns: number;
}

const KEPT = 200;

export const useEditHistoryStore = defineStore('edit-history', () => {
  const machine = useMachineStore();
  const notices = useNoticesStore();
  const turns = useTurnsStore();
  const done = shallowRef<readonly RecordedEdit[]>([]);
  const undone = shallowRef<readonly RecordedEdit[]>([]);

  const undoTitle = computed(() => done.value.at(-1)?.edit.title);
  const redoTitle = computed(() => undone.value.at(-1)?.edit.title);
  const canUndo = computed(() => undoTitle.value !== undefined);
  const canRedo = computed(() => redoTitle.value !== undefined);
  const now = (): number => machine.status?.moment.insns ?? 0;

  function record(edit: Edit): void {
    done.value = [...done.value.slice(1 - KEPT), { edit, insns: now() }];
    undone.value = [];
  }

  /** Whether nothing was recorded after it, and it has not been taken back. */
  const isLast = (edit: Edit): boolean => done.value.at(-1)?.edit === edit;

  /** A refused edit stays where it is: what was in its way may go. */
  const undo = (): Promise<void> =>
    turns.take(async () => {
      const last = done.value.at(-1);
      if (last === undefined || !(await last.edit.undo()) || done.value.at(-1) !== last) return;
      done.value = done.value.slice(0, -1);
      undone.value = [...undone.value, last];
      tell('Undone', last);
    });

  const redo = (): Promise<void> =>
    turns.take(async () => {
      const last = undone.value.at(-1);
      if (last === undefined || !(await last.edit.redo()) || undone.value.at(-1) !== last) return;
      undone.value = undone.value.slice(0, -1);
      done.value = [...done.value, { ...last, insns: now() }];
      tell('Done again', last);
    });

  /** The old value comes back whatever the guest has done meanwhile; that it has gone on is said. */
  function tell(what: string, { edit: { title, isPlan }, insns }: RecordedEdit): void {
    const since = isPlan === true ? 0 : now() - insns;
    const gone = since > 0 ? ` — the guest has run ${formatPlural(since, 'instruction')} since that edit` : '';
    notices.add('info', `${what}: ${title}${gone}`);
  }

  function clear(): void {
    done.value = [];
    undone.value = [];
  }

  // A machine made anew has none of these edits in it.
  watch(() => machine.loads, clear, { flush: 'sync' });

  return { undoTitle, redoTitle, canUndo, canRedo, isLast, record, undo, redo, clear };
});
