import { beforeEach, describe, expect, it } from 'vitest';
import { nextTick } from 'vue';
import { useFocusStore } from '../../../renderer/src/stores/focus-store.ts';
import { useWalkStore } from '../../../renderer/src/stores/walk-store.ts';
import { ENTRY, type FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores();
});

const asked = (): unknown => engine.requests.filter(({ name }) => name === 'walk.read').at(-1)?.params;

describe('the walk', () => {
  it('begins at the next instruction, with the privilege that the vCPU has', async () => {
    await useWalkStore().refresh();
    expect(asked()).toEqual({ vcpu: 0, space: 'gva', address: ENTRY, access: 'read' });
  });

  it('follows what is selected anywhere, until it is locked', async () => {
    const walk = useWalkStore();
    const focus = useFocusStore();
    focus.show({ kind: 'gfn', gfn: 0xfeb00 });
    await nextTick();
    expect(asked()).toMatchObject({ space: 'gpa', address: 0xfeb0_0000n });
    focus.show({ kind: 'address', space: 'gva', address: 0x1234n });
    await nextTick();
    expect(asked()).toMatchObject({ space: 'gva', address: 0x1234n });
    walk.isLocked = true;
    focus.show({ kind: 'code', address: 0x5678n });
    await nextTick();
    expect(walk.address).toBe(0x1234n);
  });

  it('is made again for another kind of access or another privilege', async () => {
    const walk = useWalkStore();
    await walk.refresh();
    walk.access = 'write';
    walk.privilege = 'user';
    await nextTick();
    expect(asked()).toMatchObject({ access: 'write', user: true });
  });

  it('shows nothing where the engine refuses, and says why', async () => {
    const walk = useWalkStore();
    await walk.refresh();
    engine.refuseAll = { code: 'refused', message: 'walk a gva.', memslot: undefined };
    await walk.refresh();
    expect(walk.walk).toBeUndefined();
    expect(walk.error?.message).toBe('walk a gva.');
  });
});
