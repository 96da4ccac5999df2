import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../core/base/address.ts';
import { LIMITS_V3_11 } from '../../core/kvm/memslots/limits.ts';
import { previewMemoryRegion } from '../../core/kvm/memslots/memslot-preview.ts';
import { readMemslot, readMemslots } from '../../core/kvm/memslots/memslot-table.ts';
import { gfnToMemslot, memslotsGeneration } from '../../core/kvm/memslots/memslots.ts';
import { slotHeapUsed } from '../../core/kvm/memslots/slot-heap.ts';
import { photograph, region, SlotBench, type Call } from '../unit/kvm/memslot-bench.ts';

const SLOTS = 5;
const GFNS = 48;

const calls: fc.Arbitrary<Call> = fc.tuple(
  fc.nat({ max: SLOTS - 1 }),
  fc.nat({ max: GFNS - 1 }),
  fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 16 })),
  fc.integer({ min: 0, max: 3 }),
  fc.constantFrom(HVA_BASE, HVA_BASE + 0x4000n),
);

/** What the kernel's rules come to, written down as plainly as can be. */
interface Slot {
  readonly gfn: number;
  readonly pages: number;
  readonly flags: number;
  readonly hva: bigint;
}

function expected(slots: Map<number, Slot>, [id, gfn, pages, flags = 0, hva = HVA_BASE]: Call): string {
  const old = slots.get(id);
  if (pages === 0) return old === undefined ? 'EINVAL' : 'DELETE';
  if (old !== undefined) {
    if (old.hva !== hva || old.pages !== pages || ((old.flags ^ flags) & 2) !== 0) return 'EINVAL';
    if (old.gfn === gfn) return old.flags === flags ? 'NONE' : 'FLAGS_ONLY';
  }
  const taken = [...slots].some(
    ([other, slot]) => other !== id && gfn < slot.gfn + slot.pages && slot.gfn < gfn + pages,
  );
  if (taken) return 'EEXIST';
  return old === undefined ? 'CREATE' : 'MOVE';
}

describe('any sequence of memslot calls', () => {
  it('comes out as the rules say, is foretold by the preview, and leaves the table right', () => {
    fc.assert(
      fc.property(fc.array(calls, { minLength: 1, maxLength: 25 }), (sequence) => {
        const bench = new SlotBench();
        const { arena } = bench;
        const model = new Map<number, Slot>();
        for (const call of sequence) {
          const outcome = expected(model, call);
          const preview = previewMemoryRegion(arena, LIMITS_V3_11, region(call));
          const before = memslotsGeneration(arena);
          const result = bench.set(call);
          expect(result.ok ? result.value.change : result.error.errno).toBe(outcome);
          expect(preview).toMatchObject(result);
          const bumps = { CREATE: 1n, FLAGS_ONLY: 1n, DELETE: 2n, MOVE: 2n }[outcome] ?? 0n;
          expect(memslotsGeneration(arena) - before).toBe(bumps);
          const [id, gfn, pages, flags = 0, hva = HVA_BASE] = call;
          if (outcome === 'DELETE') model.delete(id);
          else if (result.ok) model.set(id, { gfn, pages, flags, hva });
        }
        const sizes = readMemslots(arena).map(({ npages }) => npages);
        expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
        for (let gfn = 0; gfn < GFNS + 16; gfn++) {
          const there = [...model].find(([, slot]) => gfn >= slot.gfn && gfn < slot.gfn + slot.pages);
          const slot = gfnToMemslot(arena, gfn);
          expect(slot < 0 ? undefined : readMemslot(arena, slot).id).toBe(there?.[0]);
        }
        for (const id of model.keys()) bench.mustSet([id, 0, 0]);
        expect(slotHeapUsed(arena)).toBe(0);
      }),
      { numRuns: 40, seed: 32 },
    );
  });

  it('that is refused changes no byte of the machine', () => {
    fc.assert(
      fc.property(fc.array(calls, { minLength: 1, maxLength: 12 }), calls, (sequence, last) => {
        const bench = new SlotBench();
        for (const call of sequence) bench.set(call);
        const before = photograph(bench.arena);
        previewMemoryRegion(bench.arena, LIMITS_V3_11, region(last));
        expect(Buffer.compare(photograph(bench.arena), before)).toBe(0);
        const result = bench.set(last);
        if (!result.ok) expect(Buffer.compare(photograph(bench.arena), before)).toBe(0);
      }),
      { numRuns: 15, seed: 33 },
    );
  });
});
