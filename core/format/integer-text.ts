/** Numbers as they are typed on a command line or in a script: decimal, or hexadecimal with 0x. */

const U64_MAX = (1n << 64n) - 1n;

/**
 * `4096`, `0x1000`, `0x7f00_0000_0000`.
 * @returns undefined when it is no such number, negative, or above 64 bits
 */
export function parseInteger(text: string): bigint | undefined {
  if (!/^(?:0x[0-9a-f]+(?:_[0-9a-f]+)*|[0-9]+(?:_[0-9]+)*)$/i.test(text) || text.length > 40) return undefined;
  const value = BigInt(text.replaceAll('_', ''));
  return value <= U64_MAX ? value : undefined;
}

/** {@link parseInteger} for what must be a number in [low, high], both at most 2^53. */
export function parseIntegerIn(text: string, low: number, high: number): number | undefined {
  const value = parseInteger(text);
  return value !== undefined && value >= BigInt(low) && value <= BigInt(high) ? Number(value) : undefined;
}

/** A user's text as it may be quoted in a message: one line, not too long. */
export function quoteText(text: string): string {
  const plain = text.replaceAll(/[^\x20-\x7e]/g, '?');
  return `'${plain.length > 60 ? `${plain.slice(0, 57)}...` : plain}'`;
}
