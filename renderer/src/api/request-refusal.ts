/** What a request comes back with when it never reached the engine. */
import type { RequestError } from '@core/protocol/index.ts';

export function transportError(cause: unknown): RequestError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return { code: 'engine-crashed', message: `the engine cannot be reached: ${message}`, memslot: undefined };
}
