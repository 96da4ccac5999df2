import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CHORD, chordOf } from '../../../renderer/src/commands/chords.ts';
import { skipsTerminal } from '../../../renderer/src/commands/terminal-keys.ts';
import { keyOf } from '../../../renderer/src/composables/useKeyboard.ts';
import { useCommandsStore } from '../../../renderer/src/stores/commands-store.ts';
import { useFocusStore } from '../../../renderer/src/stores/focus-store.ts';
import { useMachineStore } from '../../../renderer/src/stores/machine-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { ENTRY } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores();
});

describe('keys', () => {
  it.each([
    [{ key: 'F5' }, 'F5'],
    [{ key: 'F11', shiftKey: true }, 'Shift+F11'],
    [{ key: 'p', ctrlKey: true, shiftKey: true }, 'Ctrl+Shift+P'],
    [{ key: 'g', metaKey: true }, 'Ctrl+G'],
    [{ key: 'ArrowLeft', altKey: true }, 'Alt+ArrowLeft'],
  ])('%o is %s', (init, name) => {
    expect(keyOf(new KeyboardEvent('keydown', init))).toBe(name);
  });
});

describe('the terminal', () => {
  it.each(['F5', 'F11', 'Shift+F11', 'Ctrl+P', 'Ctrl+Shift+P', 'Alt+3', 'Alt+ArrowLeft', 'Ctrl+PageDown', 'F1'])(
    'leaves %s to the workbench',
    (key) => expect(skipsTerminal(key, useCommandsStore().commands)).toBe(true),
  );

  it.each([
    'Ctrl+C',
    'Ctrl+D',
    'Ctrl+L',
    'Ctrl+W',
    'Ctrl+Z',
    'Ctrl+S',
    'Ctrl+O',
    'Ctrl+G',
    'A',
    'Enter',
    'Alt+B',
    'Tab',
  ])('types %s to the guest', (key) => expect(skipsTerminal(key, useCommandsStore().commands)).toBe(false));
});

describe('commands', () => {
  it('have one name each, and no two that can be done at once have the same key', () => {
    const { commands } = useCommandsStore();
    expect(new Set(commands.map(({ id }) => id)).size).toBe(commands.length);
    const keys = commands.filter(({ isEnabled }) => isEnabled()).flatMap(({ key }) => (key ? [key] : []));
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('have a key each, with or without the stroke before it', () => {
    const { commands } = useCommandsStore();
    expect(commands.filter(({ key }) => key === undefined).map(({ id }) => id)).toEqual([]);
    const chords = commands.filter(({ key = '' }) => key.includes(' ')).map(({ key }) => key);
    expect(new Set(chords).size).toBe(chords.length);
    expect(chords.filter((key) => chordOf(key?.split(' ').at(1) ?? '') !== key)).toEqual([]);
    // What begins a chord can mean nothing else.
    expect(commands.filter(({ key, moreKeys = [] }) => [key, ...moreKeys].includes(CHORD))).toEqual([]);
  });

  it('F5 runs what is paused and pauses what runs', async () => {
    const commands = useCommandsStore();
    const machine = useMachineStore();
    expect(commands.executeKey('F5')).toBe(true);
    await vi.waitFor(() => expect(machine.isRunning).toBe(true));
    commands.executeKey('F5');
    await vi.waitFor(() => expect(machine.state).toBe('paused'));
  });

  it('a key of a command that cannot be done now is still ours', () => {
    const commands = useCommandsStore();
    engine.stop({ kind: 'exited', status: 1 }, 'exited');
    expect(commands.executeKey('F11')).toBe(true);
    expect(commands.executeKey('Q')).toBe(false);
    expect(engine.requests.some(({ name }) => name === 'run.step')).toBe(false);
  });

  it('F9 means the line of the cursor, else the current instruction', async () => {
    const commands = useCommandsStore();
    commands.executeKey('F9');
    await vi.waitFor(() => expect(engine.breakpoints).toHaveLength(1));
    useFocusStore().show({ kind: 'code', address: 0x10_0040n });
    commands.executeKey('F9');
    await vi.waitFor(() => expect(engine.breakpoints).toHaveLength(2));
    expect(engine.breakpoints.map(({ spec }) => spec.kind === 'exec' && spec.address)).toEqual([ENTRY, 0x10_0040n]);
  });

  it('F9 means the current instruction again when the guest has gone on since', async () => {
    useFocusStore().show({ kind: 'code', address: 0x10_0040n });
    await useMachineStore().step();
    useCommandsStore().executeKey('F9');
    await vi.waitFor(() => expect(engine.breakpoints).toHaveLength(1));
    expect(engine.breakpoints[0]?.spec).toMatchObject({ address: engine.rip });
  });

  it('Ctrl+Z belongs to the text that is being typed, F5 does not', async () => {
    const commands = useCommandsStore();
    expect(commands.executeKey('Ctrl+Z', { inText: true })).toBe(false);
    expect(commands.executeKey('F5', { inText: true })).toBe(true);
  });

  it('a new slot is made over the page of the fault that the machine stands in front of', async () => {
    const fault = { gva: 1n, gpa: 0xd000_0010n, access: 'read', outcome: 'FIRST', spteGen: -1, kvmGen: 2 } as const;
    engine.stop({ kind: 'mmio-breakpoint', id: 1, vcpu: 0, fault });
    useCommandsStore().execute('new-slot');
    await vi.waitFor(() => expect(engine.requests.at(-1)?.name).toBe('memslots.previewAll'));
    expect(engine.requests.at(-1)?.params).toMatchObject({ regions: [{ guestPhysAddr: 0xd000_0000n }] });
  });
});
