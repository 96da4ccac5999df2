/** Machine states on their way out and in. */
import type { MachineStatus } from './machine-snapshots.ts';
import type { MachineOptions } from './requests.ts';

/** How far the saving or opening of a machine state has come, in pages of the machine. */
export interface StateProgress {
  readonly pagesDone: number;
  /** 0 while it is not known yet. */
  readonly pages: number;
}

export interface StatePiece extends StateProgress {
  /** At most MAX_STATE_PIECE; none: the state is complete. */
  readonly bytes: Uint8Array | undefined;
}

/** A machine that came out of a state: how it stands, and what it would be made from anew. */
export interface OpenedState {
  readonly status: MachineStatus;
  readonly image: Uint8Array<ArrayBuffer>;
  readonly name: string;
  readonly options: MachineOptions;
}
