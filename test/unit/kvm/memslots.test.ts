import { describe, expect, it } from 'vitest';
import { VM_ACTIVE_MEMSLOTS } from '../../../core/arena/mmu-layout.ts';
import { HVA_BASE } from '../../../core/base/address.ts';
import { currentMmioGeneration, generationsToWrap, mmioGenerationOf } from '../../../core/kvm/eras.ts';
import { KVM_MEMSLOT_INVALID } from '../../../core/kvm/memslots/limits.ts';
import {
  duplicateMemslots,
  publishMemslots,
  setMemslotFlags,
  setMemslotsGeneration,
} from '../../../core/kvm/memslots/memslot-table.ts';
import {
  gfnToMemslot,
  gfnToPfn,
  isVisibleGfn,
  KVM_PFN_ERR_FAULT,
  KVM_PFN_ERR_RO_FAULT,
  KVM_PFN_NOSLOT,
  memslotIsReadonly,
  memslotsGeneration,
  NO_SLOT,
  slotGfnToHva,
} from '../../../core/kvm/memslots/memslots.ts';
import { RAM_BYTES, SlotBench } from './memslot-bench.ts';

describe('looking a gfn up', () => {
  const bench = new SlotBench().mustSet(
    [0, 0, 0xa0],
    [1, 0x100, 0x400, 0, HVA_BASE + 0x10_0000n],
    [2, 0xfee00, 1, 2, HVA_BASE],
    [3, 0x2000, 16, 0, 0x1000_0000n],
    // Its last page lies past the end of user memory.
    [4, 0x3000, 2, 0, HVA_BASE + BigInt(RAM_BYTES) - 0x1000n],
  );
  const { arena } = bench;
  const ram = arena.layout.ram / 4096;

  it.each([
    [0, ram],
    [0x9f, ram + 0x9f],
    [0xa0, KVM_PFN_NOSLOT],
    [0xff, KVM_PFN_NOSLOT],
    [0x100, ram + 0x100],
    [0x4ff, ram + 0x4ff],
    [0x500, KVM_PFN_NOSLOT],
    [0xfee00, ram],
    [0x2000, KVM_PFN_ERR_FAULT],
    [0x3000, ram + RAM_BYTES / 4096 - 1],
    [0x3001, KVM_PFN_ERR_FAULT],
    [0xff_ffff_ffff, KVM_PFN_NOSLOT],
  ])('0x%s for reading gives frame %i', (gfn, pfn) => {
    expect(gfnToPfn(arena, gfn, false)).toBe(pfn);
  });

  it('refuses to write to a read-only slot and lets it be read', () => {
    expect(gfnToPfn(arena, 0xfee00, true)).toBe(KVM_PFN_ERR_RO_FAULT);
    expect(memslotIsReadonly(arena, gfnToMemslot(arena, 0xfee00))).toBe(true);
    expect(gfnToPfn(arena, 0x100, true)).toBe(ram + 0x100);
  });

  it('gives the user address of a frame', () => {
    expect(slotGfnToHva(arena, gfnToMemslot(arena, 0x180), 0x180)).toBe(HVA_BASE + 0x18_0000n);
  });

  it('finds nothing in an empty table', () => {
    const empty = new SlotBench().arena;
    expect(gfnToMemslot(empty, 0)).toBe(NO_SLOT);
    expect(isVisibleGfn(empty, 0)).toBe(false);
    expect(gfnToPfn(empty, 0, false)).toBe(KVM_PFN_NOSLOT);
  });

  it('finds a slot that is being taken away, but no frame in it', () => {
    const going = new SlotBench().mustSet([0, 0, 16]);
    setMemslotFlags(going.arena, duplicateMemslots(going.arena), 0, KVM_MEMSLOT_INVALID);
    publishMemslots(going.arena);
    expect(gfnToMemslot(going.arena, 3)).toBeGreaterThan(0);
    expect(isVisibleGfn(going.arena, 3)).toBe(false);
    expect(gfnToPfn(going.arena, 3, false)).toBe(KVM_PFN_NOSLOT);
  });
});

describe('the generation', () => {
  it('lies in the table, so that table and generation change at once', () => {
    const { arena } = new SlotBench().mustSet([0, 0, 1], [1, 1, 1]);
    const word = (arena.layout.vm + VM_ACTIVE_MEMSLOTS) >> 2;
    expect(memslotsGeneration(arena)).toBe(2n);
    arena.i32[word] ^= 1;
    expect(memslotsGeneration(arena)).toBe(1n);
  });

  it.each([
    ['patch', 0n, 0, 0x7fffe],
    ['patch', 5n, 5, 0x7fff9],
    ['patch', 0x7fffen, 0x7fffe, 0],
    ['patch', 0x12_3456_789an, 0x6789a, 0x18764],
    ['v3.11', 0n, 0x7ff69, 149],
    ['v3.11', 149n, 0x7fffe, 0],
    ['v3.11', 151n, 0, 0x7fffe],
    ['v3.10', 77n, -1, -1],
  ] as const)('in era %s of %s is 0x%s, with %i changes to the wrap-around', (era, generation, mmio, left) => {
    const { arena } = new SlotBench(era);
    setMemslotsGeneration(arena, generation);
    expect(mmioGenerationOf(era, generation)).toBe(mmio);
    expect(currentMmioGeneration(arena)).toBe(Math.max(mmio, 0));
    expect(generationsToWrap(era, generation)).toBe(left);
  });
});
