/** Looking up symbols of the image by name. */
import type { SymbolMatch } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { useDesktopStore } from './desktop-store.ts';

const LIMIT = 50;

export const useSymbolsStore = defineStore('symbols', () => {
  const desktop = useDesktopStore();
  const requests = latestRequest();
  const matches = shallowRef<readonly SymbolMatch[]>([]);

  async function search(query: string): Promise<void> {
    const answer = await requests.run(() => desktop.call('symbols.search', { query, limit: LIMIT }));
    if (answer) matches.value = answer.ok ? answer.value : [];
  }

  return { matches, search };
});
