/** From a configuration to a machine that is switched on. */
import { type Arena, createArena } from '../arena/arena.ts';
import { err, ok, type Result } from '../base/result.ts';
import { memslotsOf } from '../kvm/index.ts';
import { Machine } from './machine.ts';
import { type MachineConfig, type MachineError, refusalOf } from './machine-config.ts';

const SHADOW_PAGES = 32_768;
const TRACE_RECORDS = 65_536;

/**
 * Makes a machine with its default memory slots and no image.
 * @param allocate as for {@link createArena}; may throw when the platform has no memory left
 */
export function createMachine(
  config: MachineConfig,
  allocate: (bytes: number) => SharedArrayBuffer,
): Result<Machine, MachineError> {
  const refusal = refusalOf(config);
  if (refusal !== undefined) return err(refusal);
  const { ramBytes, vcpus = 1 } = config;
  let arena: Arena;
  try {
    const layout = {
      ramBytes,
      vcpus,
      memslots: memslotsOf(config.era),
      shadowPages: SHADOW_PAGES,
      traceRecords: TRACE_RECORDS,
    };
    arena = createArena(layout, allocate);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return err({
      message: `The host has no memory for a machine with ${ramBytes >> 20} MiB of RAM: ${error.message}.`,
    });
  }
  const machine = new Machine(arena, config);
  const refused = machine.powerOn();
  return refused === undefined ? ok(machine) : err(refused);
}
