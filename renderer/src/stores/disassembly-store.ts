/** Instructions around an address. Grows at both ends as the reader scrolls. */
import type { Answer, DisassembledInsn, Moment, Params, RequestError } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { keepUnchanged } from '../api/unchanged.ts';
import { markedLines } from '../layout/marked-lines.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

/** Lines above and from the target on. A running guest is nowhere for long: as many as a panel shows. */
const SIZE = { paused: { before: 60, count: 140 }, running: { before: 40, count: 60 } };
const CHUNK = 100;
type Wish = Params<'disassembly.read'>;

/** An answer, and what it was the answer to. */
interface Known {
  readonly wish: Wish;
  readonly listing: number;
  readonly lines: readonly DisassembledInsn[];
  /** Which machine's the listing is. */
  readonly loads: number;
}

/** Lines that a reader is to have on either side of the target. */
const EDGE = 30;
const KEPT = 2000;

function setup() {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const requests = latestRequest();
  /** Of their own: whoever scrolls must not overtake the listing of a stop, for nobody would ask for that once more. */
  const extensions = latestRequest();
  const lines = shallowRef<readonly DisassembledInsn[]>([]);
  const moment = shallowRef<Moment>();
  const error = shallowRef<RequestError>();
  /** What the view is about; moves with rip while it follows. */
  const anchor = ref<bigint>();
  const followsRip = ref(true);
  /** Grows whenever the view should bring `anchor` into sight. */
  const reveals = ref(0);

  /** What the listing was read around. It stays while the target is well inside: a step then changes two lines and not all. */
  let center = 0n;
  const isWellInside = (address: bigint): boolean => {
    const at = lines.value.findIndex((line) => line.address === address);
    return at >= EDGE && at < lines.value.length - EDGE && holds(center);
  };
  const holds = (address: bigint): boolean => lines.value.some((line) => line.address === address);
  const target = computed(() => (followsRip.value ? machine.rip : anchor.value));

  /** What is on screen came with it, and has not grown since. */
  let known: Known | undefined;
  const isKnown = ({ vcpu, address, before, count }: Wish): boolean =>
    known?.lines === lines.value &&
    known.loads === machine.loads &&
    known.wish.vcpu === vcpu &&
    known.wish.address === address &&
    known.wish.before === before &&
    known.wish.count === count;

  async function read(
    address: bigint,
    before: number,
    count: number,
  ): Promise<readonly DisassembledInsn[] | undefined> {
    const wish = { vcpu: machine.selectedVcpu, address, before, count };
    if (isKnown(wish)) {
      const marked = await readMarks(wish);
      if (marked !== 'other code') return marked;
    }
    const { loads } = machine;
    const answer = await requests.run(() => desktop.call('disassembly.read', wish));
    if (!isAdmitted(answer)) return undefined;
    const { listing } = answer.value;
    known = { wish, listing, lines: keepUnchanged(lines.value, answer.value.lines), loads };
    return known.lines;
  }

  /** Code hardly ever changes, and a listing of it is long: only what stands beside its lines is asked for. */
  async function readMarks(wish: Wish): Promise<readonly DisassembledInsn[] | undefined | 'other code'> {
    const present = known;
    const answer = await requests.run(() => desktop.call('disassembly.marks', wish));
    if (!isAdmitted(answer)) return undefined;
    const isSame = present !== undefined && present.lines === lines.value && present.listing === answer.value.listing;
    if (!isSame) return 'other code';
    known = { ...present, lines: markedLines(present.lines, answer.value) };
    return known.lines;
  }

  /** Takes over what an answer says of itself. */
  function isAdmitted<K extends 'disassembly.read' | 'disassembly.marks'>(
    answer: Answer<K> | undefined,
  ): answer is Extract<Answer<K>, { readonly ok: true }> {
    if (answer === undefined) return false;
    error.value = answer.ok ? undefined : answer.error;
    if (!answer.ok || !machine.admit(answer.value.moment)) return false;
    moment.value = answer.value.moment;
    return true;
  }

  async function refresh(): Promise<void> {
    const address = target.value;
    if (address === undefined) return;
    const hasMoved = !holds(address);
    const around = isWellInside(address) ? center : address;
    const { before, count } = machine.isRunning ? SIZE.running : SIZE.paused;
    let next = await read(around, before, count);
    // The code is another one, and its instructions begin elsewhere.
    if (next !== undefined && around !== address && !next.some((line) => line.address === address)) {
      next = await read(address, before, count);
      center = address;
    } else center = around;
    if (next === undefined) return;
    lines.value = next;
    anchor.value = address;
    if (hasMoved || followsRip.value) reveals.value += 1;
  }

  /** Shows another place and stays there. */
  async function goTo(address: bigint): Promise<void> {
    followsRip.value = false;
    anchor.value = address;
    await refresh();
    reveals.value += 1;
  }

  async function goToRip(): Promise<void> {
    followsRip.value = true;
    await refresh();
    reveals.value += 1;
  }

  /** More of the listing that is there. Nothing, where it is another one by the time of the answer, or another moment's. */
  async function readMore(address: bigint, before: number, count: number): Promise<readonly DisassembledInsn[]> {
    const present = lines.value;
    const answer = await extensions.run(() =>
      desktop.call('disassembly.read', { vcpu: machine.selectedVcpu, address, before, count }),
    );
    if (answer?.ok !== true || lines.value !== present) return [];
    return answer.value.moment.epoch === moment.value?.epoch ? answer.value.lines : [];
  }

  async function extendForward(): Promise<void> {
    const last = lines.value.at(-1);
    if (last === undefined || lines.value.length >= KEPT) return;
    const next = await readMore(last.address + BigInt(Math.max(1, last.bytes.length)), 0, CHUNK);
    const later = next.filter(({ address }) => address > last.address);
    if (later.length > 0) lines.value = [...lines.value, ...later];
  }

  /** @returns how many lines were put in front */
  async function extendBackward(): Promise<number> {
    const first = lines.value.at(0);
    if (first === undefined || lines.value.length >= KEPT) return 0;
    const next = await readMore(first.address, CHUNK, 1);
    const earlier = next.filter(({ address }) => address < first.address);
    if (earlier.length > 0) lines.value = [...earlier, ...lines.value];
    return earlier.length;
  }

  // A new machine is looked at from its first instruction.
  watch(() => machine.loads, goToRip);

  return {
    lines,
    moment,
    error,
    anchor,
    followsRip,
    reveals,
    refresh,
    goTo,
    goToRip,
    extendForward,
    extendBackward,
  };
}

/** One of each panel. */
export const useDisassemblyStore = (panel = 'disassembly') => defineStore(panel, setup)();
