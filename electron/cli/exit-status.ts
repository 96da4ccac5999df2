/** What the command line's exit status says. Anything else is the guest's own. */

export const STATUS_OK = 0;
/** Some of what was checked did not come out as it should. */
export const STATUS_FAILED = 1;
/** Bad usage: an option, a script, an image that cannot be used. */
export const STATUS_USAGE = 2;
/** The machine stopped on an error of its own, or the guest shut down by a triple fault. */
export const STATUS_MACHINE = 3;
/** --max-insns was reached, as timeout(1) says it. */
export const STATUS_LIMIT = 124;
/** SIGINT (128 + 2): somebody pressed Ctrl+C. */
export const STATUS_INTERRUPTED = 130;
/** Nobody reads standard output any more (128 + SIGPIPE), or it cannot be written. */
export const STATUS_PIPE = 141;

/** Ends a command with a sentence on standard error. */
export class CliFailure extends Error {
  override readonly name: string = 'CliFailure';
  readonly status: number;

  constructor(message: string, status: number = STATUS_USAGE) {
    super(message);
    this.status = status;
  }
}
