import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allocateFromSlotHeap,
  freeToSlotHeap,
  SLOT_HEAP_FULL,
  slotHeapHasRoomFor,
  slotHeapUsed,
} from '../../../core/kvm/memslots/slot-heap.ts';
import { bareArena, photograph } from './memslot-bench.ts';

describe('the slot heap', () => {
  it('hands out zeroed memory, also where there was something before', () => {
    const arena = bareArena();
    const first = allocateFromSlotHeap(arena, 100);
    arena.u8.fill(0xff, first, first + 100);
    freeToSlotHeap(arena, first);
    const again = allocateFromSlotHeap(arena, 100);
    expect(again).toBe(first);
    expect(arena.u8.subarray(again, again + 100).every((byte) => byte === 0)).toBe(true);
  });

  it('becomes whole again whatever the order of freeing', () => {
    const arena = bareArena();
    const whole = arena.layout.slotHeapBytes - 64 - 16;
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
      [0, 2, 1],
    ]) {
      const blocks = [100, 200, 300].map((bytes) => allocateFromSlotHeap(arena, bytes));
      for (const index of order) freeToSlotHeap(arena, blocks[index]);
      const all = allocateFromSlotHeap(arena, whole);
      expect(all).not.toBe(SLOT_HEAP_FULL);
      freeToSlotHeap(arena, all);
    }
  });

  it('says no when there is no room, and changes nothing by it', () => {
    const arena = bareArena();
    allocateFromSlotHeap(arena, 1000);
    const before = photograph(arena);
    expect(allocateFromSlotHeap(arena, arena.layout.slotHeapBytes)).toBe(SLOT_HEAP_FULL);
    expect(allocateFromSlotHeap(arena, 2 ** 40)).toBe(SLOT_HEAP_FULL);
    expect(Buffer.compare(photograph(arena), before)).toBe(0);
  });

  it('throws on memory that is not its own or freed twice', () => {
    const arena = bareArena();
    const block = allocateFromSlotHeap(arena, 64);
    freeToSlotHeap(arena, block);
    expect(() => freeToSlotHeap(arena, block)).toThrow('twice');
    expect(() => freeToSlotHeap(arena, 4096)).toThrow('not allocated');
  });

  it('never hands out a byte twice, and foretells every refusal', () => {
    const arena = bareArena();
    const command = fc.oneof(
      fc.record({ kind: fc.constant('allocate' as const), bytes: fc.integer({ min: 1, max: 900_000 }) }),
      fc.record({ kind: fc.constant('free' as const), pick: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const live: { at: number; bytes: number }[] = [];
        for (const step of commands) {
          if (step.kind === 'free') {
            if (live.length === 0) continue;
            const [gone] = live.splice(step.pick % live.length, 1);
            freeToSlotHeap(arena, gone.at);
            continue;
          }
          const foretold = slotHeapHasRoomFor(arena, [step.bytes]);
          const at = allocateFromSlotHeap(arena, step.bytes);
          expect(at !== SLOT_HEAP_FULL).toBe(foretold);
          if (at === SLOT_HEAP_FULL) continue;
          expect(at % 16).toBe(0);
          expect(live.every((other) => at + step.bytes <= other.at || other.at + other.bytes <= at)).toBe(true);
          live.push({ at, bytes: step.bytes });
        }
        for (const { at } of live) freeToSlotHeap(arena, at);
        expect(slotHeapUsed(arena)).toBe(0);
      }),
      { numRuns: 60, seed: 3 },
    );
  });
});
