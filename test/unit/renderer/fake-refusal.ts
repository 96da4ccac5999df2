/** Refusals of the scripted engine. */
import type { RequestError } from '@core/protocol/index.ts';

export const refused = (message: string, memslot?: RequestError['memslot']): RequestError => ({
  code: 'refused',
  message,
  memslot,
});
export const isRefusal = (value: unknown): value is RequestError =>
  typeof value === 'object' && value !== null && 'code' in value && 'memslot' in value;
