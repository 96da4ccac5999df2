/** Decoding of one 64-bit value: the selected spte, and whatever is typed into the decode box. */
import type { DecodedSpte, RequestError, SpteLog } from '@core/protocol/index.ts';
import { MAX_SPTE_LOG } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { parseHex } from '@core/format/address-text.ts';
import type { MmuMode } from '../api/contract-words.ts';
import { latestRequest } from '../api/latest-request.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

/** Kernels whose sptes the engine can take apart: the first of each layout, and the eras that run. Oldest first. */
export const DECODABLE_ERAS = [
  'v3.10',
  'patch',
  'v3.11',
  'v3.17',
  'v4.11',
  'v4.19',
  'v5.1',
  'v5.4',
  'v5.6',
  'v5.11',
  'v5.13',
  'v6.8',
  'v6.10',
  'v7.2',
] as const;

/** As the processor's CPUID can have it. */
export const isMaxPhyAddr = (bits: number): boolean => Number.isInteger(bits) && bits >= 32 && bits <= 52;

export const useSpteDecoderStore = defineStore('spte-decoder', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const requests = latestRequest();
  const typedRequests = latestRequest();
  /** The selected spte, taken apart as the machine's own era does. */
  const selected = shallowRef<DecodedSpte>();

  const text = ref('');
  const era = ref<string>('patch');
  const mmu = ref<MmuMode>('ept');
  const maxPhyAddr = ref(40);
  /** What was typed, where it is one value. */
  const typed = shallowRef<DecodedSpte>();
  /** And where it is lines. */
  const log = shallowRef<SpteLog>();
  const mistake = ref<string>();
  const error = shallowRef<RequestError>();

  async function decodeSelected(value: bigint | undefined): Promise<void> {
    const status = machine.status;
    if (value === undefined || status === undefined) {
      selected.value = undefined;
      return;
    }
    const { era: machineEra, mmu: machineMmu, maxPhyAddr: bits } = status;
    const answer = await requests.run(() =>
      desktop.call('spte.decode', { value, era: machineEra, mmu: machineMmu, maxPhyAddr: bits }),
    );
    if (answer?.ok) selected.value = answer.value;
  }

  /** Takes over what the machine runs with. */
  function useMachineFormat(): void {
    const status = machine.status;
    if (status === undefined) return;
    era.value = status.era;
    mmu.value = status.mmu;
    maxPhyAddr.value = status.maxPhyAddr;
  }

  async function decodeTyped(): Promise<void> {
    error.value = undefined;
    mistake.value = undefined;
    const value = parseHex(text.value);
    const host = { era: era.value, mmu: mmu.value, maxPhyAddr: maxPhyAddr.value };
    if (text.value.trim() === '') {
      typed.value = undefined;
      log.value = undefined;
    } else if (!isMaxPhyAddr(maxPhyAddr.value)) {
      mistake.value = 'MAXPHYADDR is a number of bits from 32 to 52.';
    } else if (text.value.length > MAX_SPTE_LOG) {
      mistake.value = `A log of more than ${MAX_SPTE_LOG / 1024 / 1024} MiB: paste a part of it.`;
    } else if (value !== undefined) {
      const answer = await typedRequests.run(() => desktop.call('spte.decode', { value, ...host }));
      if (answer?.ok) {
        typed.value = answer.value;
        log.value = undefined;
      } else error.value = answer?.error;
    } else {
      const answer = await typedRequests.run(() => desktop.call('spte.readLog', { text: text.value, ...host }));
      if (answer?.ok) {
        log.value = answer.value;
        typed.value = undefined;
      } else error.value = answer?.error;
    }
    if (mistake.value !== undefined || error.value !== undefined) {
      typed.value = undefined;
      log.value = undefined;
    }
  }

  /** It is what was pasted that is wrong, and not the host. */
  const isTextWrong = computed(() => mistake.value !== undefined && isMaxPhyAddr(maxPhyAddr.value));

  return {
    isTextWrong,
    selected,
    text,
    era,
    mmu,
    maxPhyAddr,
    typed,
    log,
    mistake,
    error,
    decodeSelected,
    useMachineFormat,
    decodeTyped,
  };
});
