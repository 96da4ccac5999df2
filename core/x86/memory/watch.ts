/**
 * How a debugger watches a processor. Nobody watching costs a test of `cpu.watch` on slow paths only: pages with a watch are
 * out of reach of the TLB's fast path (tlb-watch.ts), and the rest are places where an instruction is abandoned already.
 *
 * A watch that wants the machine to stand still says so in its own way (core/kvm/hooks.ts); what it answers here is only
 * whether the processor has to leave at once, with nothing done.
 */
import type { Cpu } from '../cpu.ts';

export interface CpuWatch {
  /** Some memory is watched: pages are asked for, and every access that the fast path did not settle is told. */
  readonly memory: boolean;
  readonly exceptions: boolean;
  /** @param page arena offset */
  watchesPage(lo: number, hi: number, page: number): boolean;
  /** A load that took place. */
  onLoad(cpu: Cpu, lo: number, hi: number, size: number, value: number, valueHi: number): void;
  /** A store whose bytes have not moved yet and may still fail: keep the old ones. */
  beforeStore(cpu: Cpu, lo: number, hi: number, size: number): void;
  /** The store took place. */
  onStore(cpu: Cpu, lo: number, hi: number, size: number, value: number, valueHi: number): void;
  /** A walker is about to set A or D bits in an entry of the guest's page tables. `kvm`: KVM's walker, not the processor's. */
  onTableMark(cpu: Cpu, at: number, bits: number, kvm: boolean): void;
  /** The processor has set A or D bits in an spte. */
  onSpteMark(cpu: Cpu, at: number, oldLo: number): void;
  /** An exception is about to be delivered. True: leave in front of it (ABORT_DEBUG, EXIT_DEBUG_EVENT). */
  beforeException(cpu: Cpu, vector: number, errorCode: number, gvaLo: number, gvaHi: number): boolean;
  /** The same where it cannot be left in front of: an exception of an emulated instruction, and one on top of it. */
  noteException(cpu: Cpu, vector: number, errorCode: number, gvaLo: number, gvaHi: number): void;
}
