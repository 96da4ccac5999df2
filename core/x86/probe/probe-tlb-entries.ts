/** All translations that a vCPU's TLB and its paging caches hold, for whoever holds them against the tables. Pure. */
import type { Arena } from '../../arena/arena.ts';
import { C_KEY, C_KEY_HIGH, C_PAGE } from '../tlb/paging-cache.ts';
import { vcpuWords } from './probe-second-level.ts';
import { N_HIGH, N_PAGE, N_RIGHTS, N_TAG, NESTED_WRITE } from '../tlb/second-level-cache.ts';
import { T_EXEC, T_HIGH, T_PAGE, T_READ, T_WRITE } from '../tlb/tlb.ts';
import {
  NESTED_TLB,
  NESTED_TLB_END,
  PAGING_CACHES_END,
  PDE_CACHE,
  TLB_AT,
  TLB_END,
  TLB_ENTRY_WORDS,
  TLB_HALF_WORDS,
} from '../tlb/tlb-layout.ts';

export interface TlbEntry {
  /** Linear address of the page, by halves. */
  readonly gvaLo: number;
  readonly gvaHi: number;
  /** Arena offset of the page, which is its hpa. */
  readonly hpa: number;
  readonly user: boolean;
  readonly writable: boolean;
}

export function tlbEntries(arena: Arena, vcpuId: number): readonly TlbEntry[] {
  const r = vcpuWords(arena, vcpuId);
  const entries: TlbEntry[] = [];
  for (let t = TLB_AT; t < TLB_END; t += TLB_ENTRY_WORDS) {
    const write = r[t + T_WRITE];
    const tag = r[t + T_READ] | r[t + T_EXEC] | write;
    if (tag === 0) continue;
    const user = t >= TLB_AT + TLB_HALF_WORDS;
    entries.push({ gvaLo: tag & ~0xfff, gvaHi: r[t + T_HIGH], hpa: r[t + T_PAGE], user, writable: write !== 0 });
  }
  return entries;
}

/** A guest-physical mapping, or an entry of a paging-structure cache: what the processor may use without the second level. */
export interface CachedTable {
  readonly kind: 'guest-physical mapping' | 'paging-structure cache';
  /** The gpa of the page, or the first linear address of the stretch. */
  readonly addressLo: number;
  readonly addressHi: number;
  /** Arena offset of the page that it leads to. */
  readonly hpa: number;
  readonly writable: boolean;
}

const NESTED_WORDS = 4;
const PAGING_WORDS = 8;

export function cachedTables(arena: Arena, vcpuId: number): readonly CachedTable[] {
  const r = vcpuWords(arena, vcpuId);
  const entries: CachedTable[] = [];
  for (let n = NESTED_TLB; n < NESTED_TLB_END; n += NESTED_WORDS) {
    if (r[n + N_TAG] === 0) continue;
    const writable = (r[n + N_RIGHTS] & NESTED_WRITE) !== 0;
    const addressLo = r[n + N_TAG] & ~0xfff;
    entries.push({ kind: 'guest-physical mapping', addressLo, addressHi: r[n + N_HIGH], hpa: r[n + N_PAGE], writable });
  }
  for (let c = PDE_CACHE; c < PAGING_CACHES_END; c += PAGING_WORDS) {
    if (r[c + C_KEY] === 0) continue;
    const addressLo = r[c + C_KEY] & ~1;
    const addressHi = r[c + C_KEY_HIGH];
    entries.push({ kind: 'paging-structure cache', addressLo, addressHi, hpa: r[c + C_PAGE], writable: false });
  }
  return entries;
}
