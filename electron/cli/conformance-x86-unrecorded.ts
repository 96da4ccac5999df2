/**
 * State that the integer recordings leave out though a few of their instructions show it: RFLAGS.ID, and the XMM register
 * that MOVSD stores. Both were as an earlier case of the recorder had left them. They are inputs, so they are read off what
 * came out before the case is run for comparison; everything else about the case is still checked.
 */
import type { ConformanceGuest } from './conformance-x86-guest.ts';

const RFLAGS_ID = 0x20_0000n;

interface ShownState {
  readonly asm: string;
  readonly out: { readonly flags: bigint; readonly mem: Readonly<Record<string, bigint>> };
}

/** POPF sets ID itself; anything else leaves it. */
export const unrecordedFlags = (shown: ShownState): bigint =>
  shown.asm.startsWith('popf') ? 0n : shown.out.flags & RFLAGS_ID;

/** The XMM register that a MOVSD to memory stores, or −1. */
export function storedXmm(asm: string): number {
  const match = /^movsd .*\],xmm(\d+)$/.exec(asm);
  return match === null ? -1 : Number(match[1]);
}

/**
 * The 64 bits that were stored: the case is run with zeros and with ones in the register, which shows where in memory they
 * go, and the recorded memory there is what the register held. 0 when nothing was stored.
 */
export function storedValue(
  guest: ConformanceGuest,
  runWith: (value: bigint) => void,
  shown: ShownState,
  base: bigint,
  words: number,
): bigint {
  const memoryAfter = (value: bigint): BigUint64Array => {
    runWith(value);
    return BigUint64Array.from({ length: words }, (_, n) => guest.dataWord(n));
  };
  const zeros = memoryAfter(0n);
  const ones = new Uint8Array(memoryAfter((1n << 64n) - 1n).buffer);
  const recorded = zeros.slice();
  for (const [at, value] of Object.entries(shown.out.mem)) {
    const word = Number((BigInt(`0x${at}`) - base) / 8n);
    if (word >= 0 && word < words) recorded[word] = value;
  }
  const recordedBytes = new Uint8Array(recorded.buffer);
  const first = new Uint8Array(zeros.buffer).findIndex((byte, n) => byte !== ones[n]);
  return first === -1 ? 0n : new DataView(recordedBytes.buffer).getBigUint64(first, true);
}
