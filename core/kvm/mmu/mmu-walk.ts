/**
 * Walking the shadow page table of a vCPU (for_each_shadow_entry and its lockless form, arch/x86/kvm/mmu.c of v3.11). A walk
 * is two numbers, sptep and level; nothing is allocated.
 */
import {
  OUTSIDE_GUEST_MODE,
  READING_SHADOW_PAGE_TABLES,
  VCPU_ROOT_HPA,
  VCPU_ROOT_LEVELS,
} from '../../arena/vcpu-layout.ts';
import { PT32E_ROOT_LEVEL, PT64_ROOT_LEVEL, PT_PAGE_SIZE_MASK, PT_PRESENT_MASK, type Mmu } from './mmu.ts';
import { VCPU_PAE_ROOT, VCPU_ROOT_VALID } from './mmu-words.ts';
import { isMmioSpte } from '../spte/spte-mmio.ts';
import { setVcpuMode } from '../vcpu/requests.ts';

/** SHADOW_PT_INDEX, times 8: byte offset of the entry for a gpa in a table of that level. */
export function entryOffset(lo: number, hi: number, level: number): number {
  if (level === 1) return (lo >>> 9) & 0xff8;
  if (level === 2) return (lo >>> 18) & 0xff8;
  if (level === 3) return ((lo >>> 27) | (hi << 5)) & 0xff8;
  return (hi >>> 4) & 0xff8;
}

/** A canonical linear address as its 48 bits, the high half: what indexes the tables. */
export const signFree = (hi: number): number => hi & 0xffff;

/**
 * shadow_walk_init: hpa of the first table walked; its level is `walkLevel(r)`. 0 when there is none: roots not loaded,
 * or an empty pae_root.
 */
export function walkRoot(r: Int32Array, lo: number): number {
  if (r[VCPU_ROOT_VALID] === 0) return 0;
  if (r[VCPU_ROOT_LEVELS] !== PT32E_ROOT_LEVEL) return r[VCPU_ROOT_HPA];
  return r[VCPU_PAE_ROOT + 2 * (lo >>> 30)] & ~0xfff;
}

/** Level of the table that {@link walkRoot} names: under pae_root it is a page directory. */
export const walkLevel = (r: Int32Array): number => (r[VCPU_ROOT_LEVELS] === PT32E_ROOT_LEVEL ? 2 : PT64_ROOT_LEVEL);

/**
 * The entry where a walk ends: the first that is not shadow-present, or the leaf. 0 when there is no table at all.
 * Pure: for probes too.
 */
export function lastSptep(mmu: Mmu, r: Int32Array, lo: number, hi: number): number {
  const { i32, mmio } = mmu;
  // Four levels translate 48 bits: above, nothing stands.
  let table = hi >>> 16 === 0 ? walkRoot(r, lo) : 0;
  if (table === 0) return 0;
  for (let level = walkLevel(r); ; level--) {
    const sptep = table + entryOffset(lo, hi, level);
    const spteLo = i32[sptep >> 2];
    // is_shadow_present_pte and is_last_spte, which this walk of every MMIO fault does not call four times.
    if ((spteLo & PT_PRESENT_MASK) === 0 || level === 1 || (spteLo & PT_PAGE_SIZE_MASK) !== 0) return sptep;
    if (isMmioSpte(mmio, spteLo, i32[(sptep >> 2) + 1])) return sptep;
    table = spteLo & ~0xfff;
  }
}

/**
 * __get_spte_lockless, of a host that reads an entry in two halves: the low half is looked at again, because whoever changes
 * the entry changes that half first and last. Without the second look an MMIO spte that is replaced meanwhile can come out as
 * half of each.
 * @returns the low half of the entry; the high half is left in `mmu.spteHigh`. Both 0 for sptep 0
 */
export function spteLockless(mmu: Mmu, sptep: number): number {
  const { i32 } = mmu;
  mmu.spteHigh = 0;
  if (sptep === 0) return 0;
  const word = sptep >> 2;
  if (!mmu.threaded) {
    mmu.spteHigh = i32[word + 1];
    return i32[word];
  }
  for (;;) {
    const lo = Atomics.load(i32, word);
    mmu.spteHigh = Atomics.load(i32, word + 1);
    if (Atomics.load(i32, word) === lo) return lo;
  }
}

/** walk_shadow_page_lockless_begin: whoever frees pages waits (by its IPI) until this vCPU has left the tables. */
export function locklessBegin(mmu: Mmu, r: Int32Array): void {
  setVcpuMode(r, mmu.threaded, READING_SHADOW_PAGE_TABLES);
}

export function locklessEnd(mmu: Mmu, r: Int32Array): void {
  setVcpuMode(r, mmu.threaded, OUTSIDE_GUEST_MODE);
}
