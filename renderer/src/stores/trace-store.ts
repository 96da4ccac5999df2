/** The tracepoints: which are on, and the newest lines of what they wrote. */
import type { Moment, RequestError, TraceLine, TraceSnapshot } from '@core/protocol/index.ts';
import { MAX_CLIPBOARD_CHARACTERS } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
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
  /** Oldest first. */
  const lines = shallowRef<readonly TraceLine[]>([]);
  const total = ref(0);
  const moment = shallowRef<Moment>();
  const error = shallowRef<RequestError>();
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

  /** A new machine has its tracepoints off: those that were on are turned on again. */
  async function restart(): Promise<void> {
    lines.value = [];
    total.value = 0;
    moment.value = undefined;
    if (events.value.length > 0) await setEvents(events.value);
  }

  /** Only the tail is of use to a reader; what was skipped shows as a gap in the running numbers. */
  async function refresh(): Promise<void> {
    const probe = await desktop.call('trace.read', { since: Number.MAX_SAFE_INTEGER, limit: 1 });
    error.value = probe.ok ? error.value : probe.error;
    if (!probe.ok || !machine.admit(probe.value.moment)) return;
    apply(probe.value);
    const next = (lines.value.at(-1)?.seq ?? -1) + 1;
    if (next >= total.value) return;
    const limit = probe.value.moment.live ? LIVE_LIMIT : LIMIT;
    const answer = await desktop.call('trace.read', { since: Math.max(next, total.value - limit), limit });
    if (answer.ok && machine.admit(answer.value.moment)) apply(answer.value);
  }

  function apply(next: TraceSnapshot): void {
    const kept = next.total < total.value ? [] : lines.value;
    const newest = kept.at(-1)?.seq ?? -1;
    const fresh = next.lines.filter(({ seq }) => seq > newest);
    moment.value = next.moment;
    total.value = next.total;
    if (kept !== lines.value || fresh.length > 0) lines.value = [...kept, ...fresh].slice(-KEPT);
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

  return { events, lines, total, moment, error, filter, shown, setEvents, restart, refresh, copyAll };
});
