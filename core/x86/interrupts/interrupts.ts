/**
 * Delivery of exceptions and interrupts (SDM vol 3A, "Interrupt and Exception Handling"): what happens when delivery itself
 * faults. The gates are in interrupts-gate.ts.
 */
import {
  VCPU_ACTIVITY,
  VCPU_CR0,
  VCPU_CR2,
  VCPU_EXIT_ERROR_CODE,
  VCPU_EXIT_GVA,
  VCPU_EXIT_REASON,
  VCPU_EXIT_VECTOR,
  VCPU_IDT_VECTORING,
  VCPU_INTERRUPT_SHADOW,
  VCPU_RFLAGS,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import {
  raisedVector,
  VECTOR_DB,
  VECTOR_DE,
  VECTOR_DF,
  VECTOR_GP,
  VECTOR_NP,
  VECTOR_PF,
  VECTOR_SS,
  VECTOR_TS,
  VECTORS_WITH_ERROR_CODE,
} from './exceptions.ts';
import {
  ABORT_EXCEPTION,
  ABORT_EXIT,
  ABORT_NONE,
  EXIT_DEBUG_EVENT,
  EXIT_TRIPLE_FAULT,
  EXIT_UNIMPLEMENTED,
} from '../system/exits.ts';
import { EVENT_EXCEPTION, EVENT_EXTERNAL } from './interrupts-event.ts';
import { deliverThroughGate } from './interrupts-gate.ts';
import { CR0_PE } from '../paging/paging-entry.ts';

const IF = 0x200;
const ACTIVITY_RUNNING = 0;
const ACTIVITY_SHUTDOWN = 2;

const CONTRIBUTORY = (1 << VECTOR_DE) | (1 << VECTOR_TS) | (1 << VECTOR_NP) | (1 << VECTOR_SS) | (1 << VECTOR_GP);

const isContributory = (vector: number): boolean => ((CONTRIBUTORY >> vector) & 1) !== 0;

/** SDM vol 3A, table "Conditions for Generating a Double Fault". */
export function makesDoubleFault(first: number, second: number): boolean {
  if (isContributory(first)) return isContributory(second);
  return first === VECTOR_PF && (second === VECTOR_PF || isContributory(second));
}

/**
 * Delivers the exception that ABORT_EXCEPTION announced, #DF and shutdown included, and clears `cpu.abort`. RIP has to be
 * the address to push (of the faulting instruction; the next one for traps). Answers 0, or the EXIT_* that ended it
 * (then nothing is delivered and the instruction may simply be run again): EXIT_DEBUG_EVENT when a debugger wants to stand
 * in front of the second exception.
 *
 * @param mayLeave whoever called can raise the first one again
 */
export function deliverException(cpu: Cpu, mayLeave = true): number {
  const r = cpu.r;
  let vector = raisedVector(cpu);
  let errorCode = r[VCPU_EXIT_ERROR_CODE];
  for (;;) {
    cpu.abort = ABORT_NONE;
    if (vector === VECTOR_PF) {
      r[VCPU_CR2] = r[VCPU_EXIT_GVA];
      r[VCPU_CR2 + 1] = r[VCPU_EXIT_GVA + 1];
    }
    const hasError = ((VECTORS_WITH_ERROR_CODE >> vector) & 1) !== 0 && (r[VCPU_CR0] & CR0_PE) !== 0;
    r[VCPU_IDT_VECTORING] = vector + 1;
    deliverThroughGate(cpu, vector, EVENT_EXCEPTION, hasError, errorCode);
    if (cpu.abort !== ABORT_EXCEPTION) return finish(cpu);
    const second = raisedVector(cpu);
    if (second === VECTOR_PF) {
      r[VCPU_CR2] = r[VCPU_EXIT_GVA];
      r[VCPU_CR2 + 1] = r[VCPU_EXIT_GVA + 1];
    }
    if (vector === VECTOR_DF && second !== VECTOR_DB) return shutDown(cpu);
    if (makesDoubleFault(vector, second)) {
      vector = VECTOR_DF;
      errorCode = 0;
    } else {
      vector = second;
      errorCode = r[VCPU_EXIT_ERROR_CODE];
    }
    if (cpu.watch !== undefined && cpu.watch.exceptions) {
      const gva = r[VCPU_EXIT_GVA];
      if (mayLeave) {
        if (cpu.watch.beforeException(cpu, vector, errorCode, gva, r[VCPU_EXIT_GVA + 1])) return leave(cpu);
      } else cpu.watch.noteException(cpu, vector, errorCode, gva, r[VCPU_EXIT_GVA + 1]);
    }
  }
}

/** Delivers an external interrupt and ends HLT: 0 or an EXIT_*. */
export function deliverInterrupt(cpu: Cpu, vector: number): number {
  deliverThroughGate(cpu, vector & 0xff, EVENT_EXTERNAL, false, 0);
  // An interrupt is benign: whatever its delivery raises is delivered in its place.
  return cpu.abort === ABORT_EXCEPTION ? deliverException(cpu) : finish(cpu);
}

/** RFLAGS.IF and no shadow of STI or MOV SS: an external interrupt may be taken before the next instruction. */
export function interruptsAllowed(cpu: Cpu): boolean {
  return (cpu.r[VCPU_RFLAGS] & IF) !== 0 && cpu.r[VCPU_INTERRUPT_SHADOW] === 0;
}

function finish(cpu: Cpu): number {
  const { abort, r } = cpu;
  cpu.abort = ABORT_NONE;
  if (abort === ABORT_NONE) {
    r[VCPU_IDT_VECTORING] = 0;
    r[VCPU_ACTIVITY] = ACTIVITY_RUNNING;
    r[VCPU_INTERRUPT_SHADOW] = 0;
    return 0;
  }
  return abort === ABORT_EXIT ? r[VCPU_EXIT_REASON] : EXIT_UNIMPLEMENTED;
}

/** Nothing is being delivered. */
function leave(cpu: Cpu): number {
  cpu.abort = ABORT_NONE;
  cpu.r[VCPU_IDT_VECTORING] = 0;
  cpu.r[VCPU_EXIT_REASON] = EXIT_DEBUG_EVENT;
  return EXIT_DEBUG_EVENT;
}

/** Triple fault. VCPU_EXIT_VECTOR says #DF: the third fault came from delivering it. */
function shutDown(cpu: Cpu): number {
  const r = cpu.r;
  cpu.abort = ABORT_NONE;
  r[VCPU_EXIT_VECTOR] = VECTOR_DF;
  r[VCPU_EXIT_ERROR_CODE] = 0;
  r[VCPU_EXIT_REASON] = EXIT_TRIPLE_FAULT;
  r[VCPU_ACTIVITY] = ACTIVITY_SHUTDOWN;
  return EXIT_TRIPLE_FAULT;
}
