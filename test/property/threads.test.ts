/**
 * Whatever the control side does while vCPUs run on threads of their own, the auditor finds nothing whenever they are paused.
 * The script is random and the same every time; how it meets the vCPUs is not.
 */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { HVA_BASE } from '../../core/base/address.ts';
import { type Era, MMU_MODES, type MmuMode } from '../../core/base/machine-modes.ts';
import { auditMmu } from '../../core/kvm/audit/audit.ts';
import { createMachine, type Machine } from '../../core/machine/index.ts';
import { bundledThreads } from '../unit/host/bundled-worker.ts';

const threads = await bundledThreads();
const image = new Uint8Array(readFileSync(new URL('../../electron/guests/smp.elf', import.meta.url)));
const RAM = 8 << 20;
const HIGH = 0x10_0000;
const PAGE = 4096n;
const STEPS = 60;

const open: Machine[] = [];
afterEach(() => {
  for (const machine of open.splice(0)) machine.close();
});

/** Numbers below `end`, by a linear congruence. */
function dice(seed: number): (end: number) => number {
  let state = seed;
  return (end) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 8) % end;
  };
}

function hammering(mmu: MmuMode, era: Era): Machine {
  const config = { ramBytes: RAM, mmu, era, maxPhyAddr: 40, mmuPages: 0, vcpus: 2, threads };
  const made = createMachine(config, (bytes) => new SharedArrayBuffer(bytes));
  if (!made.ok) throw new Error(made.error.message);
  const machine = made.value;
  open.push(machine);
  const loaded = machine.loadImage(image, 'smp.elf', 'vcpus=2 op=hammer mode=long patience=2g');
  if (!loaded.ok) throw new Error(loaded.error.message);
  while (machine.insns < 200_000) machine.run(1);
  return machine;
}

/** One thing that user space may do. Refusals are as good as anything. */
function doSomething({ vm }: Machine, roll: (end: number) => number): void {
  const window = { slot: 5, flags: 0, guestPhysAddr: BigInt(RAM) + PAGE * BigInt(roll(3)) };
  const backing = HVA_BASE + BigInt(RAM) - PAGE * BigInt(1 + roll(4));
  switch (roll(7)) {
    case 0:
    case 1:
      vm.setUserMemoryRegion({ ...window, memorySize: PAGE, userspaceAddr: backing });
      break;
    case 2:
      vm.setUserMemoryRegion({ ...window, memorySize: 0n, userspaceAddr: backing });
      break;
    case 3: {
      const high = { slot: 1, guestPhysAddr: BigInt(HIGH), memorySize: BigInt(RAM - HIGH) };
      vm.setUserMemoryRegion({ ...high, flags: roll(2), userspaceAddr: HVA_BASE + BigInt(HIGH) });
      break;
    }
    case 4:
      vm.getDirtyLog(1);
      break;
    case 5:
      vm.setNrMmuPages(64 + roll(64));
      break;
    default:
      vm.shrinkMmu();
  }
}

describe.each(MMU_MODES)('under %s', (mmu) => {
  test.each(['v3.11', 'v6.8'] as const)('%s: a paused machine is sound, whatever was done to it', (era) => {
    const machine = hammering(mmu, era);
    const roll = dice(MMU_MODES.indexOf(mmu) * 7 + era.length);
    for (let step = 0; step < STEPS; step++) {
      doSomething(machine, roll);
      // Until 4.3 a fault that another vCPU has settled is called a bug, and the run goes on.
      const stop = machine.run(1);
      if (era === 'v6.8') expect(stop).toEqual({ kind: 'budget' });
      if (roll(5) !== 0) continue;
      machine.park();
      expect(auditMmu(machine.vm.mmu).violations, `after step ${step}`).toEqual([]);
    }
  });
});
