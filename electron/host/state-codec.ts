/** How Node packs the chunks of a machine state: raw deflate, at the level where a second of waiting buys the most. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { StateCodec } from '../../core/machine/index.ts';

const LEVEL = 1;

export const stateCodec: StateCodec = {
  deflate: (raw) => new Uint8Array(deflateRawSync(raw, { level: LEVEL })),
  inflate(stored, length) {
    try {
      // Whatever the stream would grow to, no more is made of it than was said.
      const raw = inflateRawSync(stored, { maxOutputLength: Math.max(1, length) });
      return raw.length === length ? new Uint8Array(raw) : undefined;
    } catch {
      return undefined;
    }
  },
};
