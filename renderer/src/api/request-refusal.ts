/** Refusals of requests: as text, and what a request comes back with when it never reached the engine. */
import type { RequestError } from '@core/protocol/index.ts';

export function transportError(cause: unknown): RequestError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return { code: 'engine-crashed', message: `the engine cannot be reached: ${message}`, memslot: undefined };
}

/** The sentence, with the errno of KVM's call in front where there is one. Memslots show theirs in a place of its own. */
export const refusalText = ({ errno, message }: RequestError): string =>
  errno === undefined ? message : `${errno}: ${message}`;
