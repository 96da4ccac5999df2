/** What a guest prints does not depend on the size of the pages behind its memory, nor on A and D flags for EPT. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../../core/base/address.ts';
import type { HostPages } from '../../../core/base/host-pages.ts';
import { MMU_MODES, type MmuMode } from '../../../core/base/machine-modes.ts';
import type { MachineConfig } from '../../../core/machine/index.ts';
import { auditMmu } from '../../../core/kvm/audit/audit.ts';
import { readVmCounters } from '../../../core/kvm/trace/stats.ts';
import { runToStop, smallMachine, type SmallMachine } from '../machine/small-machine.ts';

const RAM = 0x100_0000n;
const HOSTS: readonly (readonly [HostPages, boolean])[] = [
  ['4k', true],
  ['thp', false],
  ['2m', true],
];

/** Guests and what to tell them; `{mode}` is a paging mode that the MMU runs. */
const GUESTS: readonly (readonly [string, string])[] = [
  ['hello', 'mode={mode}'],
  ['storm', 'pages=40 passes=2 op=both mode={mode}'],
  ['poller', 'pause=10 limit=12 mode={mode}'],
  ['spin', 'n=3000 mode={mode}'],
  ['timer', 'ticks=4 hz=250 mode={mode}'],
];
const MODES: Readonly<Record<MmuMode, readonly string[]>> = {
  ept: ['flat', 'long'],
  npt: ['pae'],
  shadow: ['flat', '32', 'long'],
};

function run(name: string, append: string, config: Partial<MachineConfig>): SmallMachine & { readonly stop: unknown } {
  const small = smallMachine({ ramBytes: Number(RAM), ...config });
  const bytes = readFileSync(new URL(`../../../electron/guests/${name}.elf`, import.meta.url));
  const loaded = small.machine.loadImage(new Uint8Array(bytes), name, append);
  if (!loaded.ok) throw new Error(loaded.error.message);
  // One slot from 0 instead of two with the PC's hole between them: the guests' own 2 MiB can be one page then.
  const slot = { flags: 0, guestPhysAddr: 0n, userspaceAddr: HVA_BASE };
  for (const [id, memorySize] of [
    [0, 0n],
    [1, 0n],
    [0, RAM],
  ] as const) {
    const set = small.machine.vm.setUserMemoryRegion({ ...slot, slot: id, memorySize });
    if (!set.ok) throw new Error(set.error.message);
  }
  return { ...small, stop: runToStop(small.machine) };
}

describe.each(MMU_MODES)('under %s', (mmu) => {
  const cases = GUESTS.flatMap(([name, append]) => MODES[mmu].map((mode) => [name, append.replace('{mode}', mode)]));

  it.each(cases)('%s %s says the same on every host', (name, append) => {
    const expected = run(name, append, { mmu });
    expect(expected.text()).not.toBe('');
    for (const [hostPages, eptAd] of HOSTS) {
      const { machine, text, stop } = run(name, append, { mmu, hostPages, eptAd });
      const where = `${hostPages}, A/D ${eptAd}`;
      expect(text(), where).toBe(expected.text());
      expect(stop, where).toEqual(expected.stop);
      expect(machine.insns, where).toBe(expected.machine.insns);
      expect(auditMmu(machine.vm.mmu).violations.map((violation) => violation.text)).toEqual([]);
    }
  });
});

it('large pages are really used for it', () => {
  const append = 'pages=40 passes=2 mode=long';
  const small = run('storm', append, {}).machine;
  const large = run('storm', append, { hostPages: 'thp' }).machine;
  expect(readVmCounters(small.arena).largepages).toBe(0);
  expect(readVmCounters(large.arena).largepages).toBeGreaterThan(0);
});
