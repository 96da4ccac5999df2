/**
 * One emitter per tracepoint, with the arguments in the kernel's words and order (names and fields: core/base/tracepoints.ts).
 * 64-bit arguments come as halves, frames and "addresses" of sptes (hpa) as numbers. Each does nothing while its event is off.
 */
import type { Arena } from '../../arena/arena.ts';
import { SP_GFN, SP_MMU_VALID_GEN, SP_ROLE, SP_ROOT_COUNT, SP_UNSYNC, VM_MMU_MODE } from '../../arena/mmu-layout.ts';
import { VCPU_BYTES, VCPU_GPR, VCPU_RIP } from '../../arena/vcpu-layout.ts';
import { highHalf, lowHalf } from '../../base/address.ts';
import * as tp from '../../base/tracepoints.ts';
import { exitInfo } from '../exits/exit-info.ts';
import { VM_EPT_AD } from '../mmu/mmu-words.ts';
import { traceArg, traceArgNumber, traceBegin, traceCommit, traceEnabled } from './trace.ts';

export { KVM_ISA_SVM, KVM_ISA_VMX } from '../exits/exit-info.ts';
/** kvm_mmio's type. */
export const KVM_TRACE_MMIO_READ_UNSATISFIED = 0;
export const KVM_TRACE_MMIO_READ = 1;
export const KVM_TRACE_MMIO_WRITE = 2;
/** kvm_pio's rw. */
export const KVM_PIO_IN = 0;
export const KVM_PIO_OUT = 1;
/** kvm_emulate_insn's flags: what decides the mode shown. */
export const KEI_CR0_PE = 1;
export const KEI_EFLAGS_VM = 2;
export const KEI_CS_D = 4;
export const KEI_CS_L = 8;

export function traceKvmEntry(arena: Arena, vcpuId: number): void {
  if (!traceEnabled(arena, tp.TP_KVM_ENTRY)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_KVM_ENTRY);
  traceArg(arena, args, 0, vcpuId, 0);
  traceRip(arena, vcpuId, args, 1);
  traceCommit(arena);
}

/** Where the vCPU stands: later kernels say it in more events. */
function traceRip(arena: Arena, vcpuId: number, args: number, index: number): void {
  const rip = ((arena.layout.vcpus + vcpuId * VCPU_BYTES) >> 2) + VCPU_RIP;
  traceArg(arena, args, index, arena.i32[rip], arena.i32[rip + 1]);
}

/** @param reason the processor's number of the exit; what is recorded is what the host's would be (exit-info.ts) */
export function traceKvmExit(
  arena: Arena,
  vcpuId: number,
  reason: number,
  ripLow: number,
  ripHigh: number,
  isa: number,
  info1Low: number,
  info1High: number,
  info2Low: number,
  info2High: number,
): void {
  if (!traceEnabled(arena, tp.TP_KVM_EXIT)) return;
  const block = (arena.layout.vcpus + vcpuId * VCPU_BYTES) >> 2;
  const r = arena.i32.subarray(block, block + VCPU_BYTES / 4);
  const exit = exitInfo(r, reason, isa, [info1Low, info1High], [info2Low, info2High]);
  const args = traceBegin(arena, vcpuId, tp.TP_KVM_EXIT);
  traceArg(arena, args, 0, exit.reason, 0);
  traceArg(arena, args, 1, ripLow, ripHigh);
  traceArg(arena, args, 2, isa, 0);
  traceArg(arena, args, 3, ...exit.info1);
  traceArg(arena, args, 4, ...exit.info2);
  traceArg(arena, args, 5, exit.errorCode, exit.idtVectoring);
  traceCommit(arena);
}

/** On EPT the error code is the raw exit qualification, as in the kernel. */
export function traceKvmPageFault(arena: Arena, vcpuId: number, low: number, high: number, errorCode: number): void {
  if (!traceEnabled(arena, tp.TP_KVM_PAGE_FAULT)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_KVM_PAGE_FAULT);
  traceArg(arena, args, 0, low, high);
  traceArg(arena, args, 1, errorCode, 0);
  traceRip(arena, vcpuId, args, 2);
  traceCommit(arena);
}

export function traceKvmMmio(
  arena: Arena,
  vcpuId: number,
  type: number,
  length: number,
  gpaLow: number,
  gpaHigh: number,
  valueLow: number,
  valueHigh: number,
): void {
  if (!traceEnabled(arena, tp.TP_KVM_MMIO)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_KVM_MMIO);
  traceArg(arena, args, 0, type, 0);
  traceArg(arena, args, 1, length, 0);
  traceArg(arena, args, 2, gpaLow, gpaHigh);
  traceArg(arena, args, 3, valueLow, valueHigh);
  traceCommit(arena);
}

/** @param value what was written, or is read; v3.11 does not print it */
export function traceKvmPio(
  arena: Arena,
  vcpuId: number,
  rw: number,
  port: number,
  size: number,
  count: number,
  value: number,
): void {
  if (!traceEnabled(arena, tp.TP_KVM_PIO)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_KVM_PIO);
  traceArg(arena, args, 0, rw, 0);
  traceArg(arena, args, 1, port, 0);
  traceArg(arena, args, 2, size, 0);
  traceArg(arena, args, 3, count, 0);
  traceArg(arena, args, 4, size === 4 ? value : value & ((1 << (8 * size)) - 1), 0);
  traceCommit(arena);
}

/** @param bytes arena offset of the instruction's first byte; `length` (at most 15) of them are kept, none when it is −1 */
export function traceKvmEmulateInsn(
  arena: Arena,
  vcpuId: number,
  csBase: number,
  ripLow: number,
  ripHigh: number,
  length: number,
  flags: number,
  bytes: number,
  failed: boolean,
): void {
  if (!traceEnabled(arena, tp.TP_KVM_EMULATE_INSN)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_KVM_EMULATE_INSN);
  const kept = bytes < 0 ? 0 : length;
  traceArg(arena, args, 0, csBase, 0);
  traceArg(arena, args, 1, ripLow, ripHigh);
  traceArg(arena, args, 2, kept | (flags << 8), 0);
  for (let i = 0; i < kept; i++) arena.u8[((args + 6) << 2) + i] = arena.u8[bytes + i];
  traceArg(arena, args, 5, failed ? 1 : 0, 0);
  traceCommit(arena);
}

export function traceVcpuMatchMmio(
  arena: Arena,
  vcpuId: number,
  gvaLow: number,
  gvaHigh: number,
  gpaLow: number,
  gpaHigh: number,
  write: boolean,
  gpaMatch: boolean,
): void {
  if (!traceEnabled(arena, tp.TP_VCPU_MATCH_MMIO)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_VCPU_MATCH_MMIO);
  traceArg(arena, args, 0, gvaLow, gvaHigh);
  traceArg(arena, args, 1, gpaLow, gpaHigh);
  traceArg(arena, args, 2, write ? 1 : 0, 0);
  traceArg(arena, args, 3, gpaMatch ? 1 : 0, 0);
  traceCommit(arena);
}

/** @param errno 0, or a negative errno of the run ioctl */
export function traceKvmUserspaceExit(arena: Arena, vcpuId: number, reason: number, errno: number): void {
  if (!traceEnabled(arena, tp.TP_KVM_USERSPACE_EXIT)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_KVM_USERSPACE_EXIT);
  traceArg(arena, args, 0, reason, 0);
  traceArg(arena, args, 1, errno, errno >> 31);
  traceCommit(arena);
}

/** nr and a0 … a3, as they stand in RAX, RBX, RCX, RDX and RSI. */
export function traceKvmHypercall(arena: Arena, vcpuId: number): void {
  if (!traceEnabled(arena, tp.TP_KVM_HYPERCALL)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_KVM_HYPERCALL);
  const gpr = ((arena.layout.vcpus + vcpuId * VCPU_BYTES) >> 2) + VCPU_GPR;
  HYPERCALL_REGISTERS.forEach((n, i) => traceArg(arena, args, i, arena.i32[gpr + 2 * n], arena.i32[gpr + 2 * n + 1]));
  traceCommit(arena);
}

const HYPERCALL_REGISTERS = [0, 3, 1, 2, 6] as const;

export function traceKvmInjException(
  arena: Arena,
  vcpuId: number,
  exception: number,
  hasError: boolean,
  errorCode: number,
): void {
  if (!traceEnabled(arena, tp.TP_KVM_INJ_EXCEPTION)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_KVM_INJ_EXCEPTION);
  traceArg(arena, args, 0, exception, 0);
  traceArg(arena, args, 1, hasError ? 1 : 0, 0);
  traceArg(arena, args, 2, errorCode, 0);
  traceCommit(arena);
}

/** @param write a MOV to the control register, not from it */
export function traceKvmCr(
  arena: Arena,
  vcpuId: number,
  write: boolean,
  register: number,
  low: number,
  high: number,
): void {
  if (!traceEnabled(arena, tp.TP_KVM_CR)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_KVM_CR);
  traceArg(arena, args, 0, write ? 1 : 0, 0);
  traceArg(arena, args, 1, register, 0);
  traceArg(arena, args, 2, low, high);
  traceCommit(arena);
}

/** @param exception the access raises #GP instead */
export function traceKvmMsr(
  arena: Arena,
  vcpuId: number,
  write: boolean,
  ecx: number,
  low: number,
  high: number,
  exception: boolean,
): void {
  if (!traceEnabled(arena, tp.TP_KVM_MSR)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_KVM_MSR);
  traceArg(arena, args, 0, write ? 1 : 0, 0);
  traceArg(arena, args, 1, ecx, 0);
  traceArg(arena, args, 2, low, high);
  traceArg(arena, args, 3, exception ? 1 : 0, 0);
  traceCommit(arena);
}

/** @param again the delivery was cut short by an exit, and begins anew */
export function traceKvmInjVirq(arena: Arena, vcpuId: number, irq: number, again: boolean): void {
  if (!traceEnabled(arena, tp.TP_KVM_INJ_VIRQ)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_KVM_INJ_VIRQ);
  traceArg(arena, args, 0, irq, 0);
  traceArg(arena, args, 1, again ? 1 : 0, 0);
  traceCommit(arena);
}

/** What CPUID is about to leave in the registers. @param index ECX as it was; v3.11 does not print it */
export function traceKvmCpuid(arena: Arena, vcpuId: number, leaf: number, index: number, found: number): void {
  if (!traceEnabled(arena, tp.TP_KVM_CPUID)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_KVM_CPUID);
  const gpr = ((arena.layout.vcpus + vcpuId * VCPU_BYTES) >> 2) + VCPU_GPR;
  traceArg(arena, args, 0, leaf, index);
  CPUID_REGISTERS.forEach((n, i) => traceArg(arena, args, i + 1, arena.i32[gpr + 2 * n], arena.i32[gpr + 2 * n + 1]));
  traceArg(arena, args, 5, found, 0);
  traceCommit(arena);
}

/** RAX, RBX, RCX, RDX. */
const CPUID_REGISTERS = [0, 3, 1, 2] as const;

/** kvm_age_hva and kvm_unmap_hva_range of later kernels: what the host asks of a range of addresses, once. */
export function traceHvaRange(arena: Arena, event: number, start: bigint, end: bigint): void {
  if (!traceEnabled(arena, event)) return;
  const args = traceBegin(arena, 0, event);
  traceArg(arena, args, 0, lowHalf(start), highHalf(start));
  traceArg(arena, args, 1, lowHalf(end), highHalf(end));
  traceCommit(arena);
}

/** kvm_age_page of v3.11, per rmap of a frame. @param hva halves of the address of the frame in user space */
export function traceKvmAgePage(
  arena: Arena,
  vcpuId: number,
  hvaLow: number,
  hvaHigh: number,
  gfn: number,
  referenced: boolean,
): void {
  if (!traceEnabled(arena, tp.TP_KVM_AGE_PAGE)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_KVM_AGE_PAGE);
  traceArg(arena, args, 0, hvaLow, hvaHigh);
  traceArgNumber(arena, args, 1, gfn);
  traceArg(arena, args, 2, referenced ? 1 : 0, 0);
  traceCommit(arena);
}

/** kvm_mmu_set_spte of later kernels: a leaf that was just stored at `sptep`. Never an MMIO spte. */
export function traceMmuSetSpte(arena: Arena, vcpuId: number, gfn: number, sptep: number, level: number): void {
  if (!traceEnabled(arena, tp.TP_MMU_SET_SPTE)) return;
  const { i32, layout } = arena;
  const low = i32[sptep >> 2];
  const high = i32[(sptep >> 2) + 1];
  const ept = i32[(layout.vm + VM_MMU_MODE) >> 2] === 1;
  // Of EPT later kernels take the R bit for the user's (kvm_mmu_set_ept_masks); page tables have a user bit and NX.
  const executable = ept ? (low >> 2) & 1 : high < 0 ? 0 : 1;
  const user = ept ? low & 1 : (low >> 2) & 1;
  const args = traceBegin(arena, vcpuId, tp.TP_MMU_SET_SPTE);
  traceArgNumber(arena, args, 0, gfn);
  traceArg(arena, args, 1, low, high);
  traceArg(arena, args, 2, sptep, 0);
  traceArg(arena, args, 3, level, 0);
  traceArg(arena, args, 4, (low & 1) | (executable << 1) | (user << 2), 0);
  traceCommit(arena);
}

/**
 * kvm_mmu_spte_requested of later kernels: what a fault is about to map.
 * @param lo low half of the address that faulted
 * @param gfn the first one of the page at `level`; and `pfn` its frame, negative without slot
 */
export function traceMmuSpteRequested(
  arena: Arena,
  vcpuId: number,
  lo: number,
  gfn: number,
  pfn: number,
  level: number,
): void {
  if (!traceEnabled(arena, tp.TP_MMU_SPTE_REQUESTED)) return;
  const inPage = (lo >>> 12) & ((1 << (9 * (level - 1))) - 1);
  const args = traceBegin(arena, vcpuId, tp.TP_MMU_SPTE_REQUESTED);
  traceArgNumber(arena, args, 0, gfn + inPage);
  // KVM_PFN_NOSLOT is bit 63 alone.
  if (pfn < 0) traceArg(arena, args, 1, 0, 0x8000_0000 | 0);
  else traceArgNumber(arena, args, 1, pfn + inPage);
  traceArg(arena, args, 2, level, 0);
  traceCommit(arena);
}

/** role.ad_disabled of later kernels: EPT without accessed and dirty flags. */
const adDisabled = ({ i32, layout }: Arena): number =>
  i32[(layout.vm + VM_MMU_MODE) >> 2] === 1 && i32[(layout.vm + VM_EPT_AD) >> 2] === 0 ? 1 : 0;

function shadowPageFields(arena: Arena, vcpuId: number, event: number, sp: number): number {
  const { i32 } = arena;
  const args = traceBegin(arena, vcpuId, event);
  traceArg(arena, args, 0, i32[(sp + SP_MMU_VALID_GEN) >> 2], 0);
  traceArgNumber(arena, args, 1, arena.f64[(sp + SP_GFN) >> 3]);
  traceArg(arena, args, 2, i32[(sp + SP_ROLE) >> 2], 0);
  traceArg(arena, args, 3, i32[(sp + SP_ROOT_COUNT) >> 2], 0);
  traceArg(arena, args, 4, i32[(sp + SP_UNSYNC) >> 2], adDisabled(arena));
  return args;
}

/** @param sp arena offset of the kvm_mmu_page header */
export function traceMmuGetPage(arena: Arena, vcpuId: number, sp: number, created: boolean): void {
  if (!traceEnabled(arena, tp.TP_MMU_GET_PAGE)) return;
  const args = shadowPageFields(arena, vcpuId, tp.TP_MMU_GET_PAGE, sp);
  traceArg(arena, args, 5, created ? 1 : 0, 0);
  traceCommit(arena);
}

/** kvm_mmu_prepare_zap_page, kvm_mmu_sync_page, kvm_mmu_unsync_page: one event class. */
export function traceMmuPage(arena: Arena, vcpuId: number, event: number, sp: number): void {
  if (!traceEnabled(arena, event)) return;
  shadowPageFields(arena, vcpuId, event, sp);
  traceCommit(arena);
}

export function traceMarkMmioSpte(
  arena: Arena,
  vcpuId: number,
  sptep: number,
  gfn: number,
  access: number,
  gen: number,
): void {
  if (!traceEnabled(arena, tp.TP_MARK_MMIO_SPTE)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_MARK_MMIO_SPTE);
  traceArg(arena, args, 0, sptep, 0);
  traceArgNumber(arena, args, 1, gfn);
  traceArg(arena, args, 2, access, 0);
  traceArg(arena, args, 3, gen, 0);
  traceCommit(arena);
}

export function traceHandleMmioPageFault(
  arena: Arena,
  vcpuId: number,
  addressLow: number,
  addressHigh: number,
  gfn: number,
  access: number,
): void {
  if (!traceEnabled(arena, tp.TP_HANDLE_MMIO_PAGE_FAULT)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_HANDLE_MMIO_PAGE_FAULT);
  traceArg(arena, args, 0, addressLow, addressHigh);
  traceArgNumber(arena, args, 1, gfn);
  traceArg(arena, args, 2, access, 0);
  traceCommit(arena);
}

export function traceCheckMmioSpte(
  arena: Arena,
  vcpuId: number,
  kvmGen: number,
  spteGen: number,
  spteLow: number,
  spteHigh: number,
): void {
  if (!traceEnabled(arena, tp.TP_CHECK_MMIO_SPTE)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_CHECK_MMIO_SPTE);
  traceArg(arena, args, 0, kvmGen, 0);
  traceArg(arena, args, 1, spteGen, 0);
  traceArg(arena, args, 2, spteLow, spteHigh);
  traceCommit(arena);
}

/** The record has six words and the kernel's event seven fields: `retry` rides in bit 32 of the first. */
export function traceFastPageFault(
  arena: Arena,
  vcpuId: number,
  gvaLow: number,
  gvaHigh: number,
  errorCode: number,
  sptep: number,
  oldLow: number,
  oldHigh: number,
  newLow: number,
  newHigh: number,
  retry: boolean,
): void {
  if (!traceEnabled(arena, tp.TP_FAST_PAGE_FAULT)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_FAST_PAGE_FAULT);
  traceArg(arena, args, 0, vcpuId, retry ? 1 : 0);
  traceArg(arena, args, 1, gvaLow, gvaHigh);
  traceArg(arena, args, 2, errorCode, 0);
  traceArg(arena, args, 3, sptep, 0);
  traceArg(arena, args, 4, oldLow, oldHigh);
  traceArg(arena, args, 5, newLow, newHigh);
  traceCommit(arena);
}

export function traceInvalidateZapAllPages(arena: Arena, vcpuId: number, validGen: number, usedPages: number): void {
  if (!traceEnabled(arena, tp.TP_MMU_INVALIDATE_ZAP_ALL_PAGES)) return;
  const args = traceBegin(arena, vcpuId, tp.TP_MMU_INVALIDATE_ZAP_ALL_PAGES);
  traceArg(arena, args, 0, validGen, 0);
  traceArg(arena, args, 1, usedPages, 0);
  traceCommit(arena);
}

/** Ours: a memslot change that was installed. Cold. */
export function traceUmbraMemslot(arena: Arena, slot: number, change: number, before: bigint, after: bigint): void {
  if (!traceEnabled(arena, tp.TP_UMBRA_MEMSLOT)) return;
  const args = traceBegin(arena, 0, tp.TP_UMBRA_MEMSLOT);
  traceArg(arena, args, 0, slot, 0);
  traceArg(arena, args, 1, change, 0);
  traceArg(arena, args, 2, lowHalf(before), highHalf(before));
  traceArg(arena, args, 3, lowHalf(after), highHalf(after));
  traceCommit(arena);
}
