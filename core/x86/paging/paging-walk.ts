/** What every walk of guest tables shares: reaching a table, and the words a walk answers with. */
import type { Cpu } from '../cpu.ts';
import { translateTable } from '../second-level/second-level.ts';
import { N_PAGE } from '../tlb/second-level-cache.ts';

/** A walk answers an error code (P and RSVD bits, ≥ 0), or one of these. */
export const WALK_DONE = -1;
/** `cpu.abort` is set already: the second level refused an access to a table. */
export const WALK_ABORTED = -2;
/** Another processor changed an entry between its reading and the setting of its A or D bit: the walk is to be done again. */
export const WALK_AGAIN = -3;

/**
 * Where a walk finds guest tables when it is not the processor that walks: KVM's software walker reads them through
 * memslots (FNAME(walk_addr) in the kernel's paging_tmpl.h).
 */
export interface GuestFrames {
  /** Arena offset of the byte at a guest physical address, or −1 when nothing readable (writable) is there. */
  frameOf(gpaLo: number, gpaHi: number, write: boolean): number;
}

/**
 * Arena offset of the entry at a guest physical address; `write`: its A or D bit is to be set. Negative: with `frames`
 * the table cannot be read, which is a fault with P = 0; without, `cpu.abort` holds the VM exit.
 */
export function entryOffset(
  cpu: Cpu,
  gpaLo: number,
  gpaHi: number,
  write: boolean,
  lo: number,
  hi: number,
  frames: GuestFrames | undefined,
): number {
  if (frames !== undefined) return frames.frameOf(gpaLo, gpaHi, write);
  const n = translateTable(cpu, gpaLo, gpaHi, write, true, lo, hi);
  return n < 0 ? -1 : cpu.r[n + N_PAGE] + (gpaLo & 0xfff);
}

export const tableUnreadable = (frames: GuestFrames | undefined): number => (frames === undefined ? WALK_ABORTED : 0);
