/** The laboratory that somebody is in, and which of its steps have been seen. */
import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import type { MmioOutcome } from '../api/contract-words.ts';
import { LABORATORIES, POLLED, type LabFacts, type Laboratory } from '../labs/laboratories.ts';
import { useBreakpointsStore } from './breakpoints-store.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useLayoutStore } from './layout-store.ts';
import { useMachineStore } from './machine-store.ts';

const LOG_PIECE = 1000;

export const useLabsStore = defineStore('labs', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const breakpoints = useBreakpointsStore();
  const layout = useLayoutStore();

  /** The page that is open, and the laboratory whose machine is set up. */
  const openId = ref<string>();
  const activeId = ref<string>();
  const seen = ref<readonly number[]>([]);
  const startGeneration = ref(0n);
  const logged = ref(0);
  const polls = shallowRef<ReadonlySet<MmioOutcome>>(new Set());
  const load = ref(-1);

  const opened = computed(() => LABORATORIES.find(({ id }) => id === openId.value));
  const active = computed(() => LABORATORIES.find(({ id }) => id === activeId.value));

  async function setUp(lab: Laboratory): Promise<boolean> {
    if (!(await machine.load(await desktop.readGuest(lab.guest), lab.options))) return false;
    await breakpoints.adopt(lab.breakpoints);
    for (const panel of lab.panels) layout.open(panel);
    layout.open('start');
    activeId.value = lab.id;
    seen.value = [];
    polls.value = new Set();
    logged.value = 0;
    load.value = machine.loads;
    startGeneration.value = machine.status?.moment.memslotsGeneration ?? 0n;
    return true;
  }

  /** All of the log since the last look, as far as the engine still has it. */
  async function readPolls(): Promise<void> {
    for (let total = Infinity; logged.value < total;) {
      const log = await desktop.call('mmio.log', { since: logged.value, limit: LOG_PIECE });
      if (!log.ok) return;
      const { records } = log.value;
      ({ total } = log.value);
      const here = records.filter(({ gpa }) => gpa >> 12n === POLLED >> 12n);
      polls.value = new Set([...polls.value, ...here.map(({ outcome }) => outcome)]);
      // A machine that was reset begins its log anew.
      logged.value = total < logged.value ? 0 : (records.at(-1)?.seq ?? total - 1) + 1;
    }
  }

  async function factsNow(): Promise<LabFacts | undefined> {
    const { status } = machine;
    await readPolls();
    const [generation, slots, stats] = await Promise.all([
      desktop.call('generation.read', {}),
      desktop.call('memslots.read', {}),
      desktop.call('stats.read', {}),
    ]);
    if (status === undefined || !generation.ok || !slots.ok || !stats.ok) return undefined;
    return {
      status,
      startGeneration: startGeneration.value,
      generation: generation.value,
      slots: slots.value,
      stats: stats.value,
      polls: polls.value,
    };
  }

  /** A step that was seen stays seen. They come in their order: none is seen before the one above it. */
  async function look(): Promise<void> {
    const lab = active.value;
    if (lab === undefined || machine.isRunning || !machine.hasMachine) return;
    if (load.value !== machine.loads) {
      activeId.value = undefined;
      return;
    }
    const facts = await factsNow();
    if (facts === undefined || active.value !== lab) return;
    while (seen.value.length < lab.steps.length && lab.steps[seen.value.length].isSeen(facts)) {
      seen.value = [...seen.value, seen.value.length];
    }
  }
  watch([() => machine.epoch, () => machine.state, () => machine.loads], () => void look());

  return {
    openId,
    activeId,
    opened,
    active,
    seen,
    setUp,
    look,
  };
});
