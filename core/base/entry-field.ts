/** A field of an entry of some table: a run of bits under one name. What guest entries and sptes are taken apart into. */

export type EntryFieldRole =
  'magic' | 'generation' | 'gfn' | 'access' | 'present' | 'attribute' | 'software' | 'reserved' | 'ignored';

/** Inclusive bit range, high ≥ low. */
export interface EntryField {
  readonly name: string;
  readonly high: number;
  readonly low: number;
  readonly value: bigint;
  /** What the value means, in words. */
  readonly meaning: string;
  readonly role: EntryFieldRole;
}
