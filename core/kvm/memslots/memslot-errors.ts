/** Why a memslot call is refused: the errno of the real interface, and what the real one does not say. */
import { ERRNO, type Errno } from '../../base/errno.ts';
import { err } from '../../base/result.ts';

/** Stable names of the checks, in the order in which v3.11 makes them. */
export const MEMSLOT_CHECKS = [
  'slot-out-of-range',
  'unknown-flags',
  'size-unaligned',
  'gpa-unaligned',
  'hva-unaligned',
  'hva-not-user',
  'address-space',
  'gpa-wraps',
  'too-many-pages',
  'hva-changed',
  'size-changed',
  'readonly-toggled',
  'delete-empty',
  'overlap',
  'beyond-max-gfn',
  'out-of-memory',
  'no-dirty-bitmap',
  'vm-bugged',
] as const;
export type MemslotCheck = (typeof MEMSLOT_CHECKS)[number];

export interface MemslotError {
  readonly errno: Errno;
  readonly check: MemslotCheck;
  /** One sentence: what is wrong and what to do. */
  readonly message: string;
  readonly collidingSlot: number | undefined;
}

export const refuse = (
  errno: Errno,
  check: MemslotCheck,
  message: string,
  collidingSlot?: number,
): { readonly ok: false; readonly error: MemslotError } => err({ errno, check, message, collidingSlot });

/** The negative number that the ioctl would return. */
export const errnoValue = (error: MemslotError): number => -ERRNO[error.errno];
