/** Places in memory that somebody keeps an eye on: read at every stop, marked when they have changed. */
import type { AddressSpace, MemorySnapshot, WatchList } from '@core/protocol/index.ts';
import { MAX_WATCHES, watchListSchema } from '@core/protocol/index.ts';
import { formatAddress, formatHex } from '@core/format/address-text.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch as follow } from 'vue';
import * as v from 'valibot';
import { isLeft } from '../api/stop-change.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

export const WATCH_SIZES = [1, 2, 4, 8] as const;
export type WatchSize = (typeof WATCH_SIZES)[number];

export interface Watch {
  readonly id: number;
  readonly space: AddressSpace;
  readonly address: bigint;
  readonly size: WatchSize;
}

export interface WatchRow extends Watch {
  /** Little-endian, `--` and the reason where there is no byte. */
  readonly text: string;
  readonly note: string | undefined;
  readonly hasChanged: boolean;
}

/** They outlive the page; a workspace has its own. */
const KEPT_KEY = 'umbra.watches';

const U64_MAX = (1n << 64n) - 1n;
export const useWatchesStore = defineStore('watches', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const watches = shallowRef<readonly Watch[]>([]);
  const now = shallowRef<ReadonlyMap<number, MemorySnapshot>>(new Map());
  const before = shallowRef<ReadonlyMap<number, MemorySnapshot>>(new Map());
  const nextId = ref(1);

  const rows = computed<readonly WatchRow[]>(() =>
    watches.value.map((watch) => {
      const { text, note } = valueOf(now.value.get(watch.id), watch.size);
      const old = before.value.get(watch.id);
      return { ...watch, text, note, hasChanged: old !== undefined && valueOf(old, watch.size).text !== text };
    }),
  );

  /** @returns why not, undefined when it is watched */
  function add(space: AddressSpace, address: bigint, size: WatchSize = 8): string | undefined {
    if (watches.value.length >= MAX_WATCHES) return `${MAX_WATCHES} places are watched already; remove one first.`;
    if (address > U64_MAX - BigInt(size) + 1n) return 'The last bytes of it would be beyond 64 bits.';
    watches.value = [...watches.value, { id: nextId.value, space, address, size }];
    nextId.value += 1;
    void refresh();
    return undefined;
  }

  function remove(id: number): void {
    watches.value = watches.value.filter((watch) => watch.id !== id);
  }

  function resize(id: number, size: WatchSize): void {
    watches.value = watches.value.map((watch) => (watch.id === id ? { ...watch, size } : watch));
    void refresh();
  }

  async function read({ id, space, address, size }: Watch): Promise<void> {
    const vcpu = machine.selectedVcpu;
    const answer = await desktop.call('memory.read', { space, vcpu, address, length: size });
    if (!answer.ok || !machine.admit(answer.value.moment)) return;
    const last = now.value.get(id);
    if (last && isLeft(last.moment, answer.value.moment)) before.value = new Map(before.value).set(id, last);
    now.value = new Map(now.value).set(id, answer.value);
  }

  const refresh = async (): Promise<void> => {
    await Promise.all(watches.value.map(read));
  };

  const snapshot = (): WatchList =>
    watches.value.map(({ space, address, size }) => ({ space, address: formatHex(address), size }));

  /** @returns whether it was a list of watches */
  function restore(saved: unknown): boolean {
    const parsed = v.safeParse(watchListSchema, saved);
    if (!parsed.success) return false;
    watches.value = [];
    for (const { space, address, size } of parsed.output) add(space, BigInt(address), size);
    return true;
  }

  // What is kept is hostile like any file: it is watches, or nothing.
  try {
    restore(JSON.parse(localStorage.getItem(KEPT_KEY) ?? '[]'));
  } catch {
    localStorage.removeItem(KEPT_KEY);
  }
  follow(watches, () => localStorage.setItem(KEPT_KEY, JSON.stringify(snapshot())));

  return { watches, rows, add, remove, resize, refresh, snapshot, restore };
});

function valueOf(snapshot: MemorySnapshot | undefined, size: WatchSize): Pick<WatchRow, 'text' | 'note'> {
  if (snapshot === undefined) return { text: '', note: undefined };
  const [span] = snapshot.spans;
  if (span.kind === 'unreadable') return { text: '--', note: span.reason };
  if (span.bytes === undefined || span.length < size)
    return { text: '--', note: `${formatAddress(snapshot.address)} is not all memory` };
  const value = span.bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { text: formatHex(value, size * 2), note: span.kind === 'mmio' ? (span.device ?? 'MMIO') : undefined };
}
