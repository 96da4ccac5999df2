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
import type { Focus } from '../stores/focus-store.ts';

/** What is known of the machine at a stop, and of how it was set up. */
export interface LabFacts {
  readonly status: MachineStatus;
  readonly startGeneration: bigint;
  readonly generation: GenerationSnapshot;
  readonly slots: MemslotsSnapshot;
  readonly stats: StatsSnapshot;
  /** Outcomes of MMIO faults of the polled page since the machine was set up. */
  readonly polls: ReadonlySet<MmioOutcome>;
}

export interface LabStep {
  readonly todo: string;
  readonly sees: string;
  readonly panel: PanelKind;
  /** What is to be looked at in the panel, where it depends on the stop. */
  readonly place?: (status: MachineStatus) => Focus | undefined;
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

export const POLLED = 0xe000_0000n;
const INVALID_POLL: Params<'breakpoints.add'> = {
  spec: { kind: 'mmio', start: POLLED, length: 0x1000n, access: 'any', outcomes: ['INVALID'], freshness: 'any' },
};

/** The address of the page fault that the machine stands in front of. */
function faultOf({ reason }: MachineStatus): Focus | undefined {
  if (reason.kind !== 'event-breakpoint' || reason.event.kind !== 'page-fault') return undefined;
  const address = reason.event.fields.find(({ name }) => name === 'gva')?.value;
  return address === undefined ? undefined : { kind: 'address', space: 'gva', address };
}

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
    breakpoints: [INVALID_POLL],
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
        isSeen: ({ polls }) => polls.has('INVALID'),
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
    guest: 'poller',
    options: { mmu: 'ept', era: 'v3.11' },
    breakpoints: [],
    panels: ['sptes', 'memslots'],
    steps: [
      {
        todo: 'Run (F5), and pause after a moment. In the Spte inspector choose RAM.',
        sees: 'What the guest has written may be written: rwx.',
        panel: 'sptes',
        isSeen: ({ stats }) => stats.vcpu.pf_fixed > 0,
      },
      {
        todo: 'Edit slot 1, turn dirty logging on, and apply it.',
        sees: 'A change of flags only; it adds to the generation like any other. The leaves of the slot are r-x.',
        panel: 'memslots',
        isSeen: ({ slots }) => slots.slots.some(({ logDirtyPages }) => logDirtyPages),
      },
      {
        todo: 'Run on (F5), and pause after a moment.',
        sees: 'The slot counts the pages that were written to, and these are rwx again.',
        panel: 'memslots',
        isSeen: ({ slots }) => slots.slots.some(({ dirtyPages }) => dirtyPages > 0),
      },
    ],
  },
  {
    id: 'shadow-paging',
    title: 'Shadow paging of a 32-bit guest',
    guest: 'faults',
    options: { mmu: 'shadow', era: 'v3.11', append: 'mode=32' },
    breakpoints: [
      {
        spec: {
          kind: 'page-fault',
          start: 0n,
          length: 1n << 64n,
          access: 'any',
          cause: 'any',
          privilege: 'any',
        },
      },
    ],
    panels: ['statistics', 'sptes', 'walk'],
    steps: [
      {
        todo: 'Run (F5): the machine stops in front of the first page fault that is the guest’s own.',
        sees: 'Its tables are shadowed. Show walks the address of the fault through both trees.',
        panel: 'walk',
        place: faultOf,
        isSeen: ({ stats }) => stats.vcpu.pf_guest > 0 && stats.vm.mmu_pte_write > 0,
      },
      {
        todo: 'Run on (F5), to the next one.',
        sees: 'In Statistics pf_guest has grown by one. The screen’s MMIO spte, gfn 0xb8, has a reserved bit set.',
        panel: 'statistics',
        isSeen: (facts) => facts.stats.vcpu.pf_guest > 1 && hasMmioSpte(facts),
      },
    ],
  },
];
