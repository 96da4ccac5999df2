/**
 * The translation look-aside buffer: linear page → arena page, in the vCPU's block of the arena.
 *
 * Two direct-mapped halves, one for accesses at CPL 3 and one for the supervisor's, so that a change of privilege flushes
 * nothing. An entry has one tag for reads, one for writes and one for fetches: permission is part of the comparison.
 *
 * A tag is the low half of the linear address of the page's *last byte*; a hit compares it with the last byte of the
 * access. An access that crosses into the next page therefore misses by itself (that page has another index), and zeroed
 * memory holds no valid tag.
 *
 * Never entered: pages whose accesses have to be looked at each time — user pages seen by the supervisor under SMAP, pages
 * to write whose D bit is clear, and of course everything whose translation faults, MMIO above all.
 */
import { VCPU_BYTES } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { flushPagingCaches } from './paging-cache.ts';
import { flushNestedTlb } from './second-level-cache.ts';
import {
  CODE_MARK_WORDS,
  CODE_MARKS,
  TLB_AT,
  TLB_END,
  TLB_ENTRY_WORDS,
  TLB_HALF_WORDS,
  TLB_LARGE_SEEN,
  TLB_LOG,
  TLB_LOG_COUNT,
  TLB_LOG_SIZE,
} from './tlb-layout.ts';

/** (lo >>> 9) & this: index of a page's entry in a half, in words. */
export const TLB_INDEX_MASK = 0x1ff8;

export const T_READ = 0;
export const T_WRITE = 1;
export const T_EXEC = 2;
/** High half of the linear address, for all three tags. */
export const T_HIGH = 3;
/** Arena offset of the page. */
export const T_PAGE = 4;
export const T_FLAGS = 5;

/**
 * Bit of a tag for writes, clear when the page has decoded instructions: its stores miss, and the slow path takes note of them
 * (system-code-pages.ts). Part of the tag itself, because another vCPU's thread may clear it: of two words it could change
 * one of an entry that is gone and one of an entry that has come. (Bit 0 belongs to RFLAGS.AC, memory-access.ts.)
 */
const FAST_WRITE = 2;

/** The tag for writes to a page of which instructions were decoded. */
export const notedTag = (tag: number): number => tag & ~FAST_WRITE;
/** The same for a page of which none were. */
export const fastTag = (tag: number): number => tag | FAST_WRITE;

/** Survives a load of CR3 (SDM vol 3A, "Global Pages"). */
export const TLB_GLOBAL = 1;
/** Part of a page larger than 4 KiB: INVLPG anywhere in that page drops it. */
export const TLB_LARGE = 2;
/** A debugger watches the page: its tags are as those of a page with decoded instructions (tlb-watch.ts). */
export const TLB_WATCHED = 4;

/** int32 index of the entry in which the page of `lo` would be. */
export function tlbEntryOf(user: boolean, lo: number): number {
  return TLB_AT + (user ? TLB_HALF_WORDS : 0) + ((lo >>> 9) & TLB_INDEX_MASK);
}

/** Takes an entry that was just filled out of the fast path's reach. */
export function hideFromFastPath(r: Int32Array, t: number): void {
  r[t + T_READ] = notedTag(r[t + T_READ]);
  r[t + T_WRITE] = notedTag(r[t + T_WRITE]);
  r[t + T_FLAGS] |= TLB_WATCHED;
}

export function tlbInsert(
  cpu: Cpu,
  user: boolean,
  lo: number,
  hi: number,
  page: number,
  readable: boolean,
  writable: boolean,
  executable: boolean,
  hasCode: boolean,
  flags: number,
): void {
  const r = cpu.r;
  const t = tlbEntryOf(user, lo);
  const tag = lo | 0xfff;
  r[t + T_READ] = readable ? tag : 0;
  r[t + T_WRITE] = writable ? (hasCode ? notedTag(tag) : tag) : 0;
  r[t + T_EXEC] = executable ? tag : 0;
  r[t + T_HIGH] = hi;
  r[t + T_PAGE] = page;
  r[t + T_FLAGS] = flags;
  const count = r[TLB_LOG_COUNT];
  if (count < TLB_LOG_SIZE) r[TLB_LOG + count] = t;
  r[TLB_LOG_COUNT] = count + 1;
  if ((flags & TLB_LARGE) !== 0) r[TLB_LARGE_SEEN] = 1;
  if (cpu.threaded && writable && !hasCode) lookForMarkBehind(cpu, t, page);
  if (cpu.watch !== undefined && cpu.watch.memory && cpu.watch.watchesPage(lo & ~0xfff, hi, page)) {
    hideFromFastPath(r, t);
  }
}

/** Nothing is decoded from the page any more: its stores are fast again. */
export function tlbUnmarkCodePage(cpu: Cpu, t: number): void {
  const { r } = cpu;
  r[t + T_WRITE] |= FAST_WRITE;
  if (cpu.threaded) lookForMarkBehind(cpu, t, r[t + T_PAGE]);
}

/** Another vCPU may have begun to decode from the page since it was looked up, and seen this TLB without the entry. */
function lookForMarkBehind(cpu: Cpu, t: number, page: number): void {
  const { r, arena } = cpu;
  Atomics.add(r, TLB_LOG_COUNT, 0);
  const mark = page >>> 12;
  const word = CODE_MARKS + ((mark >>> 5) & (CODE_MARK_WORDS - 1));
  for (let vcpu = 0; vcpu < arena.layout.config.vcpus; vcpu++) {
    const block = (arena.layout.vcpus + vcpu * VCPU_BYTES) >> 2;
    if ((Atomics.load(arena.i32, block + word) & (1 << (mark & 31))) === 0) continue;
    r[t + T_WRITE] = notedTag(r[t + T_WRITE]);
    return;
  }
}

function dropEntry(r: Int32Array, t: number): void {
  r[t + T_READ] = 0;
  r[t + T_WRITE] = 0;
  r[t + T_EXEC] = 0;
  r[t + T_FLAGS] = 0;
}

/** Everything: linear, paging-structure and guest-physical entries (INVEPT and the like, and any change of mode). */
export function flushTlb(cpu: Cpu): void {
  const r = cpu.r;
  const count = r[TLB_LOG_COUNT];
  if (count <= TLB_LOG_SIZE) for (let i = 0; i < count; i++) dropEntry(r, r[TLB_LOG + i]);
  else r.fill(0, TLB_AT, TLB_END);
  r[TLB_LOG_COUNT] = 0;
  r[TLB_LARGE_SEEN] = 0;
  flushPagingCaches(r);
  flushNestedTlb(r);
  cpu.successor = 0;
}

/** What a load of CR3 drops: everything linear but global pages. Guest-physical entries do not depend on CR3. */
export function flushTlbNonGlobal(cpu: Cpu): void {
  const r = cpu.r;
  const count = r[TLB_LOG_COUNT];
  if (count <= TLB_LOG_SIZE) {
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const t = r[TLB_LOG + i];
      if ((r[t + T_FLAGS] & TLB_GLOBAL) !== 0) r[TLB_LOG + kept++] = t;
      else dropEntry(r, t);
    }
    r[TLB_LOG_COUNT] = kept;
  } else {
    for (let t = TLB_AT; t < TLB_END; t += TLB_ENTRY_WORDS) {
      if ((r[t + T_FLAGS] & TLB_GLOBAL) === 0) dropEntry(r, t);
    }
  }
  flushPagingCaches(r);
  cpu.successor = 0;
}

/**
 * INVLPG: the page's entry, global or not, and all paging-structure entries (SDM vol 3A, "Operations that Invalidate TLBs
 * and Paging-Structure Caches"). Pieces of large pages all go: the size of the page at this address is not looked up.
 */
export function flushTlbPage(cpu: Cpu, lo: number, hi: number): void {
  const r = cpu.r;
  for (let half = 0; half < 2; half++) {
    const t = tlbEntryOf(half === 1, lo);
    if (r[t + T_HIGH] === hi) dropEntry(r, t);
  }
  if (r[TLB_LARGE_SEEN] !== 0) {
    for (let t = TLB_AT; t < TLB_END; t += TLB_ENTRY_WORDS) {
      if ((r[t + T_FLAGS] & TLB_LARGE) !== 0) dropEntry(r, t);
    }
    r[TLB_LARGE_SEEN] = 0;
  }
  flushPagingCaches(r);
  cpu.successor = 0;
}

/** From now on writes to this arena page take the slow path, on every vCPU: instructions were decoded from it. */
export function tlbMarkCodePage(cpu: Cpu, page: number): void {
  const { arena } = cpu;
  const { i32 } = arena;
  for (let vcpu = 0; vcpu < arena.layout.config.vcpus; vcpu++) {
    const block = (arena.layout.vcpus + vcpu * VCPU_BYTES) >> 2;
    for (let t = block + TLB_AT; t < block + TLB_END; t += TLB_ENTRY_WORDS) {
      const tag = i32[t + T_WRITE];
      if ((tag & FAST_WRITE) === 0 || i32[t + T_PAGE] !== page) continue;
      // If its vCPU has another entry there by now, that one stays as it is.
      if (cpu.threaded) Atomics.compareExchange(i32, t + T_WRITE, tag, notedTag(tag));
      else i32[t + T_WRITE] = notedTag(tag);
    }
  }
}
