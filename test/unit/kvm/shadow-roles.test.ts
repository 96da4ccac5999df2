/** kvm_mmu_page roles, quadrants, the hash and parent_ptes: which shadow page a guest table gets, and when it is shared. */
import { describe, expect, it } from 'vitest';
import { SP_PARENT_PTES } from '../../../core/arena/mmu-layout.ts';
import { auditMmu } from '../../../core/kvm/audit/audit.ts';
import { pteListCount } from '../../../core/kvm/mmu/rmap-list.ts';
import { pageHeader } from '../../../core/kvm/mmu/shadow-page-pool.ts';
import {
  ROLE_CR0_WP,
  ROLE_CR4_PAE,
  ROLE_DIRECT,
  ROLE_INVALID,
  ROLE_NXE,
  ROLE_SMAP_ANDNOT_WP,
  ROLE_SMEP_ANDNOT_WP,
  roleAccess,
  roleLevel,
  roleQuadrant,
} from '../../../core/kvm/mmu/shadow-page-role.ts';
import { data, OPEN, PAGING_MODES, PS, ShadowRig, U, W } from './shadow-rig.ts';

const CR4_SMEP = 1 << 20;
const CR4_SMAP = 1 << 21;
const FORMAT = ROLE_CR4_PAE | ROLE_NXE | ROLE_CR0_WP | ROLE_SMEP_ANDNOT_WP | ROLE_SMAP_ANDNOT_WP;

describe.each(PAGING_MODES)('under %s paging', (mode) => {
  it('every table has a page of its level, indirect, in the format of the guest', () => {
    const rig = new ShadowRig(mode);
    rig.read(0x8000);
    const { tables } = rig;
    const levels = { '4-level': [4, 3, 2, 1], pae: [2, 1], '32-bit': [2, 1] }[mode];
    const gpas = {
      '4-level': [tables.pml4, tables.pdpt, tables.pd, tables.pt],
      pae: [tables.pd, tables.pt],
      '32-bit': [tables.pd, tables.pt],
    };
    gpas[mode].forEach((gpa, i) => {
      for (const role of rig.roles(gpa)) {
        expect(roleLevel(role)).toBe(levels[i]);
        expect(role & (ROLE_DIRECT | ROLE_INVALID)).toBe(0);
        expect(role & FORMAT).toBe(ROLE_CR0_WP | ROLE_NXE | (mode === '32-bit' ? 0 : ROLE_CR4_PAE));
        expect(roleAccess(role)).toBe(7);
      }
    });
  });

  it('what the upper levels allow is the access of the page below', () => {
    const rig = new ShadowRig(mode);
    rig.poke(rig.tables.pd, 1, BigInt(rig.tables.window) | (OPEN & ~W & ~U));
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.read(rig.page(0));
    expect(rig.roles(rig.tables.window).map(roleAccess)).toEqual([1]);
  });

  it('a table that two entries name has one page with two parents', () => {
    const rig = new ShadowRig(mode);
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.poke(rig.tables.pd, 2, BigInt(rig.tables.window) | OPEN);
    rig.read(rig.page(0));
    const before = rig.counters.mmu_cache_miss;
    rig.read(rig.page(0) + rig.window);
    expect(rig.counters.mmu_cache_miss, 'found in the hash').toBe(before);
    const page = rig.pageOf(rig.page(0));
    expect(rig.pageOf(rig.page(0) + rig.window)).toBe(page);
    expect(pteListCount(rig.vm.mmu, pageHeader(rig.vm.mmu, page) + (SP_PARENT_PTES >> 2))).toBe(2);
  });

  it('but two pages when they allow different things', () => {
    const rig = new ShadowRig(mode);
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.poke(rig.tables.pd, 2, BigInt(rig.tables.window) | (OPEN & ~W));
    rig.read(rig.page(0));
    rig.read(rig.page(0) + rig.window);
    expect(rig.roles(rig.tables.window).map(roleAccess).sort()).toEqual([5, 7]);
    expect(rig.write(rig.page(0), 1n)).toEqual({ value: 1n });
    expect(rig.write(rig.page(0) + rig.window, 1n)).toEqual({ pageFault: 3, cr2: rig.page(0) + rig.window });
  });

  it('CR0.WP off gives pages of another role, with SMEP and SMAP told apart', () => {
    const rig = new ShadowRig(mode, { wp: false, cr4: 0 });
    rig.read(0x8000);
    const plain = rig.roles(rig.tables.pt)[0] & FORMAT;
    expect(plain & (ROLE_CR0_WP | ROLE_SMEP_ANDNOT_WP | ROLE_SMAP_ANDNOT_WP)).toBe(0);
    for (let i = 0; i < 32; i++) rig.writeEntry(rig.tables.pt, i, BigInt(i * 0x1000) | (OPEN & ~U));
    rig.reloadCr3();
    rig.setCr4(CR4_SMEP | CR4_SMAP | (mode === '32-bit' ? 0x10 : 0x20));
    rig.read(0x8000);
    const guarded = rig.roles(rig.tables.pt).map((role) => role & (ROLE_SMEP_ANDNOT_WP | ROLE_SMAP_ANDNOT_WP));
    expect(guarded).toContain(ROLE_SMEP_ANDNOT_WP | ROLE_SMAP_ANDNOT_WP);
    rig.wp = true;
    rig.read(0x8000);
    expect(rig.roles(rig.tables.pt).map((role) => role & FORMAT)).toContain(
      ROLE_CR0_WP | ROLE_NXE | (mode === '32-bit' ? 0 : ROLE_CR4_PAE),
    );
  });
});

describe('quadrants', () => {
  it('a page directory of 1024 entries has four pages, a page table two', () => {
    const rig = new ShadowRig('32-bit');
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.poke(rig.tables.window, 512, BigInt(data(1)) | OPEN);
    rig.read(rig.page(0));
    rig.read(rig.page(512));
    expect(rig.roles(rig.tables.pd).map(roleQuadrant).sort()).toEqual([0, 1, 2, 3]);
    expect(rig.roles(rig.tables.window).map(roleQuadrant).sort()).toEqual([0, 1]);
    expect(rig.pageOf(rig.page(0))).not.toBe(rig.pageOf(rig.page(512)));
  });

  it('no other format has them', () => {
    for (const mode of ['4-level', 'pae'] as const) {
      const rig = new ShadowRig(mode);
      rig.read(0x8000);
      expect(
        rig
          .pages(() => true)
          .map(({ role }) => roleQuadrant(role))
          .every((q) => q === 0),
      ).toBe(true);
    }
  });
});

describe('a large guest page', () => {
  it.each(PAGING_MODES)('under %s paging is mapped by a direct page where the host has small ones', (mode) => {
    const rig = new ShadowRig(mode);
    rig.poke(rig.tables.pd, 1, 0x40_0000n | PS | OPEN);
    rig.write(rig.window + 0x12_3008, 0x77n);
    expect(rig.byteAt(0x52_3008)).toBe(0x77);
    const direct = rig.pages(() => true).filter(({ role }) => (role & ROLE_DIRECT) !== 0);
    expect(direct).toHaveLength(1);
    expect(direct[0].role & ROLE_CR4_PAE, 'direct pages have no guest format').toBe(0);
    expect(roleLevel(direct[0].role)).toBe(1);
    expect(rig.spte(rig.window + 0x12_3008) & PS).toBe(0n);
  });

  it('gets another direct page when its rights change: validate_direct_spte', () => {
    const rig = new ShadowRig('4-level');
    rig.poke(rig.tables.pd, 1, 0x40_0000n | PS | (OPEN & ~0x40n));
    rig.read(rig.window);
    expect(
      rig
        .pages(() => true)
        .filter(({ role }) => (role & ROLE_DIRECT) !== 0)
        .map(({ role }) => roleAccess(role)),
    ).toEqual([5]);
    rig.write(rig.window, 1n);
    expect(
      rig
        .pages(() => true)
        .filter(({ role }) => (role & ROLE_DIRECT) !== 0)
        .map(({ role }) => roleAccess(role))
        .sort(),
    ).toEqual([5, 7]);
    expect(rig.byteAt(0x40_0000)).toBe(1);
  });
});

describe('a large guest page on a host with huge pages', () => {
  const LARGE = 0x40_0000n;

  it.each(PAGING_MODES)('under %s paging is mapped large, 2 MiB at a time', (mode) => {
    const rig = new ShadowRig(mode, { hostPages: '2m' });
    rig.poke(rig.tables.pd, 1, LARGE | PS | OPEN);
    rig.write(rig.window + 0x12_3008, 0x77n);
    expect(rig.byteAt(Number(LARGE) + 0x12_3008)).toBe(0x77);
    expect(rig.spte(rig.window) & (PS | W)).toBe(PS | W);
    expect(rig.counters.largepages).toBe(1);
  });

  it('is not, where a guest table lies in it; and is dropped when one comes to lie in it', () => {
    const rig = new ShadowRig('4-level', { hostPages: '2m' });
    const table = Number(LARGE) + 0x10_0000;
    rig.poke(rig.tables.pd, 1, LARGE | PS | OPEN);
    rig.write(rig.window, 1n);
    expect(rig.counters.largepages).toBe(1);
    rig.poke(table, 0, BigInt(data(0)) | OPEN);
    rig.poke(rig.tables.pd, 2, BigInt(table) | OPEN);
    rig.read(2 * rig.window);
    expect(rig.counters.largepages, 'write protection drops it').toBe(0);
    rig.write(rig.window + 8, 2n);
    expect(rig.spte(rig.window) & PS).toBe(0n);
    expect(rig.byteAt(Number(LARGE) + 8)).toBe(2);
  });

  it('of 4 MiB is mapped large in the half that holds none of its tables: is_self_change_mapping', () => {
    const rig = new ShadowRig('32-bit', { hostPages: '2m' });
    rig.read(0x8000);
    // The page directory and the page table lie in the first half of it.
    rig.poke(rig.tables.pd, 1, PS | OPEN);
    rig.write(rig.window + 0x20_0008, 0x77n);
    expect(rig.byteAt(0x20_0008)).toBe(0x77);
    expect(rig.spte(rig.window + 0x20_0000) & PS).toBe(PS);
    rig.read(rig.window + 0x8000);
    expect(rig.spte(rig.window + 0x8000) & PS).toBe(0n);
  });

  it('is not, in a slot that logs dirty pages', () => {
    const rig = new ShadowRig('4-level', { hostPages: '2m' });
    rig.slot(1, 0x80_0000n, 0x20_0000n, 1, 0x7f00_0040_0000n);
    rig.poke(rig.tables.pd, 1, 0x80_0000n | PS | OPEN);
    rig.write(rig.window, 1n);
    expect(rig.spte(rig.window) & (PS | W)).toBe(W);
  });

  it('makes room for a table when the guest puts one in its place', () => {
    const rig = new ShadowRig('4-level', { hostPages: '2m' });
    rig.poke(rig.tables.pd, 1, LARGE | PS | OPEN);
    rig.write(rig.window, 1n);
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.writeEntry(rig.tables.pd, 1, BigInt(rig.tables.window) | OPEN);
    rig.reloadCr3();
    rig.write(rig.page(0), 0x33n);
    expect(rig.byteAt(data(0))).toBe(0x33);
    expect(rig.counters.largepages).toBe(0);
  });
});

describe('the page quota', () => {
  it('is kept by zapping the oldest tables, roots included, and the guest notices nothing', () => {
    const rig = new ShadowRig('4-level');
    for (let n = 0; n < 120; n++) {
      const table = 0x60000 + n * 0x1000;
      rig.poke(table, 0, BigInt(data(n % 8)) | OPEN);
      rig.poke(rig.tables.pd, 8 + n, BigInt(table) | OPEN);
    }
    rig.vm.setNrMmuPages(64);
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 120; n++) {
        expect(rig.write((8 + n) << 21, BigInt(n + round))).toEqual({ value: BigInt(n + round) });
        expect(rig.byteAt(data(n % 8))).toBe(n + round);
      }
    }
    expect(rig.counters.mmu_recycled).toBeGreaterThan(50);
    expect(rig.vm.mmuPages().used).toBeLessThanOrEqual(64);
    expect(auditMmu(rig.vm.mmu).violations).toEqual([]);
  });
});
