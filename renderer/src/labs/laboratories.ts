/** The laboratories: a machine set up for one thing to be seen, and steps that are marked when it really has happened. */
import type {
  GenerationSnapshot,
  MachineOptionsInput,
  MachineStatus,
  MemslotsSnapshot,
  Params,
  StatsSnapshot,
} from '@core/protocol/index.ts';
import type { MmioOutcome } from '../api/contract-words.ts';
import type { PanelKind } from '../layout/panel-kinds.ts';

/** What is known of the machine at a stop, and of how it was set up. */
export interface LabFacts {
  readonly status: MachineStatus;
  readonly startGeneration: bigint;
  readonly generation: GenerationSnapshot;
  readonly slots: MemslotsSnapshot;
  readonly stats: StatsSnapshot;
  /** Outcomes of MMIO faults since the machine was set up. */
  readonly outcomes: ReadonlySet<MmioOutcome>;
}

export interface LabStep {
  readonly todo: string;
  readonly sees: string;
  readonly panel: PanelKind;
  readonly isSeen: (facts: LabFacts) => boolean;
}

export interface Laboratory {
  readonly id: string;
  readonly title: string;
  readonly guest: string;
  readonly options: MachineOptionsInput;
  readonly breakpoints: readonly Params<'breakpoints.add'>[];
  readonly panels: readonly PanelKind[];
  readonly steps: readonly LabStep[];
}

const POLLED = 0xe000_0000n;
const polledPage = (outcomes: readonly MmioOutcome[], once = false): Params<'breakpoints.add'> => ({
  spec: { kind: 'mmio', start: POLLED, length: 0x1000n, access: 'any', outcomes: [...outcomes], freshness: 'any' },
  once,
});

const changed = ({ generation, startGeneration }: LabFacts): boolean =>
  generation.moment.memslotsGeneration !== startGeneration;
const hasMmioSpte = ({ generation }: LabFacts): boolean => generation.mmioSptesFresh + generation.mmioSptesStale > 0;

export const LABORATORIES: readonly Laboratory[] = [
  {
    id: 'stale-spte',
    title: 'A memslot change makes every MMIO spte stale',
    guest: 'poller',
    options: { mmu: 'ept', era: 'patch' },
    // Not the accesses before it that the vCPU's MMIO cache may answer.
    breakpoints: [polledPage(['INVALID'])],
    panels: ['mmio', 'sptes', 'memslots'],
    steps: [
      {
        todo: 'Run (F5), and pause (F5) after a moment.',
        sees: 'The MMIO spte of gfn 0xe0000, with the generation of now.',
        panel: 'sptes',
        isSeen: ({ generation }) => generation.mmioSptesFresh > 0,
      },
      {
        todo: 'Make a memslot over 0xe0000000 and apply it.',
        sees: 'The generation has grown, and the spte is stale. Nothing was walked.',
        panel: 'memslots',
        isSeen: (facts) => changed(facts) && facts.generation.mmioSptesStale > 0,
      },
      {
        todo: 'Run on (F5): the machine stops in front of the fault on the stale spte.',
        sees: 'The generation of the spte beside the current one, in the reason of the stop.',
        panel: 'mmio',
        isSeen: ({ status: { reason } }) =>
          reason.kind === 'mmio-breakpoint' &&
          reason.fault.spteGen >= 0 &&
          reason.fault.spteGen !== reason.fault.kvmGen,
      },
      {
        todo: 'Step once (F11).',
        sees: 'The fault came to INVALID: the memslots were looked up anew, and now there is RAM.',
        panel: 'mmio',
        isSeen: ({ outcomes }) => outcomes.has('INVALID'),
      },
    ],
  },
  {
    id: 'wrap-around',
    title: 'The generation goes round',
    guest: 'poller',
    options: { mmu: 'ept', era: 'patch' },
    breakpoints: [],
    panels: ['sptes', 'memslots', 'generation'],
    steps: [
      {
        todo: 'Run (F5), and pause after a moment.',
        sees: 'An MMIO spte is there.',
        panel: 'sptes',
        isSeen: hasMmioSpte,
      },
      {
        todo: 'Set the generation near the wrap-around.',
        sees: 'At most ten changes are left.',
        panel: 'generation',
        isSeen: ({ status }) => status.generationsToWrap >= 0 && status.generationsToWrap <= 10,
      },
      {
        todo: 'Change memslots until the end is met.',
        sees: 'All MMIO sptes were zapped at once; the history says so.',
        panel: 'generation',
        isSeen: ({ generation }) => generation.events.some(({ kind }) => kind === 'zap'),
      },
    ],
  },
  {
    id: 'dirty-log',
    title: 'Dirty page logging',
    guest: 'timer',
    options: { mmu: 'ept', era: 'v3.11' },
    breakpoints: [],
    panels: ['sptes', 'statistics', 'memslots'],
    steps: [
      {
        todo: 'Edit slot 1 and turn dirty logging on.',
        sees: 'A change of flags only; it adds to the generation like any other.',
        panel: 'memslots',
        isSeen: ({ slots }) => slots.slots.some(({ logDirtyPages }) => logDirtyPages),
      },
      {
        todo: 'Run (F5), and pause after a moment.',
        sees: 'The slot counts the pages that were written to.',
        panel: 'memslots',
        isSeen: ({ slots }) => slots.slots.some(({ dirtyPages }) => dirtyPages > 0),
      },
    ],
  },
  {
    id: 'shadow-paging',
    title: 'Shadow paging of a 32-bit guest',
    guest: 'poller',
    options: { mmu: 'shadow', era: 'v3.11', append: 'mode=32' },
    breakpoints: [polledPage([], true)],
    panels: ['statistics', 'sptes', 'walk'],
    steps: [
      {
        todo: 'Run (F5): the machine stops in front of the first MMIO fault.',
        sees: 'Pages of the guest’s tables are shadowed.',
        panel: 'sptes',
        isSeen: ({ stats }) => stats.usedMmuPages > 4,
      },
      {
        todo: 'Look the polled page up in Walk: type 0xe0000000.',
        sees: 'Guest page faults and shadow faults were counted meanwhile.',
        panel: 'walk',
        isSeen: ({ stats }) => stats.vcpu.pf_fixed > 0,
      },
      {
        todo: 'Run on (F5), and pause after a moment.',
        sees: 'The fault left an MMIO spte: a reserved bit is set in it.',
        panel: 'sptes',
        isSeen: hasMmioSpte,
      },
    ],
  },
];
