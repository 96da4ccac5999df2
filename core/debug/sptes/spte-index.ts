/**
 * All sptes of a machine in columns, for a table that people sort and filter: one pass over the shadow pages in use. A row
 * is an entry that is not empty; a million of them take some tens of milliseconds and about 20 MB.
 */
import type { Arena } from '../../arena/arena.ts';
import { VM_MMU_MODE } from '../../arena/mmu-layout.ts';
import { currentMmioGeneration, eraHasMmioGeneration, eraOf } from '../../kvm/eras.ts';
import {
  isMmioSpte,
  mmioSpteFormatOf,
  mmioSpteGeneration,
  mmioSpteGfn,
  type MmioSpteFormat,
} from '../../kvm/spte/spte-mmio.ts';
import { ENTRIES_PER_PAGE, entryGfn, pageInUse, pageRole, pageTable, roleLevel } from './shadow-page.ts';

export const KIND_EMPTY = 0;
export const KIND_MMIO = 1;
export const KIND_LEAF = 2;
export const KIND_LARGE = 3;
export const KIND_LINK = 4;
/** Names by KIND_*. */
export const SPTE_KINDS = ['empty', 'mmio', 'leaf', 'large', 'link'] as const;

const PTE_PAGE_SIZE_MASK = 1 << 7;
const MODE_EPT = 1;

/** What one machine's sptes are read with. */
export interface SpteFormat {
  readonly mmio: MmioSpteFormat;
  readonly isEpt: boolean;
  /** The current generation, −1 in an era without one. */
  readonly generation: number;
}

export function spteFormat(arena: Arena): SpteFormat {
  const { i32, layout } = arena;
  return {
    mmio: mmioSpteFormatOf(arena),
    isEpt: i32[(layout.vm + VM_MMU_MODE) >> 2] === MODE_EPT,
    generation: eraHasMmioGeneration(eraOf(arena)) ? currentMmioGeneration(arena) : -1,
  };
}

/** KIND_* of an entry at a level. */
export function spteKind(format: SpteFormat, level: number, low: number, high: number): number {
  if (low === 0 && high === 0) return KIND_EMPTY;
  if (isMmioSpte(format.mmio, low, high)) return KIND_MMIO;
  if (format.isEpt ? (low & 7) === 0 : (low & 1) === 0) return KIND_EMPTY;
  if (level === 1) return KIND_LEAF;
  return (low & PTE_PAGE_SIZE_MASK) !== 0 ? KIND_LARGE : KIND_LINK;
}

/** Generation of an entry of a kind, −1 where it has none. */
export const spteGeneration = (format: SpteFormat, kind: number, low: number, high: number): number =>
  kind === KIND_MMIO && format.generation >= 0 ? mmioSpteGeneration(format.mmio, low, high) : -1;

export interface SpteIndex {
  readonly format: SpteFormat;
  readonly count: number;
  /** page × 512 + entry. */
  readonly place: Uint32Array;
  readonly kind: Uint8Array;
  readonly level: Uint8Array;
  readonly gfn: Float64Array;
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly gen: Int32Array;
  /** Role words by page. */
  readonly roles: Int32Array;
}

export function indexSptes(arena: Arena): SpteIndex {
  const format = spteFormat(arena);
  const capacity = countEntries(arena);
  const place = new Uint32Array(capacity);
  const kinds = new Uint8Array(capacity);
  const levels = new Uint8Array(capacity);
  const gfns = new Float64Array(capacity);
  const lows = new Int32Array(capacity);
  const highs = new Int32Array(capacity);
  const gens = new Int32Array(capacity);
  const roles = new Int32Array(arena.layout.config.shadowPages);
  let count = 0;
  for (let page = 0; page < roles.length; page++) {
    if (!pageInUse(arena, page)) continue;
    roles[page] = pageRole(arena, page);
    const level = roleLevel(roles[page]);
    const words = pageTable(arena, page) >> 2;
    for (let entry = 0; entry < ENTRIES_PER_PAGE; entry++) {
      const low = arena.i32[words + 2 * entry];
      const high = arena.i32[words + 2 * entry + 1];
      const kind = spteKind(format, level, low, high);
      // A running machine may have gained entries since they were counted; they are in the next index.
      if (kind === KIND_EMPTY || count === capacity) continue;
      place[count] = page * ENTRIES_PER_PAGE + entry;
      kinds[count] = kind;
      levels[count] = level;
      gfns[count] = kind === KIND_MMIO ? mmioSpteGfn(format.mmio, low, high) : entryGfn(arena, page, entry);
      lows[count] = low;
      highs[count] = high;
      gens[count] = spteGeneration(format, kind, low, high);
      count += 1;
    }
  }
  return { format, count, place, kind: kinds, level: levels, gfn: gfns, low: lows, high: highs, gen: gens, roles };
}

function countEntries(arena: Arena): number {
  let count = 0;
  for (let page = 0; page < arena.layout.config.shadowPages; page++) {
    if (!pageInUse(arena, page)) continue;
    const words = pageTable(arena, page) >> 2;
    for (let word = words; word < words + 2 * ENTRIES_PER_PAGE; word += 2) {
      if ((arena.i32[word] | arena.i32[word + 1]) !== 0) count += 1;
    }
  }
  return count;
}
