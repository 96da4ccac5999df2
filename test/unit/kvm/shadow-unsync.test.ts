/** Unsync page tables: written by the guest without an exit, brought up to date when the guest flushes. */
import { describe, expect, it } from 'vitest';
import { VM_INDIRECT_SHADOW_PAGES } from '../../../core/arena/mmu-layout.ts';
import { data, OPEN, PAGING_MODES, ShadowRig, W } from './shadow-rig.ts';

describe.each(PAGING_MODES)('a page table under %s paging', (mode) => {
  const rigged = (): ShadowRig => {
    const rig = new ShadowRig(mode);
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.poke(rig.tables.window, 1, BigInt(data(1)) | OPEN);
    rig.arena.u8[rig.arena.layout.ram + data(0)] = 0xa0;
    rig.arena.u8[rig.arena.layout.ram + data(1)] = 0xa1;
    rig.arena.u8[rig.arena.layout.ram + data(2)] = 0xa2;
    rig.read(rig.page(0));
    return rig;
  };

  /** Pages of the window's table that are unsync. */
  const unsyncPages = (rig: ShadowRig): number =>
    rig.pages((gfn) => gfn === rig.tables.window >> 12).filter((page) => page.unsync === 1).length;

  it('is write-protected when it is shadowed, its mappings with it', () => {
    const rig = new ShadowRig(mode);
    rig.write(rig.tables.window + 0x800, 0n);
    expect(rig.spte(rig.tables.window) & W).toBe(W);
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.read(rig.page(0));
    expect(rig.spte(rig.tables.window) & (W | 0x800n), 'W and MMU_WRITEABLE are gone').toBe(0n);
    expect(rig.arena.i32[(rig.arena.layout.vm + VM_INDIRECT_SHADOW_PAGES) >> 2]).toBeGreaterThan(1);
  });

  it('turns unsync at the first write, which is not emulated, and the ways to it are marked', () => {
    const rig = rigged();
    rig.writeEntry(rig.tables.window, 0, BigInt(data(2)) | OPEN);
    const { insn_emulation: emulated, mmu_pte_write: writes } = rig.counters;
    expect(emulated).toBe(0);
    expect(writes).toBe(0);
    expect(unsyncPages(rig)).toBe(1);
    // Prefetching around the mapping that was written through makes the table of that mapping unsync, too.
    expect(rig.counters.mmu_unsync).toBe(2);
    expect(rig.pages((gfn) => gfn === rig.tables.pd >> 12).some((page) => page.unsyncChildren === 2)).toBe(true);
    const exits = rig.counters.exits;
    rig.writeEntry(rig.tables.window, 1, BigInt(data(2)) | OPEN);
    expect(rig.counters.exits, 'and later ones need no exit').toBe(exits);
  });

  it('is not looked at again before the guest flushes: the old mapping goes on', () => {
    const rig = rigged();
    rig.writeEntry(rig.tables.window, 0, BigInt(data(2)) | OPEN);
    expect(rig.read(rig.page(0))).toEqual({ value: 0xa0n });
  });

  it('is synced by a load of CR3, with the mappings that stayed', () => {
    const rig = rigged();
    rig.read(rig.page(1));
    rig.writeEntry(rig.tables.window, 0, BigInt(data(2)) | OPEN);
    rig.reloadCr3();
    expect(rig.read(rig.page(0))).toEqual({ value: 0xa2n });
    expect(rig.spte(rig.page(1)) >> 12n, 'the neighbour was kept').not.toBe(0n);
    expect(rig.counters.mmu_unsync).toBe(0);
    expect(rig.pages(() => true).every((page) => page.unsyncChildren === 0 && page.unsync === 0)).toBe(true);
    expect(rig.spte(rig.tables.window) & W, 'and is protected again').toBe(0n);
  });

  it('loses what the guest unmapped, at the sync', () => {
    const rig = rigged();
    rig.writeEntry(rig.tables.window, 0, 0n);
    rig.reloadCr3();
    expect(rig.read(rig.page(0))).toEqual({ pageFault: 0, cr2: rig.page(0) });
  });

  it('follows a change of rights at the sync, in place', () => {
    const rig = rigged();
    rig.writeEntry(rig.tables.window, 0, BigInt(data(0)) | (OPEN & ~W));
    rig.reloadCr3();
    expect(rig.spte(rig.page(0)) & 1n, 'still mapped').toBe(1n);
    expect(rig.write(rig.page(0), 1n)).toEqual({ pageFault: 3, cr2: rig.page(0) });
  });

  it('is zapped by a sync that finds nothing of it in use', () => {
    const rig = rigged();
    rig.writeEntry(rig.tables.window, 0, 0n);
    rig.writeEntry(rig.tables.window, 1, 0n);
    const zapped = rig.counters.mmu_shadow_zapped;
    rig.reloadCr3();
    rig.read(0x8000);
    expect(rig.counters.mmu_shadow_zapped).toBe(zapped + 1);
    expect(rig.roles(rig.tables.window).filter((role) => role !== 0).length).toBeLessThanOrEqual(
      mode === '32-bit' ? 1 : 0,
    );
  });

  it('has one entry read afresh by INVLPG, and stays unsync', () => {
    const rig = rigged();
    rig.read(rig.page(1));
    rig.writeEntry(rig.tables.window, 0, BigInt(data(2)) | OPEN);
    rig.writeEntry(rig.tables.window, 1, BigInt(data(2)) | OPEN);
    rig.invlpg(rig.page(0));
    expect(rig.counters.invlpg).toBe(1);
    expect(rig.read(rig.page(0))).toEqual({ value: 0xa2n });
    expect(rig.read(rig.page(1)), 'the other was not named').toEqual({ value: 0xa1n });
    expect(unsyncPages(rig)).toBe(1);
  });

  it('is synced when it is found again in the hash', () => {
    const rig = rigged();
    rig.writeEntry(rig.tables.window, 0, BigInt(data(2)) | OPEN);
    rig.poke(rig.tables.pd, 2, BigInt(rig.tables.window) | OPEN);
    expect(rig.read(rig.page(0) + rig.window)).toEqual({ value: 0xa2n });
    expect(unsyncPages(rig), 'transiently').toBe(1);
  });

  it('cannot be unsync while it is a table of a higher level too', () => {
    const rig = rigged();
    // The page directory names itself: as a page table it maps the tables it names.
    rig.poke(rig.tables.pd, 3, BigInt(rig.tables.pd) | OPEN);
    rig.read(3 * rig.window + 0x1000);
    rig.write(rig.tables.pd + 0xf00, 0n);
    expect(rig.counters.mmu_pte_write, 'the write was emulated').toBe(1);
    expect(rig.pages((gfn) => gfn === rig.tables.pd >> 12).every((page) => page.unsync === 0)).toBe(true);
  });
});

it('more unsync tables than one pass of mmu_sync_children holds are all synced', () => {
  const rig = new ShadowRig('4-level', { shadowPages: 512 });
  const tables = Array.from({ length: 40 }, (_, n) => 0x60000 + n * 0x1000);
  tables.forEach((table, n) => {
    rig.poke(table, 0, BigInt(data(0)) | OPEN);
    rig.poke(rig.tables.pd, 8 + n, BigInt(table) | OPEN);
    rig.read((8 + n) << 21);
  });
  tables.forEach((table) => rig.writeEntry(table, 0, BigInt(data(1)) | OPEN));
  expect(rig.counters.mmu_unsync).toBe(40);
  rig.arena.u8[rig.arena.layout.ram + data(1)] = 0x5a;
  rig.reloadCr3();
  expect(rig.counters.mmu_unsync).toBe(0);
  tables.forEach((_, n) => expect(rig.read((8 + n) << 21)).toEqual({ value: 0x5an }));
});
