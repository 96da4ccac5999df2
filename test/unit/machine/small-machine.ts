/** A machine with little RAM, and programs of a few bytes for it. */
import { createMachine, type Machine, type MachineConfig } from '../../../core/machine/index.ts';

export interface SmallMachine {
  readonly machine: Machine;
  /** What came out of the serial line so far. */
  text(): string;
}

export function smallMachine(config: Partial<MachineConfig> = {}): SmallMachine {
  let text = '';
  const made = createMachine(
    {
      ramBytes: 4 << 20,
      mmu: 'ept',
      era: 'patch',
      maxPhyAddr: 40,
      mmuPages: 0,
      onSerial: (bytes) => {
        text += String.fromCharCode(...bytes);
      },
      ...config,
    },
    (bytes) => new SharedArrayBuffer(bytes),
  );
  if (!made.ok) throw new Error(made.error.message);
  return { machine: made.value, text: () => text };
}

/** A flat program, loaded and ready to run. */
export function programmed(program: readonly number[], config: Partial<MachineConfig> = {}): SmallMachine {
  const small = smallMachine(config);
  const loaded = small.machine.loadImage(Uint8Array.from(program), 'program.bin', '');
  if (!loaded.ok) throw new Error(loaded.error.message);
  return small;
}

/** Runs to the first stop that is not the budget's, in slices. */
export function runToStop(machine: Machine, slice = 1_000_000, maxInsns = 50_000_000) {
  for (;;) {
    const stop = machine.run(slice);
    if (stop.kind !== 'budget' || machine.insns >= maxInsns) return stop;
  }
}

export const ram = (machine: Machine): Uint8Array =>
  machine.arena.u8.subarray(machine.arena.layout.ram, machine.arena.layout.ram + machine.config.ramBytes);
