/** Dirty logging under a running guest: no TLB may remember that a page could be written when the log has been read. */
import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../../core/base/address.ts';
import type { HostPages } from '../../../core/base/host-pages.ts';
import { MMU_MODES } from '../../../core/base/machine-modes.ts';
import { auditMmu } from '../../../core/kvm/audit/audit.ts';
import { readVcpuCounters, readVmCounters } from '../../../core/kvm/trace/stats.ts';
import type { Machine } from '../../../core/machine/index.ts';
import { programmed } from '../machine/small-machine.ts';

// l: inc dword [0x8000]; inc dword [0x30000]; jmp l — in the flat 32-bit mode that a flat image starts in.
const PROGRAM = [0xff, 0x05, 0x00, 0x80, 0, 0, 0xff, 0x05, 0x00, 0x00, 0x03, 0, 0xeb, 0xf2];
const RAM = 4 << 20;

function setLog(machine: Machine, flags: number): void {
  const slot = { slot: 0, flags, guestPhysAddr: 0n, memorySize: BigInt(RAM), userspaceAddr: HVA_BASE };
  const set = machine.vm.setUserMemoryRegion(slot);
  if (!set.ok) throw new Error(set.error.message);
}

/** All RAM in one slot, so that it can be large pages. */
function running(config: Parameters<typeof programmed>[1]): Machine {
  const { machine } = programmed(PROGRAM, { ramBytes: RAM, ...config });
  for (const slot of [0, 1]) {
    const empty = { slot, flags: 0, guestPhysAddr: 0n, memorySize: 0n, userspaceAddr: 0n };
    if (!machine.vm.setUserMemoryRegion(empty).ok) throw new Error(`slot ${slot} did not go`);
  }
  setLog(machine, 0);
  machine.run(1000);
  return machine;
}

function dirty(machine: Machine): number[] {
  const log = machine.vm.getDirtyLog(0);
  if (!log.ok) throw new Error(log.error.message);
  return [...log.value].flatMap((byte, i) => [...Array(8).keys()].filter((b) => byte & (1 << b)).map((b) => i * 8 + b));
}

const HOSTS: readonly HostPages[] = ['4k', 'thp', '2m'];

describe.each(MMU_MODES)('under %s', (mmu) => {
  it.each(HOSTS)('a guest on %s host pages is caught writing after each reading of the log', (hostPages) => {
    const machine = running({ mmu, hostPages, eptAd: true });
    if (hostPages !== '4k') expect(readVmCounters(machine.arena).largepages).toBeGreaterThan(0);
    setLog(machine, 1);
    expect(readVmCounters(machine.arena).largepages).toBe(0);
    for (let round = 0; round < 4; round++) {
      machine.run(100);
      // The first round maps again what was dropped or is still mapped, code and all; later ones only write.
      const pages = dirty(machine);
      if (round > 0) expect(pages).toEqual([0x8, 0x30]);
      expect(pages).toContain(0x8);
    }
    expect(dirty(machine), 'nobody ran').toEqual([]);
    expect(auditMmu(machine.vm.mmu).violations.map(({ text }) => text)).toEqual([]);
  });

  it('the fast path does it without the full one', () => {
    const machine = running({ mmu });
    setLog(machine, 1);
    machine.run(100);
    dirty(machine);
    const before = readVcpuCounters(machine.arena, 0);
    machine.run(100);
    const after = readVcpuCounters(machine.arena, 0);
    expect(after.exits - before.exits, 'one fault for each page').toBe(2);
    expect(after.pf_fixed).toBe(before.pf_fixed);
    expect(dirty(machine)).toEqual([0x8, 0x30]);
  });

  it('and when the log is off the guest writes on, in large pages again where it can', () => {
    const machine = running({ mmu, hostPages: '2m' });
    setLog(machine, 1);
    machine.run(100);
    dirty(machine);
    setLog(machine, 0);
    const before = machine.arena.i32[(machine.arena.layout.ram + 0x8000) >> 2];
    machine.run(300);
    expect(machine.arena.i32[(machine.arena.layout.ram + 0x8000) >> 2] - before).toBe(100);
    expect(machine.vm.getDirtyLog(0)).toMatchObject({ ok: false });
    expect(auditMmu(machine.vm.mmu).violations.map(({ text }) => text)).toEqual([]);
  });
});
