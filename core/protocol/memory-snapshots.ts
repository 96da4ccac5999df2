/** Memory of a space, as panels show it. */
import type { Moment } from './machine-snapshots.ts';

export type AddressSpace = 'gva' | 'gpa' | 'hva';

/** A run of bytes of one nature. `bytes` is present only where bytes exist; nothing is ever invented. */
export type MemorySpan =
  | { readonly kind: 'bytes'; readonly offset: number; readonly length: number; readonly bytes: Uint8Array }
  /** A device answers here; `bytes` are what it peeks (no side effects), when it can. */
  | {
      readonly kind: 'mmio';
      readonly offset: number;
      readonly length: number;
      readonly device: string | undefined;
      readonly bytes: Uint8Array | undefined;
    }
  | { readonly kind: 'unreadable'; readonly offset: number; readonly length: number; readonly reason: string };

export interface MemorySnapshot {
  readonly moment: Moment;
  readonly space: AddressSpace;
  readonly address: bigint;
  /** Contiguous, in order, covering the asked length. */
  readonly spans: readonly MemorySpan[];
}
