import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HOST_PAGES } from '../../core/base/host-pages.ts';
import { ERAS, MMU_MODES } from '../../core/base/machine-modes.ts';
import type { Machine, MachineConfig } from '../../core/machine/index.ts';
import { openState, savedState } from '../unit/machine/saved-machine.ts';
import { smallMachine } from '../unit/machine/small-machine.ts';

const image = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../electron/guests/${name}.elf`, import.meta.url)));

const IMAGES = { poller: image('poller'), storm: image('storm'), smp: image('smp'), timer: image('timer') };
type Guest = keyof typeof IMAGES;

function loaded(guest: Guest, append: string, config: Partial<MachineConfig>): Machine {
  const { machine } = smallMachine({ ramBytes: 4 << 20, ...config });
  const result = machine.loadImage(IMAGES[guest], `${guest}.elf`, append);
  if (!result.ok) throw new Error(result.error.message);
  return machine;
}

function runTo(machine: Machine, insns: number): void {
  while (machine.insns < insns) {
    const stop = machine.run(insns - machine.insns);
    if (stop.kind !== 'budget') return;
  }
}

/** Pages of the arena that differ, but for the words that threads talk through. */
function differentPages(a: Machine, b: Machine): number[] {
  const { layout } = a.arena;
  const bytes = ({ arena }: Machine, at: number, length: number) => Buffer.from(arena.buffer, at, length);
  const length = layout.totalBytes - layout.vcpus;
  if (bytes(a, layout.vcpus, length).equals(bytes(b, layout.vcpus, length))) return [];
  const pages: number[] = [];
  for (let at = layout.vcpus; at < layout.totalBytes; at += 4096) {
    if (!bytes(a, at, 4096).equals(bytes(b, at, 4096))) pages.push(at / 4096);
  }
  return pages;
}

const slot = (memorySize: bigint, flags = 0) => ({
  slot: 5,
  flags,
  guestPhysAddr: 0xe000_0000n,
  memorySize,
  userspaceAddr: 0x7f00_0010_0000n,
});

const guests = fc.constantFrom<{ readonly guest: Guest; readonly append: string; readonly vcpus: number }>(
  { guest: 'poller', append: 'pause=50', vcpus: 1 },
  { guest: 'poller', append: 'pause=50 mode=32', vcpus: 1 },
  { guest: 'storm', append: '', vcpus: 1 },
  { guest: 'timer', append: 'ticks=50 hz=500', vcpus: 1 },
  { guest: 'smp', append: 'vcpus=3 rounds=60 mode=pae', vcpus: 3 },
  { guest: 'smp', append: 'vcpus=2 rounds=60', vcpus: 2 },
);

describe('a machine opened from its saved state', () => {
  const configs = fc.record({
    mmu: fc.constantFrom(...MMU_MODES),
    era: fc.constantFrom(...ERAS),
    hostPages: fc.constantFrom(...HOST_PAGES),
    eptAd: fc.boolean(),
    guest: guests,
    before: fc.integer({ min: 1, max: 60_000 }),
    after: fc.integer({ min: 1, max: 60_000 }),
    edit: fc.boolean(),
  });

  test('goes on to the same arena, bit for bit, as one that was never saved', () => {
    fc.assert(
      fc.property(configs, ({ guest: { guest, append, vcpus }, before, after, edit, ...config }) => {
        const whole = loaded(guest, append, { ...config, vcpus });
        runTo(whole, before);
        if (edit) whole.vm.setUserMemoryRegion(slot(0x4000n, 1));
        const bytes = savedState(whole);
        const opened = openState(bytes);
        if (!opened.ok) throw new Error(opened.error);
        expect(differentPages(whole, opened.value)).toEqual([]);
        for (const machine of [whole, opened.value]) {
          runTo(machine, before + (after >> 1));
          if (edit) machine.vm.setUserMemoryRegion(slot(0n));
          runTo(machine, before + after);
        }
        expect(opened.value.insns).toBe(whole.insns);
        expect(differentPages(whole, opened.value)).toEqual([]);
      }),
      { numRuns: 10 },
    );
  });

  test('runs in every MMU mode and era with several vCPUs', () => {
    for (const mmu of MMU_MODES) {
      for (const era of ERAS) {
        const whole = loaded('smp', 'vcpus=2 rounds=60', { mmu, era, vcpus: 2 });
        runTo(whole, 70_000);
        const opened = openState(savedState(whole));
        if (!opened.ok) throw new Error(`${mmu} ${era}: ${opened.error}`);
        for (const machine of [whole, opened.value]) runTo(machine, 140_000);
        expect(differentPages(whole, opened.value)).toEqual([]);
      }
    }
  });

  test('starts again from its image as any machine does', () => {
    const whole = loaded('timer', 'ticks=4 hz=1000', {});
    runTo(whole, 30_000);
    const opened = openState(savedState(whole));
    if (!opened.ok) throw new Error(opened.error);
    const fresh = loaded('timer', 'ticks=4 hz=1000', {});
    expect(opened.value.reset().ok).toBe(true);
    for (const machine of [fresh, opened.value]) runTo(machine, 40_000);
    expect(differentPages(fresh, opened.value)).toEqual([]);
  });
});
