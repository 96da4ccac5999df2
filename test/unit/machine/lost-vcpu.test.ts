/** The thread of a vCPU ends without a word: natively, as by the end of its heap. */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { DEV_TURNS, DEVICES_LOCK } from '../../../core/arena/device-layout.ts';
import { VM_MMU_LOCK } from '../../../core/arena/mmu-layout.ts';
import { HVA_BASE } from '../../../core/base/address.ts';
import { LockOwnerDied } from '../../../core/arena/futex-lock.ts';
import type { ArenaLayout } from '../../../core/arena/layout.ts';
import type { Machine, MachineStop } from '../../../core/machine/index.ts';
import { bundledThreads } from '../host/bundled-worker.ts';
import { smallMachine } from './small-machine.ts';

const RAM = 4 << 20;
const PATIENCE_MS = 40_000;
const image = new Uint8Array(readFileSync(new URL('../../../electron/guests/smp.elf', import.meta.url)));

const open: Machine[] = [];
afterEach(() => {
  for (const machine of open.splice(0)) machine.close();
  delete process.env['DYING_VCPU'];
});

/** Two vCPUs that hammer; the second one's thread ends when it has taken a lock so many times. */
async function doomed(lockOf: (layout: ArenaLayout) => number, time: number): Promise<Machine> {
  const { layout } = smallMachine({ ramBytes: RAM, vcpus: 2 }).machine.arena;
  const threads = await bundledThreads(({ href }) => {
    process.env['DYING_VCPU'] = JSON.stringify({ worker: href, vcpu: 1, word: lockOf(layout) >> 2, time });
    return new URL('../host/dying-vcpu.mjs', import.meta.url);
  });
  const { machine } = smallMachine({ ramBytes: RAM, vcpus: 2, threads });
  open.push(machine);
  const loaded = machine.loadImage(image, 'smp.elf', 'vcpus=2 op=hammer mode=long');
  if (!loaded.ok) throw new Error(loaded.error.message);
  return machine;
}

function runToStop(machine: Machine): MachineStop {
  for (const limit = Date.now() + PATIENCE_MS; Date.now() < limit;) {
    const stop = machine.run(1_000_000);
    if (stop.kind !== 'budget') return stop;
  }
  throw new Error('nothing stopped the machine');
}

const mmuLock = ({ vm }: ArenaLayout): number => vm + VM_MMU_LOCK;
const devicesLock = ({ devices }: ArenaLayout): number => devices + DEV_TURNS + DEVICES_LOCK;
const slot = { slot: 5, flags: 0, guestPhysAddr: BigInt(RAM), memorySize: 4096n, userspaceAddr: HVA_BASE };

describe('a vCPU whose thread vanishes', () => {
  it('stops the machine, which says whose it was and that it held mmu_lock', async () => {
    const machine = await doomed(mmuLock, 1);
    const stop = runToStop(machine);
    expect(stop).toEqual({
      kind: 'error',
      vcpu: 1,
      message: 'The thread of vCPU 1 crashed: it ended with status 7. It held mmu_lock, so the MMU is half changed.',
    });
    // It does not go on, and neither does anything that would change the MMU.
    expect(runToStop(machine)).toEqual(stop);
    const refusal = { ok: false, error: { errno: 'EIO', message: expect.stringContaining('reset the machine') } };
    expect(machine.vm.setUserMemoryRegion(slot)).toMatchObject(refusal);
    expect(machine.vm.previewUserMemoryRegion(slot)).toMatchObject(refusal);
    expect(machine.vm.beginMemslotUpdate(slot)).toMatchObject(refusal);
    expect(machine.vm.getDirtyLog(0)).toMatchObject(refusal);
    expect(machine.vm.setNrMmuPages(100)).toMatchObject(refusal);
    expect(() => machine.vm.unmapHva(HVA_BASE, 1)).toThrow(LockOwnerDied);
    // A reset clears all that away.
    expect(machine.reset().ok).toBe(true);
    expect(machine.vm.setUserMemoryRegion(slot).ok).toBe(true);
    expect(machine.run(1)).toEqual({ kind: 'budget' });
  });

  it('is missed by a memslot call that waits for its lock, in the middle of the wait', async () => {
    const machine = await doomed(mmuLock, 1);
    const { vm } = machine;
    machine.run(1);
    // Nothing here comes back to the event loop.
    const change = (): unknown => {
      for (let flags = 1; ; flags ^= 1) {
        const set = vm.setUserMemoryRegion({ ...slot, flags });
        if (!set.ok) return set.error.errno;
        machine.run(1);
      }
    };
    let outcome: unknown;
    try {
      outcome = change();
    } catch (error) {
      outcome = error instanceof LockOwnerDied ? 'EIO' : error;
    }
    expect(outcome).toBe('EIO');
  });

  it('does not hold up who waits for a device that it was at', async () => {
    const machine = await doomed(devicesLock, 5);
    expect(runToStop(machine)).toEqual({
      kind: 'error',
      vcpu: 1,
      message: 'The thread of vCPU 1 crashed: it ended with status 7. It was in the middle of a device.',
    });
  });
});
