import { beforeEach, describe, expect, it } from 'vitest';
import { useMmioStore } from '../../../renderer/src/stores/mmio-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores();
});

const touchTimes = (count: number): void => {
  for (let i = 0; i < count; i += 1) engine.touch(i === 0 ? 'FIRST' : 'EMULATE');
};

describe('the log of MMIO faults', () => {
  it('is shown newest first, each fault once', async () => {
    const mmio = useMmioStore();
    touchTimes(3);
    await mmio.refreshLog();
    touchTimes(2);
    await mmio.refreshLog();
    await mmio.refreshLog();
    expect(mmio.shown.map(({ seq }) => seq)).toEqual([4, 3, 2, 1, 0]);
  });

  it('goes on at its end when more has happened than can be read at once', async () => {
    const mmio = useMmioStore();
    touchTimes(2000);
    await mmio.refreshLog();
    expect(mmio.total).toBe(2000);
    expect(mmio.shown.at(0)?.seq).toBe(1999);
  });

  it('follows a running guest in short pieces', async () => {
    const mmio = useMmioStore();
    touchTimes(2000);
    engine.state = 'running';
    await mmio.refreshLog();
    expect(mmio.total).toBe(2000);
    expect(mmio.shown.map(({ seq }) => seq).slice(0, 2)).toEqual([1999, 1998]);
    expect(mmio.shown.length).toBeLessThanOrEqual(50);
  });

  it('begins anew with a new machine', async () => {
    const mmio = useMmioStore();
    touchTimes(5);
    await mmio.refreshLog();
    engine.faults = [];
    touchTimes(1);
    engine.stop({ kind: 'loaded' });
    await mmio.refreshLog();
    await mmio.refreshLog();
    expect(mmio.shown.map(({ seq }) => seq)).toEqual([0]);
  });

  it('can be narrowed to an outcome or a gfn', async () => {
    const mmio = useMmioStore();
    touchTimes(4);
    await mmio.refreshLog();
    mmio.outcome = 'FIRST';
    expect(mmio.shown).toHaveLength(1);
    mmio.outcome = 'any';
    mmio.gfn = 0x1;
    expect(mmio.shown).toHaveLength(0);
  });

  it('makes a breakpoint of a row: its page, its direction', async () => {
    const mmio = useMmioStore();
    touchTimes(3);
    await mmio.refreshLog();
    mmio.proposeBreakpoint(mmio.shown[0]);
    expect(mmio.breakpointDraft).toMatchObject({ start: 0xfeb0_0000n, length: 0x1000n, access: 'write' });
  });
});
