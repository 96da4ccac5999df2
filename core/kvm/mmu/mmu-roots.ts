/**
 * Roots of a vCPU's tables (arch/x86/kvm/mmu.c of v3.11: init_kvm_mmu, mmu_alloc_direct_roots, mmu_alloc_shadow_roots,
 * mmu_free_roots, kvm_mmu_load). EPT and NPT have one root of four levels. Under the shadow MMU a guest with 4-level paging
 * has one of four as well; any other runs on PAE tables, on a 64-bit host too: up to four page directories below pae_root.
 */
import { SP_ROLE, SP_ROOT_COUNT } from '../../arena/mmu-layout.ts';
import {
  VCPU_BYTES,
  VCPU_CR0,
  VCPU_CR3,
  VCPU_CR4,
  VCPU_EFER,
  VCPU_PDPTE,
  VCPU_ROOT_HPA,
  VCPU_ROOT_LEVELS,
  VCPU_ROOT_PAGE,
} from '../../arena/vcpu-layout.ts';
import {
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  CR4_PSE,
  CR4_SMEP,
  EFER_LMA,
  EFER_NX,
  gpteToGfn,
  guestRootLevel,
} from '../shadow/guest-paging.ts';
import { updateControlIntercepts } from '../exits/control-intercepts.ts';
import { isVisibleGfn } from '../memslots/memslots.ts';
import {
  MMU_SHADOW,
  mmuLock,
  mmuUnlock,
  PT32_ROOT_LEVEL,
  PT32E_ROOT_LEVEL,
  PT64_ROOT_LEVEL,
  PT_PRESENT_MASK,
  type Mmu,
} from './mmu.ts';
import { VCPU_BASE_ROLE, VCPU_MMU_CONTEXT, VCPU_PAE_ROOT, VCPU_ROOT_VALID } from './mmu-words.ts';
import { KVM_REQ_TRIPLE_FAULT, makeRequest } from '../vcpu/requests.ts';
import { getPage } from './shadow-page.ts';
import { NO_PAGE, pageHeader, pageHpa, pageOfHpa } from './shadow-page-pool.ts';
import {
  ROLE_CR0_WP,
  ROLE_CR4_PAE,
  ROLE_INVALID,
  ROLE_NXE,
  ROLE_SMAP_ANDNOT_WP,
  ROLE_SMEP_ANDNOT_WP,
} from './shadow-page-role.ts';
import { commitZapPage, INVALID_LIST, makePagesAvailable, prepareZapPage } from './shadow-page-zap.ts';
import { mmuSyncRoots } from '../shadow/shadow-sync.ts';
import { ACC_ALL } from '../spte/access-bits.ts';

const CR4_PGE = 1 << 7;
const CR4_SMAP = 1 << 21;

/** vcpu->arch.mmu.base_role: all zero with two-dimensional paging; under the shadow MMU what the guest's registers say. */
export function baseRole(mmu: Mmu, r: Int32Array): number {
  if (mmu.mode !== MMU_SHADOW) return 0;
  const wp = (r[VCPU_CR0] & CR0_WP) !== 0;
  return (
    ((r[VCPU_EFER] & EFER_NX) !== 0 ? ROLE_NXE : 0) |
    ((r[VCPU_CR4] & CR4_PAE) !== 0 ? ROLE_CR4_PAE : 0) |
    (wp ? ROLE_CR0_WP : 0) |
    (!wp && (r[VCPU_CR4] & CR4_SMEP) !== 0 ? ROLE_SMEP_ANDNOT_WP : 0) |
    (!wp && (r[VCPU_CR4] & CR4_SMAP) !== 0 ? ROLE_SMAP_ANDNOT_WP : 0)
  );
}

/**
 * All of the registers that kvm_set_cr0, kvm_set_cr4 and set_efer call kvm_mmu_reset_context for, in one word (their bits do
 * not meet): while it is the same, so are the paging mode, the role of new pages and what a walk permits.
 */
export const mmuContext = (r: Int32Array): number =>
  (r[VCPU_CR0] & (CR0_PG | CR0_WP)) |
  (r[VCPU_CR4] & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP)) |
  (r[VCPU_EFER] & (EFER_LMA | EFER_NX));

function takeRoot(mmu: Mmu, vcpuId: number, gfn: number, gaddr: number, level: number, direct: boolean): number {
  mmuLock(mmu);
  makePagesAvailable(mmu);
  const page = getPage(mmu, vcpuId, gfn, gaddr, level, direct, ACC_ALL, 0);
  mmu.i32[pageHeader(mmu, page) + (SP_ROOT_COUNT >> 2)] += 1;
  mmuUnlock(mmu);
  return page;
}

/** Gives a root back; one that was zapped while in use goes now. */
function dropRoot(mmu: Mmu, page: number): void {
  const header = pageHeader(mmu, page);
  mmu.i32[header + (SP_ROOT_COUNT >> 2)] -= 1;
  const unused = mmu.i32[header + (SP_ROOT_COUNT >> 2)] === 0;
  if (unused && (mmu.i32[header + (SP_ROLE >> 2)] & ROLE_INVALID) !== 0) prepareZapPage(mmu, page, INVALID_LIST);
}

function dropPaeRoots(mmu: Mmu, r: Int32Array): void {
  for (let i = 0; i < 4; i++) {
    const entry = r[VCPU_PAE_ROOT + 2 * i];
    if (entry !== 0) dropRoot(mmu, pageOfHpa(mmu, entry & ~0xfff));
    r[VCPU_PAE_ROOT + 2 * i] = 0;
    r[VCPU_PAE_ROOT + 2 * i + 1] = 0;
  }
}

/** kvm_mmu_unload, and what paging_new_cr3 and kvm_mmu_reset_context do with the roots. */
export function mmuUnload(mmu: Mmu, r: Int32Array): void {
  if (r[VCPU_ROOT_VALID] === 0) return;
  mmuLock(mmu);
  if (r[VCPU_ROOT_LEVELS] === PT64_ROOT_LEVEL) dropRoot(mmu, r[VCPU_ROOT_PAGE]);
  else dropPaeRoots(mmu, r);
  commitZapPage(mmu, INVALID_LIST);
  mmuUnlock(mmu);
  r[VCPU_ROOT_VALID] = 0;
  r[VCPU_ROOT_PAGE] = NO_PAGE;
  r[VCPU_ROOT_HPA] = 0;
}

/** The roots of PAE tables. False: a page directory of the guest's lies outside memory. */
function takePaeRoots(mmu: Mmu, r: Int32Array, vcpuId: number, rootLevel: number): boolean {
  // mmu_check_root looks at the page of the PDPTEs, too, though they are in registers.
  if (rootLevel !== 0 && !isVisibleGfn(mmu.arena, r[VCPU_CR3] >>> 12)) return false;
  for (let i = 0; i < 4; i++) {
    let gfn = rootLevel === 0 ? i << 18 : r[VCPU_CR3] >>> 12;
    if (rootLevel === PT32E_ROOT_LEVEL) {
      const pdpte = VCPU_PDPTE + 2 * i;
      if ((r[pdpte] & PT_PRESENT_MASK) === 0) continue;
      gfn = gpteToGfn(r, r[pdpte], r[pdpte + 1], 1);
    }
    if (rootLevel !== 0 && !isVisibleGfn(mmu.arena, gfn)) return false;
    const page = takeRoot(mmu, vcpuId, gfn, i << 30, PT32_ROOT_LEVEL, rootLevel === 0);
    r[VCPU_PAE_ROOT + 2 * i] = pageHpa(mmu, page) | PT_PRESENT_MASK;
    if (r[VCPU_ROOT_PAGE] === NO_PAGE) r[VCPU_ROOT_PAGE] = page;
  }
  return true;
}

/**
 * kvm_mmu_load: builds roots, points the control block at them and syncs what lies below. The caller flushes the hardware's
 * TLB (set_cr3 does). False when the guest's root is in no memory (mmu_check_root): the request for its end is made.
 */
export function mmuLoad(mmu: Mmu, r: Int32Array, vcpuId: number): boolean {
  const shadow = mmu.mode === MMU_SHADOW;
  const rootLevel = shadow ? guestRootLevel(r) : 0;
  updateControlIntercepts(mmu, r);
  r[VCPU_BASE_ROLE] = baseRole(mmu, r);
  r[VCPU_MMU_CONTEXT] = shadow ? mmuContext(r) : 0;
  r[VCPU_ROOT_HPA + 1] = 0;
  r[VCPU_ROOT_PAGE] = NO_PAGE;
  if (!shadow || rootLevel === PT64_ROOT_LEVEL) {
    const gfn = shadow ? (r[VCPU_CR3] >>> 12) + (r[VCPU_CR3 + 1] & 0xf_ffff) * 0x10_0000 : 0;
    if (shadow && !isVisibleGfn(mmu.arena, gfn)) {
      makeRequest(mmu, vcpuId, KVM_REQ_TRIPLE_FAULT);
      return false;
    }
    const page = takeRoot(mmu, vcpuId, gfn, 0, PT64_ROOT_LEVEL, !shadow);
    r[VCPU_ROOT_PAGE] = page;
    r[VCPU_ROOT_HPA] = pageHpa(mmu, page);
    r[VCPU_ROOT_LEVELS] = PT64_ROOT_LEVEL;
  } else {
    r[VCPU_ROOT_LEVELS] = PT32E_ROOT_LEVEL;
    if (!takePaeRoots(mmu, r, vcpuId, rootLevel)) {
      mmuLock(mmu);
      dropPaeRoots(mmu, r);
      commitZapPage(mmu, INVALID_LIST);
      mmuUnlock(mmu);
      makeRequest(mmu, vcpuId, KVM_REQ_TRIPLE_FAULT);
      return false;
    }
    r[VCPU_ROOT_HPA] = mmu.arena.layout.vcpus + vcpuId * VCPU_BYTES + VCPU_PAE_ROOT * 4;
  }
  r[VCPU_ROOT_VALID] = 1;
  if (rootLevel !== 0) mmuSyncRoots(mmu, r, vcpuId);
  return true;
}

/** kvm_mmu_reset_context, where the registers call for it: the next entry loads roots for the mode that is in force then. */
export function mmuFollowRegisters(mmu: Mmu, r: Int32Array): void {
  if (r[VCPU_ROOT_VALID] !== 0 && r[VCPU_MMU_CONTEXT] !== mmuContext(r)) mmuUnload(mmu, r);
}
