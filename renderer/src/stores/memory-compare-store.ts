/** Memory of an earlier moment, kept to be compared with what is there now. */
import type { AddressSpace, Moment, RequestError } from '@core/protocol/index.ts';
import { MAX_MEMORY_READ } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useTurnsStore } from './turns-store.ts';

export interface KeptMemory {
  readonly space: AddressSpace;
  readonly start: bigint;
  /** One each byte; −1 where there was none. */
  readonly bytes: Int16Array;
  readonly moment: Moment;
}

/** A run of bytes that are not what they were. */
export interface Difference {
  readonly address: bigint;
  readonly length: number;
}

export const MAX_KEPT_BYTES = 64 * 1024 * 1024;
const MAX_DIFFERENCES = 1000;

function setup() {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const turns = useTurnsStore();
  const kept = shallowRef<KeptMemory>();
  const differences = shallowRef<readonly Difference[]>();
  const progress = ref(0);
  const isBusy = ref(false);
  const error = shallowRef<RequestError>();
  let current = 0;

  const end = computed(() => (kept.value ? kept.value.start + BigInt(kept.value.bytes.length) : 0n));

  /** Reads a range in pieces. @returns undefined when it was given up or refused */
  async function read(space: AddressSpace, start: bigint, length: number): Promise<KeptMemory | undefined> {
    current += 1;
    const mine = current;
    const bytes = new Int16Array(length).fill(-1);
    let moment: Moment | undefined;
    isBusy.value = true;
    error.value = undefined;
    await turns.settled();
    for (let done = 0; done < length; done += MAX_MEMORY_READ) {
      const size = Math.min(MAX_MEMORY_READ, length - done);
      const answer = await desktop.call('memory.read', {
        space,
        vcpu: machine.selectedVcpu,
        address: start + BigInt(done),
        length: size,
      });
      if (mine !== current) return undefined;
      if (!answer.ok) {
        error.value = answer.error;
        isBusy.value = false;
        return undefined;
      }
      moment ??= answer.value.moment;
      for (const span of answer.value.spans) {
        if (span.kind !== 'unreadable' && span.bytes) bytes.set(span.bytes, done + span.offset);
      }
      progress.value = (done + size) / length;
    }
    isBusy.value = false;
    return moment && { space, start, bytes, moment };
  }

  async function keep(space: AddressSpace, start: bigint, length: number): Promise<void> {
    const taken = await read(space, start, Math.min(length, MAX_KEPT_BYTES));
    if (taken === undefined) return;
    kept.value = taken;
    differences.value = undefined;
  }

  /** Reads the kept range once more and says where it differs. */
  async function compare(): Promise<void> {
    const old = kept.value;
    if (old === undefined) return;
    const now = await read(old.space, old.start, old.bytes.length);
    if (now === undefined || kept.value !== old) return;
    const found: Difference[] = [];
    for (let i = 0; i < old.bytes.length && found.length < MAX_DIFFERENCES; i += 1) {
      if (old.bytes[i] === now.bytes[i]) continue;
      let length = 1;
      while (i + length < old.bytes.length && old.bytes[i + length] !== now.bytes[i + length]) length += 1;
      found.push({ address: old.start + BigInt(i), length });
      i += length;
    }
    differences.value = found;
  }

  /** The byte that stood there; undefined where nothing was kept, −1 where there was none. */
  function before(space: AddressSpace, address: bigint): number | undefined {
    const old = kept.value;
    if (old === undefined || old.space !== space || address < old.start || address >= end.value) return undefined;
    return old.bytes[Number(address - old.start)];
  }

  function cancel(): void {
    current += 1;
    isBusy.value = false;
  }

  function forget(): void {
    cancel();
    kept.value = undefined;
    differences.value = undefined;
  }

  return { kept, differences, progress, isBusy, error, keep, compare, before, cancel, forget };
}

/** One of each memory panel. */
export const useMemoryCompareStore = (panel = 'memory') => defineStore(`compare ${panel}`, setup)();
