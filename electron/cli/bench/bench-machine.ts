/** A machine for measuring: no debugger between the clock and the guest. */
import type { HostPages } from '../../../core/base/host-pages.ts';
import type { Era, MmuMode } from '../../../core/base/machine-modes.ts';
import { createMachine, type Machine } from '../../../core/machine/index.ts';
import { allocateArena } from '../../host/arena-memory.ts';
import { CliFailure, STATUS_MACHINE } from '../exit-status.ts';
import { readImage } from '../image-file.ts';

export interface BenchMachineOptions {
  readonly guest: string;
  readonly append: string;
  readonly mmu?: MmuMode;
  readonly era?: Era;
  /** Page quota; enough for a million MMIO sptes when asked for. */
  readonly mmuPages?: number;
  readonly hostPages?: HostPages;
  readonly eptAd?: boolean;
}

const RAM_BYTES = 128 * 1024 * 1024;
/** Between two looks at where the guest is. */
const PIECE = 100_000;

export function benchMachine({
  guest,
  append,
  mmu = 'ept',
  era = 'patch',
  mmuPages = 0,
  hostPages = '4k',
  eptAd = false,
}: BenchMachineOptions): Machine {
  const made = createMachine(
    { ramBytes: RAM_BYTES, mmu, era, maxPhyAddr: 40, mmuPages, hostPages, eptAd },
    allocateArena,
  );
  if (!made.ok) throw new CliFailure(made.error.message, STATUS_MACHINE);
  const loaded = made.value.loadImage(readImage(guest).bytes, guest, append);
  if (!loaded.ok) throw new CliFailure(loaded.error.message, STATUS_MACHINE);
  return made.value;
}

/** Runs so many instructions; the guest must not end before. */
export function runInsns(machine: Machine, insns: number): void {
  const end = machine.insns + insns;
  while (machine.insns < end) {
    const stop = machine.run(Math.min(PIECE, end - machine.insns));
    if (stop.kind !== 'budget')
      throw new CliFailure(`a benchmark's guest stopped: ${JSON.stringify(stop)}`, STATUS_MACHINE);
  }
}

/** Runs the guest until it exits. */
export function runToExit(machine: Machine): void {
  for (;;) {
    const stop = machine.run(PIECE);
    if (stop.kind === 'exit') return;
    if (stop.kind !== 'budget')
      throw new CliFailure(`a benchmark's guest stopped: ${JSON.stringify(stop)}`, STATUS_MACHINE);
  }
}
