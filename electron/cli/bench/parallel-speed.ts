/** vCPUs on threads of their own: what they execute together, and what a memslot change costs under them. */
import type { MmuMode } from '../../../core/base/machine-modes.ts';
import { createMachine, type Machine } from '../../../core/machine/index.ts';
import { allocateArena } from '../../host/arena-memory.ts';
import { vcpuLauncher } from '../../host/vcpu-threads.ts';
import { CliFailure, STATUS_MACHINE } from '../exit-status.ts';
import { readImage } from '../image-file.ts';
import { runStress } from '../stress-run.ts';
import { median, type Benchmark, type Figure } from './measurement.ts';

const RAM_BYTES = 16 * 1024 * 1024;
const STARTED_INSNS = 100_000;
const WARM_UP_MS = 2000;
const ROUND_MS = 500;
const ROUNDS = 5;
const CHANGES = 1000;
const MMU_MODES: readonly MmuMode[] = ['ept', 'npt', 'shadow'];

interface Load {
  readonly title: string;
  readonly guest: string;
  readonly append: string;
  readonly vcpus: number;
  readonly threads: boolean;
}

const spin = { guest: 'spin', append: 'n=4000000000 mode=long', vcpus: 1 };
const hammer = (vcpus: number) => ({ guest: 'smp', append: `vcpus=${vcpus} op=hammer patience=2g mode=long`, vcpus });
const LOADS: readonly Load[] = [
  { title: 'spin, in turns', ...spin, threads: false },
  { title: 'spin, on a thread', ...spin, threads: true },
  { title: 'smp, 1 vCPU on a thread', ...hammer(1), threads: true },
  { title: 'smp, 2 vCPUs in turns', ...hammer(2), threads: false },
  { title: 'smp, 2 vCPUs on threads', ...hammer(2), threads: true },
];

export const parallelSpeed: Benchmark = {
  name: 'parallel',
  summary: 'vCPUs on threads: instructions per second, memslot changes under them',
  run(say) {
    const figures: Figure[] = LOADS.map((load) => {
      say(load.title);
      return {
        name: load.title,
        value: speed(load) / 1e6,
        unit: 'M instructions/s',
        target: undefined,
        how: `median of ${ROUNDS} half seconds, EPT, all vCPUs together`,
      };
    });
    for (const mmu of MMU_MODES) {
      say(`${CHANGES} memslot changes under two vCPUs, ${mmu}`);
      figures.push(...changeCost(mmu));
    }
    return Promise.resolve({ benchmark: 'parallel', figures, skipped: undefined });
  },
};

function speed(load: Load): number {
  const machine = machineOf(load);
  try {
    // Threads take their time to start.
    while (machine.insns < STARTED_INSNS) runFor(machine, 1);
    runFor(machine, WARM_UP_MS);
    return median(Array.from({ length: ROUNDS }, () => runFor(machine, ROUND_MS)));
  } finally {
    machine.close();
  }
}

function machineOf({ guest, append, vcpus, threads }: Load): Machine {
  const made = createMachine(
    {
      ramBytes: RAM_BYTES,
      mmu: 'ept',
      era: 'v6.8',
      maxPhyAddr: 40,
      mmuPages: 0,
      vcpus,
      threads: threads ? vcpuLauncher() : undefined,
    },
    allocateArena,
  );
  if (!made.ok) throw new CliFailure(made.error.message, STATUS_MACHINE);
  const loaded = made.value.loadImage(readImage(guest).bytes, guest, append);
  if (!loaded.ok) throw new CliFailure(loaded.error.message, STATUS_MACHINE);
  return made.value;
}

/** @returns instructions a second */
function runFor(machine: Machine, milliseconds: number): number {
  const before = machine.insns;
  const began = performance.now();
  let now = began;
  while (now < began + milliseconds) {
    const stop = machine.run(100_000);
    if (stop.kind !== 'budget') throw new CliFailure(`the guest stopped: ${JSON.stringify(stop)}`, STATUS_MACHINE);
    now = performance.now();
  }
  return ((machine.insns - before) / (now - began)) * 1000;
}

function changeCost(mmu: MmuMode): readonly Figure[] {
  const { microseconds, violations, staleReads } = runStress({
    image: readImage('smp').bytes,
    launch: vcpuLauncher(),
    vcpus: 2,
    mmu,
    era: 'v6.8',
    mode: 'long',
    changes: CHANGES,
    auditEvery: CHANGES,
  });
  if (violations.length > 0 || staleReads > 0)
    throw new CliFailure('the guest or the auditor complained', STATUS_MACHINE);
  return ([50, 99] as const).map((percent) => ({
    name: `memslot change, 2 busy vCPUs, ${mmu}, p${percent}`,
    value: microseconds[Math.floor(((microseconds.length - 1) * percent) / 100)],
    unit: 'µs',
    target: undefined,
    how: `${CHANGES} changes of one slot in turns of create and delete, v6.8`,
  }));
}
