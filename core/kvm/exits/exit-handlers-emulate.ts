/** x86_emulate_instruction (arch/x86/kvm/x86.c of v3.11): has the CPU execute the instruction at rip on KVM's terms. */
import {
  CS,
  SEG_BASE,
  SEGMENT_WORDS,
  VCPU_CODE_BITS,
  VCPU_CR0,
  VCPU_EXIT_INSN_LENGTH,
  VCPU_EXIT_REASON,
  VCPU_F_INSNS,
  VCPU_INTERRUPT_SHADOW,
  VCPU_RIP,
  VCPU_SEGMENTS,
  VCPU_SKIP_MMIO_STOP,
} from '../../arena/vcpu-layout.ts';
import { TP_KVM_EMULATE_INSN } from '../../base/tracepoints.ts';
import { ABORT_NONE, EMULATE_FAIL, GUEST_WALK_GPA, nextPageHigh, walkGuest } from '../../x86/index.ts';
import { traceEnabled } from '../trace/trace.ts';
import { KEI_CR0_PE, KEI_CS_D, KEI_CS_L, traceKvmEmulateInsn, traceKvmUserspaceExit } from '../trace/trace-events.ts';
import type { VcpuContext } from '../vcpu/vcpu-context.ts';
import { KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_UNKNOWN, NO_EXIT } from '../vcpu/vcpu-exit-reasons.ts';
import { RUN_INTERNAL_ERROR } from '../vcpu/vcpu-run.ts';

const CS_BASE = VCPU_SEGMENTS + CS * SEGMENT_WORDS + SEG_BASE;

/** Go on in the guest. Anything ≥ 0 is a RUN_* code. */
export const RESUME_GUEST = -1;

/** vcpu->run->exit_reason = KVM_EXIT_INTERNAL_ERROR. */
export function internalError(vcpu: VcpuContext, text: string): number {
  vcpu.internalError = text;
  traceKvmUserspaceExit(vcpu.mmu.arena, vcpu.id, KVM_EXIT_INTERNAL_ERROR, 0);
  return RUN_INTERNAL_ERROR;
}

/** KVM_RUN itself fails, with a negative errno; run->exit_reason is whatever it was. */
export function runFailed(vcpu: VcpuContext, errno: number, text: string): number {
  vcpu.internalError = text;
  traceKvmUserspaceExit(vcpu.mmu.arena, vcpu.id, KVM_EXIT_UNKNOWN, errno);
  return RUN_INTERNAL_ERROR;
}

/** A frame in a slot whose userspace address maps no memory. */
export const badPage = (vcpu: VcpuContext, gfn: number): number =>
  runFailed(
    vcpu,
    -14,
    `KVM_RUN failed with EFAULT at rip ${ripText(vcpu)}: gfn 0x${gfn.toString(16)} is in a memslot whose userspace address maps no memory`,
  );

/** Emulation needs the guest to run first: VCPU_EXIT_REASON says which exit its fetch or its exception ran into. */
export const EMULATE_NEEDS_EXIT = -2;

/**
 * Executes the instruction without counting it as emulated: CPUID and MSR exits, which KVM answers without its emulator.
 * @returns RESUME_GUEST; EMULATE_NEEDS_EXIT; or RUN_INTERNAL_ERROR when it cannot be executed
 */
export function executeForGuest(vcpu: VcpuContext): number {
  const { cpu, emulator, r } = vcpu;
  emulator.mmioNeeded = false;
  r[VCPU_EXIT_REASON] = NO_EXIT;
  if (cpu.emulateInstruction(emulator) === EMULATE_FAIL) {
    if (r[VCPU_EXIT_REASON] !== NO_EXIT) return EMULATE_NEEDS_EXIT;
    return internalError(vcpu, `emulation failed at rip ${ripText(vcpu)}: ${cpu.unimplemented}`);
  }
  r[VCPU_SKIP_MMIO_STOP] = 0;
  return RESUME_GUEST;
}

/** The emulator proper. */
export function emulateInstruction(vcpu: VcpuContext): number {
  vcpu.count(vcpu.cInsnEmulation);
  const traced = traceEnabled(vcpu.mmu.arena, TP_KVM_EMULATE_INSN);
  if (traced) traceInsn(vcpu, false);
  const result = executeForGuest(vcpu);
  if (result >= 0) {
    vcpu.count(vcpu.cInsnEmulationFail);
    if (traced) traceInsn(vcpu, true);
  }
  return result;
}

export function ripText(vcpu: VcpuContext): string {
  const { r } = vcpu;
  return `0x${((BigInt(r[VCPU_RIP + 1] >>> 0) << 32n) | BigInt(r[VCPU_RIP] >>> 0)).toString(16)}`;
}

/** skip_emulated_instruction: the instruction has been done on the guest's behalf. */
export function skipInstruction(vcpu: VcpuContext): void {
  const { r } = vcpu;
  const sum = (r[VCPU_RIP] >>> 0) + r[VCPU_EXIT_INSN_LENGTH];
  r[VCPU_RIP] = r[VCPU_CODE_BITS] === 16 ? sum & 0xffff : sum | 0;
  if (sum > 0xffff_ffff && r[VCPU_CODE_BITS] === 64) r[VCPU_RIP + 1] += 1;
  r[VCPU_INTERRUPT_SHADOW] = 0;
  vcpu.cpu.successor = 0;
  vcpu.f[VCPU_F_INSNS] += 1;
}

/** Arena offset of a byte of the instruction at RIP, which may lie over two pages; −1 when it cannot be read. */
export function instructionAt(vcpu: VcpuContext, byte = 0): number {
  const { cpu, r, emulator } = vcpu;
  const first = linearRip(r);
  const lo = (first + byte) | 0;
  const firstHi = r[VCPU_CODE_BITS] === 64 ? r[VCPU_RIP + 1] : 0;
  const hi = lo >>> 0 < first >>> 0 ? nextPageHigh(r[VCPU_CODE_BITS], lo, firstHi) : firstHi;
  const found = walkGuest(cpu, lo, hi, 0, emulator);
  cpu.abort = ABORT_NONE;
  return found ? emulator.frameOf((r[GUEST_WALK_GPA] & ~0xfff) | (lo & 0xfff), r[GUEST_WALK_GPA + 1], false) : -1;
}

/** Low half of RIP's linear address. */
const linearRip = (r: Int32Array): number => (codeBase(r) + r[VCPU_RIP]) | 0;
const codeBase = (r: Int32Array): number => (r[VCPU_CODE_BITS] === 64 ? 0 : r[CS_BASE]);

/** kvm_emulate_insn: the bytes are looked up again, as they were fetched only just now. */
export function traceInsn(vcpu: VcpuContext, failed: boolean): void {
  const { r, mmu } = vcpu;
  const bits = r[VCPU_CODE_BITS];
  const at = instructionAt(vcpu);
  // An instruction that crosses its page is cut: the next page need not follow in the arena.
  const length = Math.min(r[VCPU_EXIT_INSN_LENGTH], 4096 - (linearRip(r) & 0xfff), 15);
  const flags = (r[VCPU_CR0] & 1 ? KEI_CR0_PE : 0) | (bits === 32 ? KEI_CS_D : 0) | (bits === 64 ? KEI_CS_L : 0);
  traceKvmEmulateInsn(mmu.arena, vcpu.id, codeBase(r), r[VCPU_RIP], r[VCPU_RIP + 1], length, flags, at, failed);
}
