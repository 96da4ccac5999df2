import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { Machine, MachineConfig, MachineStop } from '../../../core/machine/index.ts';
import { bundledThreads } from '../host/bundled-worker.ts';
import { type SmallMachine, smallMachine } from './small-machine.ts';

const threads = await bundledThreads();
const image = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../../electron/guests/${name}.elf`, import.meta.url)));

const open: Machine[] = [];
afterEach(() => {
  for (const machine of open.splice(0)) machine.close();
});

function guest(name: string, append: string, config: Partial<MachineConfig>): SmallMachine {
  const small = smallMachine({ ramBytes: 4 << 20, ...config });
  open.push(small.machine);
  const loaded = small.machine.loadImage(image(name), `${name}.elf`, append);
  if (!loaded.ok) throw new Error(loaded.error.message);
  return small;
}

function runToStop(machine: Machine): MachineStop {
  for (;;) {
    const stop = machine.run(1_000_000);
    if (stop.kind !== 'budget') return stop;
  }
}

describe('with a thread for each vCPU', () => {
  test.each([
    { name: 'smp', append: 'vcpus=2 rounds=300 mode=long', vcpus: 2, mmu: 'ept' },
    { name: 'smp', append: 'vcpus=3 rounds=100 mode=pae', vcpus: 3, mmu: 'npt' },
    { name: 'smp', append: 'vcpus=2 rounds=100', vcpus: 2, mmu: 'shadow' },
    // What no single compare-and-exchange can do, and 8 bytes that are never seen by halves.
    { name: 'smp', append: 'vcpus=2 op=split rounds=400 mode=long', vcpus: 2, mmu: 'ept' },
    { name: 'smp', append: 'vcpus=3 op=split rounds=100 mode=32', vcpus: 3, mmu: 'shadow' },
    { name: 'hello', append: '', vcpus: 2, mmu: 'ept' },
    { name: 'timer', append: 'ticks=4 hz=1000', vcpus: 1, mmu: 'ept' },
  ] as const)('$name $append says what it says in turns', ({ name, append, vcpus, mmu }) => {
    const turns = guest(name, append, { vcpus, mmu });
    const end = runToStop(turns.machine);
    const parallel = guest(name, append, { vcpus, mmu, threads });
    expect(runToStop(parallel.machine)).toEqual(end);
    const withoutTimes = (text: string): string => text.replaceAll(/\d+ (ticks|ns|us)/g, 'some $1');
    expect(withoutTimes(parallel.text())).toBe(withoutTimes(turns.text()));
  });

  test('a parked machine stands still, and goes on', () => {
    const { machine } = guest('smp', 'vcpus=2 op=hammer', { vcpus: 2, threads });
    while (machine.insns < 200_000) expect(machine.run(1)).toEqual({ kind: 'budget' });
    machine.park();
    const { insns } = machine;
    expect(machine.insns).toBe(insns);
    while (machine.insns < insns + 100_000) expect(machine.run(1)).toEqual({ kind: 'budget' });
  });

  test('a step moves one vCPU alone', () => {
    const { machine } = guest('smp', 'vcpus=2 op=hammer', { vcpus: 2, threads });
    while (machine.insns < 200_000) machine.run(1);
    machine.park();
    const [first, second] = machine.vm.vcpus.map(({ cpu }) => cpu.instructions());
    while (machine.vm.vcpus[1].cpu.instructions() < second + 3) machine.run(1, 0, { vcpu: 1, insns: second + 3 });
    machine.park();
    expect(machine.vm.vcpus.map(({ cpu }) => cpu.instructions())).toEqual([first, second + 3]);
  });

  test('a breakpoint stops all of them', () => {
    const { machine } = guest('smp', 'vcpus=2 op=hammer', { vcpus: 2, threads });
    const entry = machine.image?.symbols.find('secondary_main')?.address ?? 0n;
    for (const { cpu } of machine.vm.vcpus) cpu.setExecBreakpoints([entry]);
    expect(runToStop(machine)).toEqual({ kind: 'exec-breakpoint', vcpu: 1 });
    expect(machine.vm.vcpus[1].cpu.instructions()).toBe(0);
  });

  test('a reset begins anew', () => {
    const { machine, text } = guest('hello', '', { vcpus: 2, threads });
    runToStop(machine);
    const said = text();
    expect(machine.reset().ok).toBe(true);
    runToStop(machine);
    expect(text()).toBe(said + said);
  });

  test('a vCPU whose thread dies stops the machine, which says whose it was', () => {
    const { machine } = guest('smp', 'vcpus=2 op=hammer', { vcpus: 2, threads });
    while (machine.insns < 200_000) machine.run(1);
    machine.crashVcpuForTest(1);
    const stop = runToStop(machine);
    expect(stop).toEqual({ kind: 'error', vcpu: 1, message: expect.stringContaining('told to crash') });
    // The others stand still, and a reset gives it a new thread.
    const { insns } = machine;
    expect(machine.reset().ok).toBe(true);
    while (machine.vm.vcpus[1].cpu.instructions() < 1000) expect(machine.run(1)).toEqual({ kind: 'budget' });
    expect(insns).toBeGreaterThan(0);
  });
});
