import { beforeEach, describe, expect, it } from 'vitest';
import { useMachineStore } from '../../../renderer/src/stores/machine-store.ts';
import { useRegistersStore } from '../../../renderer/src/stores/registers-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores();
});

describe('the registers', () => {
  it('are grouped', async () => {
    const registers = useRegistersStore();
    await registers.refresh();
    expect(registers.groups.map(({ group }) => group)).toEqual(['general', 'segment', 'control', 'msr']);
  });

  it('mark what has changed since the last stop, and nothing at the first', async () => {
    const registers = useRegistersStore();
    await registers.refresh();
    expect([...registers.changed]).toEqual([]);
    await useMachineStore().step();
    await registers.refresh();
    expect([...registers.changed].toSorted()).toEqual(['rax', 'rip']);
    await registers.refresh();
    expect([...registers.changed].toSorted()).toEqual(['rax', 'rip']);
  });

  it('compare with the stop before the run, however often they were read while it ran', async () => {
    const registers = useRegistersStore();
    await registers.refresh();
    await useMachineStore().run();
    engine.insns = 5;
    await registers.refresh();
    engine.insns = 7;
    await registers.refresh();
    engine.insns = 0;
    await useMachineStore().pause();
    await registers.refresh();
    expect([...registers.changed]).toEqual([]);
  });

  it('drop an answer that was overtaken by a stop', async () => {
    const registers = useRegistersStore();
    let open = (): void => {};
    engine.gate = new Promise((resolve) => {
      open = () => resolve();
    });
    const late = registers.refresh();
    engine.gate = undefined;
    engine.rip = 0x5555n;
    engine.stop({ kind: 'step' });
    await registers.refresh();
    open();
    await late;
    expect(registers.snapshot?.registers.find(({ name }) => name === 'rip')?.value).toBe(0x5555n);
  });

  it('hand back why a value was not taken', async () => {
    const refusal = await useRegistersStore().write('cr0', 0n);
    expect(refusal?.message).toMatch(/cr0 cannot be written/);
  });
});
