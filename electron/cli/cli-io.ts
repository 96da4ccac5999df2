/** What the command line touches of the world. Tests give their own. */

export interface CliIo {
  /** Bytes to standard output. Resolves when there is room for more. Rejects with {@link OutputClosed} when nobody reads. */
  write(bytes: Uint8Array | string): Promise<void>;
  /** A line to standard error. */
  complain(line: string): void;
  /** Standard input as it comes; undefined when there is none to be had. */
  readonly input: CliInput | undefined;
  /** Lets signals and input in. */
  breathe(): Promise<void>;
  /** Takes Ctrl+C from now on; a second one ends the process at once. */
  takeInterrupts(): Interrupts;
}

export interface Interrupts {
  readonly interrupted: boolean;
  /** Resolves when it happens. */
  readonly arrival: Promise<void>;
  /** Gives Ctrl+C back to the process. */
  close(): void;
}

export interface CliInput {
  /** Takes what has arrived. */
  take(): Uint8Array | undefined;
  readonly ended: boolean;
  /** Resolves when something has arrived or the end has. */
  arrival(): Promise<void>;
  close(): void;
}

/** The reader of standard output has gone. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

/** Writes without waiting for room. That nobody reads is noticed by whoever waits, and at the end of the process. */
export function offer(io: CliIo, text: string): void {
  io.write(text).catch((error: unknown) => {
    if (!(error instanceof OutputClosed)) throw error;
  });
}
