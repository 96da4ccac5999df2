import { describe, expect, it } from 'vitest';
import { MEMSLOT_LPAGE_INFO, MEMSLOT_RMAP } from '../../../core/arena/memslot-layout.ts';
import { HVA_BASE } from '../../../core/base/address.ts';
import { LIMITS_V3_11, LIMITS_V6_18 } from '../../../core/kvm/memslots/limits.ts';
import { previewMemoryRegion } from '../../../core/kvm/memslots/memslot-preview.ts';
import {
  memslotById,
  readMemslot,
  readMemslots,
  setMemslotsGeneration,
} from '../../../core/kvm/memslots/memslot-table.ts';
import { setMemoryRegion, type MemslotCheck, type MemslotError } from '../../../core/kvm/memslots/memslot-update.ts';
import {
  activeMemslots,
  gfnToMemslot,
  memslotsGeneration,
  slotLpageWord,
  slotRmapWord,
} from '../../../core/kvm/memslots/memslots.ts';
import { slotHeapUsed } from '../../../core/kvm/memslots/slot-heap.ts';
import { photograph, RAM_BYTES, region, SlotBench, type Call } from './memslot-bench.ts';

const LOG = 1;
const READONLY = 2;

describe('a memslot change', () => {
  it.each([
    ['CREATE', [5, 0x200, 4] satisfies Call, ['synchronize at 2', 'commit CREATE at 2'], 1n],
    ['FLAGS_ONLY', [3, 0x100, 16, LOG] satisfies Call, ['synchronize at 2', 'commit FLAGS_ONLY at 2'], 1n],
    [
      'DELETE',
      [3, 0x100, 0] satisfies Call,
      ['synchronize at 2', 'flush invalid slot at 2', 'synchronize at 3', 'commit DELETE at 3'],
      2n,
    ],
    [
      'MOVE',
      [3, 0x180, 16] satisfies Call,
      ['synchronize at 2', 'flush invalid slot at 2', 'synchronize at 3', 'commit MOVE at 3'],
      2n,
    ],
    ['NONE', [3, 0x100, 16] satisfies Call, [], 0n],
  ] as const)('%s goes through the MMU in the kernel’s order', (change, call, calls, bumps) => {
    const bench = new SlotBench().mustSet([3, 0x100, 16]);
    bench.mmu.calls.length = 0;
    expect(bench.set(call)).toMatchObject({
      ok: true,
      value: { change, generationBefore: 1n, generationAfter: 1n + bumps },
    });
    expect(bench.mmu.calls).toEqual(calls);
    expect(memslotsGeneration(bench.arena)).toBe(1n + bumps);
  });

  it('of a MOVE with other flags is a MOVE and applies the flags too', () => {
    const bench = new SlotBench().mustSet([3, 0x100, 16]);
    expect(bench.set([3, 0x180, 16, LOG])).toMatchObject({ ok: true, value: { change: 'MOVE' } });
    const slot = gfnToMemslot(bench.arena, 0x180);
    expect(readMemslot(bench.arena, slot)).toMatchObject({ id: 3, baseGfn: 0x180, flags: LOG });
    expect(bench.mmu.commits.at(-1)).toMatchObject({ change: 'MOVE', slotId: 3, slot, oldFlags: 0, newFlags: LOG });
  });

  it.each([
    ['patch', 0n, 0, 1],
    ['v3.11', 0n, 0x7ff69, 0x7ff6a],
    ['v3.10', 0n, -1, -1],
    ['patch', 0x7ffffn, 0x7ffff, 0],
    ['v3.11', 149n, 0x7fffe, 0x7ffff],
    ['patch', (1n << 64n) - 1n, 0x7ffff, 0],
  ] as const)(
    'in era %s takes the MMIO generation of memslots generation %s from %i to %i',
    (era, before, gen, next) => {
      const bench = new SlotBench(era);
      setMemslotsGeneration(bench.arena, before);
      expect(bench.set([0, 0, 1])).toMatchObject({
        ok: true,
        value: {
          mmioGenerationBefore: gen,
          mmioGenerationAfter: next,
          generationAfter: BigInt.asUintN(64, before + 1n),
        },
      });
    },
  );

  it('forgets a request to log when it deletes', () => {
    const bench = new SlotBench().mustSet([3, 0x100, 16]);
    expect(bench.set([3, 0x100, 0, LOG])).toMatchObject({ ok: true });
    expect(bench.mmu.commits.at(-1)).toMatchObject({ change: 'DELETE', newFlags: 0, slot: -1 });
  });

  it('gives back all memory of a slot that is deleted', () => {
    const bench = new SlotBench();
    for (let round = 0; round < 3; round++) {
      bench.mustSet([3, 0x100, 300, LOG], [4, 0x1000, 700]);
      expect(slotHeapUsed(bench.arena)).toBeGreaterThan(8 * 1000);
      bench.mustSet([3, 0, 0], [4, 0, 0]);
      expect(slotHeapUsed(bench.arena)).toBe(0);
    }
  });

  it('frees only the bitmap when logging is turned off, and keeps it when a logging slot moves', () => {
    const bench = new SlotBench().mustSet([3, 0x100, 64]);
    const plain = slotHeapUsed(bench.arena);
    bench.mustSet([3, 0x100, 64, LOG]);
    const { dirtyBitmap } = readMemslot(bench.arena, gfnToMemslot(bench.arena, 0x100));
    expect(dirtyBitmap).toBeGreaterThan(0);
    bench.mustSet([3, 0x400, 64, LOG]);
    expect(readMemslot(bench.arena, gfnToMemslot(bench.arena, 0x400)).dirtyBitmap).toBe(dirtyBitmap);
    bench.mustSet([3, 0x400, 64]);
    expect(slotHeapUsed(bench.arena)).toBe(plain);
  });

  it('keeps the arrays of a slot that moves as v3.11 does, and makes new ones under the rules of v6.18', () => {
    const arrays = (limits: typeof LIMITS_V3_11): boolean => {
      const bench = new SlotBench('patch', limits).mustSet([3, 0x100, 64]);
      const before = readMemslot(bench.arena, gfnToMemslot(bench.arena, 0x100)).rmap[0];
      bench.mustSet([3, 0x400, 64]);
      return readMemslot(bench.arena, gfnToMemslot(bench.arena, 0x400)).rmap[0] === before;
    };
    expect(arrays(LIMITS_V3_11)).toBe(true);
    expect(arrays(LIMITS_V6_18)).toBe(false);
  });
});

describe('the table', () => {
  it('is scanned from the biggest slot down, whatever the order of creation', () => {
    const bench = new SlotBench().mustSet([0, 0, 4], [1, 0x100, 64], [2, 0x200, 16], [3, 0x300, 64], [4, 0x400, 1]);
    expect(readMemslots(bench.arena).map(({ npages }) => npages)).toEqual([64, 64, 16, 4, 1]);
    bench.mustSet([1, 0, 0], [5, 0x100, 8]);
    expect(readMemslots(bench.arena).map(({ id }) => id)).toEqual([3, 2, 5, 0, 4]);
  });

  it('finds every slot by its number after any change', () => {
    const bench = new SlotBench().mustSet([7, 0x700, 7], [124, 0x900, 2], [0, 0, 3], [7, 0, 0], [1, 0x10, 9]);
    const found = [0, 1, 7, 124].map((id) => {
      const slot = memslotById(bench.arena, activeMemslots(bench.arena), id);
      return slot < 0 ? undefined : readMemslot(bench.arena, slot).id;
    });
    expect(found).toEqual([0, 1, undefined, 124]);
  });

  it('that was published is left as it was by the next update', () => {
    const bench = new SlotBench().mustSet([0, 0, 16]);
    const table = activeMemslots(bench.arena);
    const before = photograph(bench.arena).slice(table, table + bench.arena.layout.memslotTableBytes);
    bench.mustSet([1, 0x100, 32]);
    expect(activeMemslots(bench.arena)).not.toBe(table);
    expect(photograph(bench.arena).slice(table, table + bench.arena.layout.memslotTableBytes)).toEqual(before);
  });
});

describe('large page info', () => {
  const counts = (call: Call, level: number): readonly number[] => {
    const bench = new SlotBench().mustSet(call);
    const slot = gfnToMemslot(bench.arena, call[1]);
    const frames = level === 2 ? 512 : 262144;
    const chunks = Math.floor((call[1] + call[2] - 1) / frames) - Math.floor(call[1] / frames) + 1;
    return Array.from({ length: chunks }, (_, i) => {
      const gfn = Math.max(call[1], (Math.floor(call[1] / frames) + i) * frames);
      return bench.arena.i32[slotLpageWord(bench.arena, slot, gfn, level) >> 2];
    });
  };

  it.each([
    ['allows chunks that are covered whole', [0, 512, 1024, 0, HVA_BASE], [0, 0]],
    ['forbids a first chunk that is covered in part', [0, 256, 768, 0, HVA_BASE + 0x10_0000n], [1, 0]],
    ['forbids a last chunk that is covered in part', [0, 512, 700, 0, HVA_BASE], [0, 1]],
    ['forbids all when gfn and hva are not congruent', [0, 512, 1024, 0, HVA_BASE + 0x1000n], [1, 1]],
  ] as const)('%s', (_name, call, expected) => {
    expect(counts(call, 2)).toEqual(expected);
  });

  it('forbids 1 GiB pages in a slot smaller than that', () => {
    expect(counts([0, 0, 1024, 0, HVA_BASE], 3)).toEqual([1]);
  });

  it('and rmap words of neighbouring slots do not overlap', () => {
    const bench = new SlotBench().mustSet([0, 0, 513], [1, 513, 511, 0, HVA_BASE + 513n * 4096n]);
    const [a, b] = [gfnToMemslot(bench.arena, 512), gfnToMemslot(bench.arena, 513)];
    const words = [a, b].flatMap((slot) => [
      ...[1, 2, 3].map((_, i) => bench.arena.i32[((slot + MEMSLOT_RMAP) >> 2) + i]),
      ...[0, 1].map((i) => bench.arena.i32[((slot + MEMSLOT_LPAGE_INFO) >> 2) + i]),
    ]);
    expect(new Set(words).size).toBe(10);
    expect(slotRmapWord(bench.arena, a, 512, 1) - slotRmapWord(bench.arena, a, 0, 1)).toBe(512 * 8);
    expect(slotRmapWord(bench.arena, a, 512, 2) - slotRmapWord(bench.arena, a, 511, 2)).toBe(8);
  });
});

interface Refused {
  readonly name: string;
  readonly call: readonly [slot: number, flags: number, gpa: bigint, size: bigint, hva: bigint];
  readonly errno: MemslotError['errno'];
  readonly check: MemslotCheck;
  readonly collidingSlot?: number;
}

// Slots 3 [0x100000, 0x110000) and 4 [0x200000, 0x210000), read-only.
const BEFORE: readonly Call[] = [
  [3, 0x100, 16],
  [4, 0x200, 16, READONLY, HVA_BASE],
];
const TOP = 0xffff_ffff_ffff_f000n;

const REFUSED: readonly Refused[] = [
  {
    name: 'a slot number beyond the user slots',
    call: [125, 0, 0n, 0x1000n, HVA_BASE],
    errno: 'EINVAL',
    check: 'slot-out-of-range',
  },
  {
    name: 'the biggest slot number',
    call: [0xffff_ffff, 0, 0n, 0x1000n, HVA_BASE],
    errno: 'EINVAL',
    check: 'slot-out-of-range',
  },
  {
    name: 'an unknown flag, before an unaligned size',
    call: [5, 4, 0n, 1n, HVA_BASE],
    errno: 'EINVAL',
    check: 'unknown-flags',
  },
  {
    name: 'the INVALID flag from user space',
    call: [5, 0x1_0000, 0n, 0x1000n, HVA_BASE],
    errno: 'EINVAL',
    check: 'unknown-flags',
  },
  { name: 'flag bit 31', call: [5, 0x8000_0000, 0n, 0x1000n, HVA_BASE], errno: 'EINVAL', check: 'unknown-flags' },
  {
    name: 'an unaligned size, before an unaligned gpa',
    call: [5, 0, 1n, 0x1001n, HVA_BASE],
    errno: 'EINVAL',
    check: 'size-unaligned',
  },
  {
    name: 'an unaligned gpa, before an unaligned hva',
    call: [5, 0, 0x800n, 0x1000n, 1n],
    errno: 'EINVAL',
    check: 'gpa-unaligned',
  },
  { name: 'an unaligned hva', call: [5, 0, 0n, 0x1000n, HVA_BASE + 8n], errno: 'EINVAL', check: 'hva-unaligned' },
  {
    name: 'an hva of the kernel half',
    call: [5, 0, 0n, 0x1000n, 0xffff_8000_0000_0000n],
    errno: 'EINVAL',
    check: 'hva-not-user',
  },
  {
    name: 'an hva range that passes the end of user space',
    call: [5, 0, 0n, 0x2000n, 0x7fff_ffff_e000n],
    errno: 'EINVAL',
    check: 'hva-not-user',
  },
  { name: 'an hva range that wraps', call: [5, 0, 0n, 0x2000n, TOP], errno: 'EINVAL', check: 'hva-not-user' },
  { name: 'a gpa range that wraps', call: [5, 0, TOP, 0x1000n, HVA_BASE], errno: 'EINVAL', check: 'gpa-wraps' },
  {
    name: 'more pages than a slot holds',
    call: [5, 0, 0n, 0x800_0000_0000n, 0x1000n],
    errno: 'EINVAL',
    check: 'too-many-pages',
  },
  {
    name: 'another hva for a slot that exists',
    call: [3, 0, 0x10_0000n, 0x1_0000n, HVA_BASE + 0x1000n],
    errno: 'EINVAL',
    check: 'hva-changed',
  },
  {
    name: 'another size for a slot that exists',
    call: [3, 0, 0x10_0000n, 0x2_0000n, HVA_BASE],
    errno: 'EINVAL',
    check: 'size-changed',
  },
  {
    name: 'read-only turned on',
    call: [3, READONLY, 0x10_0000n, 0x1_0000n, HVA_BASE],
    errno: 'EINVAL',
    check: 'readonly-toggled',
  },
  {
    name: 'read-only turned off',
    call: [4, 0, 0x20_0000n, 0x1_0000n, HVA_BASE],
    errno: 'EINVAL',
    check: 'readonly-toggled',
  },
  { name: 'deletion of an empty slot', call: [5, 0, 0n, 0n, 0n], errno: 'EINVAL', check: 'delete-empty' },
  { name: 'deletion with an unaligned gpa', call: [3, 0, 1n, 0n, 0n], errno: 'EINVAL', check: 'gpa-unaligned' },
  {
    name: 'a new slot over the last page of another',
    call: [5, 0, 0x10_f000n, 0x1000n, HVA_BASE],
    errno: 'EEXIST',
    check: 'overlap',
    collidingSlot: 3,
  },
  {
    name: 'a new slot around another',
    call: [5, 0, 0n, 0x40_0000n, HVA_BASE],
    errno: 'EEXIST',
    check: 'overlap',
    collidingSlot: 3,
  },
  {
    name: 'a move onto another slot',
    call: [3, 0, 0x20_8000n, 0x1_0000n, HVA_BASE],
    errno: 'EEXIST',
    check: 'overlap',
    collidingSlot: 4,
  },
  {
    name: 'a slot whose arrays do not fit',
    call: [5, 0, 0x1_0000_0000n, 0x10_0000_0000n, HVA_BASE],
    errno: 'ENOMEM',
    check: 'out-of-memory',
  },
];

describe('a call that is refused', () => {
  it.each(REFUSED.map((refused) => [refused.name, refused] as const))('for %s changes nothing', (_name, refused) => {
    const bench = new SlotBench().mustSet(...BEFORE);
    const before = photograph(bench.arena);
    const calls = bench.mmu.calls.length;
    const [slot, flags, guestPhysAddr, memorySize, userspaceAddr] = refused.call;
    const call = { slot, flags, guestPhysAddr, memorySize, userspaceAddr };
    const { errno, check, collidingSlot } = refused;
    const expected = { ok: false, error: { errno, check, collidingSlot } };
    expect(previewMemoryRegion(bench.arena, LIMITS_V3_11, call)).toMatchObject(expected);
    const result = setMemoryRegion(bench.arena, LIMITS_V3_11, bench.mmu, call);
    expect(result).toMatchObject(expected);
    expect(Buffer.compare(photograph(bench.arena), before)).toBe(0);
    expect(bench.mmu.calls.length).toBe(calls);
  });

  it('names the numbers in a sentence', () => {
    const bench = new SlotBench().mustSet(...BEFORE);
    const result = bench.set([5, 0x10f, 1]);
    expect(!result.ok && result.error.message).toBe(
      'guest range [0x10f000, 0x110000) overlaps slot 3 at [0x100000, 0x110000): delete or move one of them',
    );
  });

  it('does not keep arrays that were allocated before the dirty bitmap did not fit', () => {
    const bench = new SlotBench();
    const { slotHeapBytes } = bench.arena.layout;
    // 8 bytes an rmap word; the rest of the arrays is small, the bitmaps are the straw.
    const pages = Math.floor((slotHeapBytes - 4096) / (8 + 8 / 512 + 4 / 512 + 1 / 8));
    expect(bench.set([0, 0, pages]).ok).toBe(true);
    bench.mustSet([0, 0, 0]);
    expect(bench.set([0, 0, pages + 4096, LOG])).toMatchObject({ ok: false, error: { check: 'out-of-memory' } });
    expect(slotHeapUsed(bench.arena)).toBe(0);
  });
});

describe('a call that is accepted', () => {
  it.each([
    ['for an hva range that ends exactly where user space ends', [5, 0, 1, 0, 0x7fff_ffff_e000n]],
    ['for hva 0', [5, 0, 1, 0, 0n]],
    ['for a slot that touches two others', [5, 0x110, 0xf0]],
    ['for the last user slot', [124, 0, 1]],
    ['for a move over its own old place', [3, 0x108, 16]],
  ] satisfies readonly (readonly [string, Call])[])('%s', (_name, call) => {
    const bench = new SlotBench().mustSet(...BEFORE);
    const preview = previewMemoryRegion(bench.arena, LIMITS_V3_11, region(call));
    const result = bench.set(call);
    expect(result.ok).toBe(true);
    expect(preview).toMatchObject(result);
  });

  it('may lie over a slot of the kernel in v3.11 and not in v6.18', () => {
    for (const [limits, ok] of [
      [LIMITS_V3_11, true],
      [LIMITS_V6_18, false],
    ] as const) {
      const bench = new SlotBench('patch', limits);
      expect(bench.set([limits.userSlots, 0xfee00, 1], 'kernel').ok).toBe(true);
      expect(bench.set([0, 0xfee00, 1]).ok).toBe(ok);
    }
  });
});

describe('the rules of v6.18', () => {
  it.each([
    ['an address space that is not there', { slot: 0x1_0003 }, 'address-space'],
    ['a slot beyond the user slots', { slot: 32764 }, 'slot-out-of-range'],
    ['a frame that no host can map', { guestPhysAddr: 1n << 52n }, 'beyond-max-gfn'],
    ['hva misaligned for a kernel slot as well', { slot: 1, userspaceAddr: 8n }, 'hva-unaligned'],
  ] as const)('refuse %s', (_name, change, check) => {
    const bench = new SlotBench('patch', LIMITS_V6_18);
    const call = { ...region([0, 0, 1]), ...change };
    expect(setMemoryRegion(bench.arena, LIMITS_V6_18, bench.mmu, call)).toMatchObject({
      ok: false,
      error: { errno: 'EINVAL', check },
    });
  });
});

describe('a preview', () => {
  it.each([
    ['patch', 0x7fffdn, [3, 0x100, 16, LOG], true],
    ['patch', 0x7fffcn, [3, 0x100, 16, LOG], false],
    ['patch', 0x7fffcn, [3, 0x100, 0], true],
    ['patch', 0x7fffen, [3, 0x100, 0], false],
    ['v3.11', 148n, [3, 0x100, 16, LOG], true],
    ['v3.10', 0x7fffdn, [3, 0x100, 16, LOG], false],
    ['patch', 0x7fffen, [3, 0x100, 16], false],
  ] as const)('in era %s at generation %s of %j says wraps: %s', (era, generation, call, wraps) => {
    const bench = new SlotBench(era).mustSet([3, 0x100, 16]);
    setMemslotsGeneration(bench.arena, generation);
    expect(previewMemoryRegion(bench.arena, LIMITS_V3_11, region(call))).toMatchObject({ ok: true, value: { wraps } });
  });

  it('changes nothing', () => {
    const bench = new SlotBench().mustSet(...BEFORE);
    const before = photograph(bench.arena);
    previewMemoryRegion(bench.arena, LIMITS_V3_11, region([3, 0x100, 0]));
    previewMemoryRegion(bench.arena, LIMITS_V3_11, region([9, 0x1000, RAM_BYTES / 4096, LOG]));
    expect(Buffer.compare(photograph(bench.arena), before)).toBe(0);
  });
});
