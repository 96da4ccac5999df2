/** What a debugger has in the engine and on the vCPUs' threads, where they have some; this folder carries its lists and events. */
import type { Arena } from '../arena/arena.ts';
import type { DeviceBus } from '../devices/index.ts';
import type { KvmHooks, KvmWatch } from '../kvm/index.ts';
import type { Cpu } from '../x86/index.ts';
import type { EventOutbox, ThreadEvent } from './event-outbox.ts';

/**
 * What becomes of a vCPU that stands because of what it has met. `pass`: it stands in front of the instruction, whose execution
 * breakpoint was met before. `go`: it stands behind what happened.
 */
export type ThreadVerdict = 'stop' | 'pass' | 'go';

export interface MachineHooks extends KvmHooks {
  /** What the threads are to watch for, for their own end of the debugger to read; another array when it has changed. */
  readonly threadList?: Uint8Array | undefined;
  /** Counts up when what the vCPUs stand in front of is to be met anew. */
  readonly forgotten?: number;
  /** @param missed events that the thread had no room for */
  onThreadEvents?(vcpu: number, events: readonly ThreadEvent[], missed: number): ThreadVerdict;
}

export interface ThreadWatchState {
  /** Undefined while nothing is to be heard. */
  readonly watch: KvmWatch | undefined;
  /** Execution breakpoints by gpa or in a range, as Cpu.setExecBreakpoints takes them. */
  readonly placed: { readonly offsets: Uint8Array; readonly isPlaced: (lo: number, hi: number) => boolean } | undefined;
}

/** The thread's end. */
export interface ThreadWatch {
  setList(list: Uint8Array): ThreadWatchState;
  forget(): void;
}

export type MakeThreadWatch = (arena: Arena, bus: DeviceBus, cpu: Cpu, outbox: EventOutbox) => ThreadWatch;
