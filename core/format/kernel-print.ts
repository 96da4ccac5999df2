/** The kernel's print formats in which tracepoints are written: %x, %#llx, %p, __print_flags, __print_symbolic. */

/** %x, %lx, %llx: no prefix, no padding. */
export const plainHex = (value: bigint): string => value.toString(16);

/** %#llx. The kernel prints 0x0 for zero, unlike C. */
export const prefixedHex = (value: bigint): string => `0x${value.toString(16)}`;

/** %p on a 64-bit kernel before 4.15: sixteen digits, the real address. */
export const pointer = (value: bigint): string => value.toString(16).padStart(16, '0');

/** %d of the low 32 bits. */
export const signed = (value: bigint): string => BigInt.asIntN(32, value).toString();

/** __print_flags with '|': names of the set bits, what is left over as hex; nothing at all for zero. */
export function printFlags(value: bigint, names: readonly (readonly [bigint, string])[]): string {
  const parts = names.filter(([bit]) => (value & bit) === bit).map(([, name]) => name);
  const known = names.reduce((mask, [bit]) => mask | bit, 0n);
  const rest = value & ~known;
  if (rest !== 0n) parts.push(prefixedHex(rest));
  return parts.join('|');
}

/** __print_symbolic: the name, else the number as hex. */
export const printSymbolic = (value: bigint, names: Readonly<Record<string, string>>): string =>
  names[value.toString()] ?? prefixedHex(value);
