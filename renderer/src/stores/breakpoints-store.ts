/** Every breakpoint, of whatever kind. */
import type { Answer, BreakpointSnapshot, BreakpointSpec, Params, RequestError } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import { useDesktopStore } from './desktop-store.ts';

export type MmioSpec = Extract<BreakpointSpec, { kind: 'mmio' }>;
export type BreakpointInput = Params<'breakpoints.add'>;
export type BreakpointChange = Params<'breakpoints.update'>;

export const useBreakpointsStore = defineStore('breakpoints', () => {
  const desktop = useDesktopStore();
  const breakpoints = shallowRef<readonly BreakpointSnapshot[]>([]);
  const error = shallowRef<RequestError>();

  const byAddress = computed(
    () =>
      new Map(
        breakpoints.value.flatMap((breakpoint) =>
          breakpoint.spec.kind === 'exec' ? [[breakpoint.spec.address, breakpoint] as const] : [],
        ),
      ),
  );

  async function refresh(): Promise<void> {
    const answer = await desktop.call('breakpoints.list', {});
    error.value = answer.ok ? undefined : answer.error;
    if (answer.ok) breakpoints.value = answer.value;
  }

  async function settle(
    answer: Answer<'breakpoints.add' | 'breakpoints.update' | 'breakpoints.remove'>,
  ): Promise<boolean> {
    await refresh();
    if (!answer.ok) error.value = answer.error;
    return answer.ok;
  }

  const add = async (input: BreakpointInput): Promise<boolean> => settle(await desktop.call('breakpoints.add', input));
  const update = async (change: BreakpointChange): Promise<boolean> =>
    settle(await desktop.call('breakpoints.update', change));
  const remove = async (id: number): Promise<boolean> => settle(await desktop.call('breakpoints.remove', { id }));

  async function toggleAt(address: bigint): Promise<boolean> {
    const existing = byAddress.value.get(address);
    return existing ? remove(existing.id) : add({ spec: { kind: 'exec', address } });
  }

  /** Stops at every MMIO fault of one page. */
  const addForPage = (gfn: number): Promise<boolean> =>
    add({
      spec: {
        kind: 'mmio',
        start: BigInt(gfn) << 12n,
        length: 0x1000n,
        access: 'any',
        outcomes: [],
        freshness: 'any',
      },
    });

  return { breakpoints, error, byAddress, refresh, add, update, remove, toggleAt, addForPage };
});
