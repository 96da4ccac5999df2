/** Instructions around an address. Grows at both ends as the reader scrolls. */
import type { DisassembledInsn, Moment, RequestError } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

const BEFORE = 60;
const COUNT = 140;
const CHUNK = 100;
const KEPT = 2000;

function setup() {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const requests = latestRequest();
  const lines = shallowRef<readonly DisassembledInsn[]>([]);
  const moment = shallowRef<Moment>();
  const error = shallowRef<RequestError>();
  /** What the view is about; moves with rip while it follows. */
  const anchor = ref<bigint>();
  const followsRip = ref(true);
  /** Grows whenever the view should bring `anchor` into sight. */
  const reveals = ref(0);

  const holds = (address: bigint): boolean => lines.value.some((line) => line.address === address);
  const target = computed(() => (followsRip.value ? machine.rip : anchor.value));

  async function read(
    address: bigint,
    before: number,
    count: number,
  ): Promise<readonly DisassembledInsn[] | undefined> {
    const answer = await requests.run(() =>
      desktop.call('disassembly.read', { vcpu: machine.selectedVcpu, address, before, count }),
    );
    if (answer === undefined) return undefined;
    error.value = answer.ok ? undefined : answer.error;
    if (!answer.ok || !machine.admit(answer.value.moment)) return undefined;
    moment.value = answer.value.moment;
    return answer.value.lines;
  }

  async function refresh(): Promise<void> {
    const address = target.value;
    if (address === undefined) return;
    const hasMoved = !holds(address);
    const next = await read(address, BEFORE, COUNT);
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

  async function extendForward(): Promise<void> {
    const last = lines.value.at(-1);
    if (last === undefined || lines.value.length >= KEPT) return;
    const next = await read(last.address + BigInt(Math.max(1, last.bytes.length)), 0, CHUNK);
    if (next) lines.value = [...lines.value, ...next.filter(({ address }) => address > last.address)];
  }

  /** @returns how many lines were put in front */
  async function extendBackward(): Promise<number> {
    const first = lines.value.at(0);
    if (first === undefined || lines.value.length >= KEPT) return 0;
    const next = await read(first.address, CHUNK, 1);
    const earlier = next?.filter(({ address }) => address < first.address) ?? [];
    lines.value = [...earlier, ...lines.value];
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
