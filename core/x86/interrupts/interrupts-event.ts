/** What all deliveries share: kinds of events, the flags they push and leave, the checks on gates and handlers. */
import { SEG_BASE, SEG_LIMIT, SEG_SELECTOR, TR, VCPU_CPL, VCPU_IDTR_BASE } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import {
  raiseException,
  raiseGp,
  raiseUnimplemented,
  VECTOR_GP,
  VECTOR_NP,
  VECTOR_SS,
  VECTOR_TS,
} from './exceptions.ts';
import { ABORT_NONE } from '../system/exits.ts';
import {
  ATTR_PRESENT,
  attributesOf,
  dplOf,
  fetchDescriptor,
  isCode,
  isLongMode,
  isNull,
  segmentWords,
} from '../segments/segments-descriptor.ts';
import { systemLoad } from '../memory/system-access.ts';
import { DESCRIPTOR } from '../tlb/tlb-layout.ts';

/** What an event is: a fault or trap of the processor; an external interrupt; INT n, INT3, INTO; INT1. */
export const EVENT_EXCEPTION = 0;
export const EVENT_EXTERNAL = 1;
export const EVENT_SOFTWARE = 2;
/** INT1: like a software interrupt, but gates are not checked for privilege. */
export const EVENT_PRIVILEGED_SOFTWARE = 3;

const TF = 0x100;
const IF = 0x200;
const NT = 0x4000;
const RF = 0x1_0000;
const VM = 0x2_0000;

/** Vectors whose exceptions are faults; they push RF set (SDM vol 3B, "Instruction-Breakpoint Exception Condition"). */
const FAULTS = 0xb_7ce1;
const TASK_GATE = 0x5;

/** EXT of an error code: the event did not come from INT n, INT3 or INTO. */
export const extOf = (kind: number): number => (kind === EVENT_SOFTWARE ? 0 : 1);

/** RFLAGS as an event pushes them. */
export function pushedFlags(cpu: Cpu, vector: number, kind: number): number {
  const flags = cpu.rflags();
  if (kind !== EVENT_EXCEPTION) return flags & ~RF;
  return ((FAULTS >> vector) & 1) !== 0 ? flags | RF : flags & ~RF;
}

/** What a handler finds: TF, NT, RF and VM clear; IF clear through an interrupt gate. */
export function enterHandlerFlags(cpu: Cpu, interruptGate: boolean): void {
  cpu.setRflags(cpu.rflags() & ~(TF | NT | RF | VM | (interruptGate ? IF : 0)));
}

/** An IDT entry's word of four bytes. Answers it; check `cpu.abort`. */
export function loadGateWord(cpu: Cpu, offset: number): number {
  const r = cpu.r;
  const lo = (r[VCPU_IDTR_BASE] + offset) | 0;
  const carry = lo >>> 0 < offset ? 1 : 0;
  return systemLoad(cpu, lo, isLongMode(r) ? (r[VCPU_IDTR_BASE + 1] + carry) | 0 : 0, 4);
}

/**
 * Checks the gate's type, privilege and presence. `error` is the code that names the gate.
 * @returns false with `cpu.abort` set
 */
export function checkGate(cpu: Cpu, gateHi: number, kind: number, vector: number, long: boolean): boolean {
  const attributes = attributesOf(gateHi);
  const type = attributes & 0x1f;
  const error = (vector << 3) | 2 | extOf(kind);
  const known = (type & 0xe) === 0xe || (!long && ((type & 0xe) === 6 || type === TASK_GATE));
  if ((type & 0x10) !== 0 || !known || (kind === EVENT_SOFTWARE && dplOf(attributes) < cpu.r[VCPU_CPL])) {
    raiseGp(cpu, error);
  } else if ((attributes & ATTR_PRESENT) === 0) raiseException(cpu, VECTOR_NP, true, error);
  else if (type === TASK_GATE) raiseUnimplemented(cpu, 'hardware task switch through a task gate of the IDT');
  return cpu.abort === ABORT_NONE;
}

/** Fetches the handler's code segment into DESCRIPTOR and checks it. False with `cpu.abort` set. */
export function checkHandlerSegment(cpu: Cpu, selector: number, ext: number): boolean {
  if (isNull(selector)) {
    raiseGp(cpu, ext);
    return false;
  }
  if (!fetchDescriptor(cpu, selector, VECTOR_GP, ext)) return false;
  const attributes = attributesOf(cpu.r[DESCRIPTOR + 1]);
  const error = (selector & 0xfffc) | ext;
  if (!isCode(attributes) || dplOf(attributes) > cpu.r[VCPU_CPL]) raiseGp(cpu, error);
  else if ((attributes & ATTR_PRESENT) === 0) raiseException(cpu, VECTOR_NP, true, error);
  return cpu.abort === ABORT_NONE;
}

/** A word or doubleword of the TSS; #TS with the task's selector when the TSS ends before. */
export function loadTaskState(cpu: Cpu, offset: number, size: number, ext: number): number {
  const r = cpu.r;
  const tr = segmentWords(TR);
  if (offset + size - 1 > r[tr + SEG_LIMIT] >>> 0) {
    raiseException(cpu, VECTOR_TS, true, (r[tr + SEG_SELECTOR] & 0xfffc) | ext);
    return 0;
  }
  const lo = (r[tr + SEG_BASE] + offset) | 0;
  const carry = lo >>> 0 < offset ? 1 : 0;
  return systemLoad(cpu, lo, isLongMode(r) ? (r[tr + SEG_BASE + 1] + carry) | 0 : 0, size);
}

/** #SS with EXT, for a stack that a 64-bit delivery cannot use. */
export function raiseStackFault(cpu: Cpu, ext: number): void {
  raiseException(cpu, VECTOR_SS, true, ext);
}
