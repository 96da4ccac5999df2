/** A search through memory, piece by piece: it says how far it is, and stops when it is told to. */
import type { AddressSpace, RequestError } from '@core/protocol/index.ts';
import { MAX_MEMORY_SEARCH } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { ref, shallowRef } from 'vue';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useTurnsStore } from './turns-store.ts';

export interface SearchRange {
  readonly space: AddressSpace;
  readonly start: bigint;
  readonly length: bigint;
}

export const MAX_MATCHES = 1000;
/** So much at once keeps a piece far below a blink. */
const PIECE = BigInt(MAX_MEMORY_SEARCH);

function setup() {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const turns = useTurnsStore();
  const matches = shallowRef<readonly bigint[]>([]);
  const range = shallowRef<SearchRange>();
  /** 0 … 1. */
  const progress = ref(0);
  const isSearching = ref(false);
  /** There are more than are kept. */
  const isCut = ref(false);
  const error = shallowRef<RequestError>();
  let current = 0;

  async function search(wanted: SearchRange, pattern: Uint8Array<ArrayBuffer>): Promise<void> {
    current += 1;
    const mine = current;
    const { space, start, length } = wanted;
    const end = start + length;
    range.value = wanted;
    matches.value = [];
    error.value = undefined;
    isCut.value = false;
    progress.value = 0;
    isSearching.value = true;
    await turns.settled();
    for (let at = start; at < end && matches.value.length < MAX_MATCHES;) {
      const piece = end - at < PIECE ? end - at : PIECE;
      const limit = MAX_MATCHES - matches.value.length;
      const vcpu = machine.selectedVcpu;
      const answer = await desktop.call('memory.search', {
        space,
        vcpu,
        start: at,
        length: Number(piece),
        pattern,
        limit,
      });
      // Somebody has stopped it, or begun another one.
      if (mine !== current) return;
      if (!answer.ok) {
        error.value = answer.error;
        break;
      }
      if (answer.value.matches.length > 0) matches.value = [...matches.value, ...answer.value.matches];
      at = answer.value.next;
      isCut.value = matches.value.length >= MAX_MATCHES && at < end;
      progress.value = Number(((at - start) * 1000n) / length) / 1000;
    }
    isSearching.value = false;
  }

  function cancel(): void {
    current += 1;
    isSearching.value = false;
  }

  return { matches, range, progress, isSearching, isCut, error, search, cancel };
}

/** One of each memory panel. */
export const useMemorySearchStore = (panel = 'memory') => defineStore(`search ${panel}`, setup)();
