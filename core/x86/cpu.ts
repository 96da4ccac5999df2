/**
 * One virtual CPU: views of its block in the arena, and the little that an instruction in progress needs beside it.
 * Everything that outlives an instruction is in the arena (core/arena/vcpu-layout.ts); what is here are caches and
 * scratch, so a Cpu may be thrown away between two runs and made again.
 */
import type { Arena } from '../arena/arena.ts';
import { VCPU_BYTES } from '../arena/vcpu-layout.ts';
import { UmbraBug } from '../base/assert.ts';
import { ABORT_NONE } from './exits.ts';

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
}

export interface CpuConfig {
  /** Physical address bits that the guest's CPUID reports and its page tables may use. */
  readonly maxPhyAddr: number;
}

export class Cpu {
  readonly arena: Arena;
  readonly vcpuId: number;
  readonly config: CpuConfig;
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
  /**
   * Record of the instruction to execute next, 0 when the run loop has to look it up from RIP. A handler that changes RIP,
   * the code size, the mapping of code, RFLAGS.IF/TF or the interrupt shadow sets it to 0.
   */
  successor = 0;
  /** Instructions left of the running budget; `instructions()` counts with it. */
  left = 0;
  budget = 0;

  constructor(arena: Arena, vcpuId: number, config: CpuConfig) {
    this.arena = arena;
    this.vcpuId = vcpuId;
    this.config = config;
    const start = arena.layout.vcpus + vcpuId * VCPU_BYTES;
    this.r = new Int32Array(arena.buffer, start, VCPU_BYTES / 4);
    this.f = new Float64Array(arena.buffer, start, VCPU_BYTES / 8);
  }

  /** Power-up state (SDM vol 3A, "Processor State After Reset"). */
  reset(): void {
    throw new UmbraBug('not yet');
  }

  /** Executes up to `budget` instructions; answers EXIT_*. Retired instructions are added to VCPU_F_INSNS. */
  run(_budget: number, _stopBeforeFirstBreakpoint: boolean): number {
    throw new UmbraBug('not yet');
  }

  /** Executes the one instruction at RIP with `ops` in place of the accesses that miss plain RAM; answers EMULATE_*. */
  emulateInstruction(_ops: EmulatorOps): number {
    throw new UmbraBug('not yet');
  }

  /** Delivers an external interrupt through the IDT (event injection at VM entry): 0, or the EXIT_* that it ran into. */
  injectInterrupt(_vector: number): number {
    throw new UmbraBug('not yet');
  }

  injectException(_vector: number, _hasError: boolean, _errorCode: number, _cr2Lo: number, _cr2Hi: number): number {
    throw new UmbraBug('not yet');
  }

  /** `run` answers EXIT_DEBUG before it executes an instruction at one of these linear addresses. */
  setExecBreakpoints(_gvas: readonly bigint[]): void {
    throw new UmbraBug('not yet');
  }

  /** Empties the hardware TLBs and the paging-structure caches. */
  flushTlb(): void {
    throw new UmbraBug('not yet');
  }

  flushTlbPage(_lo: number, _hi: number): void {
    throw new UmbraBug('not yet');
  }

  /** Forgets what was decoded from an arena page (offset >> 12). */
  dropDecodedPage(_page: number): void {
    throw new UmbraBug('not yet');
  }

  /** To be called after anything but this CPU wrote to the arena: the debugger, a loader, a device. */
  noteExternalWrite(_offset: number, _length: number): void {
    throw new UmbraBug('not yet');
  }

  /** RFLAGS with the lazy flags worked out. */
  rflags(): number {
    throw new UmbraBug('not yet');
  }

  /** Replaces RFLAGS, lazy flags included. The caller has masked what the guest may not change. */
  setRflags(_value: number): void {
    throw new UmbraBug('not yet');
  }

  /** Instructions retired since reset, those of the run in progress included. */
  instructions(): number {
    throw new UmbraBug('not yet');
  }
}
