/** Random scripts: the steps and how they are drawn. What a step does is in audit-script.ts. */
import fc from 'fast-check';
import { PAGINGS, type Paging } from './audit-world.ts';

/** Addresses are drawn by number; what a number means depends on the paging mode (see #addressOf). */
export type Step =
  | { readonly do: 'read'; readonly at: number; readonly user: boolean }
  | { readonly do: 'fetch'; readonly at: number; readonly user: boolean }
  | { readonly do: 'write'; readonly at: number; readonly byte: boolean; readonly user: boolean }
  | { readonly do: 'add'; readonly at: number; readonly locked: boolean }
  /** A load or a store over the end of the page. */
  | { readonly do: 'cross'; readonly at: number; readonly write: boolean; readonly user: boolean }
  /** Reads all over guest memory where nothing is, each in a page table of its own: uses the quota up. Without paging only. */
  | { readonly do: 'spread'; readonly tables: number }
  /** A guest's entry: written by the guest itself, then invalidated or not. `via` reaches the table through a slot that aliases it. */
  | { readonly do: 'map'; readonly at: number; readonly to: number; readonly bits: number; readonly invlpg: boolean }
  /** An entry of a page directory: a table, the other table, a large page, another, the directory, the home; with these low bits. */
  | {
      readonly do: 'direct';
      readonly window: number;
      readonly to: number;
      readonly bits: number;
      readonly invlpg: boolean;
    }
  /** One byte of an entry, where KVM sees a misaligned write. */
  | {
      readonly do: 'scribble';
      readonly at: number;
      readonly upper: boolean;
      readonly byte: number;
      readonly value: number;
    }
  /** Four bytes over the border of two entries, which change the second. */
  | { readonly do: 'straddle'; readonly at: number; readonly upper: boolean; readonly value: number }
  /** The page directory at its second place: there or not, with a CR3 load after it or without. Long mode only. */
  | { readonly do: 'upper'; readonly on: boolean; readonly reload: boolean }
  /** Bit 63 of an entry of 8 bytes. */
  | {
      readonly do: 'no-execute';
      readonly at: number;
      readonly upper: boolean;
      readonly on: boolean;
      readonly invlpg: boolean;
    }
  | { readonly do: 'invlpg'; readonly at: number }
  | { readonly do: 'cr3'; readonly space: 0 | 1 }
  | {
      readonly do: 'paging';
      readonly paging: Paging;
      readonly space: 0 | 1;
      readonly wp: boolean;
      readonly nx: boolean;
      /** Every vCPU, not only the one that runs. */
      readonly all: boolean;
    }
  /** Another vCPU goes on. */
  | { readonly do: 'vcpu'; readonly id: number }
  | { readonly do: 'wp'; readonly on: boolean }
  | {
      readonly do: 'slot';
      readonly id: number;
      readonly place: number;
      readonly pages: number;
      readonly host: number;
      readonly flags: number;
    }
  | { readonly do: 'delete'; readonly id: number }
  | { readonly do: 'move'; readonly id: number; readonly place: number }
  /** Switches the dirty log of a slot on or off. */
  | { readonly do: 'flags'; readonly id: number }
  | { readonly do: 'dirty-log'; readonly id: number }
  | { readonly do: 'quota'; readonly pages: number }
  /** The host is short of memory: mmu_shrink. */
  | { readonly do: 'shrink' }
  | { readonly do: 'generation'; readonly toEnd: number };

/** P 1, W 2, U 4, A 0x20, D 0x40: an entry that was never used, and one that the guest says was. */
const LEAF_BITS = [7, 7, 5, 3, 1, 0, 0x27, 0x67, 0x67, 0x25, 0x23] as const;
/** Weights are whole numbers, factors are not. */
const WEIGHT_UNIT = 10;
const SIZES = [1, 5, 16, 512] as const;
/** As many as there are in audit-addresses.ts. */
const TARGETS = 12;
/** All that an entry of a page directory may lead to; the last two only where a theme is about them, and now and then. */
const DIRECTORIES = [0, 0, 1, 1, 2, 2, 3, 4, 5] as const;
/** The lower half of an entry that a misaligned write makes: rights, and address bits 12–15. */
const STRADDLED = [0, 0x3067, 0x3027, 0x3065, 0x4067, 0x4065, 0x0007, 0x1067] as const;

/**
 * What a script dwells on. Faults need several rare steps close together (a write between two reads of a dirty log, a slot
 * made just before the generation wraps), which an even mixture of everything hardly ever has: factors by kind of step, and
 * how few things steps are about.
 */
interface Theme {
  readonly name?: string;
  readonly factors: Readonly<Partial<Record<Step['do'], number>>>;
  /** Addresses are drawn from the first few only, or from these. */
  readonly addresses?: number | readonly number[];
  /** What a page directory's entries lead to. */
  readonly directories?: readonly number[];
  /** Where slots are made. */
  readonly places?: readonly number[];
  /** Paging modes to begin with. */
  readonly pagings?: readonly Paging[];
}

const NO_SLOTS = {
  slot: 0,
  delete: 0,
  move: 0,
  flags: 0,
  'dirty-log': 0,
  generation: 0,
  spread: 0,
  quota: 0.3,
} as const;
const TABLES_ONLY = ['32-bit', 'pae', '4-level'] as const;

const THEMES: readonly Theme[] = [
  { name: 'everything', factors: {} },
  // Dirty logs.
  {
    name: 'dirty logs',
    factors: {
      'dirty-log': 6,
      flags: 6,
      write: 2,
      slot: 0.5,
      delete: 0,
      move: 0,
      map: 0.3,
      paging: 0.3,
      cr3: 0.3,
      spread: 0,
    },
    addresses: 8,
  },
  // The end of the generation.
  {
    name: 'the generation',
    factors: { generation: 12, read: 2, slot: 3, delete: 0.3, move: 0.3, flags: 12, map: 0.5, paging: 0.3, spread: 0 },
  },
  // Slots that come where there was MMIO.
  {
    name: 'slots over MMIO',
    factors: {
      slot: 3,
      delete: 4,
      flags: 3,
      read: 3,
      write: 0.5,
      map: 0,
      paging: 0,
      cr3: 0,
      wp: 0,
      quota: 0,
      spread: 0,
    },
    addresses: [5, 6, 7],
    places: [3],
    pagings: ['flat'],
  },
  // Leaf tables that the guest changes.
  {
    name: 'leaf tables',
    factors: { ...NO_SLOTS, map: 3, scribble: 4, straddle: 4, invlpg: 2, cr3: 2, vcpu: 2, paging: 0.2, wp: 2 },
    pagings: TABLES_ONLY,
  },
  // Two processors on the same few pages.
  {
    name: 'two processors',
    factors: { ...NO_SLOTS, map: 2, vcpu: 4, direct: 4, invlpg: 1, cr3: 0.5, paging: 0.1, wp: 1, scribble: 2 },
    addresses: 3,
    pagings: TABLES_ONLY,
  },
  // The same with nothing but leaf entries: no sync drops sptes meanwhile, after which a TLB may know more than the tables.
  {
    name: 'one entry',
    factors: {
      ...NO_SLOTS,
      map: 4,
      vcpu: 5,
      read: 2,
      write: 2,
      direct: 0,
      cr3: 0,
      invlpg: 0.1,
      paging: 0,
      wp: 0,
      quota: 0,
    },
    addresses: 2,
    pagings: TABLES_ONLY,
  },
  // Page directories.
  {
    name: 'page directories',
    factors: { ...NO_SLOTS, direct: 12, read: 2, write: 2, cr3: 2, paging: 0.2, scribble: 3, 'no-execute': 3, wp: 0 },
    addresses: 6,
    directories: [0, 0, 0, 1, 2],
    pagings: TABLES_ONLY,
  },
  // Large guest pages, their rights, and dirty logs over them.
  {
    name: 'large pages',
    factors: {
      ...NO_SLOTS,
      direct: 10,
      read: 2,
      write: 3,
      cr3: 1,
      paging: 0.2,
      wp: 6,
      map: 0.2,
      flags: 3,
      'dirty-log': 1,
    },
    addresses: 7,
    directories: [2, 2, 5],
    pagings: TABLES_ONLY,
  },
  // Page directories that map themselves: their leaf tables cannot turn unsync, so that every write to them is emulated.
  {
    name: 'recursive directories',
    factors: {
      ...NO_SLOTS,
      direct: 30,
      read: 3,
      cr3: 0.5,
      paging: 0,
      scribble: 6,
      straddle: 12,
      map: 0.3,
      'no-execute': 8,
    },
    addresses: 10,
    directories: [4, 4, 0, 1],
    pagings: TABLES_ONLY,
  },
  // Directories that come and go above tables that change.
  {
    name: 'upper levels',
    factors: {
      ...NO_SLOTS,
      upper: 40,
      map: 2,
      read: 3,
      cr3: 0.3,
      paging: 0,
      invlpg: 0.2,
      write: 0.5,
      wp: 0,
      direct: 0,
      vcpu: 0,
    },
    addresses: [0, 3, 4, 5],
    pagings: ['4-level'],
  },
  // The quota.
  { name: 'the quota', factors: { quota: 8, shrink: 8, spread: 6, cr3: 2, slot: 0.5, flags: 0.5 } },
];

export const arbitraryStep = (
  pagings: readonly Paging[] = PAGINGS,
  { factors, addresses = 16, directories = DIRECTORIES, places = [0, 1, 2, 3] }: Theme = { factors: {} },
): fc.Arbitrary<Step> => {
  const at = typeof addresses === 'number' ? fc.nat({ max: addresses - 1 }) : fc.constantFrom(...addresses);
  const user = fc.boolean();
  const id = fc.integer({ min: 1, max: 3 });
  const flags = fc.constantFrom(0, 1, 1, 2, 3);
  const place = fc.constantFrom(...places);
  const host = fc.nat({ max: 3 });
  const space = fc.constantFrom<0 | 1>(0, 1);
  const step = <T extends Step>(
    weight: number,
    kind: T['do'],
    arbitrary: fc.Arbitrary<T>,
  ): fc.WeightedArbitrary<Step> => ({
    weight: Math.round(WEIGHT_UNIT * weight * (factors[kind] ?? 1)),
    arbitrary,
  });
  return fc.oneof(
    step(14, 'read', fc.record({ do: fc.constant('read' as const), at, user })),
    step(14, 'write', fc.record({ do: fc.constant('write' as const), at, byte: fc.boolean(), user })),
    step(2, 'add', fc.record({ do: fc.constant('add' as const), at, locked: fc.boolean() })),
    step(3, 'fetch', fc.record({ do: fc.constant('fetch' as const), at, user })),
    step(2, 'cross', fc.record({ do: fc.constant('cross' as const), at, write: fc.boolean(), user })),
    step(
      14,
      'map',
      fc.record({
        do: fc.constant('map' as const),
        at,
        to: fc.nat({ max: TARGETS - 1 }),
        bits: fc.constantFrom(...LEAF_BITS),
        invlpg: fc.boolean(),
      }),
    ),
    step(
      2,
      'direct',
      fc.record({
        do: fc.constant('direct' as const),
        window: fc.nat({ max: 2 }),
        to: fc.constantFrom(...directories),
        bits: fc.constantFrom(7, 7, 5, 3, 0x67, 0x27, 0x25, 0),
        invlpg: fc.boolean(),
      }),
    ),
    step(
      1,
      'scribble',
      fc.record({
        do: fc.constant('scribble' as const),
        at,
        upper: fc.boolean(),
        byte: fc.nat({ max: 1 }),
        value: fc.nat({ max: 255 }),
      }),
    ),
    step(
      1,
      'straddle',
      fc.record({
        do: fc.constant('straddle' as const),
        at,
        upper: fc.boolean(),
        value: fc.constantFrom(...STRADDLED),
      }),
    ),
    step(0.5, 'upper', fc.record({ do: fc.constant('upper' as const), on: fc.boolean(), reload: fc.boolean() })),
    step(4, 'invlpg', fc.record({ do: fc.constant('invlpg' as const), at })),
    step(5, 'cr3', fc.record({ do: fc.constant('cr3' as const), space })),
    step(
      4,
      'paging',
      fc.record({
        do: fc.constant('paging' as const),
        paging: fc.constantFrom(...pagings),
        space,
        wp: fc.boolean(),
        nx: fc.boolean(),
        all: fc.boolean(),
      }),
    ),
    step(6, 'vcpu', fc.record({ do: fc.constant('vcpu' as const), id: fc.nat({ max: 1 }) })),
    step(
      2,
      'no-execute',
      fc.record({
        do: fc.constant('no-execute' as const),
        at,
        upper: fc.boolean(),
        on: fc.boolean(),
        invlpg: fc.boolean(),
      }),
    ),
    step(2, 'wp', fc.record({ do: fc.constant('wp' as const), on: fc.boolean() })),
    step(1, 'spread', fc.record({ do: fc.constant('spread' as const), tables: fc.integer({ min: 1, max: 70 }) })),
    step(
      6,
      'slot',
      fc.record({
        do: fc.constant('slot' as const),
        id,
        place,
        pages: fc.constantFrom(...SIZES),
        host,
        flags,
      }),
    ),
    step(2, 'delete', fc.record({ do: fc.constant('delete' as const), id })),
    step(2, 'move', fc.record({ do: fc.constant('move' as const), id, place })),
    step(2, 'flags', fc.record({ do: fc.constant('flags' as const), id })),
    step(4, 'dirty-log', fc.record({ do: fc.constant('dirty-log' as const), id })),
    step(1, 'quota', fc.record({ do: fc.constant('quota' as const), pages: fc.integer({ min: 64, max: 80 }) })),
    step(1, 'generation', fc.record({ do: fc.constant('generation' as const), toEnd: fc.nat({ max: 4 }) })),
    step(1, 'shrink', fc.record({ do: fc.constant('shrink' as const) })),
  );
};

/** Scripts that begin with two slots and in a paging mode, more often than not one with tables. */
const themedScript = (maxSteps: number, theme: Theme): fc.Arbitrary<readonly Step[]> =>
  fc
    .tuple(
      fc.record({
        do: fc.constant('paging' as const),
        paging: fc.constantFrom<Paging>(...(theme.pagings ?? BEGINNINGS)),
        space: fc.constantFrom<0 | 1>(0, 1),
        wp: fc.boolean(),
        nx: fc.boolean(),
        all: fc.constantFrom(true, true, true, false),
      }),
      fc.record({
        do: fc.constant('slot' as const),
        id: fc.constant(1),
        place: fc.constantFrom(0, 1),
        pages: fc.constant(16),
        host: fc.nat({ max: 3 }),
        flags: fc.constantFrom(0, 1),
      }),
      fc.record({
        do: fc.constant('slot' as const),
        id: fc.constant(2),
        place: fc.constant(2),
        pages: fc.constant(512),
        host: fc.constant(1),
        flags: fc.constantFrom(0, 1, 2),
      }),
      fc.array(arbitraryStep(PAGINGS, theme), { maxLength: maxSteps, size: 'max' }),
    )
    .map(([paging, small, large, rest]) => [paging, small, large, ...rest]);

const BEGINNINGS: readonly Paging[] = ['flat', '32-bit', 'pae', '4-level', '32-bit', 'pae', '4-level'];

/** @param dwelling a theme’s name; otherwise a script may have any */
export function arbitraryScript(maxSteps: number, dwelling?: string): fc.Arbitrary<readonly Step[]> {
  const themes = THEMES.filter(({ name }) => dwelling === undefined || name === dwelling);
  if (themes.length === 0) throw new Error(`no script dwells on ${dwelling}`);
  return fc.oneof(...themes.map((theme) => themedScript(maxSteps, theme)));
}
