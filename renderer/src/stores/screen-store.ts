/** The VGA text screen as it stands in video memory. */
import type { RequestError, VgaSnapshot } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { screenRows } from '../layout/screen-cells.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

export const useScreenStore = defineStore('screen', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const requests = latestRequest();
  const snapshot = shallowRef<VgaSnapshot>();
  const error = shallowRef<RequestError>();
  const rows = computed(() => (snapshot.value ? screenRows(snapshot.value) : []));

  async function refresh(): Promise<void> {
    const answer = await requests.run(() => desktop.call('vga.read', {}));
    if (answer === undefined) return;
    error.value = answer.ok ? undefined : answer.error;
    if (answer.ok && machine.admit(answer.value.moment)) snapshot.value = answer.value;
  }

  return { snapshot, error, rows, refresh };
});
