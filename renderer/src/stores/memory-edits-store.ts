/** Writing memory, from whatever panel: every write can be taken back. */
import type { AddressSpace, MemorySnapshot, RequestError } from '@core/protocol/index.ts';
import { formatAddress } from '@core/format/address-text.ts';
import { formatBytes } from '@core/format/hex-grid.ts';
import { defineStore } from 'pinia';
import { ref } from 'vue';
import { useDesktopStore } from './desktop-store.ts';
import { useEditHistoryStore } from './edit-history-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useNoticesStore } from './notices-store.ts';
import { useTurnsStore } from './turns-store.ts';

export interface MemoryPlace {
  readonly space: AddressSpace;
  readonly address: bigint;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes that a title still names. */
const NAMED_BYTES = 8;

export const useMemoryEditsStore = defineStore('memory-edits', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const edits = useEditHistoryStore();
  const notices = useNoticesStore();
  const turns = useTurnsStore();
  /** Grows with every write, so that every view of memory looks again. */
  const writes = ref(0);

  async function put(vcpu: number, { space, address }: MemoryPlace, bytes: Bytes): Promise<RequestError | undefined> {
    const answer = await desktop.call('memory.write', { space, vcpu, address, bytes });
    writes.value += 1;
    return answer.ok ? undefined : answer.error;
  }

  /** @returns why not, undefined when it is done */
  function write(place: MemoryPlace, bytes: Bytes): Promise<RequestError | undefined> {
    const vcpu = machine.selectedVcpu;
    return turns.take(() => change(vcpu, place, bytes));
  }

  async function change(vcpu: number, place: MemoryPlace, bytes: Bytes): Promise<RequestError | undefined> {
    const { space, address } = place;
    const before = await desktop.call('memory.read', { space, vcpu, address, length: bytes.length });
    if (!before.ok) return before.error;
    const old = bytesOf(before.value, bytes.length);
    const refusal = await put(vcpu, place, bytes);
    if (refusal || old === undefined) return refusal;
    const again = async (wanted: Bytes): Promise<boolean> => {
      const reason = await put(vcpu, place, wanted);
      if (reason) notices.addError(reason);
      return reason === undefined;
    };
    edits.record({ title: titleOf(place, bytes), undo: () => again(old), redo: () => again(bytes) });
    return undefined;
  }

  return { writes, write };
});

function titleOf({ space, address }: MemoryPlace, bytes: Bytes): string {
  const more = bytes.length > NAMED_BYTES ? ` … (${bytes.length} bytes)` : '';
  return `${space}:${formatAddress(address)} = ${formatBytes(bytes.subarray(0, NAMED_BYTES))}${more}`;
}

/** @returns undefined where not all of it is memory */
function bytesOf(snapshot: MemorySnapshot, length: number): Bytes | undefined {
  const [span] = snapshot.spans;
  return span?.kind === 'bytes' && span.length === length ? Uint8Array.from(span.bytes) : undefined;
}
