/** The guest's words come as events and, after a reload, as a history: each of them is shown once, whichever comes first. */
import { beforeEach, describe, expect, it } from 'vitest';
import { useSerialStore } from '../../../renderer/src/stores/serial-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
let screen = '';

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const says = (text: string, at: number): void =>
  useSerialStore().handleEvent({ kind: 'serial', bytes: bytesOf(text), at });

beforeEach(async () => {
  engine = await startStores();
  engine.serial = bytesOf('Hello');
  screen = '';
  useSerialStore().listen({
    begin: (bytes) => {
      screen = new TextDecoder().decode(bytes);
    },
    more: (bytes) => {
      screen += new TextDecoder().decode(bytes);
    },
  });
});

describe('the words of the guest', () => {
  it('are shown as they come', async () => {
    await useSerialStore().replay();
    says(', wor', 5);
    says('ld', 10);
    expect(screen).toBe('Hello, world');
  });

  it('that the history had already are not shown again, in whole or in part', async () => {
    await useSerialStore().replay();
    says('llo', 2);
    says('o, you', 4);
    expect(screen).toBe('Hello, you');
  });

  it('that come before the history they are behind of are not lost', async () => {
    const asked = useSerialStore().replay();
    says('lo', 3);
    says('!', 5);
    await asked;
    expect(screen).toBe('Hello!');
  });

  it('of which some are missing are asked for anew', async () => {
    await useSerialStore().replay();
    engine.serial = bytesOf('Hello, world');
    says('ld', 10);
    await expect.poll(() => screen).toBe('Hello, world');
  });

  it('of a machine that is gone are not mixed with the next one’s', async () => {
    await useSerialStore().replay();
    engine.serial = bytesOf('New');
    const first = useSerialStore().replay();
    const second = useSerialStore().replay();
    await Promise.all([first, second]);
    expect(screen).toBe('New');
  });
});
