/** A bug of ours, as opposed to a guest fault or a user's mistake. Stops the machine and is shown with its message. */
export class UmbraBug extends Error {
  override readonly name = 'UmbraBug';
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new UmbraBug(message);
}

/** Closes a switch over a union: does not compile while a case is missing. */
export function assertUnreachable(value: never): never {
  throw new UmbraBug(`unreachable case: ${String(value)}`);
}
