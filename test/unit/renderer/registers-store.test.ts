import { beforeEach, describe, expect, it } from 'vitest';
import { refusalText } from '../../../renderer/src/api/request-refusal.ts';
import { useEditHistoryStore } from '../../../renderer/src/stores/edit-history-store.ts';
import { useMachineStore } from '../../../renderer/src/stores/machine-store.ts';
import { useNoticesStore } from '../../../renderer/src/stores/notices-store.ts';
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

  it('are edited so that it can be taken back and made again', async () => {
    const registers = useRegistersStore();
    const edits = useEditHistoryStore();
    const valueOf = (name: string): bigint | undefined =>
      registers.snapshot?.registers.find((register) => register.name === name)?.value;
    await registers.refresh();
    const before = valueOf('rax');
    expect(await registers.write('rax', 0x77n)).toBeUndefined();
    expect([valueOf('rax'), edits.undoTitle]).toEqual([0x77n, 'rax = 0x77']);
    await edits.undo();
    expect(valueOf('rax')).toBe(before);
    await edits.redo();
    expect(valueOf('rax')).toBe(0x77n);
  });

  it('say why an undo was refused, and keep it', async () => {
    const edits = useEditHistoryStore();
    await useRegistersStore().write('rax', 0x77n);
    engine.refuseAll = { code: 'not-allowed', message: 'pause the machine to edit registers.', memslot: undefined };
    await edits.undo();
    expect([useNoticesStore().problem?.text, edits.undoTitle]).toEqual([
      'pause the machine to edit registers.',
      'rax = 0x77',
    ]);
  });

  it('record nothing when the value was refused', async () => {
    await useRegistersStore().write('cr0', 0n);
    expect(useEditHistoryStore().canUndo).toBe(false);
  });

  it('of cs and ss are one, and come back as one', async () => {
    const registers = useRegistersStore();
    const edits = useEditHistoryStore();
    await registers.refresh();
    const read = (): (bigint | undefined)[] =>
      ['cs', 'ss'].map((name) => registers.snapshot?.registers.find((one) => one.name === name)?.value);
    const before = read();
    await registers.write('cs', 0x1bn, { name: 'ss', value: 0x23n });
    expect(read()).toEqual([0x1bn, 0x23n]);
    expect(edits.undoTitle).toBe('cs = 0x1b, ss = 0x23');
    await edits.undo();
    expect(read()).toEqual(before);
    await edits.redo();
    expect(read()).toEqual([0x1bn, 0x23n]);
  });

  it('of a segment come back with the hidden part that they had, whatever the tables say by now', async () => {
    const registers = useRegistersStore();
    const edits = useEditHistoryStore();
    await registers.write('fs', 0x28n);
    await edits.undo();
    expect(engine.edits.hidden).toEqual({ base: 0x1000n, limit: 0xfff, attributes: 0x4093 });
  });

  it('that KVM refuses say the errno', async () => {
    const refusal = await useRegistersStore().write('cr0', 0n);
    expect(refusal && refusalText(refusal)).toBe('EINVAL: cr0 cannot be written in this script.');
  });
});
