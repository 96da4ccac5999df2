/** What the debugger needs of a machine. core/machine's Machine has this shape. */
import type { Arena } from '../arena/arena.ts';
import type { DeviceBus } from '../devices/device-bus.ts';
import type { Vm } from '../kvm/index.ts';
import type { LoadedImage } from '../machine/image.ts';
import type { MachineStop } from '../machine/machine-stop.ts';

export interface DebuggedMachine {
  readonly arena: Arena;
  readonly vm: Vm;
  readonly bus: DeviceBus;
  readonly image: LoadedImage | undefined;
  /**
   * Runs until about `budget` instructions have retired or something comes up. How a stretch of instructions is cut into
   * budgets leaves no trace in the machine.
   * @param skipBreakpoint do not stop at an execution breakpoint on the very first instruction
   */
  run(budget: number, skipBreakpoint: boolean): MachineStop;
  /** @returns bytes taken */
  serialInput(bytes: Uint8Array): number;
}
