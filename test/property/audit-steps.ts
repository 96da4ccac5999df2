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
  /** An entry of a page directory: a table, the other table, a large page, nothing. */
  | { readonly do: 'direct'; readonly window: number; readonly to: number; readonly invlpg: boolean }
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
  | { readonly do: 'generation'; readonly toEnd: number };

const SIZES = [1, 5, 16, 512] as const;
/** As many as there are in audit-script.ts. */
const TARGETS = 12;

export const arbitraryStep = (pagings: readonly Paging[] = PAGINGS): fc.Arbitrary<Step> => {
  const at = fc.nat({ max: 11 });
  const user = fc.boolean();
  const id = fc.integer({ min: 1, max: 3 });
  const flags = fc.constantFrom(0, 1, 1, 2, 3);
  const small = fc.nat({ max: 3 });
  const space = fc.constantFrom<0 | 1>(0, 1);
  const step = <T extends Step>(weight: number, arbitrary: fc.Arbitrary<T>): fc.WeightedArbitrary<Step> => ({
    weight,
    arbitrary,
  });
  return fc.oneof(
    step(14, fc.record({ do: fc.constant('read' as const), at, user })),
    step(14, fc.record({ do: fc.constant('write' as const), at, byte: fc.boolean(), user })),
    step(2, fc.record({ do: fc.constant('add' as const), at })),
    step(3, fc.record({ do: fc.constant('fetch' as const), at })),
    step(
      14,
      fc.record({
        do: fc.constant('map' as const),
        at,
        to: fc.nat({ max: TARGETS - 1 }),
        bits: fc.constantFrom(7, 7, 5, 3, 1, 0),
        invlpg: fc.boolean(),
      }),
    ),
    step(
      2,
      fc.record({ do: fc.constant('direct' as const), window: fc.nat({ max: 2 }), to: small, invlpg: fc.boolean() }),
    ),
    step(
      1,
      fc.record({ do: fc.constant('scribble' as const), at, byte: fc.nat({ max: 1 }), value: fc.nat({ max: 255 }) }),
    ),
    step(4, fc.record({ do: fc.constant('invlpg' as const), at })),
    step(5, fc.record({ do: fc.constant('cr3' as const), space })),
    step(
      4,
      fc.record({
        do: fc.constant('paging' as const),
        paging: fc.constantFrom(...pagings),
        space,
        wp: fc.boolean(),
        nx: fc.boolean(),
      }),
    ),
    step(6, fc.record({ do: fc.constant('vcpu' as const), id: fc.nat({ max: 1 }) })),
    step(2, fc.record({ do: fc.constant('no-execute' as const), at, on: fc.boolean(), invlpg: fc.boolean() })),
    step(2, fc.record({ do: fc.constant('wp' as const), on: fc.boolean() })),
    step(1, fc.record({ do: fc.constant('spread' as const), tables: fc.integer({ min: 1, max: 70 }) })),
    step(
      6,
      fc.record({
        do: fc.constant('slot' as const),
        id,
        place: small,
        pages: fc.constantFrom(...SIZES),
        host: small,
        flags,
      }),
    ),
    step(2, fc.record({ do: fc.constant('delete' as const), id })),
    step(2, fc.record({ do: fc.constant('move' as const), id, place: small })),
    step(2, fc.record({ do: fc.constant('flags' as const), id, flags })),
    step(4, fc.record({ do: fc.constant('dirty-log' as const), id })),
    step(1, fc.record({ do: fc.constant('quota' as const), pages: fc.integer({ min: 64, max: 80 }) })),
    step(1, fc.record({ do: fc.constant('generation' as const), toEnd: fc.nat({ max: 4 }) })),
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
      fc.array(arbitraryStep(), { maxLength: maxSteps, size: 'max' }),
    )
    .map(([paging, small, large, rest]) => [paging, small, large, ...rest]);
