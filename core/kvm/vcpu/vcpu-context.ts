/** What the handlers of one vCPU's exits are handed: its hardware, its MMU, whom to tell and what to note. */
import { VCPU_RIP, VCPU_F_INSNS } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../../x86/index.ts';
import type { VmBus } from '../bus.ts';
import { KvmEmulator } from '../exits/emulator.ts';
import type { KvmHooks, PredictedMmioFault } from '../hooks.ts';
import { visibleGeneration } from '../mmio/mmio-fault.ts';
import { MmioRecord } from '../mmio/mmio-record.ts';
import type { Mmu } from '../mmu/mmu.ts';
import { vcpuCounterWord } from '../trace/stats.ts';

export class VcpuContext {
  readonly id: number;
  readonly mmu: Mmu;
  readonly cpu: Cpu;
  /** The vCPU's block. */
  readonly r: Int32Array<SharedArrayBuffer>;
  readonly f: Float64Array<SharedArrayBuffer>;
  readonly bus: VmBus;
  readonly hooks: KvmHooks;
  readonly emulator: KvmEmulator;
  readonly record: MmioRecord;
  readonly fault: PredictedMmioFault;
  /** Why the last run ended with RUN_INTERNAL_ERROR. */
  internalError = '';

  /** f64 indexes of counters. */
  readonly cExits: number;
  readonly cIoExits: number;
  readonly cMmioExits: number;
  readonly cHaltExits: number;
  readonly cIrqWindow: number;
  readonly cRequestIrq: number;
  readonly cIrqInjections: number;
  readonly cInsnEmulation: number;
  readonly cInsnEmulationFail: number;
  readonly cInvlpg: number;
  readonly cHypercalls: number;

  constructor(id: number, mmu: Mmu, cpu: Cpu, bus: VmBus) {
    const { arena } = mmu;
    this.id = id;
    this.mmu = mmu;
    this.cpu = cpu;
    this.r = cpu.r;
    this.f = cpu.f;
    this.bus = bus;
    this.hooks = mmu.hooks;
    this.record = new MmioRecord(arena, id);
    this.emulator = new KvmEmulator(mmu, cpu, id, bus, this.record);
    this.fault = {
      vcpuId: id,
      gvaLo: 0,
      gvaHi: 0,
      gpaLo: 0,
      gpaHi: 0,
      access: 0,
      outcome: 0,
      spteGen: -1,
      kvmGen: -1,
    };
    this.cExits = vcpuCounterWord(arena, id, 'exits');
    this.cIoExits = vcpuCounterWord(arena, id, 'io_exits');
    this.cMmioExits = vcpuCounterWord(arena, id, 'mmio_exits');
    this.cHaltExits = vcpuCounterWord(arena, id, 'halt_exits');
    this.cIrqWindow = vcpuCounterWord(arena, id, 'irq_window');
    this.cRequestIrq = vcpuCounterWord(arena, id, 'request_irq');
    this.cIrqInjections = vcpuCounterWord(arena, id, 'irq_injections');
    this.cInsnEmulation = vcpuCounterWord(arena, id, 'insn_emulation');
    this.cInsnEmulationFail = vcpuCounterWord(arena, id, 'insn_emulation_fail');
    this.cInvlpg = vcpuCounterWord(arena, id, 'invlpg');
    this.cHypercalls = vcpuCounterWord(arena, id, 'hypercalls');
  }

  count(word: number): void {
    this.mmu.f64[word] += 1;
  }

  /** Starts the record of an MMIO fault at a gpa. */
  openRecord(gvaLo: number, gvaHi: number, gpaLo: number, gpaHi: number, access: number): void {
    const { r } = this;
    const kvmGen = visibleGeneration(this.mmu);
    this.record.begin(this.f[VCPU_F_INSNS], r[VCPU_RIP], r[VCPU_RIP + 1], gvaLo, gvaHi, gpaLo, gpaHi, access, kvmGen);
  }
}
