/** What the console carries: a line in, lines out. */

/** Longer lines are refused. */
export const MAX_CONSOLE_CHARACTERS = 4096;

/** Where nobody says how wide the console is: tables stand side by side. */
export const CONSOLE_COLUMNS = 200;

export interface ConsoleRefusal {
  /** As the kernel would call it: EINVAL for bad usage, ENOENT, EBUSY, a memslot call's own. */
  readonly errno: string;
  /** One sentence. */
  readonly message: string;
  /** What of the line it is about: first character, counted from 0, and how many. */
  readonly at?: number;
  readonly length?: number;
}

export interface ConsoleReply {
  readonly lines: readonly string[];
  readonly refusal: ConsoleRefusal | undefined;
  /** The vCPU that the next command is about. */
  readonly vcpu: number;
  /** The command that an empty line stands for now; empty when for none. */
  readonly repeat: string;
  /** The machine stands at its first instruction again. */
  readonly restarted: boolean;
}

export interface ConsoleCompletion {
  /** What of the line a candidate takes the place of, counted from 0. */
  readonly from: number;
  readonly to: number;
  readonly candidates: readonly string[];
  /** There are more than are told. */
  readonly more: boolean;
}
