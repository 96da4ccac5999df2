/** Keys and clicks that come faster than the engine answers: none is lost, and each means what there is when its turn has come. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { useBreakpointsStore } from '../../../renderer/src/stores/breakpoints-store.ts';
import { useCommandsStore } from '../../../renderer/src/stores/commands-store.ts';
import { useConsoleStore } from '../../../renderer/src/stores/console-store.ts';
import { useDialogStore } from '../../../renderer/src/stores/dialog-store.ts';
import { useEditHistoryStore } from '../../../renderer/src/stores/edit-history-store.ts';
import { useMachineStore } from '../../../renderer/src/stores/machine-store.ts';
import { useMemoryEditsStore } from '../../../renderer/src/stores/memory-edits-store.ts';
import { useMemorySearchStore } from '../../../renderer/src/stores/memory-search-store.ts';
import { useMemslotsStore } from '../../../renderer/src/stores/memslots-store.ts';
import { useRegistersStore } from '../../../renderer/src/stores/registers-store.ts';
import { useTraceStore } from '../../../renderer/src/stores/trace-store.ts';
import { useTurnsStore } from '../../../renderer/src/stores/turns-store.ts';
import { farAway } from './far-engine.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores(farAway);
});

const press = (...keys: readonly string[]): void => {
  for (const key of keys) useCommandsStore().executeKey(key);
};
const asked = (): string[] => engine.requests.map(({ name }) => name);
const running = (): string[] => asked().filter((name) => /^(?:run\.|machine\.reset)/.test(name));
const settled = (): Promise<void> => vi.waitFor(() => expect(useTurnsStore().isBusy).toBe(false));

describe('keys pressed at once', () => {
  it('F11 ten times makes ten steps', async () => {
    press(...Array.from({ length: 10 }, () => 'F11'));
    await vi.waitFor(() => expect(engine.insns).toBe(10));
    await settled();
    expect(running()).toHaveLength(10);
  });

  it('F5 twice runs and pauses', async () => {
    press('F5', 'F5');
    await vi.waitFor(() => expect(running()).toEqual(['run.continue', 'run.pause']));
    await vi.waitFor(() => expect(useMachineStore().state).toBe('paused'));
  });

  it('F5 behind a restart runs the guest that had exited', async () => {
    engine.stop({ kind: 'exited', status: 0 }, 'exited');
    await vi.waitFor(() => expect(useMachineStore().state).toBe('exited'));
    press('Ctrl+Shift+F5', 'F5');
    await vi.waitFor(() => expect(running()).toEqual(['machine.reset', 'run.continue']));
  });

  it('F9 twice sets a breakpoint and takes it away', async () => {
    press('F9', 'F9');
    await settled();
    expect(asked().filter((name) => /^breakpoints\.(add|remove)$/.test(name))).toEqual([
      'breakpoints.add',
      'breakpoints.remove',
    ]);
    expect(engine.breakpoints).toEqual([]);
  });

  it('Ctrl+Z takes back the edit that is still under way', async () => {
    press('F9', 'Ctrl+Z');
    await settled();
    expect([engine.breakpoints, useEditHistoryStore().redoTitle]).toEqual([[], 'set a breakpoint']);
  });

  it('a key that is held down does no more than is seen of it, and what switches to and fro it switches once', async () => {
    const commands = useCommandsStore();
    commands.executeKey('F11');
    for (let n = 0; n < 5; n++) commands.executeKey('F11', { isRepeat: true });
    await settled();
    expect(running()).toEqual(['run.step']);
    commands.executeKey('F5');
    await settled();
    expect(commands.executeKey('F5', { isRepeat: true })).toBe(true);
    await settled();
    expect(running()).toEqual(['run.step', 'run.continue']);
  });

  it('what does not change the machine waits for nothing', async () => {
    press('F11', 'Alt+ArrowLeft', 'F1');
    expect(useDialogStore().dialog).toBe('keys');
    await settled();
  });
});

describe('a step that takes its time', () => {
  beforeEach(async () => {
    engine.stepsOver = [{ kind: 'none' }, 'running'];
    press('F10');
    await vi.waitFor(() => expect(useMachineStore().isStepping).toBe(true));
  });

  it('is waited for by the next one', async () => {
    press('F11');
    expect(running()).toEqual(['run.stepOver']);
    engine.stop({ kind: 'step' });
    await vi.waitFor(() => expect(running()).toEqual(['run.stepOver', 'run.step']));
  });

  it('is paused at once, and what waited for it is called off', async () => {
    press('F11', 'F5');
    await vi.waitFor(() => expect(running()).toEqual(['run.stepOver', 'run.pause']));
    await vi.waitFor(() => expect(useMachineStore().state).toBe('paused'));
    await settled();
    expect(running()).toEqual(['run.stepOver', 'run.pause']);
  });

  it('that ends at a breakpoint is gone on from by nobody', async () => {
    press('F10', 'F10');
    engine.stop({ kind: 'breakpoint', id: 1, vcpu: 0, address: 1n });
    await vi.waitFor(() => expect(useMachineStore().state).toBe('paused'));
    await settled();
    expect(running()).toEqual(['run.stepOver']);
  });
});

describe('edits made at once', () => {
  it('of two bits of a register are both there', async () => {
    const registers = useRegistersStore();
    await registers.write('rflags', 2n);
    await Promise.all([registers.flip('rflags', 0), registers.flip('rflags', 6)]);
    expect(engine.edits.written.get('rflags')).toBe(0x43n);
  });

  it('come before the step that was asked for behind them', async () => {
    void useRegistersStore().write('rax', 5n);
    void useMemoryEditsStore().write({ space: 'gpa', address: 0x100n }, Uint8Array.of(1));
    press('F11');
    await vi.waitFor(() => expect(running()).toEqual(['run.step']));
    expect(asked().filter((name) => /write|step/.test(name))).toEqual(['registers.write', 'memory.write', 'run.step']);
  });

  it('of memory are found by the search behind them', async () => {
    const search = useMemorySearchStore();
    for (const [at, byte] of [0xde, 0xad].entries()) {
      void useMemoryEditsStore().write({ space: 'gpa', address: 0x100n + BigInt(at) }, Uint8Array.of(byte));
    }
    await search.search({ space: 'gpa', start: 0n, length: 0x1000n }, Uint8Array.of(0xde, 0xad));
    expect(search.matches).toEqual([0x100n]);
  });

  it('of a list of breakpoints are taken back one by one', async () => {
    const store = useBreakpointsStore();
    await store.add({ spec: { kind: 'exec', address: 1n } });
    await store.add({ spec: { kind: 'exec', address: 2n } });
    const [first, second] = store.breakpoints;
    await Promise.all([store.remove(first.id), store.remove(second.id)]);
    expect(engine.breakpoints).toEqual([]);
    await useEditHistoryStore().undo();
    expect(engine.breakpoints.map(({ spec }) => spec)).toMatchObject([{ address: 2n }]);
  });

  it('of memslots are applied once, however often Apply is pressed', async () => {
    const store = useMemslotsStore();
    await store.createOver(0xe000_0000n);
    press('Ctrl+Enter', 'Ctrl+Enter');
    void store.apply();
    await settled();
    expect(asked().filter((name) => name === 'memslots.apply')).toHaveLength(1);
  });

  it('of the chosen tracepoints are all there', async () => {
    const trace = useTraceStore();
    await Promise.all([trace.switchEvents(['kvm_mmio'], true), trace.switchEvents(['kvm_exit'], true)]);
    expect(trace.events).toEqual(['kvm_mmio', 'kvm_exit']);
  });
});

describe('lines typed ahead at the console', () => {
  it('are answered one behind the other, and an empty one repeats the line before it', async () => {
    const store = useConsoleStore();
    await Promise.all([store.run('hello'), store.run('step'), store.run('')]);
    expect(store.entries.map(({ text }) => text)).toEqual([
      '> hello',
      'you said hello',
      'gpa 0xfee00000: here',
      '> step',
      'after a step',
      '> step',
      'after a step',
    ]);
  });
});
