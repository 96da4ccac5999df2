/** The bytes that are selected in a memory panel, and what can be done with them. */
import type { AddressSpace, MemorySnapshot, RequestError } from '@core/protocol/index.ts';
import { MAX_MEMORY_READ } from '@core/protocol/index.ts';
import { formatAddress } from '@core/format/address-text.ts';
import { formatPlural } from '@core/format/quantity.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { BYTE_TEXTS, bytesOfSnapshot, textOfBytes } from '../memory-view/byte-texts.ts';
import type { ByteTextKind } from '../memory-view/byte-texts.ts';
import { useBreakpointsStore } from './breakpoints-store.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useFocusStore } from './focus-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useMemoryEditsStore } from './memory-edits-store.ts';
import { useNoticesStore } from './notices-store.ts';
import { useTurnsStore } from './turns-store.ts';
import { WATCH_SIZES, useWatchesStore } from './watches-store.ts';

export interface ByteRange {
  readonly space: AddressSpace;
  readonly first: bigint;
  readonly length: bigint;
}

const U64_MAX = (1n << 64n) - 1n;
/** A list of watches is read at a glance; longer ranges have the compare bar. */
export const MAX_WATCHED_BYTES = 64;

/** `gpa 0x000b8000 – 0x000b800f, 16 bytes` */
export function rangeText({ space, first, length }: ByteRange): string {
  const begin = `${space} ${formatAddress(first)}`;
  if (length === 1n) return begin;
  return `${begin} – ${formatAddress(first + length - 1n)}, ${formatPlural(Number(length), 'byte')}`;
}

function setup() {
  const breakpoints = useBreakpointsStore();
  const desktop = useDesktopStore();
  const edits = useMemoryEditsStore();
  const focus = useFocusStore();
  const machine = useMachineStore();
  const notices = useNoticesStore();
  const turns = useTurnsStore();
  const watches = useWatchesStore();
  const space = ref<AddressSpace>('gva');
  /** Bytes of a value of the view: a value is selected as a whole. */
  const unit = ref(1n);
  /** Where selecting began, and where it has come to: first bytes of values. */
  const anchor = shallowRef<bigint>();
  const cursor = shallowRef<bigint>();

  const range = computed<ByteRange | undefined>(() => {
    if (anchor.value === undefined || cursor.value === undefined) return undefined;
    const [first, last] = anchor.value < cursor.value ? [anchor.value, cursor.value] : [cursor.value, anchor.value];
    return { space: space.value, first, length: last - first + unit.value };
  });
  const isOfSeveral = computed(() => anchor.value !== cursor.value);
  const contains = (address: bigint): boolean =>
    range.value !== undefined && address >= range.value.first && address < range.value.first + range.value.length;

  const within = (address: bigint): bigint =>
    address < 0n ? 0n : address > U64_MAX - unit.value + 1n ? U64_MAX - unit.value + 1n : address;

  function select(of: AddressSpace, address: bigint): void {
    space.value = of;
    anchor.value = cursor.value = within(address);
  }

  function extendTo(address: bigint): void {
    cursor.value = within(address);
    anchor.value ??= cursor.value;
  }

  function selectRange({ space: of, first, length }: ByteRange): void {
    select(of, first);
    extendTo(first + (length < unit.value ? unit.value : length) - unit.value);
  }

  function collapse(): void {
    anchor.value = cursor.value;
  }

  function clear(): void {
    anchor.value = cursor.value = undefined;
  }

  /** Says so where there are more than can be asked for at once. */
  function fewEnough(what: string): ByteRange | undefined {
    const wanted = range.value;
    if (wanted === undefined || wanted.length <= BigInt(MAX_MEMORY_READ)) return wanted;
    notices.add('error', `At most ${formatPlural(MAX_MEMORY_READ, 'byte')} can be ${what} at once.`);
    return undefined;
  }

  /** As it is when all that was typed before has been written. */
  async function read(wanted: ByteRange): Promise<MemorySnapshot | undefined> {
    await turns.settled();
    const { space: of, first: address, length } = wanted;
    const vcpu = machine.selectedVcpu;
    const answer = await desktop.call('memory.read', { space: of, vcpu, address, length: Number(length) });
    if (!answer.ok) notices.addError(answer.error);
    return answer.ok ? answer.value : undefined;
  }

  async function copy(kind: ByteTextKind): Promise<void> {
    const wanted = fewEnough('copied');
    const snapshot = wanted && (await read(wanted));
    if (wanted === undefined || snapshot === undefined) return;
    const text = textOfBytes(kind, { space: wanted.space, first: wanted.first, bytes: bytesOfSnapshot(snapshot) });
    if (text === undefined) {
      notices.add('error', 'There are no bytes in a part of it, and an array of C has them all.');
      return;
    }
    await desktop.copyText(text);
    notices.add('info', `${formatPlural(Number(wanted.length), 'byte')} copied as ${BYTE_TEXTS[kind]}`);
  }

  /** The same bytes again and again, over all of the range. @returns why not */
  async function fill(pattern: Uint8Array): Promise<RequestError | undefined> {
    const wanted = fewEnough('filled');
    if (wanted === undefined) return undefined;
    const bytes = Uint8Array.from({ length: Number(wanted.length) }, (_unused, n) => pattern[n % pattern.length]);
    return edits.write({ space: wanted.space, address: wanted.first }, bytes);
  }

  /** @returns why not */
  const write = (bytes: Uint8Array<ArrayBuffer>): Promise<RequestError | undefined> | undefined =>
    range.value && edits.write({ space: range.value.space, address: range.value.first }, bytes);

  const canBreak = computed(() => range.value !== undefined && range.value.space !== 'hva');
  async function breakOn(access: 'write' | 'any'): Promise<void> {
    if (range.value === undefined || range.value.space === 'hva') return;
    const { space: of, first: start, length } = range.value;
    if (await breakpoints.add({ spec: { kind: 'data', space: of, start, length, access } }))
      notices.add('info', `Breakpoint set on ${rangeText(range.value)}`);
    else if (breakpoints.error) notices.addError(breakpoints.error);
  }

  const canWatch = computed(() => range.value !== undefined && range.value.length <= BigInt(MAX_WATCHED_BYTES));
  /** In as few pieces as there are sizes for. */
  function watch(): void {
    if (range.value === undefined || !canWatch.value) return;
    const { space: of, first, length } = range.value;
    for (let done = 0n; done < length;) {
      const left = Number(length - done);
      const size = WATCH_SIZES.findLast((one) => one <= left) ?? 1;
      const refusal = watches.add(of, first + done, size);
      if (refusal !== undefined) {
        notices.add('error', refusal);
        return;
      }
      done += BigInt(size);
    }
  }

  /** Bytes of a pointer as the vCPU runs. */
  const pointerSize = computed(() => (machine.vcpu?.mode.startsWith('64-bit') ? 8 : 4));

  /** Goes where a value points to: every panel that is not locked does. */
  function follow(pointer: bigint | undefined): void {
    if (pointer !== undefined) focus.show({ kind: 'address', space: 'gva', address: pointer });
  }

  async function followCursor(): Promise<void> {
    if (cursor.value === undefined) return;
    const length = BigInt(pointerSize.value);
    const snapshot = await read({ space: space.value, first: cursor.value, length });
    const bytes = snapshot ? bytesOfSnapshot(snapshot) : [];
    if (bytes.length === pointerSize.value && !bytes.includes(undefined))
      follow(bytes.reduceRight((sum: bigint, byte) => (sum << 8n) | BigInt(byte ?? 0), 0n));
    else
      notices.add(
        'error',
        `There is no pointer at ${rangeText({ space: space.value, first: cursor.value, length: 1n })}.`,
      );
  }

  return {
    followCursor,
    pointerSize,
    follow,
    unit,
    anchor,
    cursor,
    range,
    isOfSeveral,
    contains,
    select,
    extendTo,
    selectRange,
    collapse,
    clear,
    read,
    copy,
    fill,
    write,
    canBreak,
    breakOn,
    canWatch,
    watch,
  };
}

/** One of each memory panel. */
export const useMemorySelectionStore = (panel = 'memory') => defineStore(`selection ${panel}`, setup)();
