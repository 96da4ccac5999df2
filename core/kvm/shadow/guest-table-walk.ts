/**
 * KVM's walk of the guest's page tables (FNAME(walk_addr_generic) and FNAME(update_accessed_dirty_bits) of
 * arch/x86/kvm/paging_tmpl.h, v3.11): through memslots, with the error code that the processor would give, A and D bits set
 * as it would set them.
 */
import { VCPU_CPL, VCPU_CR0, VCPU_CR3, VCPU_CR4, VCPU_EFER, VCPU_PDPTE, VCPU_RFLAGS } from '../../arena/vcpu-layout.ts';
import { type Cpu, noteTableWrite, pageFaultCode, permits } from '../../x86/index.ts';
import { ACC_ALL } from '../spte/access-bits.ts';
import { markPageDirty } from '../memslots/dirty-log.ts';
import {
  framesUnderGpte,
  gpteAccess,
  gpteBytes,
  gpteIndex,
  gpteToGfn,
  guestRootLevel,
  isLastGpte,
  isPae,
  isRsvdBitsSet,
  protectCleanGpte,
  pse36GfnDelta,
} from './guest-paging.ts';
import type { GuestWalker } from './guest-walker.ts';
import { gfnToPfn } from '../memslots/memslots.ts';
import { PT32E_ROOT_LEVEL, PT_ACCESSED_MASK, PT_DIRTY_MASK, PT_PRESENT_MASK, type Mmu } from '../mmu/mmu.ts';
import { PFERR_PRESENT_MASK, PFERR_RSVD_MASK, PFERR_USER_MASK, PFERR_WRITE_MASK } from '../mmu/mmu-fault-error.ts';
import { guestWalkTraced, traceGuestWalk } from '../trace/trace-guest-walk.ts';

/** Of the processor's own accesses: what EFLAGS.AC does not excuse from SMAP. */
export const ACCESS_IMPLICIT = 0x100;

/**
 * permission_fault. SMAP, which v3.11 does not offer to guests, is as later kernels have it: an access by the supervisor
 * while CPL is 3 is the processor's own.
 */
export function permissionFault(r: Int32Array, pteAccess: number, access: number): boolean {
  const implicit = r[VCPU_CPL] === 3 && (access & PFERR_USER_MASK) === 0 ? ACCESS_IMPLICIT : 0;
  return !permits(r[VCPU_CR0], r[VCPU_CR4], r[VCPU_RFLAGS], pteAccess, access | implicit);
}

function fail(r: Int32Array, walker: GuestWalker, access: number, code: number): boolean {
  walker.errorCode = pageFaultCode(r[VCPU_CR4], r[VCPU_EFER], access, code);
  return false;
}

/**
 * Sets what is missing of A and D. False: an entry changed meanwhile and the walk begins anew. As in v3.11 the new value is
 * written down one level too high, so that fetch finds the entries changed and the guest faults once more.
 */
function updateAccessedDirtyBits(mmu: Mmu, cpu: Cpu, walker: GuestWalker, write: boolean): boolean {
  for (let level = walker.maxLevel; level >= walker.level; level--) {
    const lo = walker.ptesLo[level - 1];
    const bits = PT_ACCESSED_MASK | (level === walker.level && write ? PT_DIRTY_MASK : 0);
    if ((lo & bits) === bits) continue;
    const at = walker.ptep[level - 1];
    if (cpu.watch !== undefined && cpu.watch.memory) cpu.watch.onTableMark(cpu, at, bits, true);
    if (Atomics.compareExchange(mmu.i32, at >> 2, lo, lo | bits) !== lo) return false;
    if (isPae(cpu.r) && mmu.i32[(at >> 2) + 1] !== walker.ptesHi[level - 1]) return false;
    markPageDirty(mmu.arena, walker.tableGfn[level - 1]);
    noteTableWrite(cpu, at);
    walker.ptesLo[level] = lo | bits;
    walker.ptesHi[level] = walker.ptesHi[level - 1];
  }
  return true;
}

/**
 * FNAME(walk_addr).
 * @param access PFERR_WRITE | USER | FETCH
 * @param pferr what the tracepoint shows: of a page fault, its error code as it is
 * @returns true: the walker holds the frame and what is allowed; false: it holds the #PF's error code
 */
export function walkAddr(
  mmu: Mmu,
  cpu: Cpu,
  walker: GuestWalker,
  lo: number,
  hi: number,
  access: number,
  pferr = access,
): boolean {
  const { i32 } = mmu;
  const { r } = cpu;
  if (guestWalkTraced(mmu.arena)) traceGuestWalk(mmu.arena, cpu.vcpuId, lo, hi, access, pferr);
  const write = (access & PFERR_WRITE_MASK) !== 0;
  const bytes = gpteBytes(r);
  for (;;) {
    let level = guestRootLevel(r);
    let tableLo = r[VCPU_CR3];
    let tableHi = r[VCPU_CR3 + 1];
    if (level === PT32E_ROOT_LEVEL) {
      const pdpte = VCPU_PDPTE + ((lo >>> 30) << 1);
      tableLo = r[pdpte];
      tableHi = r[pdpte + 1];
      if ((tableLo & PT_PRESENT_MASK) === 0) return fail(r, walker, access, 0);
      level -= 1;
    }
    walker.maxLevel = level;
    let accessed = PT_ACCESSED_MASK;
    let ptAccess = ACC_ALL;
    let pteAccess = ACC_ALL;
    let pteLo = 0;
    let pteHi = 0;
    for (; ; level--) {
      ptAccess &= pteAccess;
      walker.accessAbove[level - 1] = ptAccess;
      const tableGfn = gpteToGfn(r, tableLo, tableHi, 1);
      const offset = gpteIndex(r, level, lo, hi) * bytes;
      walker.tableGfn[level - 1] = tableGfn;
      walker.entryOffset[level - 1] = offset;
      // gfn_to_hva: a table in read-only memory cannot be walked, as its A bits could not be set.
      const pfn = gfnToPfn(mmu.arena, tableGfn, true);
      if (pfn < 0) return fail(r, walker, access, 0);
      const at = (pfn << 12) + offset;
      walker.ptep[level - 1] = at;
      pteLo = i32[at >> 2];
      pteHi = bytes === 8 ? i32[(at >> 2) + 1] : 0;
      if ((pteLo & PT_PRESENT_MASK) === 0) return fail(r, walker, access, 0);
      if (isRsvdBitsSet(r, pteLo, pteHi, level)) return fail(r, walker, access, PFERR_PRESENT_MASK | PFERR_RSVD_MASK);
      accessed &= pteLo;
      pteAccess = ptAccess & gpteAccess(r, pteLo, pteHi);
      walker.ptesLo[level - 1] = pteLo;
      walker.ptesHi[level - 1] = pteHi;
      if (isLastGpte(r, level, pteLo)) break;
      tableLo = pteLo;
      tableHi = pteHi;
    }
    walker.level = level;
    if (permissionFault(r, pteAccess, access)) return fail(r, walker, access, PFERR_PRESENT_MASK);
    walker.gfn = gpteToGfn(r, pteLo, pteHi, level) + ((lo >>> 12) % framesUnderGpte(r, level));
    if (level === 2 && bytes === 4) walker.gfn += pse36GfnDelta(pteLo);
    if (!write) pteAccess = protectCleanGpte(pteAccess, pteLo);
    else if ((pteLo & PT_DIRTY_MASK) === 0) accessed = 0;
    if (accessed === 0 && !updateAccessedDirtyBits(mmu, cpu, walker, write)) continue;
    walker.ptAccess = ptAccess;
    walker.pteAccess = pteAccess;
    return true;
  }
}
