/** The tracepoints: which are on, and the newest lines of what they wrote. */
import type { RequestError, TraceLine } from '@core/protocol/index.ts';
import { MAX_CLIPBOARD_CHARACTERS } from '@core/protocol/index.ts';
import { parseFtraceLine } from '@core/format/ftrace-line.ts';
import { formatCount } from '@core/format/quantity.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { logAround } from '../api/log-around.ts';
import { logTail } from '../api/log-tail.ts';
import { holdsWords, wordsOf } from '../layout/trace-search.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useNoticesStore } from './notices-store.ts';
import { useTurnsStore } from './turns-store.ts';

const LIMIT = 500;
const LIVE_LIMIT = 100;
const KEPT = 10_000;
const EXPORT_RECORDS = 8192;
const MAX_EXPORT_CHARACTERS = 60 * 1024 * 1024;
const HEADER = '# tracer: nop\n#\n';

export const useTraceStore = defineStore('trace', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const notices = useNoticesStore();
  const turns = useTurnsStore();
  /** Names of the events that are on. */
  const events = shallowRef<readonly string[]>([]);
  const error = shallowRef<RequestError>();
  const tail = logTail<TraceLine>({ ask: read, limit: LIMIT, liveLimit: LIVE_LIMIT, kept: KEPT });
  const { records: lines, total, moment, refresh } = tail;
  /** Words that a line must hold, in its name or its text. */
  const filter = ref('');

  /** Lines around a moment of the past, instead of the newest. */
  const past = shallowRef<readonly TraceLine[]>();

  const shown = computed(() => {
    const words = wordsOf(filter.value);
    const all = past.value ?? lines.value;
    return words.length === 0 ? all : all.filter(({ event, text }) => holdsWords(event, text, words));
  });

  /** Shows what was traced around a moment. @returns the running number of the line, undefined when there is none */
  async function goTo(insns: number): Promise<number | undefined> {
    await refresh();
    const around = await logAround(read, insns, LIMIT);
    if (around === undefined) return undefined;
    const isInTail = (lines.value.at(0)?.seq ?? Infinity) <= around.seq;
    past.value = isInTail ? undefined : around.records;
    return around.seq;
  }

  function showNewest(): void {
    past.value = undefined;
  }

  async function setEvents(names: readonly string[]): Promise<void> {
    const answer = await desktop.call('trace.enable', { events: [...names] });
    error.value = answer.ok ? undefined : answer.error;
    if (answer.ok) events.value = answer.value.events;
  }

  /** Some on or off; the others stay as they are by then. */
  const switchEvents = (names: readonly string[], on: boolean): Promise<void> =>
    turns.take(() => {
      const others = events.value.filter((name) => !names.includes(name));
      return setEvents(on ? [...others, ...names] : others);
    });

  /** Somebody else may have switched them: the console. */
  async function refreshEvents(): Promise<void> {
    const answer = await desktop.call('trace.enabled', {});
    if (answer.ok) events.value = answer.value.events;
  }

  /** A new machine has its tracepoints off: those that were on are turned on again. */
  async function restart(): Promise<void> {
    tail.clear();
    showNewest();
    if (events.value.length > 0) await setEvents(events.value);
  }

  async function read(since: number, limit: number) {
    const answer = await desktop.call('trace.read', { since, limit });
    if (!answer.ok) error.value = answer.error;
    if (!answer.ok || !machine.admit(answer.value.moment)) return undefined;
    return { ...answer.value, records: answer.value.lines };
  }

  /** Everything that the ring still holds, as ftrace prints it. @returns how many characters were copied */
  async function copyAll(): Promise<number> {
    const { text } = await wholeText(MAX_CLIPBOARD_CHARACTERS);
    await desktop.copyText(text);
    notices.add('info', `The trace is copied: ${formatCount(text.length)} characters`);
    return text.length;
  }

  /** All that the ring holds, as ftrace prints it; whole pieces of it up to a number of characters. */
  async function wholeText(most: number): Promise<{ readonly text: string; readonly isWhole: boolean }> {
    const pieces: string[] = [];
    let length = 0;
    // A guest that runs traces on: it ends at what there is now.
    const now = await read(Number.MAX_SAFE_INTEGER, 1);
    for (let since = 0; ;) {
      const answer = await desktop.call('trace.export', { since, limit: EXPORT_RECORDS });
      error.value = answer.ok ? undefined : answer.error;
      if (!answer.ok) return { text: pieces.join(''), isWhole: false };
      if (answer.value.text === '' || since >= (now?.total ?? 0)) return { text: pieces.join(''), isWhole: true };
      length += answer.value.text.length;
      if (length > most) return { text: pieces.join(''), isWhole: false };
      pieces.push(answer.value.text);
      since = answer.value.next;
    }
  }

  /** What the filter shows, of all that the ring holds and not only of what is on screen, into a file. */
  async function exportShown(): Promise<boolean> {
    const { text, isWhole } = await wholeText(MAX_EXPORT_CHARACTERS);
    const words = wordsOf(filter.value);
    const wanted = text
      .split('\n')
      .slice(0, -1)
      .filter((line) => {
        if (words.length === 0) return true;
        const parsed = parseFtraceLine(line);
        return parsed !== undefined && holdsWords(parsed.event, parsed.text, words);
      });
    if (wanted.length === 0) {
      notices.add('warning', 'No line of the trace is shown: there is nothing to export.');
      return false;
    }
    if (!isWhole)
      notices.add(
        'warning',
        `Only the first ${formatCount(wanted.length)} lines are exported: there are too many for one file.`,
      );
    const bytes = new TextEncoder().encode(`${HEADER}${wanted.map((line) => `${line}\n`).join('')}`);
    return desktop.saveFile('trace', 'txt', bytes);
  }

  return {
    events,
    lines,
    total,
    moment,
    error,
    filter,
    past,
    shown,
    setEvents,
    switchEvents,
    refreshEvents,
    restart,
    refresh,
    goTo,
    showNewest,
    copyAll,
    exportShown,
  };
});
