/**
 * What one memslot change costs while so many MMIO sptes are live, measured on machines of its own: by the patch, which adds
 * one to a number, and by v3.10, which walks and zaps. A generator, so that whoever drives it can say how far it is, and stop.
 */
import { VM_MMIO_SPTES } from '../../arena/mmu-layout.ts';
import { HVA_BASE } from '../../base/address.ts';
import type { MmuMode } from '../../base/machine-modes.ts';
import { formatCount } from '../../format/quantity.ts';
import { createMachine, type Machine } from '../../machine/index.ts';
import type { CostEra, CostPoint, CostProgress } from '../../protocol/memslot-cost.ts';

export interface CostRig {
  /** The guest `storm`, which touches as many gfns without a slot as it is told. */
  readonly image: Uint8Array;
  /** As for `createMachine`. */
  allocate(bytes: number): SharedArrayBuffer;
  /** EPT unless said. With `shadow` the guest's page tables are shadowed. */
  readonly mmu?: MmuMode;
  /** A clock in milliseconds, as fine as there is. */
  now(): number;
}

export interface CostPlan {
  /** Live MMIO sptes, one point for each and each era. */
  readonly sptes: readonly number[];
  readonly patchSamples: number;
  /** 0: the patch alone. */
  readonly walkSamples: number;
}

export const COST_PLAN: CostPlan = { sptes: [1_000, 10_000, 100_000, 1_000_000], patchSamples: 60, walkSamples: 3 };

const RAM_BYTES = 128 * 1024 * 1024;
/** Shadow pages for a million MMIO sptes: 1954 leaf pages, the tables above them, RAM's own. */
const MMU_PAGES = 8192;
const PIECE = 100_000;
/** The machine's own slots are 0 and 1. */
const FIRST_SLOT = 2;
const PAGE = 4096n;
/** Between RAM and the devices, where the storm in long mode does not come. */
const FIRST_GPA = 0xc000_0000n;
/** The first calls run in an interpreter that does not know them yet; fewer, and the least storm looks like the dearest. */
const WARM_UPS = 3;
const WARM_UP_SPTES = 10_000;
const WARM_UP_CREATES = 80;
const PATCH_WARM_UPS = 20;

/** @throws a sentence when the guest does not do what it is for, or there is no memory for its machine */
export function* measureMemslotCost(
  rig: CostRig,
  plan: CostPlan = COST_PLAN,
): Generator<CostProgress, readonly CostPoint[]> {
  const of = WARM_UPS + plan.sptes.length * (1 + plan.walkSamples);
  const points: CostPoint[] = [];
  let done = 0;
  const progress = (text: string): CostProgress => ({ done: done++, of, text, points: [...points] });
  for (let i = 0; i < WARM_UPS; i++) {
    yield progress('warming up');
    timeCreate(rig, stormed(rig, WARM_UP_SPTES, 'v3.10'), 0);
    const machine = stormed(rig, WARM_UP_SPTES, 'patch');
    for (let number = 0; number < WARM_UP_CREATES; number++) timeCreate(rig, machine, number);
  }
  for (const sptes of plan.sptes) {
    yield progress(`${formatCount(sptes)} MMIO sptes, patch`);
    const machine = stormed(rig, sptes, 'patch');
    for (let i = 0; i < PATCH_WARM_UPS; i++) timeCreate(rig, machine, i);
    const samples = Array.from({ length: plan.patchSamples }, (_unused, i) =>
      timeCreate(rig, machine, PATCH_WARM_UPS + i),
    );
    points.push(pointOf('patch', sptes, samples));
  }
  for (const sptes of plan.walkSamples === 0 ? [] : plan.sptes) {
    const samples: number[] = [];
    // The walk leaves nothing to walk, so each sample takes a storm of its own.
    for (let i = 0; i < plan.walkSamples; i++) {
      yield progress(`${formatCount(sptes)} MMIO sptes, v3.10, ${i + 1} of ${plan.walkSamples}`);
      samples.push(timeCreate(rig, stormed(rig, sptes, 'v3.10'), 0));
    }
    points.push(pointOf('v3.10', sptes, samples));
  }
  return points;
}

function pointOf(era: CostEra, sptes: number, milliseconds: readonly number[]): CostPoint {
  const sorted = milliseconds.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return {
    era,
    sptes,
    microseconds: median * 1000,
    fastest: sorted[0] * 1000,
    slowest: sorted[sorted.length - 1] * 1000,
    samples: sorted.length,
  };
}

function stormed(rig: CostRig, sptes: number, era: CostEra): Machine {
  const config = { ramBytes: RAM_BYTES, mmu: rig.mmu ?? 'ept', era, maxPhyAddr: 40, mmuPages: MMU_PAGES };
  const made = createMachine(config, (bytes) => rig.allocate(bytes));
  if (!made.ok) throw new Error(made.error.message);
  const machine = made.value;
  const loaded = machine.loadImage(rig.image, 'storm', `pages=${sptes} passes=1 mode=long`);
  if (!loaded.ok) throw new Error(loaded.error.message);
  for (;;) {
    const stop = machine.run(PIECE);
    if (stop.kind === 'exit') break;
    if (stop.kind !== 'budget') throw new Error(`the storm of MMIO stopped before its end: ${stop.kind}`);
  }
  const live = machine.arena.i32[(machine.arena.layout.vm + VM_MMIO_SPTES) >> 2];
  if (live < sptes) throw new Error(`only ${live} of ${sptes} MMIO sptes are live`);
  return machine;
}

/** @returns milliseconds */
function timeCreate(rig: CostRig, machine: Machine, number: number): number {
  const region = {
    slot: FIRST_SLOT + number,
    flags: 0,
    guestPhysAddr: FIRST_GPA + BigInt(number) * PAGE,
    memorySize: PAGE,
    userspaceAddr: HVA_BASE + BigInt(number) * PAGE,
  };
  const began = rig.now();
  const set = machine.vm.setUserMemoryRegion(region);
  const ended = rig.now();
  if (!set.ok) throw new Error(set.error.message);
  return ended - began;
}
