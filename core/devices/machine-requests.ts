/**
 * What devices ask of the machine: an exit, a reset, a look at a changed timer. Kept in the arena beside the debug-exit port.
 * A guest access that leaves one of these behind ends the vCPU's run when its instruction has retired.
 */
import type { Arena } from '../arena/arena.ts';
import { DEV_DEBUG_EXIT } from '../arena/device-layout.ts';
import type { RestoredWords } from '../arena/restored-words.ts';

const EXITED = 0; // int32 indexes into the block
const EXIT_STATUS = 1;
const RESET_BY = 2;
const TIMERS_CHANGED = 3;
const A20_CLOSED = 4;

/** Who pulled the processor's reset line. */
export const RESET_SOURCES = ['none', 'the keyboard controller (port 0x64)', 'port 0x92', 'port 0xcf9'] as const;
export type ResetSource = 1 | 2 | 3;

export class MachineRequests {
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(arena: Arena) {
    this.#words = new Int32Array(arena.buffer, arena.layout.devices + DEV_DEBUG_EXIT, 16);
  }

  /** @throws RestoreRefused when what came out of a file cannot be */
  checkRestored(words: RestoredWords): void {
    words.int(EXITED * 4, 0, 1, 'the exit');
    words.int(EXIT_STATUS * 4, 0, 0xff, 'the exit status');
    words.int(RESET_BY * 4, 0, RESET_SOURCES.length - 1, 'the source of a reset');
    words.int(TIMERS_CHANGED * 4, 0, 1, 'the mark of changed timers');
    words.int(A20_CLOSED * 4, 0, 1, 'the A20 gate');
  }

  exit(status: number): void {
    this.#words[EXITED] = 1;
    this.#words[EXIT_STATUS] = status;
  }

  /** The guest's exit status once it has asked to exit. */
  exitStatus(): number | undefined {
    return this.#words[EXITED] === 1 ? this.#words[EXIT_STATUS] : undefined;
  }

  reset(source: ResetSource): void {
    this.#words[RESET_BY] = source;
  }

  resetSource(): string | undefined {
    const source = this.#words[RESET_BY];
    return source === 0 ? undefined : RESET_SOURCES[source];
  }

  /** The gate that masks address bit 20 is not modelled: a guest that closes it is told so by stopping. */
  setA20(open: boolean): void {
    this.#words[A20_CLOSED] = open ? 0 : 1;
  }

  isA20Open(): boolean {
    return this.#words[A20_CLOSED] === 0;
  }

  /** A device's next deadline may have moved: the budget of the run in progress was cut for the old one. */
  timersChanged(): void {
    this.#words[TIMERS_CHANGED] = 1;
  }

  takeTimersChanged(): boolean {
    const changed = this.#words[TIMERS_CHANGED] === 1;
    this.#words[TIMERS_CHANGED] = 0;
    return changed;
  }

  /** An exit, a reset or a closed gate: the machine is to stand still. */
  wantsStop(): boolean {
    const words = this.#words;
    return (words[EXITED] | words[RESET_BY] | words[A20_CLOSED]) !== 0;
  }

  any(): boolean {
    const words = this.#words;
    return (words[EXITED] | words[RESET_BY] | words[TIMERS_CHANGED] | words[A20_CLOSED]) !== 0;
  }
}
