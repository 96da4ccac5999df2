/**
 * Fetch, execute, deliver. The inner loop follows links between records; whatever may need a look between two instructions
 * (a page change, a breakpoint, the interrupt window, TF, a shadow) is arranged to end in `successor` 0, and is looked at
 * once in the outer loop.
 */
import {
  CS,
  SEG_BASE,
  SEG_LIMIT,
  EXITING_GUEST_MODE,
  SEGMENT_WORDS,
  VCPU_ACTIVITY,
  VCPU_CODE_BITS,
  VCPU_DR,
  VCPU_EXCEPTION_BITMAP,
  VCPU_EXIT_ERROR_CODE,
  VCPU_EXIT_GVA,
  VCPU_EXIT_INSN_LENGTH,
  VCPU_EXIT_REASON,
  VCPU_F_DELIVERIES,
  VCPU_F_INSNS,
  VCPU_INTERRUPT_SHADOW,
  VCPU_INTERRUPT_WINDOW,
  VCPU_MODE,
  VCPU_PENDING_DEBUG,
  VCPU_RFLAGS,
  VCPU_RIP,
  VCPU_SEGMENTS,
} from '../arena/vcpu-layout.ts';
import type { Cpu } from './cpu.ts';
import {
  raiseException,
  raiseGp,
  raisedVector,
  turnIntoStackFault,
  VECTOR_DB,
  VECTOR_UD,
} from './interrupts/exceptions.ts';
import {
  ABORT_DEBUG,
  ABORT_EXCEPTION,
  ABORT_EXIT,
  EXIT_ATTENTION,
  EXIT_BUDGET,
  EXIT_DEBUG,
  EXIT_DEBUG_EVENT,
  EXIT_HLT,
  EXIT_INTERRUPT_WINDOW,
  EXIT_INVALID_OPCODE,
  EXIT_TRIPLE_FAULT,
  EXIT_UNIMPLEMENTED,
} from './system/exits.ts';
import { IF, TF } from './exec/flags.ts';
import {
  EA_64_STACK,
  I_EA,
  I_LENGTH,
  I_NEXT,
  I_SECOND_PAGE,
  I_TARGET,
  INSTRUCTION_SHIFT,
} from './decode/instruction.ts';
import { deliverException } from './interrupts/interrupts.ts';
import { nextPageHigh } from './memory/linear-address.ts';
import { fetchPage } from './memory/memory-access.ts';
import { dropStaleCode } from './memory/system-code-pages.ts';

const CS_BASE = VCPU_SEGMENTS + CS * SEGMENT_WORDS + SEG_BASE;
const CS_LIMIT = VCPU_SEGMENTS + CS * SEGMENT_WORDS + SEG_LIMIT;
const DR6 = VCPU_DR + 8;
const DR6_BS = 0x4000;
/** Beside EXIT_*: go on. (Zero is an exit reason.) */
export const CONTINUE = -2;

/** What is left of the budget is counted down with every instruction, in a small integer: a longer run comes back in between. */
const LONGEST_RUN = 0x3fff_ffff;

/** How often a vCPU on a thread of its own looks whether it was kicked: about every thirty microseconds. */
const LOOK_INSNS = 1000;

export function runCpu(cpu: Cpu, budget: number, stopBeforeFirstBreakpoint: boolean): number {
  if (!cpu.threaded) return runPiece(cpu, budget, stopBeforeFirstBreakpoint);
  let mayStop = stopBeforeFirstBreakpoint;
  for (let left = budget; ;) {
    const piece = left < LOOK_INSNS ? left : LOOK_INSNS;
    const exit = runPiece(cpu, piece, mayStop);
    if (exit !== EXIT_BUDGET) return exit;
    left -= piece;
    if (left <= 0) return EXIT_BUDGET;
    // A debugger asked at the very last instruction of the piece.
    if (cpu.attention) return EXIT_ATTENTION;
    // The IPI of kvm_vcpu_kick; what it was sent for is looked at before the next entry.
    if (Atomics.load(cpu.r, VCPU_MODE) === EXITING_GUEST_MODE) return EXIT_ATTENTION;
    mayStop = true;
  }
}

function runPiece(cpu: Cpu, budget: number, stopBeforeFirstBreakpoint: boolean): number {
  const { f, r } = cpu;
  if (r[VCPU_ACTIVITY] !== 0) return r[VCPU_ACTIVITY] === 1 ? EXIT_HLT : EXIT_TRIPLE_FAULT;
  dropStaleCode(cpu, dropAllCode);
  const piece = budget < LONGEST_RUN ? budget | 0 : LONGEST_RUN;
  cpu.budget = piece;
  cpu.left = piece;
  cpu.attention = false;
  const exit = loop(cpu, stopBeforeFirstBreakpoint);
  f[VCPU_F_INSNS] += cpu.budget - cpu.left;
  cpu.budget = 0;
  cpu.left = 0;
  cpu.current = 0;
  return exit;
}

const dropAllCode = (cpu: Cpu): void => cpu.cache.dropAll();

function loop(cpu: Cpu, stopBeforeFirstBreakpoint: boolean): number {
  const { r } = cpu;
  let mayStop = stopBeforeFirstBreakpoint;
  cpu.linkFrom = 0;
  cpu.previous = 0;
  if (r[VCPU_PENDING_DEBUG] !== 0) {
    const exit = deliverSingleStep(cpu);
    if (exit !== CONTINUE) return exit;
  }
  for (;;) {
    if (cpu.left <= 0) return EXIT_BUDGET;
    if (cpu.attention) {
      cpu.attention = false;
      return EXIT_ATTENTION;
    }
    if (cpu.threaded) dropStaleCode(cpu, dropAllCode);
    const shadow = r[VCPU_INTERRUPT_SHADOW];
    const flags = r[VCPU_RFLAGS];
    if (r[VCPU_INTERRUPT_WINDOW] !== 0 && (flags & IF) !== 0 && shadow === 0) return EXIT_INTERRUPT_WINDOW;
    if (cpu.hasBreakpoints && mayStop && cpu.isBreakpoint()) return EXIT_DEBUG;
    mayStop = true;
    const i = findInstruction(cpu);
    let exit: number;
    if (cpu.abort !== 0) exit = abandon(cpu, 0, r[VCPU_RIP], r[VCPU_RIP + 1]);
    else if (shadow !== 0 || (flags & TF) !== 0) exit = stepOne(cpu, i, shadow, (flags & TF) !== 0);
    else exit = follow(cpu, i);
    if (exit !== CONTINUE) return exit;
  }
}

/** Executes from record `i` along the links, until one is missing, the budget ends, or something is abandoned. */
function follow(cpu: Cpu, first: number): number {
  const { r, code } = cpu;
  const { handlers } = cpu.cache;
  const { epoch } = cpu.cache;
  let left = cpu.left;
  let i = first;
  // Links stay inside a page, where the high half of RIP cannot change.
  const hi = r[VCPU_RIP + 1];
  for (;;) {
    const length = code[i];
    const lo = r[VCPU_RIP];
    const next = (lo + length) | 0;
    r[VCPU_RIP] = next;
    if (next >>> 0 < length) carryRip(cpu);
    cpu.successor = code[i + I_NEXT];
    cpu.current = i;
    handlers[i >> INSTRUCTION_SHIFT](cpu, i);
    if (cpu.abort !== 0) return abandon(cpu, i, lo, hi);
    cpu.left = --left;
    const successor = cpu.successor;
    if (successor === 0) {
      cpu.previous = i;
      cpu.previousRip = lo;
      cpu.previousEpoch = epoch;
      return CONTINUE;
    }
    if (left === 0) return EXIT_BUDGET;
    i = successor;
  }
}

/** RIP ran over 2^32: into the high half in 64-bit mode, round to zero elsewhere. */
function carryRip(cpu: Cpu): void {
  if (cpu.r[VCPU_CODE_BITS] === 64) cpu.r[VCPU_RIP + 1]++;
}

/** One instruction under an interrupt shadow or TF. */
function stepOne(cpu: Cpu, i: number, shadow: number, trap: boolean): number {
  const { r, code } = cpu;
  const lo = r[VCPU_RIP];
  const hi = r[VCPU_RIP + 1];
  const next = (lo + code[i + I_LENGTH]) | 0;
  r[VCPU_RIP] = next;
  if (next >>> 0 < code[i + I_LENGTH]) carryRip(cpu);
  r[VCPU_INTERRUPT_SHADOW] = 0;
  cpu.singleStep = trap;
  cpu.current = 0;
  cpu.alone = i;
  cpu.handlerOf(i)(cpu, i);
  cpu.alone = 0;
  if (cpu.abort !== 0) {
    if (cpu.abort !== ABORT_EXCEPTION) r[VCPU_INTERRUPT_SHADOW] = shadow;
    const exit = abandon(cpu, i, lo, hi);
    if (exit === EXIT_DEBUG_EVENT) r[VCPU_INTERRUPT_SHADOW] = shadow;
    return exit;
  }
  cpu.left--;
  cpu.linkFrom = 0;
  cpu.previous = 0;
  return cpu.singleStep ? deliverSingleStep(cpu) : CONTINUE;
}

/**
 * The trap after an instruction that began with TF set (SDM vol 3B, "Single-Step Exception Condition"). The instruction has
 * retired, so a trap whose delivery exits stays due until the next entry.
 */
export function deliverSingleStep(cpu: Cpu): number {
  const { r } = cpu;
  cpu.singleStep = false;
  r[DR6] |= DR6_BS;
  r[VCPU_PENDING_DEBUG] = 1;
  raiseException(cpu, VECTOR_DB, false, 0);
  if (leavesBeforeException(cpu)) return EXIT_DEBUG_EVENT;
  const exit = deliver(cpu);
  if (exit === CONTINUE) r[VCPU_PENDING_DEBUG] = 0;
  return exit;
}

/** A debugger wants to stand in front of the exception that is raised; it is forgotten then, and raised again. */
function leavesBeforeException(cpu: Cpu): boolean {
  const { watch, r } = cpu;
  if (watch === undefined || !watch.exceptions) return false;
  const code = r[VCPU_EXIT_ERROR_CODE];
  if (!watch.beforeException(cpu, raisedVector(cpu), code, r[VCPU_EXIT_GVA], r[VCPU_EXIT_GVA + 1])) return false;
  cpu.abort = 0;
  return true;
}

/** CONTINUE, or the exit that delivery ran into; for the shadow MMU that may be reason 0. */
export function deliver(cpu: Cpu, mayLeave = true): number {
  cpu.r[VCPU_EXIT_REASON] = CONTINUE;
  const exit = deliverException(cpu, mayLeave);
  return exit === 0 ? cpu.r[VCPU_EXIT_REASON] : exit;
}

/**
 * The instruction at `lo`, `hi` does not complete: RIP goes back to it and the exception is delivered, or the exit reported.
 * A delivery uses up budget though nothing retires, so that a guest whose handler faults at once cannot hold the run.
 */
function abandon(cpu: Cpu, i: number, lo: number, hi: number): number {
  const { r } = cpu;
  r[VCPU_RIP] = lo;
  r[VCPU_RIP + 1] = hi;
  cpu.current = 0;
  cpu.previous = 0;
  cpu.linkFrom = 0;
  const reason = cpu.abort;
  if (reason === ABORT_EXCEPTION) {
    if (i !== 0 && cpu.code[i + I_EA] === EA_64_STACK) turnIntoStackFault(cpu);
    if (raisedVector(cpu) === VECTOR_UD && ((r[VCPU_EXCEPTION_BITMAP] >>> VECTOR_UD) & 1) !== 0) {
      cpu.abort = 0;
      r[VCPU_EXIT_INSN_LENGTH] = i === 0 ? 0 : cpu.code[i + I_LENGTH];
      r[VCPU_EXIT_REASON] = EXIT_INVALID_OPCODE;
      return EXIT_INVALID_OPCODE;
    }
    if (leavesBeforeException(cpu)) return EXIT_DEBUG_EVENT;
    cpu.left--;
    cpu.budget--;
    cpu.f[VCPU_F_DELIVERIES] += 1;
    const exit = deliver(cpu);
    if (exit === EXIT_DEBUG_EVENT) {
      // It is all to come: the instruction is begun again.
      cpu.left++;
      cpu.budget++;
      cpu.f[VCPU_F_DELIVERIES] -= 1;
    }
    return exit;
  }
  cpu.abort = 0;
  if (reason === ABORT_DEBUG) return EXIT_DEBUG_EVENT;
  if (reason !== ABORT_EXIT) return EXIT_UNIMPLEMENTED;
  r[VCPU_EXIT_INSN_LENGTH] = i === 0 ? 0 : cpu.code[i + I_LENGTH];
  return r[VCPU_EXIT_REASON];
}

/** The record of the instruction at RIP, decoded if need be and linked to the one before; 0 with `cpu.abort` set. */
export function findInstruction(cpu: Cpu): number {
  const { r, cache } = cpu;
  const bits = r[VCPU_CODE_BITS];
  let lo = r[VCPU_RIP];
  const hi = r[VCPU_RIP + 1];
  if (bits !== 64) {
    if (r[CS_LIMIT] !== -1 && lo >>> 0 > r[CS_LIMIT] >>> 0) {
      raiseGp(cpu, 0);
      return 0;
    }
    lo = (lo + r[CS_BASE]) | 0;
  }
  const at = fetchPage(cpu, lo, hi);
  if (cpu.abort !== 0) return 0;
  let i = cache.find(at, bits);
  const epoch = cache.epoch;
  if (i !== 0 && cache.code[i + I_SECOND_PAGE] !== 0 && !stillSpills(cpu, i, lo, hi)) {
    if (cpu.abort !== 0) return 0;
    cache.dropPage(at >>> 12);
    i = 0;
  }
  if (i === 0) {
    i = cpu.decoder.decode(at, lo, hi, bits);
    if (cpu.abort !== 0) return 0;
  }
  if (epoch === cache.epoch && cpu.previous !== 0) link(cpu, i, lo);
  cpu.previous = 0;
  cpu.linkFrom = 0;
  return i;
}

/** The instruction before lies in the same page and nothing has to be looked at in between: remember the way. */
function link(cpu: Cpu, i: number, lo: number): void {
  const { code, previous } = cpu;
  const before = cpu.previousRip;
  // Only the place in the page counts, so the comparison may be of RIPs even when linear addresses are another.
  if (((cpu.r[VCPU_RIP] ^ before) & ~0xfff) !== 0 || code[i + I_SECOND_PAGE] !== 0) return;
  if (cpu.previousEpoch !== cpu.cache.epoch) return;
  if (cpu.hasBreakpointAt(lo & 0xfff)) return;
  // A branch that ends its page may have carried RIP into the high half: its target is set afresh each time.
  const insidePage = (before & 0xfff) + code[previous + I_LENGTH] < 0x1000;
  if (cpu.linkFrom === previous) code[previous + I_TARGET] = insidePage ? i : 0;
  else if (((before + code[previous + I_LENGTH]) | 0) === cpu.r[VCPU_RIP]) code[previous + I_NEXT] = i;
}

/** An instruction across two pages is as it was decoded only while its second page is the same. */
function stillSpills(cpu: Cpu, i: number, lo: number, hi: number): boolean {
  const nextLo = ((lo | 0xfff) + 1) | 0;
  const next = fetchPage(cpu, nextLo, nextPageHigh(cpu.r[VCPU_CODE_BITS], nextLo, hi));
  return cpu.abort === 0 && next >>> 12 === cpu.code[i + I_SECOND_PAGE];
}
