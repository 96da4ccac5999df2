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
/** How much is looked through depends on what lies there: begun with little, doubled while the answers come within a frame or two. */
const FIRST_PIECE = 1 << 20;
const SOON_MS = 30;

function setup() {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const turns = useTurnsStore();
  const matches = shallowRef<readonly bigint[]>([]);
  const range = shallowRef<SearchRange>();
  /** Bytes of a match. */
  const width = ref(0);
  /** 0 … 1. */
  const progress = ref(0);
  const isSearching = ref(false);
  /** Somebody has stopped it before its end. */
  const isGivenUp = ref(false);
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
    width.value = pattern.length;
    matches.value = [];
    error.value = undefined;
    isCut.value = false;
    isGivenUp.value = false;
    progress.value = 0;
    isSearching.value = true;
    await turns.settled();
    let size = FIRST_PIECE;
    for (let at = start; at < end && matches.value.length < MAX_MATCHES;) {
      const piece = end - at < BigInt(size) ? end - at : BigInt(size);
      const asked = performance.now();
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
      const took = performance.now() - asked;
      if (took < SOON_MS) size = Math.min(MAX_MEMORY_SEARCH, size * 2);
      else if (took > 3 * SOON_MS) size = Math.max(FIRST_PIECE / 16, size / 2);
      isCut.value = matches.value.length >= MAX_MATCHES && at < end;
      progress.value = Number(((at - start) * 1000n) / length) / 1000;
    }
    isSearching.value = false;
  }

  function cancel(): void {
    current += 1;
    isGivenUp.value = isSearching.value;
    isSearching.value = false;
  }

  /** Whether a byte is of a match. */
  function covers(of: AddressSpace, address: bigint): boolean {
    if (range.value?.space !== of || matches.value.length === 0) return false;
    const index = lastAtMost(matches.value, address);
    return index >= 0 && address < matches.value[index] + BigInt(width.value);
  }

  /** Shows nothing any more. */
  function forget(): void {
    cancel();
    matches.value = [];
    range.value = undefined;
  }

  return { covers, forget, matches, range, width, progress, isSearching, isGivenUp, isCut, error, search, cancel };
}

/** Index of the last of sorted numbers that is not behind `wanted`; −1 where all are. */
function lastAtMost(sorted: readonly bigint[], wanted: bigint): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** One of each memory panel. */
export const useMemorySearchStore = (panel = 'memory') => defineStore(`search ${panel}`, setup)();
