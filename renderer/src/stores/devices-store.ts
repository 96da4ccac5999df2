/** The devices as they stand, and bytes of ports looked at without reading them as the guest would. */
import type { DevicesSnapshot, RequestError } from '@core/protocol/index.ts';
import { formatHex, parseHex } from '@core/format/address-text.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

/** Ports shown at once. */
export const PEEKED = 16;

export const useDevicesStore = defineStore('devices', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const requests = latestRequest();
  const peeks = latestRequest();
  const snapshot = shallowRef<DevicesSnapshot>();
  const error = shallowRef<RequestError>();
  const selected = ref('8259 PIC');
  const current = computed(() => snapshot.value?.devices.find(({ name }) => name === selected.value));
  const port = ref<number>();
  /** −1 where no device is. */
  const peeked = shallowRef<readonly number[]>([]);
  const mistake = ref('');

  async function refresh(): Promise<void> {
    const answer = await requests.run(() => desktop.call('devices.read', {}));
    if (answer === undefined) return;
    error.value = answer.ok ? undefined : answer.error;
    if (!answer.ok || !machine.admit(answer.value.moment)) return;
    snapshot.value = answer.value;
    if (port.value !== undefined) await readPorts(port.value);
  }

  async function readPorts(first: number): Promise<void> {
    const answer = await peeks.run(() => desktop.call('devices.peek', { port: first, count: PEEKED }));
    if (!answer?.ok || !machine.admit(answer.value.moment)) return;
    peeked.value = answer.value.bytes;
  }

  /** What stands in the field. */
  const asked = ref('');

  async function show(next: number): Promise<void> {
    asked.value = formatHex(next);
    await peek();
  }

  /** A port, hexadecimal; nothing for none. */
  async function peek(): Promise<void> {
    const text = asked.value;
    const value = parseHex(text);
    mistake.value = '';
    if (text.trim() === '') port.value = undefined;
    else if (value === undefined || value > 0xffffn) mistake.value = 'A port is a hexadecimal number up to ffff.';
    else {
      port.value = Number(value);
      await readPorts(port.value);
    }
  }

  return { snapshot, error, selected, current, port, peeked, mistake, asked, refresh, peek, show };
});
