/** What the host and its worker say to each other. Both ends are ours, so nothing is parsed here; the border is elsewhere. */
import type { EngineEvent } from '../../core/protocol/events.ts';
import type { Answer, RequestName } from '../../core/protocol/requests.ts';
import type { BreakpointSnapshot } from '../../core/protocol/snapshots.ts';

export interface WorkerRequest {
  readonly id: number;
  readonly name: RequestName;
  readonly params: unknown;
}

export type HostMessage =
  /** All that was asked in one turn of the host's loop; the answers come back together. */
  | { readonly kind: 'requests'; readonly requests: readonly WorkerRequest[] }
  /** Dies as an engine bug would, or lets the thread of a vCPU die. Honoured only by a worker that was started for tests. */
  | { readonly kind: 'crash'; readonly vcpu: number | undefined };

export interface WorkerAnswer {
  readonly id: number;
  readonly answer: Answer<RequestName>;
}

export type WorkerMessage =
  | { readonly kind: 'ready' }
  /** `tookMs`: for so long the guest stood still for them, if it was running. */
  | { readonly kind: 'answers'; readonly answers: readonly WorkerAnswer[]; readonly tookMs: number }
  | { readonly kind: 'event'; readonly event: EngineEvent }
  /** Every breakpoint, each time that one may have changed. They are not in the arena, and would die with the thread. */
  | { readonly kind: 'breakpoints'; readonly breakpoints: readonly BreakpointSnapshot[] }
  /** The machine's arena, each time there is another machine. */
  | { readonly kind: 'arena'; readonly buffer: SharedArrayBuffer };

/** What a worker is started with. */
export interface WorkerSetup {
  readonly allowCrash: boolean;
  /** The module of vCPUs' threads, when it is not the bundled one. */
  readonly vcpuWorker?: URL | undefined;
}
