/**
 * JSON with 64-bit numbers, in plain ASCII: a bigint is written `{"$u64":"0x1f"}`, and everything beyond ASCII is escaped, so
 * that a file of it is the same in every encoding. What comes back is checked by a schema of its own.
 */
const U64_KEY = '$u64';
/** 64 bits, or 2^64 itself: the length of a whole space. */
const HEX = /^0x(?:[0-9a-f]{1,16}|10{16})$/;

/** @param indent spaces a level; none: one line */
export function jsonText(value: unknown, indent?: number): string {
  const plain = JSON.stringify(
    value,
    (_key, part: unknown) => (typeof part === 'bigint' ? { [U64_KEY]: `0x${part.toString(16)}` } : part),
    indent,
  );
  return plain.replaceAll(/[^\n -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** @throws SyntaxError */
export function parseJsonText(text: string): unknown {
  return JSON.parse(text, (_key, part: unknown) => u64Of(part) ?? part);
}

function u64Of(part: unknown): bigint | undefined {
  if (typeof part !== 'object' || part === null || !(U64_KEY in part) || Object.keys(part).length !== 1)
    return undefined;
  const hex = part[U64_KEY];
  return typeof hex === 'string' && HEX.test(hex) ? BigInt(hex) : undefined;
}
