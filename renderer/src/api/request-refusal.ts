/** Refusals of requests: as text, and what a request comes back with when it never reached the engine. */
import type { RequestError } from '@core/protocol/index.ts';

export function transportError(cause: unknown): RequestError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return { code: 'engine-crashed', message: `the engine cannot be reached: ${message}`, memslot: undefined };
}

/** The sentence, with the errno of KVM's call in front where there is one. */
export function refusalText({ errno, memslot, message }: RequestError): string {
  const number = errno ?? memslot?.errno;
  return number === undefined ? message : `${number}: ${message}`;
}
