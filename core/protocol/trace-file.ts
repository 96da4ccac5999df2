/** An ftrace text from elsewhere, as the host hands it to the window: one string of lines and columns of places in it. */

/** Read of a file; what comes behind is said to be there and left. */
export const MAX_TRACE_FILE_BYTES = 64 * 1024 * 1024;
export const MAX_TRACE_FILE_EVENTS = 250_000;

export interface TraceFile {
  readonly path: string;
  /** The lines of events as they stand in the file, each with its end; comments and empty lines are left out. */
  readonly text: string;
  /** Where line n of `text` begins; one more than there are events. */
  readonly starts: Uint32Array;
  /** Its number in the file, from 1. */
  readonly lines: Uint32Array;
  /** Where the event's name begins within line n. */
  readonly eventAt: Uint16Array;
  /** How many events the file says were lost. */
  readonly lost: number;
  /** Whether the file goes on behind what was taken. */
  readonly isCut: boolean;
}

export type TraceFileAnswer =
  { readonly ok: true; readonly value: TraceFile } | { readonly ok: false; readonly message: string };
