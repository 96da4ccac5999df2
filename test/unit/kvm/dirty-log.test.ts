import { describe, expect, it } from 'vitest';
import { countDirtyPages, getDirtyLog, markPageDirty } from '../../../core/kvm/memslots/dirty-log.ts';
import { LIMITS_V3_11, LIMITS_V6_18, type MemslotLimits } from '../../../core/kvm/memslots/limits.ts';
import { gfnToMemslot } from '../../../core/kvm/memslots/memslots.ts';
import { photograph, SlotBench } from './memslot-bench.ts';

const LOG = 1;

describe('the dirty log', () => {
  it('has the pages that were written, once, and protects them again', () => {
    const { arena, mmu } = new SlotBench().mustSet([3, 0x100, 100, LOG]);
    for (const gfn of [0x100, 0x11f, 0x120, 0x163]) markPageDirty(arena, gfn);
    mmu.calls.length = 0;
    const log = getDirtyLog(arena, LIMITS_V3_11, mmu, 3);
    const expected = new Uint8Array(16);
    expected.set([1, 0, 0, 0x80, 1], 0);
    expected[12] = 8;
    expect(log).toEqual({ ok: true, value: expected });
    expect(mmu.calls).toEqual(['protect 0+0x80000001', 'protect 32+0x1', 'protect 96+0x8', 'flush TLBs']);
    mmu.calls.length = 0;
    expect(getDirtyLog(arena, LIMITS_V3_11, mmu, 3)).toEqual({ ok: true, value: new Uint8Array(16) });
    expect(mmu.calls).toEqual([]);
  });

  it('is a copy: what is written afterwards does not show in it', () => {
    const { arena, mmu } = new SlotBench().mustSet([3, 0x100, 64, LOG]);
    markPageDirty(arena, 0x100);
    const log = getDirtyLog(arena, LIMITS_V3_11, mmu, 3);
    markPageDirty(arena, 0x101);
    expect(log.ok && log.value[0]).toBe(1);
  });

  it.each([
    [1, 8],
    [63, 8],
    [64, 8],
    [65, 16],
  ])('of %i pages is %i bytes long', (pages, bytes) => {
    const { arena, mmu } = new SlotBench().mustSet([3, 0x100, pages, LOG]);
    const log = getDirtyLog(arena, LIMITS_V3_11, mmu, 3);
    expect(log.ok && log.value.byteLength).toBe(bytes);
  });

  it('starts empty when logging is turned on again', () => {
    const { arena, mmu } = new SlotBench().mustSet([3, 0x100, 64, LOG]);
    markPageDirty(arena, 0x100);
    expect(countDirtyPages(arena, gfnToMemslot(arena, 0x100))).toBe(1);
    const bench = new SlotBench().mustSet([3, 0x100, 64, LOG]);
    markPageDirty(bench.arena, 0x100);
    bench.mustSet([3, 0x100, 64], [3, 0x100, 64, LOG]);
    expect(getDirtyLog(bench.arena, LIMITS_V3_11, mmu, 3)).toEqual({ ok: true, value: new Uint8Array(8) });
  });

  it('goes with a slot that moves', () => {
    const bench = new SlotBench().mustSet([3, 0x100, 64, LOG]);
    markPageDirty(bench.arena, 0x102);
    bench.mustSet([3, 0x400, 64, LOG]);
    const log = getDirtyLog(bench.arena, LIMITS_V3_11, bench.mmu, 3);
    expect(log.ok && log.value[0]).toBe(4);
  });

  it('is not kept for slots that do not log, nor for gfns without slot', () => {
    const { arena } = new SlotBench().mustSet([3, 0x100, 64]);
    const before = photograph(arena);
    markPageDirty(arena, 0x100);
    markPageDirty(arena, 0x5000);
    expect(Buffer.compare(photograph(arena), before)).toBe(0);
    expect(countDirtyPages(arena, gfnToMemslot(arena, 0x100))).toBe(-1);
  });

  it.each<readonly [string, MemslotLimits, number, string, string]>([
    ['a slot beyond the user slots', LIMITS_V3_11, 125, 'EINVAL', 'slot-out-of-range'],
    ['an empty slot', LIMITS_V3_11, 9, 'ENOENT', 'no-dirty-bitmap'],
    ['a slot that does not log', LIMITS_V3_11, 4, 'ENOENT', 'no-dirty-bitmap'],
    ['an address space that is not there', LIMITS_V6_18, 0x1_0000, 'EINVAL', 'address-space'],
    ['a slot beyond the user slots of 6.18', LIMITS_V6_18, 32764, 'EINVAL', 'slot-out-of-range'],
    ['an empty slot of 6.18', LIMITS_V6_18, 32763, 'ENOENT', 'no-dirty-bitmap'],
  ])('is refused for %s', (_name, limits, slot, errno, check) => {
    const { arena, mmu } = new SlotBench('patch', limits).mustSet([3, 0x100, 64, LOG], [4, 0x200, 1]);
    expect(getDirtyLog(arena, limits, mmu, slot)).toMatchObject({ ok: false, error: { errno, check } });
  });
});
