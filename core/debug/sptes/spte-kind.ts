/** What an entry of a shadow page is, and its generation, as the machine's era and mode mean it. */
import type { Arena } from '../../arena/arena.ts';
import { VM_MMU_MODE } from '../../arena/mmu-layout.ts';
import { currentMmioGeneration, eraHasMmioGeneration, eraOf } from '../../kvm/eras.ts';
import { isMmioSpte, mmioSpteFormatOf, mmioSpteGeneration, type MmioSpteFormat } from '../../kvm/spte/spte-mmio.ts';

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
