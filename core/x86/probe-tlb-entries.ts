/** All translations that a vCPU's TLB holds, for whoever holds them against the tables. Pure. */
import type { Arena } from '../arena/arena.ts';
import { vcpuWords } from './probe-second-level.ts';
import { T_EXEC, T_HIGH, T_PAGE, T_READ, T_WRITE } from './tlb.ts';
import { TLB_AT, TLB_END, TLB_ENTRY_WORDS, TLB_HALF_WORDS } from './tlb-layout.ts';

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
