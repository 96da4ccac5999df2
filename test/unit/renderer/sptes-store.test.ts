import { beforeEach, describe, expect, it } from 'vitest';
import { useSptesStore } from '../../../renderer/src/stores/sptes-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { MMIO_GFN } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores();
  engine.touch('FIRST');
});

describe('the table of sptes', () => {
  it('begins with MMIO sptes, the first of them selected', async () => {
    const sptes = useSptesStore();
    await sptes.refresh();
    expect(sptes.total).toBe(1);
    expect(sptes.selected?.gfn).toBe(MMIO_GFN);
  });

  it('holds only the rows around those that are looked at', async () => {
    const sptes = useSptesStore();
    await sptes.setFilter({});
    expect(sptes.total).toBe(1200);
    await sptes.ensure(900, 930);
    expect(sptes.rows.length).toBeLessThanOrEqual(800);
    expect(sptes.rowAt(0)).toBeUndefined();
    expect(sptes.rowAt(915)?.gfn).toBe(0x100 + 915);
  });

  it('does not ask again for rows that it has', async () => {
    const sptes = useSptesStore();
    await sptes.setFilter({});
    const before = engine.requests.length;
    await sptes.ensure(10, 60);
    expect(engine.requests.length).toBe(before);
  });

  it('keeps the selected spte when it leaves the filter, and sees it turn stale', async () => {
    const sptes = useSptesStore();
    await sptes.setFilter({ kinds: ['mmio'], freshness: 'fresh' });
    expect(sptes.selected?.stale).toBe(false);
    engine.generation += 1n;
    engine.stop({ kind: 'paused' });
    await sptes.refresh();
    expect(sptes.total).toBe(0);
    expect(sptes.selected).toMatchObject({ gfn: MMIO_GFN, stale: true });
  });

  it('shows the spte of an MMIO fault that the machine stands in front of, until another is chosen', async () => {
    const sptes = useSptesStore();
    await sptes.setFilter({});
    sptes.select(sptes.rows[7]);
    const fault = { gva: 0x10n, gpa: BigInt(MMIO_GFN) << 12n, access: 'read', outcome: 'EMULATE' } as const;
    engine.stop({ kind: 'mmio-breakpoint', id: 1, vcpu: 0, fault: { ...fault, spteGen: 2, kvmGen: 2 } });
    await sptes.refresh();
    expect(sptes.selected?.gfn).toBe(MMIO_GFN);
    sptes.select(sptes.rows[3]);
    await sptes.refresh();
    expect(sptes.selected?.gfn).toBe(sptes.rows[3].gfn);
  });

  it.each([0, 1, 2, 3, 4, 5, 8])(
    'leaves the spte that is chosen %i answers after such a stop under the glass',
    async (answers) => {
      const sptes = useSptesStore();
      await sptes.setFilter({});
      const fault = { gva: 0x10n, gpa: BigInt(MMIO_GFN) << 12n, access: 'read', outcome: 'EMULATE' } as const;
      engine.stop({ kind: 'mmio-breakpoint', id: 1, vcpu: 0, fault: { ...fault, spteGen: 2, kvmGen: 2 } });
      const refreshed = sptes.refresh();
      for (let i = 0; i < answers; i++) await Promise.resolve();
      const chosen = sptes.rows[3];
      sptes.select(chosen);
      await refreshed;
      expect(sptes.selected?.gfn).toBe(chosen.gfn);
    },
  );

  it('turns its order around when the same column is chosen twice', async () => {
    const sptes = useSptesStore();
    await sptes.sortBy('gen');
    expect(sptes.filter).toMatchObject({ sort: 'gen', descending: false });
    await sptes.sortBy('gen');
    expect(sptes.filter).toMatchObject({ sort: 'gen', descending: true });
  });

  it('asks for what comes next before it is looked at, and for one window at a time', async () => {
    const sptes = useSptesStore();
    await sptes.setFilter({});
    const asked = (): number => engine.requests.filter(({ name }) => name === 'sptes.rows').length;
    const before = asked();
    await Promise.all([sptes.ensure(100, 130), sptes.ensure(150, 180), sptes.ensure(200, 230)]);
    // Those that came while one was under way are answered by the one that follows it.
    expect(asked() - before).toBeLessThanOrEqual(2);
    expect(sptes.rowAt(230)?.gfn).toBe(0x100 + 230);
    expect(sptes.rowAt(230 + 120)).toBeDefined();
  });

  it('has rows on both sides of a leap', async () => {
    const sptes = useSptesStore();
    await sptes.setFilter({});
    await sptes.ensure(1000, 1030);
    expect(sptes.loaded.first).toBeLessThan(1000);
    expect(sptes.loaded.last).toBeGreaterThan(1030);
  });

  it('counts what is in the shadow pages only while somebody looks at them', async () => {
    const sptes = useSptesStore();
    await sptes.refresh();
    expect(engine.requests.some(({ name }) => name === 'sptes.pages')).toBe(false);
    await sptes.showPages(true);
    expect(sptes.pages.length).toBeGreaterThan(0);
  });

  it('knows the children of a shadow page', async () => {
    const sptes = useSptesStore();
    await sptes.showPages(true);
    expect(sptes.children.get(-1)?.map(({ index }) => index)).toEqual([0]);
    expect(sptes.children.get(1)?.map(({ index }) => index)).toEqual([2, 3]);
  });
});
