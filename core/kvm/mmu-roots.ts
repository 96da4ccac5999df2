/**
 * Roots of a vCPU's tables (arch/x86/kvm/mmu.c of v3.11: init_kvm_mmu, mmu_alloc_direct_roots, mmu_free_roots,
 * kvm_mmu_load). EPT and NPT have one root of four levels. A guest without paging under the shadow MMU runs on PAE tables,
 * on a 64-bit host too (nonpaging_init_context): four page directories below pae_root.
 */
import { SP_ROLE, SP_ROOT_COUNT } from '../arena/mmu-layout.ts';
import {
  VCPU_BYTES,
  VCPU_CR0,
  VCPU_CR4,
  VCPU_EFER,
  VCPU_ROOT_HPA,
  VCPU_ROOT_LEVELS,
  VCPU_ROOT_PAGE,
} from '../arena/vcpu-layout.ts';
import { MMU_SHADOW, mmuLock, mmuUnlock, PT32E_ROOT_LEVEL, PT64_ROOT_LEVEL, PT_PRESENT_MASK, type Mmu } from './mmu.ts';
import { VCPU_BASE_ROLE, VCPU_PAE_ROOT, VCPU_ROOT_VALID } from './mmu-words.ts';
import { getDirectPage } from './shadow-page.ts';
import { NO_PAGE, pageHeader, pageHpa, pageOfHpa } from './shadow-page-pool.ts';
import { ROLE_CR0_WP, ROLE_CR4_PAE, ROLE_INVALID, ROLE_NXE, ROLE_SMEP_ANDNOT_WP } from './shadow-page-role.ts';
import { commitZapPage, INVALID_LIST, makePagesAvailable, prepareZapPage } from './shadow-page-zap.ts';
import { ACC_ALL } from './spte-mmio.ts';

const CR0_WP = 1 << 16;
const CR4_PAE = 1 << 5;
const CR4_SMEP = 1 << 20;
const EFER_NX = 1 << 11;

/** vcpu->arch.mmu.base_role: all zero with two-dimensional paging; under the shadow MMU what the guest's registers say. */
export function baseRole(mmu: Mmu, r: Int32Array): number {
  if (mmu.mode !== MMU_SHADOW) return 0;
  const wp = (r[VCPU_CR0] & CR0_WP) !== 0;
  return (
    ((r[VCPU_EFER] & EFER_NX) !== 0 ? ROLE_NXE : 0) |
    ((r[VCPU_CR4] & CR4_PAE) !== 0 ? ROLE_CR4_PAE : 0) |
    (wp ? ROLE_CR0_WP : 0) |
    (!wp && (r[VCPU_CR4] & CR4_SMEP) !== 0 ? ROLE_SMEP_ANDNOT_WP : 0)
  );
}

function takeRoot(mmu: Mmu, vcpuId: number, gfn: number, level: number): number {
  mmuLock(mmu);
  makePagesAvailable(mmu);
  const page = getDirectPage(mmu, vcpuId, gfn, level, ACC_ALL, 0);
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

/** kvm_mmu_unload. */
export function mmuUnload(mmu: Mmu, r: Int32Array): void {
  if (r[VCPU_ROOT_VALID] === 0) return;
  mmuLock(mmu);
  if (mmu.rootLevel === PT64_ROOT_LEVEL) {
    dropRoot(mmu, r[VCPU_ROOT_PAGE]);
  } else {
    for (let i = 0; i < 4; i++) {
      const entry = r[VCPU_PAE_ROOT + 2 * i];
      if (entry !== 0) dropRoot(mmu, pageOfHpa(mmu, entry & ~0xfff));
      r[VCPU_PAE_ROOT + 2 * i] = 0;
      r[VCPU_PAE_ROOT + 2 * i + 1] = 0;
    }
  }
  commitZapPage(mmu, INVALID_LIST);
  mmuUnlock(mmu);
  r[VCPU_ROOT_VALID] = 0;
  r[VCPU_ROOT_PAGE] = NO_PAGE;
  r[VCPU_ROOT_HPA] = 0;
}

/** kvm_mmu_load: builds roots and points the control block at them. The caller flushes the hardware's TLB (set_cr3 does). */
export function mmuLoad(mmu: Mmu, r: Int32Array, vcpuId: number): void {
  r[VCPU_BASE_ROLE] = baseRole(mmu, r);
  if (mmu.rootLevel === PT64_ROOT_LEVEL) {
    const page = takeRoot(mmu, vcpuId, 0, PT64_ROOT_LEVEL);
    r[VCPU_ROOT_PAGE] = page;
    r[VCPU_ROOT_HPA] = pageHpa(mmu, page);
  } else {
    for (let i = 0; i < 4; i++) {
      const page = takeRoot(mmu, vcpuId, i << 18, 2);
      r[VCPU_PAE_ROOT + 2 * i] = pageHpa(mmu, page) | PT_PRESENT_MASK;
      r[VCPU_PAE_ROOT + 2 * i + 1] = 0;
      if (i === 0) r[VCPU_ROOT_PAGE] = page;
    }
    r[VCPU_ROOT_HPA] = mmu.arena.layout.vcpus + vcpuId * VCPU_BYTES + VCPU_PAE_ROOT * 4;
  }
  r[VCPU_ROOT_HPA + 1] = 0;
  r[VCPU_ROOT_LEVELS] = mmu.rootLevel === PT32E_ROOT_LEVEL ? 3 : 4;
  r[VCPU_ROOT_VALID] = 1;
}
