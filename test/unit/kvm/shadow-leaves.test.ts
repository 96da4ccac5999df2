/** Leaves of shadow tables: prefetching, CR0.WP = 0, reverse maps with chains, MMIO sptes. */
import { describe, expect, it } from 'vitest';
import { PTE_LIST_DESC_BYTES, VM_PTE_LIST_FREE } from '../../../core/arena/mmu-layout.ts';
import { VCPU_MMIO_GFN, VCPU_MMIO_GVA } from '../../../core/arena/vcpu-layout.ts';
import { HVA_BASE } from '../../../core/base/address.ts';
import { auditMmu } from '../../../core/kvm/audit/audit.ts';
import { bugStrikes } from '../../../core/kvm/mmio/mmio-bugs.ts';
import { slotRmapWord, gfnToMemslot } from '../../../core/kvm/memslots/memslots.ts';
import { VM_PTE_LIST_USED } from '../../../core/kvm/mmu/mmu-words.ts';
import { pteListCount, pteListDescsFree } from '../../../core/kvm/mmu/rmap-list.ts';
import { A, D, data, OPEN, P, PAGING_MODES, ShadowRig, U, W } from './shadow-rig.ts';

const NX = 1n << 63n;
const HOLE = 0x4000_0000n;
const isMmio = (spte: bigint): boolean => spte >> 62n === 3n;

describe.each(PAGING_MODES)('prefetching under %s paging', (mode) => {
  it('maps the neighbours whose entries are present and accessed, as not accessed', () => {
    const rig = new ShadowRig(mode);
    for (let n = 0; n < 16; n++) rig.poke(rig.tables.window, n, BigInt(data(n)) | OPEN);
    rig.read(rig.page(3));
    expect(rig.spte(rig.page(3)) & A).toBe(A);
    for (let n = 0; n < 8; n++) if (n !== 3) expect(rig.spte(rig.page(n)) & (P | A), `page ${n}`).toBe(P);
    expect(rig.spte(rig.page(8)), 'another group of eight').toBe(0n);
  });

  it('keeps a clean page read-only, and ends at the first that was never accessed', () => {
    const rig = new ShadowRig(mode);
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.poke(rig.tables.window, 1, BigInt(data(1)) | (OPEN & ~D));
    rig.poke(rig.tables.window, 2, BigInt(data(2)) | (OPEN & ~A));
    rig.poke(rig.tables.window, 3, BigInt(data(3)) | OPEN);
    rig.read(rig.page(0));
    expect(rig.spte(rig.page(1)) & (P | W)).toBe(P);
    expect(rig.spte(rig.page(2))).toBe(0n);
    expect(rig.spte(rig.page(3))).toBe(0n);
  });

  it('ends at the first frame without memory, and makes no MMIO spte', () => {
    const rig = new ShadowRig(mode);
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.poke(rig.tables.window, 1, HOLE | OPEN);
    rig.poke(rig.tables.window, 2, BigInt(data(2)) | OPEN);
    rig.read(rig.page(0));
    expect(rig.spte(rig.page(1))).toBe(0n);
    expect(rig.spte(rig.page(2))).toBe(0n);
  });

  it('maps nothing writable that logs dirty pages', () => {
    const rig = new ShadowRig(mode);
    rig.slot(1, 0x80_0000n, 0x10_0000n, 1, 0x7f00_0040_0000n);
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.poke(rig.tables.window, 1, 0x80_0000n | OPEN);
    rig.read(rig.page(0));
    expect(rig.spte(rig.page(1))).toBe(0n);
  });
});

describe.each(PAGING_MODES)('CR0.WP = 0 under %s paging', (mode) => {
  const rigged = (cr4 = 0): ShadowRig => {
    const rig = new ShadowRig(mode, { wp: false, cr4 });
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | (OPEN & ~W));
    return rig;
  };

  it('lets the supervisor write to a read-only page, which users lose until they ask', () => {
    const rig = rigged();
    expect(rig.write(rig.page(0), 0x77n)).toEqual({ value: 0x77n });
    expect(rig.spte(rig.page(0)) & (W | U)).toBe(W);
    rig.cpl = 3;
    expect(rig.read(rig.page(0))).toEqual({ value: 0x77n });
    expect(rig.spte(rig.page(0)) & (W | U)).toBe(U);
    expect(rig.write(rig.page(0), 1n)).toEqual({ pageFault: 7, cr2: rig.page(0) });
  });

  it('makes such a page not executable under SMEP', () => {
    const rig = rigged(1 << 20);
    for (let i = 0; i < 32; i++) rig.poke(rig.tables.pt, i, BigInt(i * 0x1000) | (OPEN & ~U));
    rig.write(rig.page(0), 1n);
    expect(rig.spte(rig.page(0)) & NX).toBe(NX);
    expect(rigged().spte(rig.page(0)) & NX).toBe(0n);
  });

  it('ends when the guest sets it again', () => {
    const rig = rigged();
    rig.write(rig.page(0), 1n);
    rig.wp = true;
    expect(rig.write(rig.page(0), 2n)).toEqual({ pageFault: 3, cr2: rig.page(0) });
  });
});

describe('the reverse map of a frame', () => {
  it('is one spte, then a descriptor, then a chain of them; the frame knows all its mappings', () => {
    const rig = new ShadowRig('4-level');
    const count = (): number => {
      const { vm, arena } = rig;
      const gfn = data(0) >> 12;
      return pteListCount(vm.mmu, slotRmapWord(arena, gfnToMemslot(arena, gfn), gfn, 1) >> 2);
    };
    for (let n = 0; n < 40; n++) rig.poke(rig.tables.window, 8 * n, BigInt(data(0)) | OPEN);
    for (let n = 0; n < 40; n++) {
      rig.read(rig.page(8 * n));
      expect(count()).toBe(n + 1);
    }
    for (let n = 0; n < 40; n += 2) rig.writeEntry(rig.tables.window, 8 * n, 0n);
    rig.reloadCr3();
    expect(count()).toBe(20);
  });

  it('is emptied when it grows over RMAP_RECYCLE_THRESHOLD', () => {
    const rig = new ShadowRig('4-level');
    const tables = [rig.tables.window, rig.tables.spare, 0x60000];
    tables.forEach((table, t) => {
      for (let n = 0; n < 512; n++) rig.poke(table, n, BigInt(data(0)) | OPEN);
      rig.poke(rig.tables.pd, 1 + t, BigInt(table) | OPEN);
    });
    let longest = 0;
    for (let n = 0; n < 1536; n += 8) {
      rig.read(rig.page(n));
      const gfn = data(0) >> 12;
      const word = slotRmapWord(rig.arena, gfnToMemslot(rig.arena, gfn), gfn, 1) >> 2;
      longest = Math.max(longest, pteListCount(rig.vm.mmu, word));
    }
    expect(longest).toBeGreaterThan(900);
    expect(longest).toBeLessThan(1010);
  });
});

describe.each(PAGING_MODES)('MMIO under %s paging', (mode) => {
  const rigged = (): ShadowRig => {
    const rig = new ShadowRig(mode);
    rig.poke(rig.tables.window, 0, HOLE | OPEN);
    rig.bus.value = 0x1234n;
    return rig;
  };

  it('reaches the device at the guest physical address and leaves an MMIO spte with the guest rights', () => {
    const rig = rigged();
    expect(rig.read(rig.page(0) + 0x24)).toEqual({ value: 0x1234n });
    expect(rig.bus.accesses).toEqual([{ write: false, gpa: HOLE + 0x24n, size: 4, value: 0x1234n }]);
    expect(isMmio(rig.spte(rig.page(0)))).toBe(true);
    expect(rig.spte(rig.page(0)) & 6n).toBe(6n);
  });

  it('is remembered by its linear address', () => {
    const rig = rigged();
    rig.read(rig.page(0));
    expect(rig.r[VCPU_MMIO_GVA]).toBe(rig.page(0));
    expect(rig.r[VCPU_MMIO_GFN]).toBe(Number(HOLE >> 12n));
    rig.write(rig.page(0) + 8, 5n);
    expect(rig.bus.accesses.at(-1)).toEqual({ write: true, gpa: HOLE + 8n, size: 4, value: 5n });
  });

  it('is forgotten by INVLPG of that address and by a load of CR3', () => {
    const rig = rigged();
    rig.read(rig.page(0));
    rig.invlpg(rig.page(1));
    expect(rig.r[VCPU_MMIO_GVA]).toBe(rig.page(0));
    rig.invlpg(rig.page(0));
    expect(rig.r[VCPU_MMIO_GVA]).toBe(0);
    rig.read(rig.page(0));
    rig.reloadCr3();
    expect(rig.r[VCPU_MMIO_GVA]).toBe(0);
  });

  it('is the guest’s fault for a user without the right, also when it is cached', () => {
    const rig = new ShadowRig(mode);
    rig.poke(rig.tables.window, 0, HOLE | (OPEN & ~U & ~W));
    rig.read(rig.page(0));
    expect(rig.write(rig.page(0), 1n)).toEqual({ pageFault: 3, cr2: rig.page(0) });
    rig.cpl = 3;
    expect(rig.read(rig.page(0))).toEqual({ pageFault: 5, cr2: rig.page(0) });
    expect(rig.bus.accesses).toHaveLength(1);
  });

  it('is marked afresh when its table is synced, and cleared when the table names another frame', () => {
    const rig = rigged();
    rig.poke(rig.tables.window, 1, (HOLE + 0x1000n) | OPEN);
    rig.read(rig.page(0));
    rig.read(rig.page(1));
    const old = rig.spte(rig.page(0));
    rig.slot(2, 0x9000_0000n, 0x1000n, 0, 0x7f00_0000_0000n);
    rig.writeEntry(rig.tables.window, 1, BigInt(data(1)) | OPEN);
    rig.reloadCr3();
    rig.read(0x8000);
    expect(isMmio(rig.spte(rig.page(0)))).toBe(true);
    expect(rig.spte(rig.page(0)), 'with the generation of now').not.toBe(old);
    expect(isMmio(rig.spte(rig.page(1)))).toBe(false);
  });

  it('turns into memory when a slot comes, once the entry is met again', () => {
    const rig = rigged();
    rig.poke(rig.tables.window, 8, (HOLE + 0x1000n) | OPEN);
    rig.read(rig.page(0));
    rig.slot(2, HOLE, 0x1000n, 0, 0x7f00_0000_0000n + BigInt(data(7)));
    rig.arena.u8[rig.arena.layout.ram + data(7)] = 0x77;
    rig.read(rig.page(8));
    expect(rig.read(rig.page(0))).toEqual({ value: 0x77n });
  });
});

describe.each(['v3.11', 'v3.17', 'v6.8'] as const)('sync_mmio_spte of %s', (era) => {
  /** A stale MMIO spte of a frame that a slot maps by now, in a table that turns unsync and is synced. */
  const resynced = (): ShadowRig => {
    const rig = new ShadowRig('4-level', { era, audited: false });
    rig.poke(rig.tables.window, 0, HOLE | OPEN);
    rig.bus.value = 0x1234n;
    rig.read(rig.page(0));
    rig.slot(2, HOLE, 0x1000n, 0, HVA_BASE + BigInt(data(7)));
    rig.arena.u8[rig.arena.layout.ram + data(7)] = 0x77;
    return rig;
  };

  it('marks it afresh without a look at the slots: the guest never gets to the memory, and the bug is named', () => {
    const rig = resynced();
    // Anything above would be found by check_mmio_spte. The table is written, though not this entry of it.
    rig.writeEntry(rig.tables.window, 9, BigInt(data(1)) | OPEN);
    rig.reloadCr3();
    expect(bugStrikes(rig.arena)['resynced-mmio-spte']).toBe(1);
    expect(
      auditMmu(rig.vm.mmu)
        .violations.map(({ text }) => text)
        .join(),
    ).toMatch(/MMIO spte of the current generation/);
    expect(rig.read(rig.page(0)), 'still MMIO').toEqual({ value: 0x1234n });
    expect(rig.read(rig.page(0) + 4)).toEqual({ value: 0x1234n });
    expect(rig.bus.accesses).toHaveLength(3);
  });

  it('that does not come in between leaves the stale entry to be found', () => {
    const rig = resynced();
    rig.r[VCPU_MMIO_GVA] = 0;
    expect(rig.read(rig.page(0))).toEqual({ value: 0x77n });
    expect(bugStrikes(rig.arena)['resynced-mmio-spte']).toBe(0);
  });
});

describe('pte_list descriptors', () => {
  it('that run short are made free by zapping the oldest pages, and the guest notices nothing', () => {
    const rig = new ShadowRig('4-level', { shadowPages: 512, audited: false });
    rig.vm.setNrMmuPages(512);
    // All but 150 of them are somebody else's.
    const { i32, layout } = rig.arena;
    i32[(layout.vm + VM_PTE_LIST_FREE) >> 2] += (layout.pteListDescCount - 150) * PTE_LIST_DESC_BYTES;
    i32[(layout.vm + VM_PTE_LIST_USED) >> 2] = layout.pteListDescCount - 150;
    const zapped = rig.counters.mmu_shadow_zapped;
    for (let n = 0; n < 2048; n += 8) {
      const table = 0x90000 + (n >> 9) * 0x1000;
      rig.poke(rig.tables.pd, 8 + (n >> 9), BigInt(table) | OPEN);
      for (let i = n; i < n + 8; i++) rig.poke(table, i & 511, BigInt(data(i % 64)) | OPEN);
      expect(rig.write((8 << 21) + n * 0x1000, BigInt(n))).toEqual({ value: BigInt(n) });
    }
    expect(rig.counters.mmu_shadow_zapped).toBeGreaterThan(zapped);
    expect(pteListDescsFree(rig.vm.mmu)).toBeGreaterThan(0);
  });
});
