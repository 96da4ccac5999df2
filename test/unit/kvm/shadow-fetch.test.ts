/** FNAME(fetch): what shadow pages it makes and reuses on the way to a leaf, and the mistakes that later kernels mended. */
import { describe, expect, it } from 'vitest';
import { noHooks } from '../../../core/kvm/index.ts';
import { accountShadowed } from '../../../core/kvm/memslots/lpage-info.ts';
import { roleAccess } from '../../../core/kvm/mmu/shadow-page-role.ts';
import { auditMmu } from '../../../core/kvm/audit/audit.ts';
import { traceIn, tracedIn } from './kvm-fixture.ts';
import { data, OPEN, PS, ShadowRig, W } from './shadow-rig.ts';

describe('the access of a shadow page: CVE-2021-38198', () => {
  const GIB = 0x4000_0000;
  /** Two entries name one page directory, the second read-only; in it the first table is read-only, the second is not. */
  const shared = (era: 'v3.11' | 'v6.8'): ShadowRig => {
    const rig = new ShadowRig('4-level', { era, audited: false });
    const { pdpt, far, window, spare } = rig.tables;
    rig.poke(pdpt, 2, BigInt(far) | OPEN);
    rig.poke(pdpt, 3, BigInt(far) | (OPEN & ~W));
    rig.poke(far, 0, BigInt(window) | (OPEN & ~W));
    rig.poke(far, 1, BigInt(spare) | OPEN);
    rig.poke(window, 0, BigInt(data(0)) | OPEN);
    rig.poke(spare, 0, BigInt(data(1)) | OPEN);
    rig.read(2 * GIB);
    rig.write(2 * GIB + rig.window, 1n);
    rig.read(3 * GIB);
    return rig;
  };
  const forbidden = 3 * GIB + 0x20_0000;

  it('v3.11 gives every table on the way the rights at its end, so that a write through a read-only entry gets by', () => {
    const rig = shared('v3.11');
    expect(rig.roles(rig.tables.far).map(roleAccess)).toEqual([5]);
    const { exits } = rig.counters;
    expect(rig.write(forbidden, 0x77n)).toEqual({ value: 0x77n });
    expect(rig.byteAt(data(1))).toBe(0x77);
    expect(rig.counters.exits, 'KVM is not even asked').toBe(exits);
  });

  it('v6.8 gives each the rights of the entries above it, and the guest gets its fault', () => {
    const rig = shared('v6.8');
    expect(rig.roles(rig.tables.far).map(roleAccess).sort()).toEqual([5, 7]);
    expect(rig.write(forbidden, 0x77n)).toEqual({ pageFault: 3, cr2: forbidden | 0 });
    expect(rig.byteAt(data(1))).toBe(1);
  });
});

describe.each(['v3.11', 'v6.8'] as const)('an entry that is present already, in %s', (era) => {
  /** The host writes the guest's page directory through its own mapping, which KVM does not see. */
  const changed = (entry: (rig: ShadowRig) => bigint): ShadowRig => {
    const rig = new ShadowRig('4-level', { era, audited: false });
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.poke(rig.tables.window, 8, BigInt(data(0)) | OPEN);
    rig.poke(rig.tables.spare, 8, BigInt(data(1)) | OPEN);
    rig.arena.u8[rig.arena.layout.ram + data(1)] = 0xa5;
    rig.read(rig.page(0));
    rig.poke(rig.tables.pd, 1, entry(rig));
    return rig;
  };

  it('is followed though its page shadows another table than the guest’s entry names: CVE-2026-46113', () => {
    const rig = changed(({ tables }) => BigInt(tables.spare) | OPEN);
    expect(rig.read(rig.page(8))).toEqual({ value: 0xa5n });
    expect(rig.pageOf(rig.page(8)), 'the leaf stands in the page of the old table').toBe(rig.pageOf(rig.page(0)));
    expect(rig.roles(rig.tables.spare)).toEqual([]);
    expect(auditMmu(rig.vm.mmu).violations.map(({ rule }) => rule)).toContain('guest-entry');
  });

  it('is followed though its page has other rights than the guest’s entry gives: CVE-2026-53359', () => {
    const rig = changed(({ tables }) => BigInt(tables.window) | (OPEN & ~W));
    rig.read(rig.page(8));
    expect(rig.pageOf(rig.page(8))).toBe(rig.pageOf(rig.page(0)));
    expect(rig.roles(rig.tables.window).map(roleAccess)).toEqual([7]);
    expect(auditMmu(rig.vm.mmu).violations.map(({ text }) => text)).toContain(
      `the guest’s entry 0x${(BigInt(rig.tables.window) | (OPEN & ~W)).toString(16)} gives access 5, the role of the page below it has 7`,
    );
  });
});

describe('set_spte of a large page', () => {
  it('leaves the entry alone when a table in the page was shadowed since the level was decided; the guest faults again', () => {
    const hooks = noHooks();
    const rig = new ShadowRig('4-level', { hostPages: '2m', audited: false, hooks });
    rig.poke(rig.tables.pd, 1, 0x40_0000n | PS | OPEN);
    rig.read(0x8000);
    let races = 1;
    hooks.onMemslotLookup = (_vcpu, gfn) => {
      if (gfn === 0x400 && races-- > 0) accountShadowed(rig.vm.mmu, 0x401);
    };
    const { exits } = rig.counters;
    rig.write(rig.window + 8, 0x77n);
    expect(races).toBeLessThan(1);
    expect(rig.byteAt(0x40_0008)).toBe(0x77);
    expect(rig.counters.exits - exits).toBe(2);
    expect(rig.spte(rig.window) & PS, 'the second time it is mapped in small pages').toBe(0n);
    expect(rig.counters.largepages).toBe(0);
  });
});

describe('kvm_mmu_spte_requested', () => {
  it.each([
    ['4k', 1],
    ['2m', 2],
  ] as const)('says frame and level of a shadowed mapping, too, on a host with %s pages', (hostPages, level) => {
    const rig = new ShadowRig('4-level', { era: 'v6.8', hostPages });
    rig.poke(rig.tables.pd, 1, 0x40_0000n | PS | OPEN);
    rig.read(0x8000);
    traceIn(rig.arena, ['kvm_mmu_spte_requested']);
    rig.read(rig.window + 0x3000);
    const pfn = (rig.arena.layout.ram >> 12) + 0x403;
    expect(tracedIn(rig.arena)).toEqual([`kvm_mmu_spte_requested gfn=403 pfn=${pfn.toString(16)} level=${level}`]);
  });
});
