/** A machine state on its way out of the session, or into it. One at a time. */
import type { StateWriter } from '../../machine/index.ts';
import type { StateOpening } from './state-opening.ts';

export type StateTransfer =
  | {
      readonly kind: 'saving';
      readonly writer: StateWriter;
      /** The machine must be the same at the end as at the beginning. */
      readonly epoch: number;
      /** What a piece was too large for. */
      rest: Uint8Array;
    }
  | { readonly kind: 'opening'; readonly opening: StateOpening };
