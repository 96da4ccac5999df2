import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { useDesktopStore } from '../../../renderer/src/stores/desktop-store.ts';
import { useMachineStore } from '../../../renderer/src/stores/machine-store.ts';
import { useNoticesStore } from '../../../renderer/src/stores/notices-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { ENTRY } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores();
});

describe('the machine', () => {
  it('starts with the startup image, paused at its first instruction', () => {
    const machine = useMachineStore();
    expect(machine.state).toBe('paused');
    expect(machine.rip).toBe(ENTRY);
    expect(machine.status?.reason).toEqual({ kind: 'loaded' });
    expect(engine.requests.at(-1)?.name).toBe('machine.create');
  });

  it('can run while it is paused or halted, and in no other state', async () => {
    const machine = useMachineStore();
    expect(machine.canRun).toBe(true);
    await machine.run();
    expect([machine.isRunning, machine.canRun]).toEqual([true, false]);
    await machine.pause();
    expect(machine.canRun).toBe(true);
    engine.stop({ kind: 'exited', status: 33 }, 'exited');
    expect(machine.canRun).toBe(false);
  });

  it('drops a status that belongs to an earlier moment', () => {
    const machine = useMachineStore();
    const old = engine.status;
    engine.rip = 0x1234n;
    engine.stop({ kind: 'step' });
    machine.applyStatus(old);
    expect(machine.rip).toBe(0x1234n);
  });

  it('asks for the status when a reply comes from a moment that it has not heard of', async () => {
    const machine = useMachineStore();
    engine.epoch += 1;
    engine.insns = 77;
    expect(machine.admit(engine.moment)).toBe(true);
    await vi.waitFor(() => expect(machine.status?.moment.insns).toBe(77));
  });

  it('keeps what was seen last when the engine crashes, and starts the same image again', async () => {
    const machine = useMachineStore();
    engine.emit({ kind: 'crashed', message: 'out of luck', lastTrace: ['kvm_exit'] });
    expect(machine.state).toBe('crashed');
    expect(machine.rip).toBe(ENTRY);
    expect(machine.canRun).toBe(false);
    expect(useNoticesStore().problem?.text).toMatch(/out of luck/);
    // The new engine counts its moments from the start.
    engine.epoch = 0;
    await machine.restart();
    expect(engine.requests.at(-1)?.name).toBe('machine.reset');
    expect(machine.state).toBe('paused');
    expect(machine.epoch).toBe(1);
    expect(useNoticesStore().problem).toBeUndefined();
  });

  it('says why something was refused', async () => {
    const machine = useMachineStore();
    expect(await machine.stepOut()).toBe(false);
    expect(useNoticesStore().problem?.text).toMatch(/run.stepOut is not scripted/);
  });

  it('is there again after a reload of the page, without being made anew', async () => {
    engine.stop({ kind: 'paused' });
    const before = engine.requests.length;
    await useMachineStore().resume();
    expect(engine.requests.slice(before).map(({ name }) => name)).toEqual(['machine.status']);
  });

  it('knows after a reload of the page which image and options it was made from', async () => {
    const image = { name: '/home/me/kernel.elf', bytes: Uint8Array.of(3, 4) };
    await useMachineStore().create(image, { mmu: 'npt', append: 'pages=7' });
    setActivePinia(createPinia());
    useDesktopStore().connect(engine);
    const machine = useMachineStore();
    await machine.resume();
    expect(machine.image).toEqual(image);
    expect(machine.options).toEqual({ mmu: 'npt', append: 'pages=7' });
    expect(await machine.presentImage()).toEqual({ ok: true, value: image });
  });

  it('is still crashed after a reload of the page, and not replaced by the startup image', async () => {
    setActivePinia(createPinia());
    useDesktopStore().connect(engine);
    const machine = useMachineStore();
    engine.refuseAll = { code: 'engine-crashed', message: 'the engine crashed (out of luck).', memslot: undefined };
    const before = engine.requests.length;
    await machine.resume();
    expect(machine.crash?.message).toMatch(/out of luck/);
    expect(engine.requests.slice(before).map(({ name }) => name)).toEqual(['machine.status']);
    engine.refuseAll = undefined;
    await machine.restart();
    expect(machine.state).toBe('paused');
  });
});
