/** Random scripts: the steps and how they are drawn. What a step does is in audit-script.ts. */
import fc from 'fast-check';
import { PAGINGS, type Paging } from './audit-world.ts';

/** Addresses are drawn by number; what a number means depends on the paging mode (see #addressOf). */
export type Step =
  | { readonly do: 'read'; readonly at: number; readonly user: boolean }
  | { readonly do: 'fetch'; readonly at: number }
  | { readonly do: 'write'; readonly at: number; readonly byte: boolean; readonly user: boolean }
  | { readonly do: 'add'; readonly at: number }
  /** Reads all over guest memory where nothing is, each in a page table of its own: uses the quota up. Without paging only. */
  | { readonly do: 'spread'; readonly tables: number }
  /** A guest's entry: written by the guest itself, then invalidated or not. `via` reaches the table through a slot that aliases it. */
  | { readonly do: 'map'; readonly at: number; readonly to: number; readonly bits: number; readonly invlpg: boolean }
  /** An entry of a page directory: a table, the other table, a large page, another, with these low bits. */
  | {
      readonly do: 'direct';
      readonly window: number;
      readonly to: number;
      readonly bits: number;
      readonly invlpg: boolean;
    }
  /** One byte of an entry, where KVM sees a misaligned write. */
  | { readonly do: 'scribble'; readonly at: number; readonly byte: number; readonly value: number }
  /** Bit 63 of an entry of 8 bytes. */
  | { readonly do: 'no-execute'; readonly at: number; readonly on: boolean; readonly invlpg: boolean }
  | { readonly do: 'invlpg'; readonly at: number }
  | { readonly do: 'cr3'; readonly space: 0 | 1 }
  | {
      readonly do: 'paging';
      readonly paging: Paging;
      readonly space: 0 | 1;
      readonly wp: boolean;
      readonly nx: boolean;
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
  | { readonly do: 'flags'; readonly id: number; readonly flags: number }
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
/** As many as there are in audit-script.ts. */
const TARGETS = 12;

/**
 * What a script dwells on. Faults need several rare steps close together (a write between two reads of a dirty log, a slot
 * made just before the generation wraps), which an even mixture of everything hardly ever has. Factors by kind of step.
 */
const THEMES: readonly Readonly<Partial<Record<Step['do'], number>>>[] = [
  {},
  { 'dirty-log': 6, flags: 4, write: 2, slot: 0.5, delete: 0, move: 0, map: 0.3, paging: 0.3, cr3: 0.3, spread: 0 },
  { generation: 12, read: 2, slot: 3, delete: 0.3, move: 0.3, flags: 4, map: 0.5, paging: 0.3, spread: 0 },
  { map: 3, scribble: 4, invlpg: 2, cr3: 2, vcpu: 2, slot: 0, delete: 0, move: 0, flags: 0, paging: 0.2, wp: 2 },
  {
    direct: 12,
    read: 2,
    write: 2,
    cr3: 2,
    slot: 0,
    delete: 0,
    move: 0,
    flags: 0,
    paging: 0.2,
    scribble: 3,
    'no-execute': 3,
  },
  { quota: 8, shrink: 8, spread: 6, cr3: 2, slot: 0.5, flags: 0.5 },
];

export const arbitraryStep = (
  pagings: readonly Paging[] = PAGINGS,
  theme: (typeof THEMES)[number] = {},
): fc.Arbitrary<Step> => {
  const at = fc.nat({ max: 11 });
  const user = fc.boolean();
  const id = fc.integer({ min: 1, max: 3 });
  const flags = fc.constantFrom(0, 1, 1, 2, 3);
  const small = fc.nat({ max: 3 });
  const space = fc.constantFrom<0 | 1>(0, 1);
  const step = <T extends Step>(
    weight: number,
    kind: T['do'],
    arbitrary: fc.Arbitrary<T>,
  ): fc.WeightedArbitrary<Step> => ({
    weight: Math.round(WEIGHT_UNIT * weight * (theme[kind] ?? 1)),
    arbitrary,
  });
  return fc.oneof(
    step(14, 'read', fc.record({ do: fc.constant('read' as const), at, user })),
    step(14, 'write', fc.record({ do: fc.constant('write' as const), at, byte: fc.boolean(), user })),
    step(2, 'add', fc.record({ do: fc.constant('add' as const), at })),
    step(3, 'fetch', fc.record({ do: fc.constant('fetch' as const), at })),
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
        to: small,
        bits: fc.constantFrom(7, 7, 5, 3, 0x27, 0x25, 0),
        invlpg: fc.boolean(),
      }),
    ),
    step(
      1,
      'scribble',
      fc.record({ do: fc.constant('scribble' as const), at, byte: fc.nat({ max: 1 }), value: fc.nat({ max: 255 }) }),
    ),
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
      }),
    ),
    step(6, 'vcpu', fc.record({ do: fc.constant('vcpu' as const), id: fc.nat({ max: 1 }) })),
    step(
      2,
      'no-execute',
      fc.record({ do: fc.constant('no-execute' as const), at, on: fc.boolean(), invlpg: fc.boolean() }),
    ),
    step(2, 'wp', fc.record({ do: fc.constant('wp' as const), on: fc.boolean() })),
    step(1, 'spread', fc.record({ do: fc.constant('spread' as const), tables: fc.integer({ min: 1, max: 70 }) })),
    step(
      6,
      'slot',
      fc.record({
        do: fc.constant('slot' as const),
        id,
        place: small,
        pages: fc.constantFrom(...SIZES),
        host: small,
        flags,
      }),
    ),
    step(2, 'delete', fc.record({ do: fc.constant('delete' as const), id })),
    step(2, 'move', fc.record({ do: fc.constant('move' as const), id, place: small })),
    step(2, 'flags', fc.record({ do: fc.constant('flags' as const), id, flags })),
    step(4, 'dirty-log', fc.record({ do: fc.constant('dirty-log' as const), id })),
    step(1, 'quota', fc.record({ do: fc.constant('quota' as const), pages: fc.integer({ min: 64, max: 80 }) })),
    step(1, 'generation', fc.record({ do: fc.constant('generation' as const), toEnd: fc.nat({ max: 4 }) })),
    step(1, 'shrink', fc.record({ do: fc.constant('shrink' as const) })),
  );
};

/** Scripts that begin with two slots and in a paging mode, more often than not one with tables. */
export const arbitraryScript = (maxSteps: number): fc.Arbitrary<readonly Step[]> =>
  fc
    .tuple(
      fc.record({
        do: fc.constant('paging' as const),
        paging: fc.constantFrom<Paging>('flat', '32-bit', 'pae', '4-level', '32-bit', 'pae', '4-level'),
        space: fc.constantFrom<0 | 1>(0, 1),
        wp: fc.boolean(),
        nx: fc.boolean(),
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
      fc.oneof(...THEMES.map((theme) => fc.array(arbitraryStep(PAGINGS, theme), { maxLength: maxSteps, size: 'max' }))),
    )
    .map(([paging, small, large, rest]) => [paging, small, large, ...rest]);
