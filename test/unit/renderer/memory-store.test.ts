import { beforeEach, describe, expect, it } from 'vitest';
import { useMemoryStore } from '../../../renderer/src/stores/memory-store.ts';
import { startStores } from './stores.ts';

const END = 1n << 64n;

beforeEach(async () => {
  await startStores();
});

describe('the view of memory', () => {
  it('begins at the row that holds the byte', async () => {
    const memory = useMemoryStore();
    await memory.goTo('gpa', 0x10_0007n);
    expect([memory.space, memory.address]).toEqual(['gpa', 0x10_0000n]);
  });

  it('ends where 64 bits end, however it comes there', async () => {
    const memory = useMemoryStore();
    const lastFirst = END - BigInt(memory.columns * memory.visibleRows);
    await memory.goTo('gva', END - 1n);
    expect(memory.address).toBe(lastFirst);
    expect(memory.rows.at(-1)?.cells.at(-1)?.address).toBe(END - 1n);
    await memory.scrollRows(5);
    expect(memory.address).toBe(lastFirst);
  });

  it('begins where addresses begin', async () => {
    const memory = useMemoryStore();
    await memory.goTo('gva', 0x20n);
    await memory.scrollRows(-5);
    expect(memory.address).toBe(0n);
  });
});
