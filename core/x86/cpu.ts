/**
 * One virtual CPU: views of its block in the arena, and the little that an instruction in progress needs beside it.
 * Everything that outlives an instruction is in the arena (core/arena/vcpu-layout.ts); what is here are caches and
 * scratch, so a Cpu may be thrown away between two runs and made again.
 */
import type { Arena } from '../arena/arena.ts';
import {
  CS,
  SEG_BASE,
  SEGMENT_WORDS,
  VCPU_BYTES,
  VCPU_LOCK_PAGE,
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_F_INSNS,
  VCPU_FLAGS_OP,
  VCPU_RFLAGS,
  VCPU_RIP,
  VCPU_SEGMENTS,
} from '../arena/vcpu-layout.ts';
import { u64FromHalves } from '../base/address.ts';
import { resetState } from './cpu-reset.ts';
import { DecodeCache } from './decode/decode-cache.ts';
import { InstructionDecoder } from './decode/decode.ts';
import { emulateInstruction } from './exec/emulate.ts';
import { raiseException, raisePageFault, VECTOR_PF } from './interrupts/exceptions.ts';
import { ABORT_NONE } from './system/exits.ts';
import { FLAGS_EAGER, materializeFlags } from './exec/flags.ts';
import { I_LENGTH, I_NEXT, I_TARGET, INSTRUCTION_SHIFT, type InstructionHandler } from './decode/instruction.ts';
import { deliverException, deliverInterrupt } from './interrupts/interrupts.ts';
import { WholeWord } from './memory/memory-access-whole.ts';
import { runCpu } from './run-loop.ts';
import { flushTlb, flushTlbPage } from './tlb/tlb.ts';
import { watchesChanged } from './tlb/tlb-watch.ts';
import type { CpuWatch } from './memory/watch.ts';

/**
 * What KVM's emulator does in place of plain memory and port accesses (core/kvm implements it: emulator_*_emulated).
 * Addresses include the segment base; sizes are 1, 2, 4 or 8. A function that fails sets `cpu.abort`.
 */
export interface EmulatorOps {
  /** The low half is returned, the high half left in `cpu.hi`. */
  readData(cpu: Cpu, gvaLo: number, gvaHi: number, size: number): number;
  writeData(cpu: Cpu, gvaLo: number, gvaHi: number, size: number, lo: number, hi: number): void;
  portIn(port: number, size: number): number;
  portOut(port: number, size: number, value: number): void;
  /** Arena offset of a guest physical byte, through the memslots; −1 when it is not memory. Asked where no second level translates. */
  frameOf?(gpaLo: number, gpaHi: number, write: boolean): number;
  /**
   * Arena offset of a byte of the instruction, asked where the processor itself would leave the guest to fetch it. −1 with
   * `cpu.abort` set.
   */
  fetch?(cpu: Cpu, gvaLo: number, gvaHi: number): number;
  /** The instruction raised an exception, which was delivered as if the host had injected it. */
  injects?(vector: number, hasError: boolean, errorCode: number): void;
}

/**
 * The host's answer to an exit that it can settle with the instruction still in progress (core/kvm implements it). The exit
 * is recorded as for leaving the guest, and `cpu.abort` says so; whoever has done the access clears it, and the instruction
 * goes on. Left as it is, the instruction is abandoned and the exit reported as any other.
 */
export interface ExitsInPlace {
  /** A load of `size` bytes, all in one page. The low half is returned, the high half left in `cpu.hi`. */
  load(cpu: Cpu, size: number): number;
  store(cpu: Cpu, size: number, lo: number, hi: number): void;
}

export interface CpuConfig {
  /** Physical address bits that the guest's CPUID reports and its page tables may use. */
  readonly maxPhyAddr: number;
  /** The vCPU has a thread of its own: it looks for kicks, and its locked instructions are atomic to others. */
  readonly threaded?: boolean | undefined;
}

export class Cpu {
  readonly arena: Arena;
  readonly vcpuId: number;
  readonly config: CpuConfig;
  readonly threaded: boolean;
  /** Arena offset of the page in which locked instructions work on a copy. */
  readonly lockPage: number;
  /** 64 bits on their way between two threads (memory-access-whole.ts). */
  readonly whole = new WholeWord();
  /** This vCPU has the bus to itself: no other executes anything (bus-lock.ts). */
  ownsBus = false;
  /** This vCPU's block, as int32 words (VCPU_*) and as doubles (VCPU_F_*). */
  readonly r: Int32Array<SharedArrayBuffer>;
  readonly f: Float64Array<SharedArrayBuffer>;

  /** High half of the 64-bit value that the last helper returned the low half of. */
  hi = 0;
  /** ABORT_*: not zero once the instruction in progress is abandoned. Checked after every access that may fault. */
  abort: number = ABORT_NONE;
  /** What was met that is not implemented, as a sentence; goes with ABORT_UNIMPLEMENTED. */
  unimplemented = '';
  /** Set while KVM's emulator executes an instruction. */
  emulator: EmulatorOps | undefined = undefined;
  /** Asked first when an instruction's only access runs into an exit. */
  exitsInPlace: ExitsInPlace | undefined = undefined;
  /** A debugger that wants to hear of accesses and exceptions. */
  watch: CpuWatch | undefined = undefined;
  /** Whether an instruction at this linear address has a breakpoint by gpa or by range; asked where its offset is marked. */
  placedBreakpoint: ((lo: number, hi: number) => boolean) | undefined = undefined;
  /** Record of the instruction that the run loop executes, 0 outside of it. */
  current = 0;
  /** The same while it executes one by itself: under TF or a shadow, or for KVM's emulator. */
  alone = 0;
  /** Something needs the host's attention before the next instruction: `run` answers EXIT_ATTENTION. */
  attention = false;
  /**
   * Record of the instruction to execute next, 0 when the run loop has to look it up from RIP. A handler that changes RIP,
   * the code size, the mapping of code, RFLAGS.IF/TF or the interrupt shadow sets it to 0.
   */
  successor = 0;
  /** A direct branch was taken whose target has no link yet: its record. */
  linkFrom = 0;
  /** The record executed last, its RIP and the cache's epoch then: what the run loop links from. */
  previous = 0;
  previousRip = 0;
  previousEpoch = 0;
  /** Budget of the run in progress, and how much of it is left. */
  budget = 0;
  left = 0;
  /** The instruction in progress ends in a single-step trap. */
  singleStep = false;
  /** Linear address of the memory destination that a read-modify-write has begun on. */
  memLo = 0;
  memHi = 0;
  /** Selector of the far pointer read last. */
  selector = 0;
  /** The four words of a 128-bit product. */
  readonly wide = new Int32Array(4);
  readonly cache: DecodeCache;
  /** The records' words: `cache.code`, one step nearer. */
  readonly code: Int32Array;
  readonly decoder: InstructionDecoder;
  /** Execution breakpoints by linear address, and which offsets in a page have one. */
  readonly breakpoints = new Set<bigint>();
  hasBreakpoints = false;
  private readonly breakpointOffsets = new Uint8Array(4096);

  constructor(arena: Arena, vcpuId: number, config: CpuConfig) {
    this.arena = arena;
    this.vcpuId = vcpuId;
    this.config = config;
    this.threaded = config.threaded ?? false;
    this.lockPage = arena.layout.vcpus + vcpuId * VCPU_BYTES + VCPU_LOCK_PAGE;
    const start = arena.layout.vcpus + vcpuId * VCPU_BYTES;
    this.r = new Int32Array(arena.buffer, start, VCPU_BYTES / 4);
    this.f = new Float64Array(arena.buffer, start, VCPU_BYTES / 8);
    this.cache = new DecodeCache(this, arena.buffer.byteLength >>> 12);
    this.code = this.cache.code;
    this.decoder = new InstructionDecoder(this);
  }

  /** Power-up state (SDM vol 3A, "Processor State After Reset"). */
  reset(): void {
    resetState(this);
    this.cache.dropAll();
    this.flushTlb();
    this.abort = ABORT_NONE;
  }

  /** Executes up to `budget` instructions; answers EXIT_*. Retired instructions are added to VCPU_F_INSNS. */
  run(budget: number, stopBeforeFirstBreakpoint: boolean): number {
    return runCpu(this, budget, stopBeforeFirstBreakpoint);
  }

  /** Executes the one instruction at RIP with `ops` in place of the accesses that miss plain RAM; answers EMULATE_*. */
  emulateInstruction(ops: EmulatorOps): number {
    return emulateInstruction(this, ops);
  }

  /** Delivers an external interrupt through the IDT (event injection at VM entry): 0, or the EXIT_* that it ran into. */
  injectInterrupt(vector: number): number {
    return deliverInterrupt(this, vector);
  }

  /** Delivers an exception that KVM injects. With a #PF, `cr2Lo` and `cr2Hi` are its address. */
  injectException(vector: number, hasError: boolean, errorCode: number, cr2Lo: number, cr2Hi: number): number {
    if (vector === VECTOR_PF) raisePageFault(this, cr2Lo, cr2Hi, errorCode);
    else raiseException(this, vector, hasError, errorCode);
    return deliverException(this);
  }

  /**
   * `run` answers EXIT_DEBUG before it executes an instruction at one of these linear addresses.
   * @param offsets in pages, not zero where `placed` is to be asked as well
   */
  setExecBreakpoints(
    gvas: readonly bigint[],
    offsets?: Uint8Array,
    placed?: (lo: number, hi: number) => boolean,
  ): void {
    this.breakpoints.clear();
    if (offsets === undefined) this.breakpointOffsets.fill(0);
    else this.breakpointOffsets.set(offsets);
    this.placedBreakpoint = placed;
    this.hasBreakpoints = gvas.length > 0 || placed !== undefined;
    for (const gva of gvas) {
      this.breakpoints.add(BigInt.asUintN(64, gva));
      this.breakpointOffsets[Number(gva & 0xfffn)] = 1;
    }
    this.cache.unlinkAll();
  }

  /** To be called when `watch` watches something else than before. */
  watchesChanged(): void {
    watchesChanged(this);
  }

  /** Leaves the guest, with EXIT_ATTENTION, when the instruction in progress is done. */
  stopAfterInstruction(): void {
    const { code, current } = this;
    // The handler may still choose a successor by these; without them the run loop looks around.
    if (current !== 0) {
      code[current + I_NEXT] = 0;
      code[current + I_TARGET] = 0;
    }
    this.successor = 0;
    this.attention = true;
  }

  /** Bytes of the instruction in progress, by which RIP is ahead of it; 0 outside of one. */
  get lengthInProgress(): number {
    const i = this.current !== 0 ? this.current : this.alone;
    return i === 0 ? 0 : this.code[i + I_LENGTH];
  }

  hasBreakpointAt(offset: number): boolean {
    return this.breakpointOffsets[offset] !== 0;
  }

  /** A breakpoint stands at RIP. */
  isBreakpoint(): boolean {
    const { r } = this;
    const base = r[VCPU_CODE_BITS] === 64 ? 0 : r[VCPU_SEGMENTS + CS * SEGMENT_WORDS + SEG_BASE];
    const lo = (r[VCPU_RIP] + base) | 0;
    if (this.breakpointOffsets[lo & 0xfff] === 0) return false;
    if (this.breakpoints.has(u64FromHalves(lo, r[VCPU_RIP + 1]))) return true;
    return this.placedBreakpoint !== undefined && this.placedBreakpoint(lo, r[VCPU_RIP + 1]);
  }

  /** Empties the hardware TLBs and the paging-structure caches. */
  flushTlb(): void {
    flushTlb(this);
    this.successor = 0;
  }

  flushTlbPage(lo: number, hi: number): void {
    flushTlbPage(this, lo, hi);
    this.successor = 0;
  }

  /** Forgets what was decoded from an arena page (offset >> 12). */
  dropDecodedPage(page: number): void {
    this.cache.dropPage(page);
  }

  /** To be called after anything but this CPU wrote to the arena: the debugger, a loader, a device. */
  noteExternalWrite(offset: number, length: number): void {
    this.cache.noteWrite(offset, length);
  }

  /** RFLAGS (low word) with the lazy flags worked out. */
  rflags(): number {
    return materializeFlags(this.r);
  }

  /** Replaces RFLAGS, lazy flags included. The caller has masked what the guest may not change. */
  setRflags(value: number): void {
    this.r[VCPU_RFLAGS] = value | 2;
    this.r[VCPU_FLAGS_OP] = FLAGS_EAGER;
    this.successor = 0;
  }

  /** Instructions retired since reset, those of the run in progress included. */
  instructions(): number {
    return this.f[VCPU_F_INSNS] + this.budget - this.left;
  }

  isKernel(): boolean {
    return this.r[VCPU_CPL] === 0;
  }

  /** 16, 32 or 64. */
  codeBits(): number {
    return this.r[VCPU_CODE_BITS];
  }

  handlerOf(i: number): InstructionHandler {
    return this.cache.handlers[i >> INSTRUCTION_SHIFT];
  }
}
