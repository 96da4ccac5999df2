/**
 * The opening of a machine state: a machine beside the session's own, filled as the bytes come and handed over only when
 * everything about it has been checked. Until then nothing of the session has changed.
 */
import { RestoreRefused } from '../../base/restore-refused.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { StateReader } from '../../machine/index.ts';
import type { StateCodec } from '../../machine/index.ts';
import type { MachineOptions } from '../../protocol/requests.ts';
import type { MachineStateMeta } from '../../protocol/machine-state.ts';
import type { StateProgress } from '../../protocol/snapshots.ts';
import { decodeStateMeta } from './state-meta.ts';
import type { Handled } from '../refusal.ts';
import type { MadeMachine } from '../requests/machine-requests.ts';

export interface RestoredMachine extends MadeMachine {
  readonly meta: MachineStateMeta;
  readonly image: Uint8Array<ArrayBuffer>;
}

export class StateOpening {
  readonly #reader: StateReader;
  #made: (MadeMachine & { readonly meta: MachineStateMeta; readonly identity: readonly number[] }) | undefined;
  #image = new Uint8Array();

  /** @param threads whether vCPUs get threads of their own; as the machine was saved unless said */
  constructor(make: (options: MachineOptions) => Handled<MadeMachine>, codec: StateCodec, threads?: boolean) {
    this.#reader = new StateReader(
      {
        describe: (bytes) => {
          const saved = decodeStateMeta(bytes);
          const meta = { ...saved, options: { ...saved.options, threads: threads ?? saved.options.threads } };
          const made = make(meta.options);
          if (!made.ok) throw new RestoreRefused(made.error.message);
          this.#made = { ...made.value, meta, identity: made.value.machine.beginRestore() };
          return made.value.machine.arena;
        },
        image: (bytes) => {
          this.#image = bytes.slice();
        },
      },
      codec,
    );
  }

  get progress(): StateProgress {
    return { pagesDone: this.#reader.pagesDone, pages: this.#reader.pages };
  }

  push(bytes: Uint8Array): Result<undefined, string> {
    return this.#reader.push(bytes);
  }

  /** The last byte came. */
  finish(): Result<RestoredMachine, string> {
    const made = this.#made;
    if (!this.#reader.complete || made === undefined) return err('it is cut short.');
    const { machine, hooks, meta, identity } = made;
    try {
      machine.endRestore(identity, { bytes: this.#image, name: meta.image, append: meta.options.append });
    } catch (error) {
      if (error instanceof RestoreRefused) return err(error.message);
      throw error;
    }
    return ok({ machine, hooks, meta, image: this.#image });
  }

  close(): void {
    this.#made?.machine.close();
  }
}
