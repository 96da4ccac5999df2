/** The symbols that values point to, asked for all at once as the values change. */
import { shallowRef, watch } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { useDesktopStore } from '../stores/desktop-store.ts';
import { useMachineStore } from '../stores/machine-store.ts';

const MAX_VALUES = 1000;

export interface PointerSymbols {
  readonly symbolOf: (value: bigint) => string | undefined;
}

export function usePointerSymbols(values: () => readonly bigint[]): PointerSymbols {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const requests = latestRequest();
  const symbols = shallowRef<ReadonlyMap<bigint, string>>(new Map());

  async function ask(wanted: readonly bigint[]): Promise<void> {
    const addresses = [...new Set(wanted)].slice(0, MAX_VALUES);
    const answer = await requests.run(async () =>
      addresses.length === 0 ? undefined : desktop.call('symbols.at', { addresses }),
    );
    if (!answer?.ok) return;
    const named = answer.value.flatMap((symbol, i) => (symbol === undefined ? [] : [[addresses[i], symbol] as const]));
    symbols.value = new Map(named);
  }

  watch([() => values().join(' '), () => machine.loads], () => void ask(values()), { immediate: true });
  return { symbolOf: (value) => symbols.value.get(value) };
}
