/** What the engine tells without being asked. */
import type { MachineStatus } from './snapshots.ts';

export type EngineEvent =
  /** State, reason or epoch changed; also sent about 30 times a second while running. */
  | { readonly kind: 'status'; readonly status: MachineStatus }
  /** `at`: how many bytes the guest had sent before these. */
  | { readonly kind: 'serial'; readonly bytes: Uint8Array; readonly at: number }
  /** A line for the log: memslot changes, wrap-around messages, loader notes. */
  | { readonly kind: 'log'; readonly level: 'info' | 'warning' | 'error'; readonly text: string }
  /** The engine's worker died. The window stays; `machine.create` starts a new one. */
  | { readonly kind: 'crashed'; readonly message: string; readonly lastTrace: readonly string[] };
