/** Option values as people type them, each parsed with a sentence for what is wrong. */
import { InvalidArgumentError } from 'commander';
import { parseSize } from '../../core/format/address-text.ts';
import { MAX_APPEND_CHARACTERS } from '../../core/protocol/requests.ts';

export const MAX_RAM = 0x6000_0000;
const MIN_RAM = 1024 * 1024;

/** `128M`, `0x8000000`: a multiple of 4 KiB. */
export function parseMemory(text: string): number {
  const size = parseSize(text);
  if (size === undefined) throw new InvalidArgumentError('It takes a size like 128M or 0x8000000.');
  if (size % 4096n !== 0n) throw new InvalidArgumentError('Guest memory is a multiple of 4 KiB.');
  if (size < BigInt(MIN_RAM) || size > BigInt(MAX_RAM)) {
    throw new InvalidArgumentError('Guest memory is between 1M and 1536M.');
  }
  return Number(size);
}

/** The guest's command line, as long as the machine takes one. */
export function parseAppend(text: string): string {
  if (text.length > MAX_APPEND_CHARACTERS) {
    throw new InvalidArgumentError(`It takes ${MAX_APPEND_CHARACTERS} characters at most.`);
  }
  return text;
}

/** A parser for whole numbers in a range; `0x` and digit separators are fine, K/M/G multiply by 1024. */
export function integerIn(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = parseSize(text);
    if (value === undefined || value < BigInt(low) || value > BigInt(high)) {
      throw new InvalidArgumentError(`It takes a whole number from ${low} to ${high}.`);
    }
    return Number(value);
  };
}

const SCALES: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };

/** A number of instructions: `5000000`, `5M` (thousands, millions, milliards: powers of 1000). */
export function parseInsns(text: string): number {
  const match = /^([0-9][0-9_]*)([kmg]?)$/i.exec(text.trim());
  const value = match === null ? Number.NaN : Number(match[1].replaceAll('_', '')) * SCALES[match[2].toLowerCase()];
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('It takes a number of instructions like 5000000 or 5M.');
  }
  return value;
}

/** Collects an option that may be given many times. */
export const collect = (value: string, earlier: readonly string[]): readonly string[] => [...earlier, value];
