/**
 * Where the instructions before an address begin. x86 code cannot be read backwards, so it is read forwards from a place
 * that is known to begin an instruction (a symbol) or, failing that, from wherever the reading comes out at the address.
 */
import type { GuestCode } from '../code/guest-code.ts';
import { MAX_INSN_BYTES } from '../code/guest-code.ts';

/**
 * @param known a known boundary at or before the first wanted instruction, if there is one within the code
 * @returns addresses of at most `count` instructions that end exactly at `address`, in order
 */
export function boundariesBefore(
  code: GuestCode,
  address: bigint,
  count: number,
  known: bigint | undefined,
): readonly bigint[] {
  if (count === 0) return [];
  if (known !== undefined && known >= code.start && known < address) {
    const walked = walk(code, known, address);
    if (walked.lands) return walked.starts.slice(-count);
  }
  const earliest = maxOf(code.start, address - BigInt(count * MAX_INSN_BYTES));
  let best: readonly bigint[] = [];
  let bestBad = Infinity;
  for (let skip = 0n; skip < MAX_INSN_BYTES && earliest + skip < address; skip++) {
    const walked = walk(code, earliest + skip, address);
    if (!walked.lands || walked.bad >= bestBad) continue;
    best = walked.starts.slice(-count);
    bestBad = walked.bad;
    if (bestBad === 0) break;
  }
  return best;
}

interface Walk {
  readonly lands: boolean;
  readonly starts: readonly bigint[];
  readonly bad: number;
}

function walk(code: GuestCode, from: bigint, to: bigint): Walk {
  const starts: bigint[] = [];
  let bad = 0;
  let at = from;
  while (at < to) {
    const gap = code.unreadableAt(at);
    if (gap !== undefined) {
      // What lies before a gap does not run into what follows it.
      starts.length = 0;
      at = gap.end;
      continue;
    }
    starts.push(at);
    const instruction = code.decode(at);
    if (instruction.isInvalid) bad += 1;
    at += BigInt(instruction.isInvalid ? 1 : instruction.length);
    instruction.free();
  }
  return { lands: at === to, starts, bad };
}

const maxOf = (a: bigint, b: bigint): bigint => (a > b ? a : b);
