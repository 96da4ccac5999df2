/**
 * One instruction under KVM's emulator: the same handlers on the same registers, with `EmulatorOps` in place of the accesses
 * that miss plain RAM. KVM calls this for an access to MMIO, for port I/O, CPUID and MSRs.
 */
import {
  VCPU_CODE_BITS,
  VCPU_EXIT_ERROR_CODE,
  VCPU_EXIT_GVA,
  VCPU_EXIT_REASON,
  VCPU_F_DELIVERIES,
  VCPU_F_INSNS,
  VCPU_INTERRUPT_SHADOW,
  VCPU_RFLAGS,
  VCPU_RIP,
} from '../../arena/vcpu-layout.ts';
import type { Cpu, EmulatorOps } from '../cpu.ts';
import { raisedVector, turnIntoStackFault, VECTORS_WITH_ERROR_CODE } from '../interrupts/exceptions.ts';
import {
  ABORT_DEBUG,
  ABORT_EXCEPTION,
  ABORT_UNIMPLEMENTED,
  EMULATE_DONE,
  EMULATE_FAIL,
  EMULATE_FAULT_INJECTED,
} from '../system/exits.ts';
import { TF } from './flags.ts';
import { EA_64_STACK, I_EA, I_LENGTH } from '../decode/instruction.ts';
import { CONTINUE, deliver, deliverSingleStep, findInstruction } from '../run-loop.ts';

export function emulateInstruction(cpu: Cpu, ops: EmulatorOps): number {
  const { r } = cpu;
  cpu.previous = 0;
  cpu.linkFrom = 0;
  const lo = r[VCPU_RIP];
  const hi = r[VCPU_RIP + 1];
  cpu.emulator = ops;
  const i = findInstruction(cpu);
  if (cpu.abort !== 0) {
    cpu.emulator = undefined;
    return abandon(cpu, ops, 0, lo, hi);
  }
  cpu.singleStep = (r[VCPU_RFLAGS] & TF) !== 0;
  const shadow = r[VCPU_INTERRUPT_SHADOW];
  if (shadow !== 0) r[VCPU_INTERRUPT_SHADOW] = 0;
  const length = cpu.code[i + I_LENGTH];
  const next = (lo + length) | 0;
  r[VCPU_RIP] = next;
  if (next >>> 0 < length && r[VCPU_CODE_BITS] === 64) r[VCPU_RIP + 1] = hi + 1;
  cpu.attention = false;
  cpu.alone = i;
  cpu.handlerOf(i)(cpu, i);
  cpu.emulator = undefined;
  cpu.alone = 0;
  if (cpu.abort !== 0) {
    if (cpu.abort !== ABORT_EXCEPTION) r[VCPU_INTERRUPT_SHADOW] = shadow;
    return abandon(cpu, ops, i, lo, hi);
  }
  cpu.f[VCPU_F_INSNS]++;
  // A trap whose delivery exits is delivered at the next entry.
  if (cpu.singleStep) deliverSingleStep(cpu);
  return EMULATE_DONE;
}

/** RIP goes back; an exception of the guest's is delivered, anything else means that the emulator cannot help. */
function abandon(cpu: Cpu, ops: EmulatorOps, i: number, lo: number, hi: number): number {
  const { r } = cpu;
  r[VCPU_RIP] = lo;
  r[VCPU_RIP + 1] = hi;
  const reason = cpu.abort;
  if (reason === ABORT_EXCEPTION) {
    if (i !== 0 && cpu.code[i + I_EA] === EA_64_STACK) turnIntoStackFault(cpu);
    const { watch } = cpu;
    if (watch !== undefined && watch.exceptions) {
      const code = r[VCPU_EXIT_ERROR_CODE];
      watch.noteException(cpu, raisedVector(cpu), code, r[VCPU_EXIT_GVA], r[VCPU_EXIT_GVA + 1]);
    }
    const vector = raisedVector(cpu);
    const hasError = ((VECTORS_WITH_ERROR_CODE >> vector) & 1) !== 0;
    const errorCode = r[VCPU_EXIT_ERROR_CODE];
    // One whose delivery needs an exit is raised again, as the instruction is started over.
    if (deliver(cpu, false) !== CONTINUE) return EMULATE_FAIL;
    ops.injects?.(vector, hasError, errorCode);
    // Work, though nothing retires: as in the run loop.
    cpu.f[VCPU_F_DELIVERIES] += 1;
    return EMULATE_FAULT_INJECTED;
  }
  if (reason === ABORT_DEBUG) {
    // In the middle of a string: what is left is begun again, behind a stop.
    cpu.abort = 0;
    return EMULATE_DONE;
  }
  if (reason !== ABORT_UNIMPLEMENTED) {
    cpu.unimplemented = `an instruction under emulation ran into VM exit ${r[VCPU_EXIT_REASON]}`;
  }
  cpu.abort = 0;
  return EMULATE_FAIL;
}
