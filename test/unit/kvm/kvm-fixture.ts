/** A VM whose CPU is a script: faults are handed to KVM directly and the emulator executes what the test says. */
import { createArena, type Arena } from '../../../core/arena/arena.ts';
import {
  VCPU_EXIT_GPA,
  VCPU_EXIT_GVA,
  VCPU_EXIT_QUALIFICATION,
  VCPU_F_INSNS,
} from '../../../core/arena/vcpu-layout.ts';
import { HVA_BASE, highHalf, lowHalf } from '../../../core/base/address.ts';
import type { HostPages } from '../../../core/base/host-pages.ts';
import type { Era, MmuMode } from '../../../core/base/machine-modes.ts';
import { MMIO_OUTCOMES } from '../../../core/base/mmio-outcomes.ts';
import { TRACEPOINTS } from '../../../core/base/tracepoints.ts';
import {
  MMIO_LOG_BYTES,
  MMIO_LOG_ACCESS,
  MMIO_LOG_CLAIM,
  MMIO_LOG_DEVICE,
  MMIO_LOG_KVM_GEN,
  MMIO_LOG_OUTCOME,
  MMIO_LOG_RECORDS,
  MMIO_LOG_SIZE,
  MMIO_LOG_SPTE,
  MMIO_LOG_SPTE_GEN,
  MMIO_LOG_VALUE,
  RING_HEAD,
  TRACE_ARGS,
  TRACE_EVENT,
  TRACE_RECORD_BYTES,
  TRACE_RING_HEADER_BYTES,
} from '../../../core/arena/trace-layout.ts';
import { readTrace } from '../../../core/debug/logs/trace-lines.ts';
import { Vm, type KvmHooks, type VmBus, noHooks } from '../../../core/kvm/index.ts';
import { memslotsOf } from '../../../core/kvm/memslots/limits.ts';
import { handleExit } from '../../../core/kvm/exits/exit-handlers.ts';
import { lastSptep } from '../../../core/kvm/mmu/mmu-walk.ts';
import { mmuLoad, mmuUnload } from '../../../core/kvm/mmu/mmu-roots.ts';
import { VCPU_ROOT_VALID } from '../../../core/kvm/mmu/mmu-words.ts';
import { setTraceEnabled } from '../../../core/kvm/trace/trace.ts';
import { VcpuContext } from '../../../core/kvm/vcpu/vcpu-context.ts';
import {
  Cpu,
  EMULATE_DONE,
  EXIT_EPT_MISCONFIG,
  EXIT_EPT_VIOLATION,
  EXIT_EXCEPTION_NMI,
  EXIT_NPF,
  LAST_ACCESS,
  type EmulatorOps,
} from '../../../core/x86/index.ts';

/** Executes whatever `script` says instead of the instruction at rip. */
export class ScriptedCpu extends Cpu {
  script: (ops: EmulatorOps, cpu: Cpu) => void = () => {};
  emulated = 0;
  flushes = 0;

  override emulateInstruction(ops: EmulatorOps): number {
    this.emulated++;
    this.emulator = ops;
    this.script(ops, this);
    this.emulator = undefined;
    this.f[VCPU_F_INSNS] += 1;
    return EMULATE_DONE;
  }

  override flushTlb(): void {
    this.flushes++;
  }

  override noteExternalWrite(): void {}
}

export interface BusAccess {
  readonly write: boolean;
  readonly gpa: bigint;
  readonly size: number;
  readonly value: bigint;
}

/** Records what reaches it; answers reads with `value`; claims everything while `device` ≥ 0. */
export class RecordingBus implements VmBus {
  hi = 0;
  device = 0;
  claims = 0;
  value = 0n;
  pending = false;
  readonly accesses: BusAccess[] = [];

  mmioRead(gpaLo: number, gpaHi: number, size: number): number {
    this.device = this.claims;
    const value = this.claims < 0 ? (1n << BigInt(size * 8)) - 1n : this.value;
    this.accesses.push({ write: false, gpa: gpaOf(gpaLo, gpaHi), size, value });
    this.hi = highHalf(value);
    return lowHalf(value);
  }

  mmioWrite(gpaLo: number, gpaHi: number, size: number, lo: number, hi: number): void {
    this.device = this.claims;
    this.accesses.push({ write: true, gpa: gpaOf(gpaLo, gpaHi), size, value: gpaOf(lo, hi) });
  }

  pioRead(): number {
    return 0;
  }

  pioWrite(): void {}

  interruptPending(): boolean {
    return this.pending;
  }

  acknowledgeInterrupt(): number {
    this.pending = false;
    return 0x20;
  }

  stopRequested(): boolean {
    return false;
  }
}

const gpaOf = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);

export interface FixtureOptions {
  readonly mmu?: MmuMode;
  readonly era?: Era;
  readonly maxPhyAddr?: number;
  readonly l1tfCacheBits?: number | undefined;
  readonly shadowPages?: number;
  readonly vcpus?: number;
  readonly hooks?: KvmHooks;
  readonly ramBytes?: number;
  readonly hostPages?: HostPages;
  readonly eptAd?: boolean;
  /** As with vCPUs on threads of their own: mmu_lock is really taken. */
  readonly threaded?: boolean;
}

export function traceIn(arena: Arena, events: readonly string[]): void {
  for (const { id, name } of TRACEPOINTS) if (events.includes(name)) setTraceEnabled(arena, id, true);
}

/** Events so far, as `name field=value …` with hexadecimal values; the ring must not have wrapped. */
export function tracedIn(arena: Arena): string[] {
  const total = arena.f64[(arena.layout.trace + RING_HEAD) >> 3];
  return Array.from({ length: total }, (_, n) => {
    const at = arena.layout.trace + TRACE_RING_HEADER_BYTES + n * TRACE_RECORD_BYTES;
    const spec = TRACEPOINTS.find(({ id }) => id === arena.u16[(at + TRACE_EVENT) >> 1]);
    if (spec === undefined) return '?';
    const fields = spec.fields.map((name, i) => `${name}=${arena.u64[((at + TRACE_ARGS) >> 3) + i].toString(16)}`);
    return `${spec.name} ${fields.join(' ')}`;
  });
}

/** The same in the words of 3.11. */
export const traceTexts = (arena: Arena): string[] => readTrace(arena, 0, 64, '3.11').lines.map(({ text }) => text);

export const MIB = 0x10_0000n;
const RAM_BYTES = 8 * 1024 * 1024;

export class KvmFixture {
  readonly arena: Arena;
  readonly vm: Vm;
  readonly bus = new RecordingBus();
  readonly cpu: ScriptedCpu;
  readonly vcpu: VcpuContext;
  readonly log: string[] = [];

  constructor(options: FixtureOptions = {}) {
    const { mmu = 'ept', era = 'patch', maxPhyAddr = 40, shadowPages = 256, vcpus = 1 } = options;
    const { ramBytes = RAM_BYTES, hostPages, eptAd, l1tfCacheBits, threaded } = options;
    const config = { ramBytes, vcpus, memslots: memslotsOf(era), shadowPages, traceRecords: 1024 };
    this.arena = createArena(config, (bytes) => new SharedArrayBuffer(bytes));
    const hooks = options.hooks ?? noHooks();
    hooks.onLog = (_level, text) => this.log.push(text);
    const host = { maxPhyAddr, l1tfCacheBits, hostPages, eptAd, threaded };
    this.vm = new Vm(this.arena, { mmu, era, vcpus, ...host }, this.bus, hooks);
    const cpus = Array.from({ length: vcpus }, (_, id) => new ScriptedCpu(this.arena, id, { maxPhyAddr }));
    this.cpu = cpus[0];
    this.vcpu = new VcpuContext(0, this.vm.mmu, cpus[0], this.bus);
    this.enter();
  }

  /** What vcpu_enter_guest does of memory management before it enters. */
  enter(): void {
    const { r } = this.cpu;
    const requests = Atomics.exchange(r, 256, 0);
    if ((requests & 8) !== 0) mmuUnload(this.vm.mmu, r);
    if (r[VCPU_ROOT_VALID] === 0) mmuLoad(this.vm.mmu, r, 0);
  }

  slot(slot: number, gpa: bigint, size: bigint, flags = 0, hva = HVA_BASE): void {
    const region = { slot, flags, guestPhysAddr: gpa, memorySize: size, userspaceAddr: hva };
    const done = this.vm.setUserMemoryRegion(region);
    if (!done.ok) throw new Error(done.error.message);
    this.enter();
  }

  deleteSlot(slot: number): void {
    this.slot(slot, 0n, 0n);
  }

  /** The entry at which a walk for the gpa ends, 0n when there is none. */
  spte(gpa: bigint): bigint {
    const sptep = lastSptep(this.vm.mmu, this.cpu.r, lowHalf(gpa), highHalf(gpa));
    return sptep === 0 ? 0n : this.arena.u64[sptep >> 3];
  }

  sptep(gpa: bigint): number {
    return lastSptep(this.vm.mmu, this.cpu.r, lowHalf(gpa), highHalf(gpa));
  }

  /** The next emulated instruction reads. */
  reads(gva: bigint, size = 4): this {
    this.cpu.script = (ops, cpu) => void ops.readData(cpu, lowHalf(gva), highHalf(gva), size);
    return this;
  }

  writes(gva: bigint, value: bigint, size = 4): this {
    this.cpu.script = (ops, cpu) =>
      ops.writeData(cpu, lowHalf(gva), highHalf(gva), size, lowHalf(value), highHalf(value));
    return this;
  }

  private exit(exit: number, gpa: bigint, qualification: number, access: number): number {
    const { r } = this.cpu;
    r[VCPU_EXIT_GPA] = lowHalf(gpa);
    r[VCPU_EXIT_GPA + 1] = highHalf(gpa);
    r[VCPU_EXIT_GVA] = lowHalf(gpa);
    r[VCPU_EXIT_GVA + 1] = highHalf(gpa);
    r[VCPU_EXIT_QUALIFICATION] = qualification;
    r[VCPU_EXIT_QUALIFICATION + 1] = 0;
    // As the hardware keeps it: an error code.
    r[LAST_ACCESS] = access === 1 ? 2 : 0;
    const result = handleExit(this.vcpu, exit);
    this.enter();
    return result;
  }

  eptViolation(gpa: bigint, qualification = 0x181): number {
    return this.exit(EXIT_EPT_VIOLATION, gpa, qualification, 0);
  }

  eptMisconfig(gpa: bigint, access = 0): number {
    return this.exit(EXIT_EPT_MISCONFIG, gpa, 0, access);
  }

  nestedFault(gpa: bigint, errorCode: number): number {
    return this.exit(EXIT_NPF, gpa, errorCode, 0);
  }

  shadowFault(gpa: bigint, errorCode: number): number {
    return this.exit(EXIT_EXCEPTION_NMI, gpa, errorCode, 0);
  }

  /** As hardware would: misconfiguration, RSVD or an ordinary fault, by what stands in the table. */
  touch(gpa: bigint, write = false): number {
    if (write) this.writes(gpa, 0x1234n);
    else this.reads(gpa);
    const spte = this.spte(gpa);
    if (this.vm.config.mmu === 'ept') {
      const wx = (spte & 7n) === 6n || (spte & 7n) === 2n;
      return wx ? this.eptMisconfig(gpa, write ? 1 : 0) : this.eptViolation(gpa, write ? 0x182 : 0x181);
    }
    const reserved = (spte & 1n) !== 0n && spte >> 51n !== 0n;
    const code = (write ? 2 : 0) | (reserved ? 9 : 0);
    return this.vm.config.mmu === 'npt' ? this.nestedFault(gpa, code | 4) : this.shadowFault(gpa, code);
  }

  trace(...events: string[]): this {
    traceIn(this.arena, events);
    return this;
  }

  /** Events so far, as `name field=value …` with hexadecimal values. */
  traced(): string[] {
    return tracedIn(this.arena);
  }

  faults(): MmioFaultView[] {
    const { arena } = this;
    const total = arena.f64[(arena.layout.mmioLog + RING_HEAD) >> 3];
    return Array.from({ length: Math.min(total, MMIO_LOG_RECORDS) }, (_, n) => {
      const at = arena.layout.mmioLog + TRACE_RING_HEADER_BYTES + n * MMIO_LOG_BYTES;
      return {
        outcome: MMIO_OUTCOMES[arena.u8[at + MMIO_LOG_OUTCOME]],
        access: arena.u8[at + MMIO_LOG_ACCESS],
        spte: arena.u64[(at + MMIO_LOG_SPTE) >> 3],
        spteGen: arena.i32[(at + MMIO_LOG_SPTE_GEN) >> 2],
        kvmGen: arena.i32[(at + MMIO_LOG_KVM_GEN) >> 2],
        size: arena.u8[at + MMIO_LOG_SIZE],
        value: arena.u64[(at + MMIO_LOG_VALUE) >> 3],
        claim: arena.u8[at + MMIO_LOG_CLAIM],
        device: arena.u8[at + MMIO_LOG_DEVICE],
      };
    });
  }

  outcomes(): string[] {
    return this.faults().map(({ outcome }) => outcome);
  }
}

export interface MmioFaultView {
  readonly outcome: string;
  readonly access: number;
  readonly spte: bigint;
  readonly spteGen: number;
  readonly kvmGen: number;
  readonly size: number;
  readonly value: bigint;
  readonly claim: number;
  readonly device: number;
}
