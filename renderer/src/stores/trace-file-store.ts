/** A trace of another machine, imported from an ftrace text: a source of its own beside the live trace, never mixed with it. */
import type { TraceFile } from '@core/protocol/index.ts';
import { parseFtraceLine, type FtraceLine } from '@core/format/ftrace-line.ts';
import { formatCount, formatPlural } from '@core/format/quantity.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { SpteFormat } from '../layout/linked-number.ts';
import { matchingLines, wordsOf } from '../layout/trace-search.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useNoticesStore } from './notices-store.ts';
import { useTraceStore } from './trace-store.ts';

export const useTraceFileStore = defineStore('trace-file', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const notices = useNoticesStore();
  const trace = useTraceStore();
  const file = shallowRef<TraceFile>();
  /** Whether the panel shows it instead of the live trace. */
  const isShown = ref(false);
  /** Why a file was refused, to be read where it was asked for. */
  const refusal = ref<string>();
  /** What kernel and host the file is of: nothing in it says so. */
  const host = ref<SpteFormat>({ era: 'patch', mmu: 'ept', maxPhyAddr: 40 });

  const name = computed(() => file.value?.path.split(/[\\/]/).at(-1) ?? '');
  const lower = computed(() => file.value?.text.toLowerCase() ?? '');
  /** The lines that hold the words of the filter; undefined while all are shown. */
  const matches = computed(() => {
    const words = wordsOf(trace.filter);
    return file.value && words.length > 0 ? matchingLines(file.value, lower.value, words) : undefined;
  });
  const total = computed(() => file.value?.eventAt.length ?? 0);
  const count = computed(() => matches.value?.length ?? total.value);

  /** What the file lacks, in words. */
  const lacks = computed(() => {
    const { isCut, lost = 0 } = file.value ?? {};
    return [
      ...(isCut ? [`the file goes on: its first ${formatCount(total.value)} events are here`] : []),
      ...(lost > 0 ? [`${formatPlural(lost, 'event')} lost when it was taken`] : []),
    ].join('; ');
  });

  const lineOf = (index: number): number => matches.value?.[index] ?? index;

  /** @param index among those that are shown */
  function textAt(index: number): string {
    const { text, starts } = file.value ?? { text: '', starts: [] };
    const line = lineOf(index);
    return text.slice(starts[line], starts[line + 1] - 1);
  }

  const rowAt = (index: number): FtraceLine | undefined => parseFtraceLine(textAt(index));
  /** The line's number in the file. */
  const numberAt = (index: number): number => file.value?.lines[lineOf(index)] ?? 0;

  async function open(): Promise<boolean> {
    const answer = await desktop.ask((window) => window.openTrace());
    if (answer === undefined) return false;
    refusal.value = answer.ok ? undefined : answer.message;
    if (!answer.ok) return false;
    file.value = answer.value;
    isShown.value = true;
    if (machine.status !== undefined) {
      const { era, mmu, maxPhyAddr } = machine.status;
      host.value = { era, mmu, maxPhyAddr };
    }
    return true;
  }

  function close(): void {
    file.value = undefined;
    isShown.value = false;
    refusal.value = undefined;
  }

  /** The lines that are shown, as they stand in the file. */
  async function exportShown(): Promise<boolean> {
    const { text = '' } = file.value ?? {};
    const lines =
      matches.value === undefined ? text : Array.from(matches.value, (_line, i) => `${textAt(i)}\n`).join('');
    const bytes = Uint8Array.from(lines, (letter) => letter.charCodeAt(0));
    if (bytes.length === 0) {
      notices.add('warning', 'No line is shown: there is nothing to export.');
      return false;
    }
    return desktop.saveFile('trace-part', 'txt', bytes);
  }

  return {
    file,
    isShown,
    refusal,
    host,
    name,
    total,
    count,
    lacks,
    textAt,
    rowAt,
    numberAt,
    open,
    close,
    exportShown,
  };
});
