import { beforeEach, describe, expect, it } from 'vitest';
import { useDisassemblyStore } from '../../../renderer/src/stores/disassembly-store.ts';
import { useMachineStore } from '../../../renderer/src/stores/machine-store.ts';
import { ENTRY, type FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

beforeEach(async () => {
  await startStores();
  await useDisassemblyStore().refresh();
});

const readsOf = (engine: FakeEngine): number =>
  engine.requests.filter(({ name }) => name === 'disassembly.read').length;

describe('the disassembly', () => {
  it('stands around rip and follows it', async () => {
    const disassembly = useDisassemblyStore();
    expect(disassembly.anchor).toBe(ENTRY);
    expect(disassembly.lines.some(({ address }) => address < ENTRY)).toBe(true);
    await useMachineStore().runTo(0x20_0000n);
    await disassembly.refresh();
    expect(disassembly.anchor).toBe(0x20_0000n);
  });

  it('stays where it was sent until it is sent back', async () => {
    const disassembly = useDisassemblyStore();
    await disassembly.goTo(0x30_0000n);
    await useMachineStore().step();
    await disassembly.refresh();
    expect(disassembly.anchor).toBe(0x30_0000n);
    await disassembly.goToRip();
    expect(disassembly.anchor).toBe(ENTRY + 5n);
  });

  it('grows at both ends, in order and without repeating an instruction', async () => {
    const disassembly = useDisassemblyStore();
    const before = disassembly.lines.length;
    await disassembly.extendForward();
    const added = await disassembly.extendBackward();
    const addresses = disassembly.lines.map(({ address }) => address);
    expect(added).toBe(100);
    expect(addresses.length).toBeGreaterThan(before + added);
    expect(new Set(addresses).size).toBe(addresses.length);
    expect(addresses).toEqual(addresses.toSorted((a, b) => (a < b ? -1 : 1)));
  });

  it('stands around rip after a stop, whoever scrolled while it was read', async () => {
    const disassembly = useDisassemblyStore();
    await useMachineStore().runTo(0x20_0000n);
    const listing = disassembly.refresh();
    await Promise.all([listing, disassembly.extendForward(), disassembly.extendBackward()]);
    expect(disassembly.lines.map(({ address }) => address)).toContain(0x20_0000n);
    expect(disassembly.anchor).toBe(0x20_0000n);
  });

  it('moves its marks when the guest moves in code that it has, and keeps every other line', async () => {
    const engine = await startStores();
    const disassembly = useDisassemblyStore();
    await disassembly.refresh();
    await useMachineStore().step();
    await disassembly.refresh();
    const [before, reads] = [disassembly.lines, readsOf(engine)];
    await useMachineStore().step();
    await disassembly.refresh();
    expect(readsOf(engine)).toBe(reads);
    const moved = disassembly.lines.filter((line, i) => line !== before[i]);
    expect(moved.map(({ address, current }) => [address, current])).toEqual([
      [ENTRY + 5n, false],
      [ENTRY + 10n, true],
    ]);
  });

  it.each([
    ['that was scrolled and has grown', 2, async () => useDisassemblyStore().extendForward()],
    ['of another machine, although it is at the same place', 1, async () => useMachineStore().restart()],
  ])('reads a listing anew %s', async (_what, more, deed) => {
    const engine = await startStores();
    const disassembly = useDisassemblyStore();
    await disassembly.refresh();
    const reads = readsOf(engine);
    await deed();
    await disassembly.refresh();
    expect(readsOf(engine)).toBe(reads + more);
  });

  it('is never put together from two moments', async () => {
    const disassembly = useDisassemblyStore();
    const before = disassembly.lines;
    await useMachineStore().step();
    expect(await disassembly.extendBackward()).toBe(0);
    await disassembly.extendForward();
    expect(disassembly.lines).toBe(before);
  });
});
