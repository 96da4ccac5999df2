/** Go to anything: what there is to go to, gathered when the dialog opens, ranked by what is typed. */
import type { MmioFaultRecord, RegisterValue, SptePageSnapshot, SpteRow } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { PANELS_BY_KIND, PANEL_KINDS } from '../layout/panel-kinds.ts';
import { fuzzyRank } from '../search/fuzzy-rank.ts';
import * as targets from '../search/go-to-targets.ts';
import type { GoToTarget } from '../search/go-to-targets.ts';
import { useBreakpointsStore } from './breakpoints-store.ts';
import { inPieces } from '../api/in-pieces.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useFocusStore } from './focus-store.ts';
import { useLayoutStore } from './layout-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useMemslotsStore } from './memslots-store.ts';
import { useSymbolsStore } from './symbols-store.ts';

/** The newest faults, and so many MMIO sptes, are offered by name; any other is reached by its gfn. */
const FAULTS = 200;
const SPTES = 200;
const PAGES = 500;
const SHOWN = 60;
/** Recent places before anything is typed. */
const RECENT = 8;

export const useGoToStore = defineStore('go-to', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const focus = useFocusStore();
  const layout = useLayoutStore();
  const memslots = useMemslotsStore();
  const breakpoints = useBreakpointsStore();
  const symbols = useSymbolsStore();
  const query = ref('');
  const registers = shallowRef<readonly RegisterValue[]>([]);
  const pages = shallowRef<readonly SptePageSnapshot[]>([]);
  const sptes = shallowRef<readonly SpteRow[]>([]);
  const faults = shallowRef<readonly MmioFaultRecord[]>([]);

  /** Questions that have no answer yet. */
  const asked = ref(0);
  const isBusy = computed(() => asked.value > 0);

  async function whileAsked(questions: readonly Promise<unknown>[]): Promise<void> {
    asked.value += questions.length;
    await Promise.all(questions.map((question) => question.finally(() => (asked.value -= 1))));
  }

  /** Each question is for itself: what cannot be answered is not offered. */
  async function gather(): Promise<void> {
    query.value = '';
    await whileAsked([look(''), gatherRegisters(), gatherSptes(), gatherFaults(), memslots.refresh()]);
  }

  /** When something matches what is typed, or nothing will any more. */
  function firstMatch(): Promise<void> {
    return new Promise((resolve) => {
      const isKnown = (): boolean => matches.value.length > 0 || !isBusy.value;
      if (isKnown()) return resolve();
      const stop = watch(isKnown, () => {
        stop();
        resolve();
      });
    });
  }

  async function gatherRegisters(): Promise<void> {
    const answer = await desktop.call('registers.read', { vcpu: machine.selectedVcpu });
    registers.value = answer.ok ? answer.value.registers.filter(({ group }) => group === 'general') : [];
  }

  async function gatherSptes(): Promise<void> {
    const [rows, shadowPages] = await Promise.all([
      inPieces(() =>
        desktop.call('sptes.rows', { filter: { kinds: ['mmio'] }, offset: 0, limit: SPTES, inPieces: true }),
      ),
      desktop.call('sptes.pages', {}),
    ]);
    sptes.value = rows.ok ? rows.value.rows : [];
    pages.value = shadowPages.ok ? shadowPages.value.pages.slice(0, PAGES) : [];
  }

  async function gatherFaults(): Promise<void> {
    const probe = await desktop.call('mmio.log', { since: Number.MAX_SAFE_INTEGER, limit: 1 });
    if (!probe.ok) return;
    const since = Math.max(0, probe.value.total - FAULTS);
    const answer = await desktop.call('mmio.log', { since, limit: FAULTS });
    faults.value = answer.ok ? answer.value.records.toReversed() : [];
  }

  const look = (text: string): Promise<void> => symbols.search(text.trim());

  async function search(text: string): Promise<void> {
    query.value = text;
    await whileAsked([look(text)]);
  }

  const recent = computed(() => {
    const seen = new Map(focus.history.map((one) => [targets.recentTarget(one).title, one]));
    return [...seen.values()].toReversed().slice(0, RECENT).map(targets.recentTarget);
  });

  const named = computed<readonly GoToTarget[]>(() => [
    ...recent.value,
    ...symbols.matches.map(targets.symbolTarget),
    ...PANEL_KINDS.map((kind) => targets.panelTarget(kind, PANELS_BY_KIND[kind].title)),
    ...(memslots.snapshot?.slots ?? []).map(targets.slotTarget),
    ...breakpoints.breakpoints.map(targets.breakpointTarget),
    ...registers.value.map(targets.registerTarget),
    ...pages.value.map(targets.pageTarget),
    ...sptes.value.map(targets.spteTarget),
    ...faults.value.map(targets.faultTarget),
  ]);

  const matches = computed(() =>
    [
      ...targets.typedTargets(query.value),
      ...fuzzyRank(named.value, query.value, ({ title, detail, sort }) => `${title} ${sort} ${detail}`),
    ].slice(0, SHOWN),
  );

  function go({ panel, focus: next }: GoToTarget): void {
    layout.open(panel);
    if (next) focus.show(next);
  }

  return { query, matches, isBusy, gather, firstMatch, search, go };
});
