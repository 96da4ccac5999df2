/**
 * What an era makes of the memslots generation (reference: arch/x86/kvm/mmu.c and virt/kvm/kvm_main.c of v3.11, and the
 * patch "KVM: MMU: fast invalidate all mmio sptes"). The eras here are the ones that run; `spte-eras.ts` knows the ones
 * that can only be decoded.
 */
import type { Arena } from '../arena/arena.ts';
import { MEMSLOTS_GENERATION } from '../arena/memslot-layout.ts';
import { VM_ACTIVE_MEMSLOTS, VM_ERA } from '../arena/mmu-layout.ts';
import { ERAS, type Era } from '../base/machine-modes.ts';

export const MMIO_GEN_SHIFT = 19;
export const MMIO_GEN_MASK = 0x7ffff;
export const MMIO_MAX_GEN = 0x7ffff;
/** From here on kvm_mmu_invalidate_mmio_sptes zaps: one below the maximum, because the INVALID install is not checked. */
export const MMIO_GEN_WRAP = 0x7fffe;
/** v3.11 starts close below the wrap-around, so that every real VM goes through it soon after boot. */
export const MMIO_GEN_BIAS = MMIO_MAX_GEN - 150;

/** Values of VM_ERA: indexes into {@link ERAS}. */
export const ERA_PATCH = 0;
export const ERA_V3_11 = 1;
export const ERA_V3_10 = 2;

export const eraIndex = (era: Era): number => ERAS.indexOf(era);
export const eraOf = (arena: Arena): Era => ERAS[arena.i32[(arena.layout.vm + VM_ERA) >> 2]];

/** v3.10 keeps no generation in an spte: it walks and zaps instead. */
export const eraHasMmioGeneration = (era: Era): boolean => era !== 'v3.10';

/** kvm_current_mmio_generation. 0 in v3.10, where every MMIO spte carries 0 too, so that comparing them always says fresh. */
export function currentMmioGeneration(arena: Arena): number {
  const { layout, i32 } = arena;
  const era = i32[(layout.vm + VM_ERA) >> 2];
  if (era === ERA_V3_10) return 0;
  const active = Atomics.load(i32, (layout.vm + VM_ACTIVE_MEMSLOTS) >> 2);
  const low = i32[(layout.memslots + active * layout.memslotTableBytes + MEMSLOTS_GENERATION) >> 2];
  return (era === ERA_V3_11 ? low + MMIO_GEN_BIAS : low) & MMIO_GEN_MASK;
}

/** The same for a generation that is not (yet) installed. Cold: previews, reports. −1 where the era has none. */
export function mmioGenerationOf(era: Era, memslotsGeneration: bigint): number {
  if (!eraHasMmioGeneration(era)) return -1;
  const bias = era === 'v3.11' ? BigInt(MMIO_GEN_BIAS) : 0n;
  return Number((memslotsGeneration + bias) & BigInt(MMIO_GEN_MASK));
}

/** Installs until the generation reaches the value at which it is zapped and wraps. −1 where the era has none. */
export function generationsToWrap(era: Era, memslotsGeneration: bigint): number {
  const current = mmioGenerationOf(era, memslotsGeneration);
  if (current < 0) return -1;
  return current >= MMIO_GEN_WRAP ? 0 : MMIO_GEN_WRAP - current;
}
