/**
 * What a command of the console is: names, a line of help, and what it does with its arguments. The console is one more client
 * of the contract: commands ask as the window does, so whatever is refused there is refused here in the same words.
 */
import { err, ok, type Result } from '../../base/result.ts';
import type { ConsoleRefusal } from '../../protocol/console.ts';
import type { RequestError } from '../../protocol/requests.ts';
import type { Ask } from '../run/stop-report.ts';
import type { ConsoleEdits } from './console-edits.ts';
import type { ConsoleValues } from './console-values.ts';

export interface ConsoleWord {
  readonly text: string;
  /** Of its first character in the line, counted from 0. */
  readonly at: number;
}

/** What stands behind a command's name. */
export interface ConsoleArguments {
  /** `8gx` of `x/8gx`; empty without a slash. */
  readonly format: string;
  /** Everything behind the name, without blanks around it, and where it begins in the line. */
  readonly text: string;
  readonly at: number;
  readonly words: readonly ConsoleWord[];
}

export interface ConsoleContext {
  readonly ask: Ask;
  /** The vCPU that commands are about. */
  readonly vcpu: number;
  /** How wide a table may be, in characters. */
  readonly columns: number;
  /** Changes of registers, memory and memslots are made through these. */
  readonly edits: ConsoleEdits;
  /** Expressions, by the machine as it stands. */
  readonly values: ConsoleValues;
}

export interface ConsoleOutput {
  readonly lines: readonly string[];
  /** The vCPU that later commands are about, when this one chose another. */
  readonly vcpu?: number;
  /** What an empty line does after this one: the next step, the next bytes. */
  readonly repeat?: string;
  /** The machine was started anew. */
  readonly restarted?: boolean;
}

export type ConsoleOutcome = Result<ConsoleOutput, ConsoleRefusal>;

export interface ConsoleCommand {
  /** The first is the one that help shows. */
  readonly names: readonly string[];
  /** Arguments, as help shows them. */
  readonly usage: string;
  /** One line, without a full stop. */
  readonly summary: string;
  /** More lines for `help NAME`. */
  readonly details?: readonly string[];
  run(context: ConsoleContext, args: ConsoleArguments): ConsoleOutcome;
  /** Words that may stand where the last one of `words` stands; they are filtered by what is typed of it. */
  complete?(context: ConsoleContext, words: readonly string[]): readonly string[];
}

export const said = (...lines: readonly string[]): ConsoleOutcome => ok({ lines });

/** Bad usage, with the place that it is about when there is one. */
export const misused = (message: string, place?: { readonly at: number; readonly length: number }): ConsoleOutcome =>
  err({ errno: 'EINVAL', message, ...(place === undefined ? {} : place) });

const ERRNOS: Readonly<Record<RequestError['code'], string>> = {
  'bad-request': 'EINVAL',
  'no-machine': 'ENODEV',
  'not-allowed': 'EBUSY',
  refused: 'EPERM',
  'engine-crashed': 'EIO',
};

/** A request's refusal; a memslot call's has its own errno and names the check. */
export function refusalOf({ code, message, memslot, errno }: RequestError): ConsoleRefusal {
  if (memslot === undefined) return { errno: errno ?? ERRNOS[code], message };
  return { errno: memslot.errno, message: `${memslot.check}: ${message}` };
}

type Answered<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: RequestError };

/** Goes on with the answer, or passes the refusal on. */
export const answered = <T>(answer: Answered<T>, use: (value: T) => ConsoleOutcome): ConsoleOutcome =>
  answer.ok ? use(answer.value) : err(refusalOf(answer.error));
