/**
 * Writes to guest page tables that KVM emulates because the tables are write-protected (kvm_mmu_pte_write and
 * kvm_mmu_unprotect_page of arch/x86/kvm/mmu.c, v3.11). The memory has been written; the shadow follows.
 */
import { SP_ROLE, SP_WRITE_FLOODING_COUNT, VM_INDIRECT_SHADOW_PAGES } from '../../arena/mmu-layout.ts';
import { ERA_V6_8 } from '../eras.ts';
import { isPae } from './guest-paging.ts';
import { gfnToPfn } from '../memslots/memslots.ts';
import { mmuLock, mmuUnlock, PT32_ROOT_LEVEL, PT_NX_MASK_HIGH, PT_PAGE_TABLE_LEVEL, type Mmu } from '../mmu/mmu.ts';
import { isShadowPresent } from '../mmu/mmu-spte.ts';
import { VCPU_BASE_ROLE } from '../mmu/mmu-words.ts';
import { flushRemoteTlbs, mmuFlushTlb } from '../vcpu/requests.ts';
import { firstIndirectPage, nextIndirectPage } from '../mmu/shadow-page-hash.ts';
import { NO_PAGE, pageHeader, pageHpa } from '../mmu/shadow-page-pool.ts';
import { ROLE_CR0_WP, ROLE_CR4_PAE, ROLE_NXE, roleLevel, roleQuadrant } from '../mmu/shadow-page-role.ts';
import {
  commitZapPage,
  INVALID_LIST,
  mmuPageZapPte,
  prepareZapPage,
  topupMemoryCaches,
} from '../mmu/shadow-page-zap.ts';
import { updatePte } from './shadow-gpte.ts';

/** Emulated writes to a page since it was last walked through, from which on it is thought to be no page table any more. */
const WRITE_FLOODING = 3;
/** Of a role what must be the writing vCPU's for its new entry to be looked at. */
const SAME_FORMAT = ROLE_CR0_WP | ROLE_CR4_PAE | ROLE_NXE;
/** PT64_PERM_MASK, low half: present, writable, user. NX is in the high half, and inverted. */
const PT64_PERM_MASK = 0x7;

/** detect_write_flooding. A table of the last level turns unsync instead of being written under protection. */
function detectWriteFlooding(mmu: Mmu, page: number): boolean {
  const header = pageHeader(mmu, page);
  if (roleLevel(mmu.i32[header + (SP_ROLE >> 2)]) === PT_PAGE_TABLE_LEVEL) return false;
  mmu.i32[header + (SP_WRITE_FLOODING_COUNT >> 2)] += 1;
  return mmu.i32[header + (SP_WRITE_FLOODING_COUNT >> 2)] >= WRITE_FLOODING;
}

/** detect_write_misaligned: less than an entry, or over an entry's border. One byte at its start is a change of flags. */
function detectWriteMisaligned(role: number, offset: number, bytes: number): boolean {
  const entry = (role & ROLE_CR4_PAE) !== 0 ? 8 : 4;
  if ((offset & (entry - 1)) === 0 && bytes === 1) return false;
  return ((offset ^ (offset + bytes - 1)) & ~(entry - 1)) !== 0 || bytes < 4;
}

/** need_remote_flush: a TLB may know more than the entry says now. */
function needRemoteFlush(mmu: Mmu, oldLo: number, oldHi: number, lo: number, hi: number): boolean {
  if (!isShadowPresent(mmu, oldLo, oldHi)) return false;
  if (!isShadowPresent(mmu, lo, hi)) return true;
  if (((oldLo ^ lo) & ~0xfff) !== 0 || ((oldHi ^ hi) & 0xf_ffff) !== 0) return true;
  const lost = oldLo & ~lo & PT64_PERM_MASK;
  return lost !== 0 || (~oldHi & hi & PT_NX_MASK_HIGH) !== 0;
}

/**
 * get_written_sptes: the first of them, 0 when the written entry is in another quadrant than the page shadows. One entry of a
 * page directory of 32-bit paging maps 4 MiB and has two sptes.
 */
function writtenSpte(mmu: Mmu, page: number, role: number, offset: number): number {
  let at = offset;
  if ((role & ROLE_CR4_PAE) === 0) {
    at <<= 1;
    if (roleLevel(role) === PT32_ROOT_LEVEL) at = (at & ~7) << 1;
    if (at >> 12 !== roleQuadrant(role)) return 0;
    at &= 0xfff;
  }
  return pageHpa(mmu, page) + (at & ~7);
}

/**
 * kvm_mmu_pte_write.
 * @param lo, hi what was written, as far as it has that many bytes
 */
export function mmuPteWrite(
  mmu: Mmu,
  vcpuId: number,
  gpaLo: number,
  gpaHi: number,
  bytes: number,
  lo: number,
  hi: number,
): void {
  const { i32 } = mmu;
  if (i32[(mmu.vm + VM_INDIRECT_SHADOW_PAGES) >> 2] === 0) return;
  const r = mmu.vcpuWords[vcpuId];
  const gfn = (gpaLo >>> 12) + (gpaHi >>> 0) * 0x10_0000;
  let offset = gpaLo & 0xfff;
  let size = bytes;
  let gpteLo = 0;
  let gpteHi = 0;
  if (isPae(r) && bytes === 4) {
    // Half of an entry: the whole is what counts.
    offset &= ~7;
    size = 8;
    const pfn = gfnToPfn(mmu.arena, gfn, false);
    if (pfn >= 0) {
      gpteLo = i32[((pfn << 12) + offset) >> 2];
      gpteHi = i32[(((pfn << 12) + offset) >> 2) + 1];
    }
  } else if (bytes === 4 || bytes === 8) {
    gpteLo = lo;
    gpteHi = bytes === 8 ? hi : 0;
  }
  const base = r[VCPU_BASE_ROLE];
  let zapped = false;
  let remoteFlush = false;
  let localFlush = false;
  mmuLock(mmu);
  topupMemoryCaches(mmu);
  mmu.f64[mmu.cPteWrite] += 1;
  for (let page = firstIndirectPage(mmu, gfn); page !== NO_PAGE; page = nextIndirectPage(mmu, page, gfn)) {
    const role = i32[pageHeader(mmu, page) + (SP_ROLE >> 2)];
    if (detectWriteMisaligned(role, offset, size) || detectWriteFlooding(mmu, page)) {
      if (prepareZapPage(mmu, page, INVALID_LIST) !== 0) zapped = true;
      mmu.f64[mmu.cFlooded] += 1;
      continue;
    }
    const first = writtenSpte(mmu, page, role, offset);
    if (first === 0) continue;
    localFlush = true;
    const level = roleLevel(role);
    const count = (role & ROLE_CR4_PAE) === 0 && level === PT32_ROOT_LEVEL ? 2 : 1;
    for (let sptep = first; sptep < first + 8 * count; sptep += 8) {
      const oldLo = i32[sptep >> 2];
      const oldHi = i32[(sptep >> 2) + 1];
      mmuPageZapPte(mmu, sptep, level);
      // Since 5.10 nothing is made of the new entry at once, and its format is not asked for.
      if ((gpteLo | gpteHi) !== 0 && mmu.era === ERA_V6_8) {
        if (level !== PT_PAGE_TABLE_LEVEL) mmu.f64[mmu.cPdeZapped] += 1;
      } else if ((gpteLo | gpteHi) !== 0 && ((role ^ base) & SAME_FORMAT) === 0) {
        if (level !== PT_PAGE_TABLE_LEVEL) {
          mmu.f64[mmu.cPdeZapped] += 1;
        } else {
          mmu.f64[mmu.cPteUpdated] += 1;
          updatePte(mmu, r, vcpuId, sptep, gpteLo, gpteHi);
        }
      }
      if (needRemoteFlush(mmu, oldLo, oldHi, i32[sptep >> 2], i32[(sptep >> 2) + 1])) remoteFlush = true;
    }
  }
  if (!zapped) {
    if (remoteFlush) flushRemoteTlbs(mmu);
    else if (localFlush) mmuFlushTlb(mmu, vcpuId);
  }
  commitZapPage(mmu, INVALID_LIST);
  mmuUnlock(mmu);
}

/** kvm_mmu_unprotect_page: lets go of the shadows of a guest table, so that it can be written. True when there were any. */
export function mmuUnprotectPage(mmu: Mmu, gfn: number): boolean {
  let found = false;
  mmuLock(mmu);
  for (let page = firstIndirectPage(mmu, gfn); page !== NO_PAGE; page = nextIndirectPage(mmu, page, gfn)) {
    found = true;
    prepareZapPage(mmu, page, INVALID_LIST);
  }
  commitZapPage(mmu, INVALID_LIST);
  mmuUnlock(mmu);
  return found;
}
