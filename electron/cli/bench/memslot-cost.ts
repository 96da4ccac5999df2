/** What one memslot change costs while so many MMIO sptes are live: by generation, and by the walk that v3.10 did. */
import { HVA_BASE } from '../../../core/base/address.ts';
import { VM_MMIO_SPTES } from '../../../core/arena/mmu-layout.ts';
import type { Machine } from '../../../core/machine/index.ts';
import { CliFailure, STATUS_MACHINE } from '../exit-status.ts';
import { benchMachine, runToExit } from './bench-machine.ts';
import { median, secondsOf, type Benchmark, type Figure } from './measurement.ts';

const SPTES = [1_000, 10_000, 100_000, 1_000_000];
/** Shadow pages for a million MMIO sptes: 1954 leaf pages, the tables above them, RAM's own. */
const MMU_PAGES = 8192;
const PATCH_SAMPLES = 60;
const WALK_SAMPLES = 3;
/** The machine's own slots are 0 and 1. */
const FIRST_SLOT = 2;
const PAGE = 4096n;
/** Between RAM and the devices, where the storm in long mode does not come. */
const FIRST_GPA = 0xc000_0000n;

export const memslotCost: Benchmark = {
  name: 'memslots',
  summary: 'cost of creating a memslot against live MMIO sptes, patch and v3.10',
  run(say) {
    const figures: Figure[] = [];
    const byEra = new Map<string, number[]>();
    // The first walks run in an interpreter that does not know them yet.
    for (let i = 0; i < 3; i++) createSlot(stormed(10_000, 'v3.10'), 0);
    for (const era of ['patch', 'v3.10'] as const) {
      const medians: number[] = [];
      for (const sptes of SPTES) {
        say(`${sptes} MMIO sptes, ${era}`);
        const seconds = era === 'patch' ? byGeneration(sptes) : byWalk(sptes);
        medians.push(seconds);
        figures.push({
          name: `create a slot, ${era}, ${sptes} sptes`,
          value: seconds * 1e6,
          unit: 'µs',
          target: undefined,
          how: `median of ${era === 'patch' ? PATCH_SAMPLES : WALK_SAMPLES} calls after the guest storm`,
        });
      }
      byEra.set(era, medians);
    }
    const ratio = (era: string): number => {
      const medians = byEra.get(era) ?? [];
      return medians[medians.length - 1] / medians[0];
    };
    figures.push(
      {
        name: 'patch: 1 M sptes against 1 k',
        value: ratio('patch'),
        unit: '×',
        target: { atMost: 2 },
        how: 'flat: one addition whatever there is to invalidate',
      },
      {
        name: 'v3.10: 1 M sptes against 1 k',
        value: ratio('v3.10'),
        unit: '×',
        target: undefined,
        how: 'grows with what has to be walked and zapped',
      },
    );
    return Promise.resolve({ benchmark: 'memslots', figures, skipped: undefined });
  },
};

function byGeneration(sptes: number): number {
  const machine = stormed(sptes, 'patch');
  // The first calls run in an interpreter that does not know them yet.
  for (let i = 0; i < 20; i++) createSlot(machine, i);
  return median(Array.from({ length: PATCH_SAMPLES }, (_unused, i) => createSlot(machine, 20 + i)));
}

/** The walk leaves nothing to walk, so each sample takes a storm of its own. */
function byWalk(sptes: number): number {
  return median(Array.from({ length: WALK_SAMPLES }, () => createSlot(stormed(sptes, 'v3.10'), 0)));
}

function stormed(sptes: number, era: 'patch' | 'v3.10'): Machine {
  const append = `pages=${sptes} passes=1 mode=long`;
  const machine = benchMachine({ guest: 'storm', append, era, mmuPages: MMU_PAGES });
  runToExit(machine);
  const live = machine.arena.i32[(machine.arena.layout.vm + VM_MMIO_SPTES) >> 2];
  if (live < sptes) throw new CliFailure(`only ${live} of ${sptes} MMIO sptes are live`, STATUS_MACHINE);
  return machine;
}

/** @returns seconds */
function createSlot(machine: Machine, number: number): number {
  const region = {
    slot: FIRST_SLOT + number,
    flags: 0,
    guestPhysAddr: FIRST_GPA + BigInt(number) * PAGE,
    memorySize: PAGE,
    userspaceAddr: HVA_BASE + BigInt(number) * PAGE,
  };
  let refusal: string | undefined;
  const seconds = secondsOf(() => {
    const set = machine.vm.setUserMemoryRegion(region);
    if (!set.ok) refusal = set.error.message;
  });
  if (refusal !== undefined) throw new CliFailure(refusal, STATUS_MACHINE);
  return seconds;
}
