/** The tracepoints: which are on, and the newest lines of what they wrote. */
import type { RequestError, TraceLine } from '@core/protocol/index.ts';
import { MAX_CLIPBOARD_CHARACTERS } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { logTail } from '../api/log-tail.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

const LIMIT = 500;
const LIVE_LIMIT = 100;
const KEPT = 10_000;
const EXPORT_RECORDS = 8192;

export const useTraceStore = defineStore('trace', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  /** Names of the events that are on. */
  const events = shallowRef<readonly string[]>([]);
  const error = shallowRef<RequestError>();
  const tail = logTail<TraceLine>({ ask: read, limit: LIMIT, liveLimit: LIVE_LIMIT, kept: KEPT });
  const { records: lines, total, moment, refresh } = tail;
  /** Words that a line must hold, in its name or its text. */
  const filter = ref('');

  const shown = computed(() => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0) return lines.value;
    return lines.value.filter(({ event, text }) => {
      const whole = `${event} ${text}`.toLowerCase();
      return words.every((word) => whole.includes(word));
    });
  });

  async function setEvents(names: readonly string[]): Promise<void> {
    const answer = await desktop.call('trace.enable', { events: [...names] });
    error.value = answer.ok ? undefined : answer.error;
    if (answer.ok) events.value = answer.value.events;
  }

  /** Somebody else may have switched them: the console. */
  async function refreshEvents(): Promise<void> {
    const answer = await desktop.call('trace.enabled', {});
    if (answer.ok) events.value = answer.value.events;
  }

  /** A new machine has its tracepoints off: those that were on are turned on again. */
  async function restart(): Promise<void> {
    tail.clear();
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
    let text = '';
    for (let since = 0; ;) {
      const answer = await desktop.call('trace.export', { since, limit: EXPORT_RECORDS });
      error.value = answer.ok ? undefined : answer.error;
      if (!answer.ok || answer.value.text === '' || text.length + answer.value.text.length > MAX_CLIPBOARD_CHARACTERS)
        break;
      text += answer.value.text;
      since = answer.value.next;
    }
    await desktop.copyText(text);
    return text.length;
  }

  return { events, lines, total, moment, error, filter, shown, setEvents, refreshEvents, restart, refresh, copyAll };
});
