/** The first serial port: what the guest has sent, and what is typed to it. */
import type { EngineEvent, RequestError } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { ref, shallowRef } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { useDesktopStore } from './desktop-store.ts';

/** Who shows it. */
interface SerialScreen {
  /** Everything anew. */
  begin(bytes: Uint8Array): void;
  more(bytes: Uint8Array): void;
}

type SerialEvent = Extract<EngineEvent, { kind: 'serial' }>;

export const useSerialStore = defineStore('serial', () => {
  const desktop = useDesktopStore();
  const histories = latestRequest();
  const error = shallowRef<RequestError>();
  /** Grows when what was on the terminal belongs to a machine that is gone. */
  const clears = ref(0);
  const screens = new Set<SerialScreen>();
  /** Bytes of the guest that the screens have; undefined while the history is on its way. */
  let shown: number | undefined = 0;
  let early: readonly SerialEvent[] = [];

  /** @returns unsubscribe */
  function listen(screen: SerialScreen): () => void {
    screens.add(screen);
    return () => screens.delete(screen);
  }

  function handleEvent(event: EngineEvent): void {
    if (event.kind !== 'serial' || screens.size === 0) return;
    if (shown === undefined) early = [...early, event];
    else if (event.at > shown) void replay();
    else take(event, shown);
  }

  /** Events and answers come on ways of their own: what the history had already is not shown twice. */
  function take({ bytes, at }: SerialEvent, from: number): void {
    const fresh = bytes.subarray(from - at);
    shown = Math.max(from, at + bytes.length);
    if (fresh.length > 0) for (const screen of screens) screen.more(fresh);
  }

  /** All that the guest has sent as far back as it is kept, and what it goes on to send. */
  async function replay(): Promise<void> {
    shown = undefined;
    early = [];
    const answer = await histories.run(() => desktop.call('serial.read', {}));
    if (answer === undefined) return;
    const { bytes, end } = answer.ok ? answer.value : { bytes: new Uint8Array(), end: 0 };
    for (const screen of screens) screen.begin(bytes);
    shown = end;
    const waiting = early;
    early = [];
    for (const event of waiting) if (event.at <= shown) take(event, shown);
  }

  async function send(text: string): Promise<void> {
    const answer = await desktop.call('serial.write', { bytes: new TextEncoder().encode(text) });
    error.value = answer.ok ? undefined : answer.error;
  }

  function clear(): void {
    clears.value += 1;
  }

  return { error, clears, listen, handleEvent, replay, send, clear };
});
