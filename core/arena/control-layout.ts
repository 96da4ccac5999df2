/** Words that threads talk through: int32 indexes into the control region. Accessed with Atomics only. */

/** Set by the host to ask the running slice to end: bit 0 pause, bit 1 mailbox has messages. */
export const CONTROL_REQUEST = 0;
export const REQUEST_PAUSE = 1;
export const REQUEST_MESSAGES = 2;
/** Written by the worker: 0 idle/paused, 1 running, 2 crashed. */
export const CONTROL_STATE = 1;
/** Bumped on every change that a paused view could show (stop, step, edit). */
export const CONTROL_EPOCH = 2;
