/** Machines to and from bytes, as the debugger does it but with no more than the machine itself needs. */
import { RestoreRefused } from '../../../core/base/restore-refused.ts';
import { err, ok, type Result } from '../../../core/base/result.ts';
import { type Machine, type MachineConfig, StateReader, StateWriter } from '../../../core/machine/index.ts';
import { stateCodec } from '../../../electron/host/state-codec.ts';
import { smallMachine } from './small-machine.ts';

interface Meta {
  readonly config: MachineConfig;
  readonly name: string;
  readonly append: string;
}

export function savedState(machine: Machine): Uint8Array {
  const { source, config } = machine;
  if (source === undefined) throw new Error('the machine has no image');
  const { onSerial: _onSerial, hooks: _hooks, ...plain } = config;
  const meta: Meta = { config: plain, name: source.name, append: source.append };
  const parts = { meta: Buffer.from(JSON.stringify(meta)), image: source.bytes };
  const writer = new StateWriter(machine.arena, parts, stateCodec);
  const pieces: Uint8Array[] = [];
  for (let piece = writer.next(); piece !== undefined; piece = writer.next()) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

/** @param pieceBytes how the bytes are cut on their way in */
export function openState(bytes: Uint8Array, pieceBytes = 100_000): Result<Machine, string> {
  let machine: Machine | undefined;
  let identity: readonly number[] = [];
  let image: Uint8Array = new Uint8Array();
  let meta: Meta | undefined;
  const reader = new StateReader(
    {
      describe(text) {
        try {
          meta = JSON.parse(Buffer.from(text).toString()) as Meta;
        } catch {
          throw new RestoreRefused('its description is no JSON.');
        }
        machine = smallMachine(meta.config).machine;
        identity = machine.beginRestore();
        return machine.arena;
      },
      image(found) {
        image = found;
      },
    },
    stateCodec,
  );
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const pushed = reader.push(bytes.subarray(at, at + pieceBytes));
    if (!pushed.ok) return pushed;
  }
  if (!reader.complete || machine === undefined || meta === undefined) return err('it is cut short.');
  try {
    machine.endRestore(identity, { bytes: image, name: meta.name, append: meta.append });
  } catch (error) {
    if (error instanceof RestoreRefused) return err(error.message);
    throw error;
  }
  return ok(machine);
}
