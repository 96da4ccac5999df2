/** The first serial port: what the guest has sent, and what is typed to it. */
import type { EngineEvent, RequestError } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { ref, shallowRef } from 'vue';
import { useDesktopStore } from './desktop-store.ts';

type SerialListener = (bytes: Uint8Array) => void;

export const useSerialStore = defineStore('serial', () => {
  const desktop = useDesktopStore();
  const error = shallowRef<RequestError>();
  const received = ref(0);
  /** Grows when what was on the terminal belongs to a machine that is gone. */
  const clears = ref(0);
  const listeners = new Set<SerialListener>();

  /** @returns unsubscribe */
  function listen(listener: SerialListener): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  function handleEvent(event: EngineEvent): void {
    if (event.kind !== 'serial') return;
    received.value += event.bytes.length;
    for (const listener of listeners) listener(event.bytes);
  }

  /** What the guest sent before anybody listened. */
  async function history(): Promise<Uint8Array> {
    const answer = await desktop.call('serial.read', {});
    return answer.ok ? answer.value.bytes : new Uint8Array();
  }

  async function send(text: string): Promise<void> {
    const answer = await desktop.call('serial.write', { bytes: new TextEncoder().encode(text) });
    error.value = answer.ok ? undefined : answer.error;
  }

  function clear(): void {
    received.value = 0;
    clears.value += 1;
  }

  return { error, received, clears, listen, handleEvent, history, send, clear };
});
