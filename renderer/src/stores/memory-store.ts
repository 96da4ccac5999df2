/** A window of guest or host memory, byte by byte, and its edits. */
import type { AddressSpace, MemorySnapshot, RequestError } from '@core/protocol/index.ts';
import { hexRows } from '@core/format/hex-grid.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { isLeft } from '../api/stop-change.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useMemoryEditsStore } from './memory-edits-store.ts';

const U64 = (1n << 64n) - 1n;
const MAX_ROWS_SHOWN = 256;

export type MemoryBar = 'search' | 'compare' | 'fill';

function setup() {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const edits = useMemoryEditsStore();
  const requests = latestRequest();
  const space = ref<AddressSpace>('gva');
  /** First byte of the first row. */
  const address = ref(0n);
  /** Until somebody goes somewhere, it shows the code that runs first. */
  let isPlaced = false;
  const columns = ref(16);
  const visibleRows = ref(16);
  const snapshot = shallowRef<MemorySnapshot>();
  const baseline = shallowRef<MemorySnapshot>();
  const error = shallowRef<RequestError>();
  /** What is done to the whole view, below its head. */
  const bar = ref<MemoryBar>();

  /** Of the bytes on screen; where the view goes next may be another one. */
  const shownSpace = computed(() => snapshot.value?.space ?? space.value);
  const rows = computed(() => (snapshot.value ? hexRows(snapshot.value, columns.value) : []));
  const before = computed<ReadonlyMap<bigint, number | undefined>>(() => {
    const old = baseline.value;
    if (old === undefined || old.space !== snapshot.value?.space) return new Map();
    return new Map(hexRows(old, columns.value).flatMap(({ cells }) => cells.map((cell) => [cell.address, cell.value])));
  });

  /** Whether the byte was another one at the last stop. */
  const hasChanged = (at: bigint, value: number | undefined): boolean =>
    before.value.has(at) && before.value.get(at) !== value;

  const present = computed<ReadonlyMap<bigint, number | undefined>>(
    () => new Map(rows.value.flatMap(({ cells }) => cells.map((cell) => [cell.address, cell.value]))),
  );
  const hasChangedAt = (at: bigint): boolean => hasChanged(at, present.value.get(at));

  /** Little-endian, of what is in sight; undefined where not all of it exists or is seen. */
  function valueAt(at: bigint, size: number): bigint | undefined {
    let value = 0n;
    for (let i = size - 1; i >= 0; i -= 1) {
      const byte = present.value.get(at + BigInt(i));
      if (byte === undefined) return undefined;
      value = (value << 8n) | BigInt(byte);
    }
    return value;
  }

  function apply(next: MemorySnapshot): void {
    if (!machine.admit(next.moment)) return;
    const last = snapshot.value;
    if (last && isLeft(last.moment, next.moment)) baseline.value = last;
    snapshot.value = next;
  }

  async function refresh(): Promise<void> {
    if (!isPlaced && machine.rip !== undefined) place(space.value, machine.rip);
    const length = columns.value * Math.min(visibleRows.value, MAX_ROWS_SHOWN);
    const params = { space: space.value, vcpu: machine.selectedVcpu, address: address.value, length };
    const answer = await requests.run(() => desktop.call('memory.read', params));
    if (answer === undefined) return;
    error.value = answer.ok ? undefined : answer.error;
    if (answer.ok) apply(answer.value);
  }

  function place(nextSpace: AddressSpace, target: bigint): void {
    isPlaced = true;
    space.value = nextSpace;
    address.value = within(target - (target % BigInt(columns.value)));
  }

  /** The view ends where 64 bits end. */
  function within(first: bigint): bigint {
    const last = U64 - BigInt(columns.value * visibleRows.value) + 1n;
    return first < 0n ? 0n : first > last ? last : first;
  }

  async function goTo(nextSpace: AddressSpace, target: bigint): Promise<void> {
    place(nextSpace, target);
    await refresh();
  }

  async function scrollRows(count: number): Promise<void> {
    address.value = within(address.value + BigInt(count * columns.value));
    await refresh();
  }

  /** @returns why not, undefined when it is done */
  const write = (at: bigint, bytes: Uint8Array<ArrayBuffer>): Promise<RequestError | undefined> =>
    edits.write({ space: shownSpace.value, address: at }, bytes);

  // Another panel may show the same bytes.
  watch(
    () => edits.writes,
    () => void refresh(),
  );

  return {
    space,
    address,
    columns,
    visibleRows,
    snapshot,
    error,
    bar,
    shownSpace,
    rows,
    hasChanged,
    hasChangedAt,
    valueAt,
    refresh,
    place,
    goTo,
    scrollRows,
    write,
  };
}

/** One of each panel. */
export const useMemoryStore = (panel = 'memory') => defineStore(panel, setup)();
