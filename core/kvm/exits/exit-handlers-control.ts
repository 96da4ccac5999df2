/**
 * Accesses to control registers (handle_cr of arch/x86/kvm/vmx.c, cr_interception of svm.c; kvm_set_cr0, kvm_set_cr3, kvm_set_cr4,
 * kvm_set_cr8 and kvm_lmsw of x86.c, v3.11). The instruction is executed on the guest's behalf, then the MMU follows.
 */
import {
  VCPU_CR0,
  VCPU_CR3,
  VCPU_CR8,
  VCPU_EXIT_QUALIFICATION,
  VCPU_F_INSNS,
  VCPU_GPR,
  VCPU_PDPTE,
} from '../../arena/vcpu-layout.ts';
import { VECTOR_GP } from '../../x86/index.ts';
import { ERA_PATCH, ERA_V3_10, ERA_V3_11, ERA_V6_8 } from '../eras.ts';
import { gfnToMemslot, NO_SLOT } from '../memslots/memslots.ts';
import { MMU_NPT, MMU_SHADOW } from '../mmu/mmu.ts';
import { mmuContext, mmuFollowRegisters, mmuUnload } from '../mmu/mmu-roots.ts';
import { isLongMode, isPae, isPaging } from '../shadow/guest-paging.ts';
import { mmuSyncRoots } from '../shadow/shadow-sync.ts';
import { traceKvmCr, traceKvmUserspaceExit } from '../trace/trace-events.ts';
import { mmuFlushTlb } from '../vcpu/requests.ts';
import type { VcpuContext } from '../vcpu/vcpu-context.ts';
import { KVM_EXIT_SET_TPR } from '../vcpu/vcpu-exit-reasons.ts';
import { updateControlIntercepts } from './control-intercepts.ts';
import { queueException } from './exception-queue.ts';
import { namesRegister } from './exit-info.ts';
import { emulateInstruction, executeForGuest, RESUME_GUEST } from './exit-handlers-emulate.ts';

/** Kinds of access, bits 4–5 of the qualification. */
const MOV_TO = 0;
const MOV_FROM = 1;
const LMSW = 3;

const PDPTE_WORDS = 8;

/** CR3_L_MODE_RESERVED_BITS (low half and from bit 40 on) and CR3_PAE_RESERVED_BITS, which has PCD by mistake; until 3.15. */
const CR3_LONG_RESERVED = 0xfe7;
const CR3_LONG_RESERVED_HIGH = ~0xff;
const CR3_PAE_RESERVED = 0x17;

/** What kvm_set_cr3 refuses with #GP(0) and the processor would not: bits that were thought reserved, a root in no memory. */
function refusesCr3(vcpu: VcpuContext, lo: number, hi: number): boolean {
  const { mmu, r } = vcpu;
  const { era } = mmu;
  if (era !== ERA_V3_10 && era !== ERA_PATCH && era !== ERA_V3_11) return false;
  if (isLongMode(r)) {
    if ((lo & CR3_LONG_RESERVED) !== 0 || (hi & CR3_LONG_RESERVED_HIGH) !== 0) return true;
  } else if (isPae(r) && (lo & CR3_PAE_RESERVED) !== 0) return true;
  return gfnToMemslot(mmu.arena, (lo >>> 12) + (hi >>> 0) * 0x10_0000) === NO_SLOT;
}

/** After kvm_set_cr3 has stored the value. */
function cr3Written(vcpu: VcpuContext, same: boolean): void {
  const { mmu, r, id } = vcpu;
  if (same) {
    mmuSyncRoots(mmu, r, id);
    mmuFlushTlb(mmu, id);
  } else if (mmu.mode === MMU_SHADOW && isPaging(r)) {
    // paging_new_cr3; direct maps have nonpaging_new_cr3, which does nothing.
    mmuUnload(mmu, r);
  }
}

/** MOV to CR3, with the registers as they were before to tell whether anything changed (pdptrs_changed). */
function moveToCr3(vcpu: VcpuContext, lo: number, hi: number): number {
  const { r, f } = vcpu;
  const unchanged = lo === r[VCPU_CR3] && hi === r[VCPU_CR3 + 1];
  if (!unchanged && refusesCr3(vcpu, lo, hi)) {
    queueException(vcpu, VECTOR_GP);
    return RESUME_GUEST;
  }
  const pdptes = r.slice(VCPU_PDPTE, VCPU_PDPTE + PDPTE_WORDS);
  const retired = f[VCPU_F_INSNS];
  const result = executeForGuest(vcpu);
  if (result === RESUME_GUEST && f[VCPU_F_INSNS] !== retired) {
    cr3Written(vcpu, unchanged && pdptes.every((word, i) => word === r[VCPU_PDPTE + i]));
  }
  return result;
}

/** SVM hands what the processor's decode assists do not name to the emulator: CLTS, LMSW, SMSW, and every selective exit. */
const needsEmulator = (vcpu: VcpuContext, kind: number): boolean =>
  vcpu.mmu.mode === MMU_NPT && (kind > MOV_FROM || !namesRegister(vcpu.r));

/** kvm_set_cr8: user space keeps the local APIC, and hears of a task priority that falls. */
function cr8Written(vcpu: VcpuContext, before: number): void {
  if (before > vcpu.r[VCPU_CR8]) traceKvmUserspaceExit(vcpu.mmu.arena, vcpu.id, KVM_EXIT_SET_TPR, 0);
}

/** handle_cr and cr_interception. */
export function handleCrAccess(vcpu: VcpuContext): number {
  const { r, f, mmu, id } = vcpu;
  const qualification = r[VCPU_EXIT_QUALIFICATION];
  const register = qualification & 0xf;
  const kind = (qualification >> 4) & 3;
  const general = VCPU_GPR + 2 * ((qualification >> 8) & 0xf);
  const emulated = needsEmulator(vcpu, kind);
  // svm.c has had these events since 5.10.
  const traced = mmu.mode !== MMU_NPT || (mmu.era === ERA_V6_8 && !emulated);
  const context = mmuContext(r);
  const retired = f[VCPU_F_INSNS];
  const cr8 = r[VCPU_CR8];
  if (traced && kind === MOV_TO) traceKvmCr(mmu.arena, id, true, register, r[general], r[general + 1]);
  if (traced && kind === LMSW) {
    traceKvmCr(mmu.arena, id, true, 0, (r[VCPU_CR0] & ~0xf) | ((qualification >>> 16) & 0xf), 0);
  }
  let result: number;
  if (kind === MOV_TO && register === 3) result = moveToCr3(vcpu, r[general], r[general + 1]);
  else result = emulated ? emulateInstruction(vcpu) : executeForGuest(vcpu);
  if (result !== RESUME_GUEST || f[VCPU_F_INSNS] === retired) return result;
  if (traced && kind === MOV_FROM) traceKvmCr(mmu.arena, id, false, register, r[general], r[general + 1]);
  if (register === 8 && kind === MOV_TO) cr8Written(vcpu, cr8);
  updateControlIntercepts(mmu, r);
  // kvm_mmu_reset_context, with two-dimensional paging too.
  if (mmu.mode === MMU_SHADOW) mmuFollowRegisters(mmu, r);
  else if (mmuContext(r) !== context) mmuUnload(mmu, r);
  return result;
}
