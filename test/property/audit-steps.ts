/** Random scripts: the steps and how they are drawn. What a step does is in audit-script.ts. */
import fc from 'fast-check';
import { THEMES, type Theme } from './audit-themes.ts';
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
  /** Other rights for the frame that an entry maps already, as a guest's mprotect or fork gives them. */
  | { readonly do: 'protect'; readonly at: number; readonly bits: number; readonly invlpg: boolean }
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
/** Rights of an entry that is in use: with D or without, and taken back as PROT_NONE does. */
const PROTECTED_BITS = [0x67, 0x65, 0x63, 0x27, 0x25, 0x23, 0x66, 0x26] as const;
/** Weights are whole numbers, factors are not. */
const WEIGHT_UNIT = 10;
const SIZES = [1, 5, 16, 512] as const;
/** As many as there are in audit-addresses.ts. */
const TARGETS = 12;
/** All that an entry of a page directory may lead to; the last two only where a theme is about them, and now and then. */
const DIRECTORIES = [0, 0, 1, 1, 2, 2, 3, 4, 5] as const;
/** The lower half of an entry that a misaligned write makes: rights, and address bits 12–15. */
const STRADDLED = [0, 0x3067, 0x3027, 0x3065, 0x4067, 0x4065, 0x0007, 0x1067] as const;

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
      'protect',
      fc.record({
        do: fc.constant('protect' as const),
        at,
        bits: fc.constantFrom(...PROTECTED_BITS),
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
