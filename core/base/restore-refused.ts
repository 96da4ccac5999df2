/** Why a saved state is not taken: one sentence. Thrown inside the reading of one, and caught where a Result is made of it. */
export class RestoreRefused extends Error {
  override readonly name = 'RestoreRefused';
}

/** @throws RestoreRefused */
export function refuseUnless(condition: boolean, text: string): asserts condition {
  if (!condition) throw new RestoreRefused(text);
}
