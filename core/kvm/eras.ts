/**
 * What an era makes of the memslots generation (reference: arch/x86/kvm/mmu.c and virt/kvm/kvm_main.c of v3.11, v3.17 and
 * v6.8, the commits ee3d1570b586 and ddfd1730fd82, and the patch "KVM: MMU: fast invalidate all mmio sptes"). The eras here
 * are the ones that run; `spte-eras.ts` knows the ones that can only be decoded.
 */
import type { Arena } from '../arena/arena.ts';
import { MEMSLOTS_GENERATION } from '../arena/memslot-layout.ts';
import { VM_ACTIVE_MEMSLOTS, VM_ERA } from '../arena/mmu-layout.ts';
import { ERAS, type Era } from '../base/machine-modes.ts';

export const MMIO_MAX_GEN = 0x7ffff;
/** The series' eras zap from here on: one below the maximum, because the INVALID install is not checked. */
const MMIO_GEN_ZAP = 0x7fffe;
/** v3.11 starts close below the wrap-around, so that every real VM goes through it soon after boot. */
export const MMIO_GEN_BIAS = MMIO_MAX_GEN - 150;
/** From 3.17 on the same distance lies in the first memslots generation itself; 5.1 dropped it. */
const FIRST_GENERATION_V3_17 = BigInt.asUintN(64, -150n);
/** KVM_MEMSLOT_GEN_UPDATE_IN_PROGRESS of v6.8. */
export const GEN_UPDATE_IN_PROGRESS = 1n << 63n;
/** kvm_arch_nr_memslot_as_ids of a kernel with SMM: the generations of address spaces interleave. Umbra's VMs use space 0. */
export const NR_MEMSLOT_AS_IDS = 2;

/** Values of VM_ERA: indexes into {@link ERAS}. */
export const ERA_PATCH = 0;
export const ERA_V3_11 = 1;
export const ERA_V3_10 = 2;
export const ERA_V3_17 = 3;
export const ERA_V6_8 = 4;

/** By era: what is added to the memslots generation, and which bits of it are the MMIO generation. */
const GEN_BIAS = [0, MMIO_GEN_BIAS, 0, 0, 0];
const GEN_MASK = [MMIO_MAX_GEN, MMIO_MAX_GEN, 0, 0xf_ffff, MMIO_MAX_GEN];

export const eraIndex = (era: Era): number => ERAS.indexOf(era);
export const eraOf = (arena: Arena): Era => ERAS[arena.i32[(arena.layout.vm + VM_ERA) >> 2]];

/** v3.10 keeps no generation in an spte: it walks and zaps instead. */
export const eraHasMmioGeneration = (era: Era): boolean => era !== 'v3.10';

export const mmioGenerationBias = (era: number): number => GEN_BIAS[era];
export const mmioGenerationMask = (era: number): number => GEN_MASK[era];
/** High-half bit of the generation that says "update in flight" beside the number; 0 where the number itself says it, or nothing. */
export const inProgressBitHigh = (era: number): number => (era === ERA_V6_8 ? 0x8000_0000 | 0 : 0);
/** Whether the vCPU's MMIO cache is good only for the memslots generation that it was filled under (56f17dd3fbc4). */
export const cacheHasGeneration = (era: number): boolean => era === ERA_V3_17 || era === ERA_V6_8;

/** Byte offset of the active memslot table. */
const activeTable = (arena: Arena): number =>
  arena.layout.memslots +
  Atomics.load(arena.i32, (arena.layout.vm + VM_ACTIVE_MEMSLOTS) >> 2) * arena.layout.memslotTableBytes;

/** kvm_current_mmio_generation. 0 in v3.10, where every MMIO spte carries 0 too, so that comparing them always says fresh. */
export function currentMmioGeneration(arena: Arena): number {
  const era = arena.i32[(arena.layout.vm + VM_ERA) >> 2];
  return (arena.i32[(activeTable(arena) + MEMSLOTS_GENERATION) >> 2] + GEN_BIAS[era]) & GEN_MASK[era];
}

/** Whether a memslot update is between publishing and settling: nothing is fresh meanwhile. Never in the eras before 3.17. */
export function memslotsUpdateInProgress(arena: Arena): boolean {
  const era = arena.i32[(arena.layout.vm + VM_ERA) >> 2];
  const word = (activeTable(arena) + MEMSLOTS_GENERATION) >> 2;
  if (era === ERA_V3_17) return (arena.i32[word] & 1) !== 0;
  return era === ERA_V6_8 && arena.i32[word + 1] < 0;
}

/** The same for a generation that is not (yet) installed. Cold: previews, reports. −1 where the era has none. */
export function mmioGenerationOf(era: Era, memslotsGeneration: bigint): number {
  if (!eraHasMmioGeneration(era)) return -1;
  const index = eraIndex(era);
  return Number((memslotsGeneration + BigInt(GEN_BIAS[index])) & BigInt(GEN_MASK[index]));
}

/** The memslots generation of a VM that has no slot yet. */
export const firstMemslotsGeneration = (era: Era): bigint => (era === 'v3.17' ? FIRST_GENERATION_V3_17 : 0n);

/** What a table is published with, after the one with generation `last`. */
export function publishedGeneration(era: Era, last: bigint): bigint {
  return era === 'v6.8' ? last | GEN_UPDATE_IN_PROGRESS : BigInt.asUintN(64, last + 1n);
}

/** What that becomes when no reader of the old table is left; the same where publishing was all. */
export function settledGeneration(era: Era, published: bigint): bigint {
  if (era === 'v3.17') return BigInt.asUintN(64, published + 1n);
  if (era === 'v6.8') return (published & ~GEN_UPDATE_IN_PROGRESS) + BigInt(NR_MEMSLOT_AS_IDS);
  return published;
}

export const settlesGeneration = (era: Era): boolean => era === 'v3.17' || era === 'v6.8';

/** By how much one install moves the generation in the end. */
export const generationsPerInstall = (era: Era): number => (settlesGeneration(era) ? 2 : 1);

/** Whether kvm_mmu_invalidate_mmio_sptes zaps at that (settled) memslots generation. */
export function zapsAtGeneration(era: Era, memslotsGeneration: bigint): boolean {
  const gen = mmioGenerationOf(era, memslotsGeneration);
  switch (era) {
    case 'v3.10':
      return false;
    case 'patch':
    case 'v3.11':
      return gen >= MMIO_GEN_ZAP;
    case 'v3.17':
      return gen === 0;
    case 'v6.8':
      return (gen & ~(NR_MEMSLOT_AS_IDS - 1)) === 0;
  }
}

/**
 * Whether a change that installs so many tables meets the wrap-around. The series' eras look once, at the end of a change;
 * since 3.12 kvm_arch_memslots_updated looks after every install.
 */
export function changeWraps(era: Era, before: bigint, installs: number): boolean {
  if (installs === 0) return false;
  const at = (n: number): bigint => BigInt.asUintN(64, before + BigInt(n * generationsPerInstall(era)));
  if (!settlesGeneration(era)) return zapsAtGeneration(era, at(installs));
  return Array.from({ length: installs }, (_, n) => at(n + 1)).some((gen) => zapsAtGeneration(era, gen));
}

/** The MMIO generation at which it ends: where the series' eras zap, or where later ones have gone round. */
export const mmioGenerationEnd = (era: Era): number =>
  settlesGeneration(era) ? GEN_MASK[eraIndex(era)] + 1 : MMIO_GEN_ZAP;

/** Installs until the generation reaches the value at which it is zapped and wraps. −1 where the era has none. */
export function generationsToWrap(era: Era, memslotsGeneration: bigint): number {
  const current = mmioGenerationOf(era, memslotsGeneration);
  if (current < 0) return -1;
  return Math.max(0, Math.ceil((mmioGenerationEnd(era) - current) / generationsPerInstall(era)));
}

/** Why a generation cannot be one that no update is working on; undefined when it can. */
export function generationRefusal(era: Era, memslotsGeneration: bigint): string | undefined {
  if (era === 'v3.17' && (memslotsGeneration & 1n) !== 0n) {
    return 'an odd generation means a memslot update in flight in v3.17: name an even one';
  }
  if (era !== 'v6.8') return undefined;
  if ((memslotsGeneration & GEN_UPDATE_IN_PROGRESS) !== 0n) {
    return 'bit 63 of the generation means a memslot update in flight in v6.8: name one without it';
  }
  if ((memslotsGeneration & 1n) !== 0n) {
    return 'odd generations belong to address space 1 in v6.8, and this VM has only address space 0: name an even one';
  }
  return undefined;
}
