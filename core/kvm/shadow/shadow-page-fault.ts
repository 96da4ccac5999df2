/**
 * FNAME(page_fault) (arch/x86/kvm/paging_tmpl.h of v3.11): a #PF of a guest whose page tables are shadowed. Either the guest's
 * own tables say no, and the fault is the guest's; or the shadow tables lack something, which is made here.
 */
import { ERA_V6_8 } from '../eras.ts';
import { MMIO_FIRST } from '../../base/mmio-outcomes.ts';
import { LAST_ACCESS } from '../../x86/index.ts';
import { ACC_EXEC_MASK, ACC_USER_MASK, ACC_WRITE_MASK } from '../spte/access-bits.ts';
import { injectPageFault } from '../exits/exception-queue.ts';
import { isSmep, isWriteProtection } from './guest-paging.ts';
import { ACCESS_IMPLICIT, walkAddr } from './guest-table-walk.ts';
import type { GuestWalker } from './guest-walker.ts';
import { canAdjustToHugePage, hugePageGfn, mappingLevel, mappingLevelDirtyBitmap } from '../mmu/large-page-level.ts';
import { KVM_PAGES_PER_HPAGE } from '../memslots/lpage-info.ts';
import { gfnToMemslot, KVM_PFN_NOSLOT, memslotIsReadonly, slotGfnToPfn } from '../memslots/memslots.ts';
import { handleMmioPageFaultCommon, RET_MMIO_PF_INVALID, visibleSpteGeneration } from '../mmio/mmio-fault.ts';
import { mmuLock, mmuUnlock, PT_DIRECTORY_LEVEL, PT_PAGE_TABLE_LEVEL } from '../mmu/mmu.ts';
import { PFERR_FETCH_MASK, PFERR_RSVD_MASK, PFERR_USER_MASK, PFERR_WRITE_MASK } from '../mmu/mmu-fault-error.ts';
import { VCPU_WRITE_FAULT_TO_SHADOW_PGTABLE } from '../mmu/mmu-words.ts';
import { lastSptep, signFree } from '../mmu/mmu-walk.ts';
import { answerLookup, FAULT_CONTINUE, FAULT_EMULATE, FAULT_RESUME } from '../mmio/noslot-fault.ts';
import { fetch } from './shadow-fetch.ts';
import { makePagesAvailable } from '../mmu/shadow-page-zap.ts';
import { countLeafSet, countPageFault } from '../mmu/page-fault-stats.ts';
import type { VcpuContext } from '../vcpu/vcpu-context.ts';

/**
 * FNAME(is_self_change_mapping): a writable page that holds one of the tables it is mapped by. It is mapped in 4 KiB pieces,
 * so that the table can be protected; a write to the table itself is remembered, as emulation is its only way.
 */
function isSelfChangeMapping(r: Int32Array, walker: GuestWalker, userFault: boolean): boolean {
  if ((walker.pteAccess & ACC_WRITE_MASK) === 0 && (isWriteProtection(r) || userFault)) return false;
  // KVM_PAGES_PER_HPAGE, also of a page of 4 MiB: it is mapped in halves, and only that with the table matters.
  const frames = KVM_PAGES_PER_HPAGE[walker.level];
  const first = walker.gfn - (walker.gfn % frames);
  let selfChanged = false;
  for (let level = walker.level; level <= walker.maxLevel; level++) {
    const gfn = walker.tableGfn[level - 1];
    if (gfn >= first && gfn < first + frames) selfChanged = true;
    if (gfn === walker.gfn) r[VCPU_WRITE_FAULT_TO_SHADOW_PGTABLE] = 1;
  }
  return selfChanged;
}

/** A write of the supervisor to a read-only page under CR0.WP = 0: the page is the supervisor's alone until a user faults. */
function writeProtectionOff(r: Int32Array, walker: GuestWalker): void {
  walker.pteAccess = (walker.pteAccess | ACC_WRITE_MASK) & ~ACC_USER_MASK;
  if (isSmep(r)) walker.pteAccess &= ~ACC_EXEC_MASK;
}

/** The first access to a page without slot, for the log; what stood in its place was noted before it was replaced. */
function noteFirst(
  vcpu: VcpuContext,
  lo: number,
  hi: number,
  gfn: number,
  errorCode: number,
  spteLo: number,
  spteHi: number,
): void {
  if (vcpu.record.open) return;
  const access = (errorCode & PFERR_WRITE_MASK) !== 0 ? 1 : (errorCode & PFERR_FETCH_MASK) !== 0 ? 2 : 0;
  vcpu.openRecord(lo, hi, (gfn << 12) | (lo & 0xfff), (gfn / 0x10_0000) | 0, access);
  vcpu.record.outcome = MMIO_FIRST;
  vcpu.record.noteSpte(spteLo, spteHi, visibleSpteGeneration(vcpu.mmu, spteLo, spteHi));
}

/** @returns FAULT_RESUME, FAULT_EMULATE or a negative errno */
export function pagingPageFault(vcpu: VcpuContext, lo: number, hi: number, errorCode: number): number {
  const { mmu, r, id } = vcpu;
  if ((errorCode & PFERR_RSVD_MASK) !== 0) {
    const answer = handleMmioPageFaultCommon(mmu, r, id, lo, hi, false, vcpu.record);
    if (answer !== RET_MMIO_PF_INVALID) return answer;
  }
  return countPageFault(mmu, id, mapPage(vcpu, lo, hi, errorCode));
}

function mapPage(vcpu: VcpuContext, lo: number, hi: number, errorCode: number): number {
  const { mmu, r, cpu, id } = vcpu;
  const { arena, walker } = mmu;
  const write = (errorCode & PFERR_WRITE_MASK) !== 0;
  const user = (errorCode & PFERR_USER_MASK) !== 0;
  const kind = errorCode & (PFERR_WRITE_MASK | PFERR_USER_MASK | PFERR_FETCH_MASK);
  // SMAP and the processor's own accesses: later kernels guess from CPL which they are. A wrong guess would fault for ever.
  const traced = mmu.era === ERA_V6_8 ? errorCode & ~PFERR_RSVD_MASK : errorCode;
  if (!walkAddr(mmu, cpu, walker, lo, hi, kind | (r[LAST_ACCESS] & ACCESS_IMPLICIT), traced)) {
    injectPageFault(vcpu, lo, hi, walker.errorCode);
    return FAULT_RESUME;
  }
  r[VCPU_WRITE_FAULT_TO_SHADOW_PGTABLE] = 0;
  const selfChanged = isSelfChangeMapping(r, walker, user);
  let slot = gfnToMemslot(arena, walker.gfn);
  let level = PT_PAGE_TABLE_LEVEL;
  const forcePtLevel = walker.level < PT_DIRECTORY_LEVEL || mappingLevelDirtyBitmap(mmu, slot) || selfChanged;
  if (!forcePtLevel) {
    level = Math.min(walker.level, mappingLevel(mmu, slot, walker.gfn));
    walker.gfn -= walker.gfn % KVM_PAGES_PER_HPAGE[level];
    // As in direct-map.ts: the first frame is looked up anew.
    if (level > PT_PAGE_TABLE_LEVEL) slot = gfnToMemslot(arena, walker.gfn);
  }

  let pfn = slotGfnToPfn(arena, slot, walker.gfn, write);
  const noslot = pfn === KVM_PFN_NOSLOT;
  // The walk's rights, and not what is made of them below: they are cached, and checked against later accesses.
  const answer = answerLookup(mmu, r, id, lo, hi, walker.gfn, slot, pfn, walker.pteAccess);
  if (answer !== FAULT_CONTINUE) {
    if (noslot && answer === FAULT_EMULATE) noteFirst(vcpu, lo, hi, walker.gfn, errorCode, 0, 0);
    return answer;
  }
  if (!noslot && write && (walker.pteAccess & ACC_WRITE_MASK) === 0 && !user && !isWriteProtection(r)) {
    writeProtectionOff(r, walker);
  }
  const mapWritable = pfn >= 0 && !memslotIsReadonly(arena, slot);

  mmuLock(mmu);
  makePagesAvailable(mmu);
  if (!forcePtLevel && level === PT_PAGE_TABLE_LEVEL && pfn >= 0 && canAdjustToHugePage(mmu, slot, walker.gfn, pfn)) {
    level = PT_DIRECTORY_LEVEL;
    walker.gfn = hugePageGfn(walker.gfn, pfn);
    pfn -= pfn % KVM_PAGES_PER_HPAGE[level];
  }
  const sptep = noslot ? lastSptep(mmu, r, lo, signFree(hi)) : 0;
  const spteLo = sptep === 0 ? 0 : mmu.i32[sptep >> 2];
  const spteHi = sptep === 0 ? 0 : mmu.i32[(sptep >> 2) + 1];
  const { gfn } = walker;
  const fetched = fetch(mmu, r, id, lo, hi, walker, write, level, pfn, mapWritable);
  countLeafSet(mmu, id);
  mmuUnlock(mmu);
  if (fetched === FAULT_EMULATE && noslot) noteFirst(vcpu, lo, hi, gfn, errorCode, spteLo, spteHi);
  return fetched;
}
