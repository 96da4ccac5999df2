/** Why a memslot call is refused: the errno of the real interface, and what the real one does not say. */
import type { Errno } from '../base/errno.ts';

/** Stable names of the checks, in no particular order. */
export type MemslotCheck =
  | 'slot-out-of-range'
  | 'unknown-flags'
  | 'size-unaligned'
  | 'gpa-unaligned'
  | 'hva-unaligned'
  | 'hva-tagged'
  | 'hva-not-user'
  | 'address-space'
  | 'gpa-wraps'
  | 'too-many-pages'
  | 'hva-changed'
  | 'size-changed'
  | 'readonly-toggled'
  | 'delete-empty'
  | 'overlap'
  | 'beyond-max-gfn'
  | 'out-of-memory'
  | 'no-dirty-bitmap'
  | 'mmu-pages-too-few';

export interface MemslotError {
  readonly errno: Errno;
  readonly check: MemslotCheck;
  /** One sentence: what is wrong and what to do. */
  readonly message: string;
  readonly collidingSlot: number | undefined;
}
