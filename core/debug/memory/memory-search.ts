/** Searching memory for bytes, by probes. Pages behind which nothing can be read hold no match, and end a run of bytes. */
import type { Arena } from '../../arena/arena.ts';
import { PAGE_SIZE } from '../../base/address.ts';
import type { AddressSpace } from '../../protocol/snapshots.ts';
import { resolveAddress } from './memory-target.ts';

export interface SearchWish {
  readonly space: AddressSpace;
  readonly start: bigint;
  readonly length: number;
  readonly pattern: Uint8Array;
  readonly limit: number;
}

export interface SearchFound {
  /** First bytes of the matches, which may overlap. */
  readonly matches: readonly bigint[];
  /** Where to go on: the end of the range, or behind the last match when there were as many as wanted. */
  readonly next: bigint;
}

/** Matches begin inside [start, start + length) and may reach beyond it. */
export function searchMemory(arena: Arena, vcpuId: number, wish: SearchWish): SearchFound {
  const { start, length, pattern, limit, space } = wish;
  const end = start + BigInt(length);
  const matches: bigint[] = [];
  for (let at = start; at < end;) {
    const here = resolveAddress(arena, vcpuId, space, at);
    const size = BigInt(PAGE_SIZE) - (at & BigInt(PAGE_SIZE - 1));
    const stop = at + size < end ? at + size : end;
    if (here.kind !== 'ram') {
      at = stop;
      continue;
    }
    const run = Number(stop - at);
    const [head] = pattern;
    for (let i = 0; i < run; i += 1) {
      if (arena.u8[here.offset + i] !== head || !beginsAt(arena.u8, here.offset + i, Number(size) - i, pattern))
        continue;
      const first = at + BigInt(i);
      if (i + pattern.length > Number(size) && !matchesAt(arena, vcpuId, space, first, pattern)) continue;
      matches.push(first);
      if (matches.length >= limit) return { matches, next: first + 1n };
    }
    at = stop;
  }
  return { matches, next: end };
}

/** As far as it lies in one page, of which `left` bytes are left: without asking where they are, for each that begins like it. */
function beginsAt(memory: Uint8Array, offset: number, left: number, pattern: Uint8Array): boolean {
  const end = Math.min(left, pattern.length);
  for (let i = 1; i < end; i += 1) {
    if (memory[offset + i] !== pattern[i]) return false;
  }
  return true;
}

/** Over the borders of pages, which may lie anywhere. */
function matchesAt(arena: Arena, vcpuId: number, space: AddressSpace, address: bigint, pattern: Uint8Array): boolean {
  for (let done = 0; done < pattern.length;) {
    const at = address + BigInt(done);
    const target = resolveAddress(arena, vcpuId, space, at);
    if (target.kind !== 'ram') return false;
    const run = Math.min(pattern.length - done, PAGE_SIZE - Number(at & BigInt(PAGE_SIZE - 1)));
    for (let i = 0; i < run; i += 1) {
      if (arena.u8[target.offset + i] !== pattern[done + i]) return false;
    }
    done += run;
  }
  return true;
}
