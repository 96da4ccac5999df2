import { beforeEach, describe, expect, it } from 'vitest';
import { useMemslotsStore } from '../../../renderer/src/stores/memslots-store.ts';
import { useSptesStore } from '../../../renderer/src/stores/sptes-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { HVA_BASE } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores();
  await useMemslotsStore().refresh();
});

describe('a memslot that is being made', () => {
  it('takes the first free number and the first host memory that nothing maps', async () => {
    const memslots = useMemslotsStore();
    await memslots.createOver(0xfeb0_0010n);
    expect(memslots.region).toEqual({
      slot: 2,
      flags: 0,
      guestPhysAddr: 0xfeb0_0000n,
      memorySize: 0x1000n,
      userspaceAddr: HVA_BASE + 0xa0000n,
    });
  });

  it('is previewed without being made', async () => {
    const memslots = useMemslotsStore();
    engine.touch('FIRST');
    await memslots.createOver(0xfeb0_0000n);
    expect(memslots.preview).toMatchObject({ kind: 'report', report: { change: 'CREATE', mmioSptesGoneStale: 1 } });
    expect(engine.generation).toBe(2n);
    expect(engine.requests.some(({ name }) => name === 'memslots.set')).toBe(false);
  });

  it('names the slot it collides with before and after it is applied, and changes nothing', async () => {
    const memslots = useMemslotsStore();
    await memslots.createOver(0x20_0000n);
    expect(memslots.preview?.kind).toBe('refusal');
    expect(memslots.collidingSlot).toBe(1);
    expect(await memslots.apply()).toBe(false);
    expect(memslots.applied).toMatchObject({ error: { memslot: { errno: 'EEXIST', check: 'overlap' } } });
    expect(memslots.collidingSlot).toBe(1);
    expect(memslots.snapshot?.slots).toHaveLength(2);
  });

  it('turns the spte stale when it is applied', async () => {
    const memslots = useMemslotsStore();
    const sptes = useSptesStore();
    engine.touch('FIRST');
    await sptes.refresh();
    expect(sptes.selected).toMatchObject({ gen: 2, stale: false });
    await memslots.createOver(0xfeb0_0000n);
    expect(await memslots.apply()).toBe(true);
    await sptes.refresh();
    expect(sptes.selected).toMatchObject({ gen: 2, stale: true });
    expect(memslots.snapshot?.slots.map(({ id }) => id)).toEqual([0, 1, 2]);
  });

  it('is not sent while a field does not parse', async () => {
    const memslots = useMemslotsStore();
    await memslots.createOver(0xfeb0_0000n);
    if (memslots.draft) await memslots.edit({ ...memslots.draft, size: 'four pages' });
    expect(memslots.mistakes).toEqual({ size: 'a size such as 4K, 16M or 0x1000' });
    expect(memslots.preview).toBeUndefined();
    expect(await memslots.apply()).toBe(false);
    expect(engine.requests.some(({ name }) => name === 'memslots.set')).toBe(false);
  });

  it('is resized by deleting and making it', async () => {
    const memslots = useMemslotsStore();
    const [slot] = memslots.snapshot?.slots ?? [];
    await memslots.editSlot(slot);
    if (memslots.draft) await memslots.edit({ ...memslots.draft, size: '64K' });
    expect(await memslots.resize()).toBe(true);
    const sent = engine.requests.filter(({ name }) => name === 'memslots.set').map(({ params }) => params);
    expect(sent).toMatchObject([{ region: { memorySize: 0n } }, { region: { memorySize: 0x10000n } }]);
  });

  it('is there as it was when the new size is refused', async () => {
    const memslots = useMemslotsStore();
    const before = memslots.snapshot?.slots ?? [];
    await memslots.editSlot(before[0]);
    if (memslots.draft) await memslots.edit({ ...memslots.draft, size: '2M' });
    expect(await memslots.resize()).toBe(false);
    expect(memslots.applied).toMatchObject({ error: { memslot: { errno: 'EEXIST', collidingSlot: 1 } } });
    expect(memslots.snapshot?.slots.toSorted((a, b) => a.id - b.id)).toEqual(before);
  });
});
