/** Every breakpoint, of whatever kind. */
import {
  sendableSpec,
  type Answer,
  type BreakpointLogLine,
  type BreakpointSnapshot,
  type Params,
  type RequestError,
} from '@core/protocol/index.ts';
import { breakpointFileText, readBreakpointFile } from '@core/protocol/breakpoint-file.ts';
import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import { logTail, type LogPiece } from '../api/log-tail.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useEditHistoryStore } from './edit-history-store.ts';
import { useTurnsStore } from './turns-store.ts';

export type BreakpointInput = Params<'breakpoints.add'>;
export type BreakpointChange = Params<'breakpoints.update'>;

/** An edit that can be taken back. */
interface ListEdit {
  readonly title: string;
  readonly act: () => Promise<boolean>;
}

export const useBreakpointsStore = defineStore('breakpoints', () => {
  const desktop = useDesktopStore();
  const history = useEditHistoryStore();
  const turns = useTurnsStore();
  const breakpoints = shallowRef<readonly BreakpointSnapshot[]>([]);
  const error = shallowRef<RequestError>();
  /** The last lines of log breakpoints, and how many there were ever. */
  const tail = logTail({ ask: readLog, limit: LOG_LINES, liveLimit: LOG_LINES, kept: LOG_LINES });
  const { records: logLines, total: logTotal, refresh: refreshLog } = tail;

  const byAddress = computed(
    () =>
      new Map(
        breakpoints.value.flatMap((breakpoint) =>
          breakpoint.spec.kind === 'exec' && breakpoint.spec.space !== 'gpa'
            ? [[breakpoint.spec.address, breakpoint] as const]
            : [],
        ),
      ),
  );

  async function refresh(): Promise<void> {
    const answer = await desktop.call('breakpoints.list', {});
    error.value = answer.ok ? undefined : answer.error;
    if (answer.ok) breakpoints.value = answer.value;
  }

  async function readLog(since: number, limit: number): Promise<LogPiece<BreakpointLogLine> | undefined> {
    const answer = await desktop.call('breakpoints.log', { since, limit });
    return answer.ok ? { ...answer.value, records: answer.value.lines } : undefined;
  }

  async function settle(
    answer: Answer<'breakpoints.add' | 'breakpoints.update' | 'breakpoints.remove' | 'breakpoints.replace'>,
  ): Promise<boolean> {
    await refresh();
    if (!answer.ok) error.value = answer.error;
    return answer.ok;
  }

  /** The whole list as it was: numbers are given anew, so that is what an edit goes back to. */
  const replace = async (list: readonly BreakpointSnapshot[]): Promise<boolean> =>
    settle(await desktop.call('breakpoints.replace', { breakpoints: list.map(wishOf) }));

  /** What an edit does is decided when its turn has come, by the list as it is then. */
  const edit = (decide: () => ListEdit): Promise<boolean> =>
    turns.take(async () => {
      await refresh();
      const before = breakpoints.value;
      const { title, act } = decide();
      if (!(await act())) return false;
      const after = breakpoints.value;
      history.record({ title, undo: () => replace(before), redo: () => replace(after) });
      return true;
    });

  const nameOf = (id: number): string => breakpoints.value.find((one) => one.id === id)?.text ?? `breakpoint ${id}`;
  const addition = (input: BreakpointInput): ListEdit => ({
    title: 'set a breakpoint',
    act: async () => settle(await desktop.call('breakpoints.add', input)),
  });
  const removal = (id: number): ListEdit => ({
    title: `remove ${nameOf(id)}`,
    act: async () => settle(await desktop.call('breakpoints.remove', { id })),
  });
  const add = (input: BreakpointInput): Promise<boolean> => edit(() => addition(input));
  const remove = (id: number): Promise<boolean> => edit(() => removal(id));
  const update = (change: BreakpointChange): Promise<boolean> =>
    edit(() => ({
      title: `change ${nameOf(change.id)}`,
      act: async () => settle(await desktop.call('breakpoints.update', change)),
    }));

  /** Those of a workspace or a laboratory take the place of all, at once; that is no edit of the user's. */
  async function adopt(wishes: readonly BreakpointInput[]): Promise<boolean> {
    return settle(await desktop.call('breakpoints.replace', { breakpoints: [...wishes] }));
  }

  /** All go, or all are switched, as one edit. */
  const removeAll = (): Promise<boolean> => edit(() => ({ title: 'remove all breakpoints', act: () => replace([]) }));
  const switchAll = (enabled: boolean): Promise<boolean> =>
    edit(() => ({
      title: `${enabled ? 'enable' : 'disable'} all breakpoints`,
      act: () => replace(breakpoints.value.map((breakpoint) => ({ ...breakpoint, enabled }))),
    }));

  const exportFile = (): Promise<boolean> =>
    desktop.saveFile('breakpoints', 'json', new TextEncoder().encode(exportText()));
  const exportText = (): string => breakpointFileText(breakpoints.value.map(wishOf));

  /** Somebody wants the form, or to choose a file; the panel has both. */
  const wanted = shallowRef<'form' | 'file'>();

  /** Takes the place of the list, as one edit; a file that is refused changes nothing. */
  async function importText(text: string): Promise<boolean> {
    const file = readBreakpointFile(text);
    if (!file.ok) {
      error.value = { code: 'refused', message: file.error, memslot: undefined };
      return false;
    }
    return edit(() => ({
      title: 'import breakpoints',
      act: async () => settle(await desktop.call('breakpoints.replace', { breakpoints: [...file.value] })),
    }));
  }

  const toggleAt = (address: bigint): Promise<boolean> =>
    edit(() => {
      const existing = byAddress.value.get(address);
      return existing ? removal(existing.id) : addition({ spec: { kind: 'exec', address } });
    });

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

  /** Stops when a leaf for one page, or an MMIO spte, changes. */
  const addForSpte = (gfn: number): Promise<boolean> =>
    add({ spec: { kind: 'spte', start: BigInt(gfn) << 12n, length: 0x1000n, mask: EVERY_BIT, level: 1 } });

  /** Stops when one entry changes, or some bits of it: of all that map the gfn, the one at its place. */
  const addForEntry = ({ gfn, level, sptep }: SpteEntry, mask = EVERY_BIT): Promise<boolean> =>
    add({
      spec: { kind: 'spte', start: BigInt(gfn) << 12n, length: 0x1000n, mask, level },
      condition: `event.sptep == 0x${sptep.toString(16)}`,
    });

  /** Stops behind writes to a few bytes. */
  const watchWrites = (space: 'gva' | 'gpa', start: bigint, length = 8n): Promise<boolean> =>
    add({ spec: { kind: 'data', space, start, length, access: 'write' } });

  return {
    breakpoints,
    error,
    byAddress,
    logLines,
    logTotal,
    refresh,
    refreshLog,
    add,
    update,
    remove,
    toggleAt,
    addForPage,
    addForSpte,
    addForEntry,
    watchWrites,
    adopt,
    removeAll,
    switchAll,
    wanted,
    exportFile,
    exportText,
    importText,
  };
});

const LOG_LINES = 200;
const EVERY_BIT = (1n << 64n) - 1n;

/** Where an spte stands, and what it is for. */
interface SpteEntry {
  readonly gfn: number;
  readonly level: number;
  readonly sptep: number;
}

const wishOf = ({ spec, enabled, once, stopAtHit, hitMode, condition, log, vcpu }: BreakpointSnapshot) => ({
  spec: sendableSpec(spec),
  enabled,
  once,
  stopAtHit,
  hitMode,
  condition,
  log,
  ...(vcpu === undefined ? {} : { vcpu }),
});
