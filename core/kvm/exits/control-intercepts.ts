/**
 * What KVM has the processor stop at: accesses to control registers and exceptions (vmx_vcpu_setup, set_cr4_guest_host_mask,
 * ept_update_paging_mode_cr0 and update_exception_bitmap of arch/x86/kvm/vmx.c; init_vmcb and update_cr0_intercept of svm.c,
 * v3.11).
 *
 * The guest owns CR0.TS all the time: it is the host's only while the host has the FPU, and there is none here.
 */
import {
  CR_INTERCEPT_SELECTIVE_CR0,
  VCPU_CR0,
  VCPU_CR0_GUEST_HOST_MASK,
  VCPU_CR4_GUEST_HOST_MASK,
  VCPU_CR_INTERCEPTS,
  VCPU_EXCEPTION_BITMAP,
} from '../../arena/vcpu-layout.ts';
import { VECTOR_UD } from '../../x86/index.ts';
import { isPaging } from '../shadow/guest-paging.ts';
import { MMU_EPT, MMU_NPT, type Mmu } from '../mmu/mmu.ts';

const CR0_TS = 0x8;
const CR0_CD_NW = 0x6000_0000;
/** KVM_CR4_GUEST_OWNED_BITS: PVI, DE, PCE, OSFXSR, OSXMMEXCPT. With EPT, PGE as well. */
const CR4_GUEST_OWNED = 0x2 | 0x8 | 0x100 | 0x200 | 0x400;
const CR4_PGE = 0x80;

const READ_CR0 = 1 << 0;
const READ_CR3 = 1 << 3;
const READ_CR4 = 1 << 4;
const READ_CR8 = 1 << 8;
const WRITE_CR0 = 1 << 16;
const WRITE_CR3 = 1 << 19;
const WRITE_CR4 = 1 << 20;
const WRITE_CR8 = 1 << 24;

/** SVM: all of CR4; of CR0 what is more than TS and MP, and everything while the guest has caching off, which KVM does not let it. */
function svmIntercepts(r: Int32Array): number {
  const shadowed = (r[VCPU_CR0] & CR0_CD_NW) !== 0;
  return READ_CR4 | WRITE_CR4 | WRITE_CR8 | CR_INTERCEPT_SELECTIVE_CR0 | (shadowed ? READ_CR0 | WRITE_CR0 : 0);
}

/** To be called whenever the guest's CR0 may have changed. The local APIC, which would take CR8 off KVM's hands, is user space's. */
export function updateControlIntercepts(mmu: Mmu, r: Int32Array): void {
  r[VCPU_EXCEPTION_BITMAP] = 1 << VECTOR_UD;
  if (mmu.mode === MMU_NPT) {
    r[VCPU_CR0_GUEST_HOST_MASK] = 0;
    r[VCPU_CR4_GUEST_HOST_MASK] = 0;
    r[VCPU_CR_INTERCEPTS] = svmIntercepts(r);
    return;
  }
  const ept = mmu.mode === MMU_EPT;
  r[VCPU_CR0_GUEST_HOST_MASK] = ~CR0_TS;
  r[VCPU_CR4_GUEST_HOST_MASK] = ~(CR4_GUEST_OWNED | (ept ? CR4_PGE : 0));
  // With EPT the guest's CR3 is KVM's business only while it is none: the processor runs on an identity map then.
  const cr3 = ept && isPaging(r) ? 0 : READ_CR3 | WRITE_CR3;
  r[VCPU_CR_INTERCEPTS] = cr3 | READ_CR8 | WRITE_CR8;
}
