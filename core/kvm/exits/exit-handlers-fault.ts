/**
 * Exits that are memory faults: EPT violation and misconfiguration (handle_ept_violation and handle_ept_misconfig of
 * arch/x86/kvm/vmx.c), nested page faults (pf_interception of svm.c) and #PF under the shadow MMU (handle_exception), with
 * kvm_mmu_page_fault that most of them go through (mmu.c). All of v3.11.
 */
import { VCPU_EXIT_GPA, VCPU_EXIT_GVA, VCPU_EXIT_QUALIFICATION, VCPU_SKIP_MMIO_STOP } from '../../arena/vcpu-layout.ts';
import { MMIO_FIRST } from '../../base/mmio-outcomes.ts';
import { EXIT_EPT_MISCONFIG, EXIT_EPT_VIOLATION, EXIT_EXCEPTION_NMI, EXIT_NPF, lastAccess } from '../../x86/index.ts';
import { ERA_V6_8 } from '../eras.ts';
import { directPageFault, FAULT_RESUME } from '../mmu/direct-map.ts';
import { badPage, emulateInstruction, RESUME_GUEST, runFailed } from './exit-handlers-emulate.ts';
import {
  handleMmioPageFaultCommon,
  RET_MMIO_PF_BUG,
  RET_MMIO_PF_EMULATE,
  RET_MMIO_PF_INVALID,
  RET_MMIO_PF_RETRY,
  visibleSpteGeneration,
} from '../mmio/mmio-fault.ts';
import { gfnToPfn, KVM_PFN_NOSLOT } from '../memslots/memslots.ts';
import { vcpuMatchMmioGpa } from '../mmio/mmio-cache.ts';
import { gfnOf, predictMmioFault } from '../mmio/mmio-predict.ts';
import {
  PFERR_FETCH_MASK,
  PFERR_PRESENT_MASK,
  PFERR_RSVD_MASK,
  PFERR_USER_MASK,
  PFERR_WRITE_MASK,
} from '../mmu/mmu-fault-error.ts';
import { lastSptep } from '../mmu/mmu-walk.ts';
import { isPaging } from '../shadow/guest-paging.ts';
import { mmioBugText } from '../probe/probe-hierarchy.ts';
import { retryInstruction } from './retry-instruction.ts';
import { reservedHierarchyText } from '../spte/spte-reserved.ts';
import { predictShadowMmioFault } from '../mmio/shadow-mmio-predict.ts';
import { traceKvmPageFault } from '../trace/trace-events.ts';
import type { VcpuContext } from '../vcpu/vcpu-context.ts';

const READ = 0;
const WRITE = 1;
const FETCH = 2;

const accessOf = (errorCode: number): number =>
  (errorCode & PFERR_WRITE_MASK) !== 0 ? WRITE : (errorCode & PFERR_FETCH_MASK) !== 0 ? FETCH : READ;

/**
 * Asks the debugger whether to stop in front of an exit, if it is a memory fault and somebody wants to know. Nothing of the
 * exit has been counted, traced or handled, and nothing is by asking: should the vCPU stop, the fault is taken again.
 */
export function stopsBeforeFault(vcpu: VcpuContext, exit: number): boolean {
  const { r, fault, mmu } = vcpu;
  if (r[VCPU_SKIP_MMIO_STOP] !== 0) return false;
  const qualification = r[VCPU_EXIT_QUALIFICATION];
  let reserved = exit === EXIT_EPT_MISCONFIG;
  let access = accessOf(lastAccess(vcpu.cpu));
  if (exit === EXIT_NPF || exit === EXIT_EXCEPTION_NMI) {
    reserved = (qualification & PFERR_RSVD_MASK) !== 0;
    access = accessOf(qualification);
  } else if (exit === EXIT_EPT_VIOLATION) {
    access = (qualification & 2) !== 0 ? WRITE : (qualification & 4) !== 0 ? FETCH : READ;
  } else if (!reserved) return false;
  fault.gvaLo = r[VCPU_EXIT_GVA];
  fault.gvaHi = r[VCPU_EXIT_GVA + 1];
  fault.gpaLo = r[VCPU_EXIT_GPA];
  fault.gpaHi = r[VCPU_EXIT_GPA + 1];
  fault.access = access;
  const mmio =
    exit === EXIT_EXCEPTION_NMI && isPaging(r)
      ? predictShadowMmioFault(mmu, r, fault, reserved, vcpu.emulator)
      : predictMmioFault(mmu, r, fault, reserved);
  return mmio && vcpu.hooks.onMmioFault(fault);
}

/** A gfn without slot that is met by an ordinary violation: noted as FIRST, with the entry that stands there (usually none). */
function openFirst(
  vcpu: VcpuContext,
  gvaLo: number,
  gvaHi: number,
  gpaLo: number,
  gpaHi: number,
  access: number,
): void {
  const { mmu, r, record } = vcpu;
  if (gfnToPfn(mmu.arena, gfnOf(gpaLo, gpaHi), access === WRITE) !== KVM_PFN_NOSLOT) return;
  vcpu.openRecord(gvaLo, gvaHi, gpaLo, gpaHi, access);
  record.outcome = MMIO_FIRST;
  const sptep = lastSptep(mmu, r, gpaLo, gpaHi);
  if (sptep === 0) return;
  const lo = mmu.i32[sptep >> 2];
  const hi = mmu.i32[(sptep >> 2) + 1];
  record.noteSpte(lo, hi, visibleSpteGeneration(mmu, lo, hi));
}

function bug(vcpu: VcpuContext, gpaLo: number, gpaHi: number, ept: boolean): number {
  const { mmu, r } = vcpu;
  const reserved = mmu.era === ERA_V6_8 ? reservedHierarchyText(mmu, r, gpaLo, gpaHi) : undefined;
  const text = reserved ?? mmioBugText(mmu, r, gpaLo, gpaHi, ept);
  mmu.log('error', text);
  if (reserved !== undefined) return runFailed(vcpu, -22, `KVM_RUN failed with EINVAL\n${text}`);
  // handle_ept_misconfig answers KVM_EXIT_UNKNOWN; kvm_mmu_page_fault hands RET_MMIO_PF_BUG up as it is, and −1 is EPERM.
  return runFailed(vcpu, ept ? 0 : -1, text);
}

/**
 * kvm_mmu_page_fault: the mode's page fault handler, then emulation when it asks for it. Under a guest without paging gva and
 * gpa are the same, so one address serves all modes.
 */
function mmuPageFault(vcpu: VcpuContext, gpaLo: number, gpaHi: number, errorCode: number): number {
  const { mmu, r } = vcpu;
  let answer: number = RET_MMIO_PF_INVALID;
  if ((errorCode & PFERR_RSVD_MASK) !== 0) {
    answer = handleMmioPageFaultCommon(mmu, r, vcpu.id, gpaLo, gpaHi, true, vcpu.record);
    if (answer === RET_MMIO_PF_BUG) return bug(vcpu, gpaLo, gpaHi, false);
  }
  // A stale entry is an ordinary fault: the slow path makes whatever belongs there now.
  if (answer === RET_MMIO_PF_INVALID) answer = directPageFault(mmu, r, vcpu.id, gpaLo, gpaHi, errorCode);
  if (answer < 0) return badPage(vcpu, gfnOf(gpaLo, gpaHi));
  if (answer === FAULT_RESUME) return RESUME_GUEST;
  // EMULTYPE_RETRY, unless is_mmio_page_fault: a write to a read-only slot.
  if (!vcpuMatchMmioGpa(mmu, r, gpaLo, gpaHi) && retryInstruction(vcpu, gpaLo, gpaHi)) return RESUME_GUEST;
  const result = emulateInstruction(vcpu);
  // EMULATE_DO_MMIO.
  if (vcpu.emulator.mmioNeeded) vcpu.count(vcpu.cMmioExits);
  return result;
}

function finish(vcpu: VcpuContext, result: number): number {
  if (vcpu.record.open) vcpu.record.commit();
  return result;
}

/** Of the access only "write" is kept, of the rights only "readable": v3.11 knows no more. */
const eptErrorCode = (qualification: number): number =>
  (qualification & PFERR_WRITE_MASK) | ((qualification >> 3) & PFERR_PRESENT_MASK);

/** v6.8: a read is said as U, a fetch as F, and an entry is present that allows anything (vmx_handle_ept_violation). */
const eptErrorCodeV68 = (qualification: number): number =>
  ((qualification & 1) !== 0 ? PFERR_USER_MASK : 0) |
  (qualification & PFERR_WRITE_MASK) |
  ((qualification & 4) !== 0 ? PFERR_FETCH_MASK : 0) |
  ((qualification & 0x38) !== 0 ? PFERR_PRESENT_MASK : 0);

export function handleEptViolation(vcpu: VcpuContext): number {
  const { r, mmu } = vcpu;
  const qualification = r[VCPU_EXIT_QUALIFICATION];
  const gpaLo = r[VCPU_EXIT_GPA];
  const gpaHi = r[VCPU_EXIT_GPA + 1];
  const gvaLo = r[VCPU_EXIT_GVA];
  const gvaHi = r[VCPU_EXIT_GVA + 1];
  // "Final translation" without a valid linear address cannot be.
  if (((qualification >> 7) & 3) === 2) {
    // KVM_EXIT_UNKNOWN.
    return runFailed(vcpu, 0, `EPT: Handling EPT violation failed! qualification 0x${qualification.toString(16)}`);
  }
  const access = (qualification & 2) !== 0 ? WRITE : (qualification & 4) !== 0 ? FETCH : READ;
  traceKvmPageFault(mmu.arena, vcpu.id, gpaLo, gpaHi, qualification);
  const errorCode = mmu.era === ERA_V6_8 ? eptErrorCodeV68(qualification) : eptErrorCode(qualification);
  openFirst(vcpu, gvaLo, gvaHi, gpaLo, gpaHi, access);
  return finish(vcpu, mmuPageFault(vcpu, gpaLo, gpaHi, errorCode));
}

export function handleEptMisconfig(vcpu: VcpuContext): number {
  const { r, mmu } = vcpu;
  const gpaLo = r[VCPU_EXIT_GPA];
  const gpaHi = r[VCPU_EXIT_GPA + 1];
  const gvaLo = r[VCPU_EXIT_GVA];
  const gvaHi = r[VCPU_EXIT_GVA + 1];
  const access = accessOf(lastAccess(vcpu.cpu));
  vcpu.openRecord(gvaLo, gvaHi, gpaLo, gpaHi, access);
  const answer = handleMmioPageFaultCommon(mmu, r, vcpu.id, gpaLo, gpaHi, true, vcpu.record);
  // Emulated here directly, so mmio_exits is not counted: v3.11 does not either.
  if (answer === RET_MMIO_PF_EMULATE) {
    const result = emulateInstruction(vcpu);
    // v6.8 goes through kvm_mmu_page_fault, which counts.
    if (mmu.era === ERA_V6_8 && vcpu.emulator.mmioNeeded) vcpu.count(vcpu.cMmioExits);
    return finish(vcpu, result);
  }
  // Error code 0: a stale write begins with a fault as if it had read.
  // (v6.8: PFERR_RSVD, which asks for no other right and is not looked at again.)
  if (answer === RET_MMIO_PF_INVALID) return finish(vcpu, mmuPageFault(vcpu, gpaLo, gpaHi, 0));
  if (answer === RET_MMIO_PF_RETRY) return finish(vcpu, RESUME_GUEST);
  return finish(vcpu, bug(vcpu, gpaLo, gpaHi, true));
}

/** A fault with an error code: #NPF at a gpa, or #PF under the shadow MMU, where the address is both. */
function handleErrorCodeFault(vcpu: VcpuContext, gvaLo: number, gvaHi: number, gpaLo: number, gpaHi: number): number {
  const errorCode = vcpu.r[VCPU_EXIT_QUALIFICATION];
  const reserved = (errorCode & PFERR_RSVD_MASK) !== 0;
  const access = accessOf(errorCode);
  traceKvmPageFault(vcpu.mmu.arena, vcpu.id, gpaLo, gpaHi, errorCode);
  if (reserved) vcpu.openRecord(gvaLo, gvaHi, gpaLo, gpaHi, access);
  else openFirst(vcpu, gvaLo, gvaHi, gpaLo, gpaHi, access);
  return finish(vcpu, mmuPageFault(vcpu, gpaLo, gpaHi, errorCode));
}

export function handleNestedPageFault(vcpu: VcpuContext): number {
  const { r } = vcpu;
  return handleErrorCodeFault(vcpu, r[VCPU_EXIT_GVA], r[VCPU_EXIT_GVA + 1], r[VCPU_EXIT_GPA], r[VCPU_EXIT_GPA + 1]);
}

/** The intercepted #PF of a guest without paging: its linear addresses are guest physical ones, of 32 bits. */
export function handleShadowPageFault(vcpu: VcpuContext): number {
  const lo = vcpu.r[VCPU_EXIT_GVA];
  return handleErrorCodeFault(vcpu, lo, 0, lo, 0);
}
