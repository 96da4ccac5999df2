/** One virtual processor and KVM's loop around it (__vcpu_run and vcpu_enter_guest of arch/x86/kvm/x86.c, v3.11). */
import {
  ACTIVE,
  HALTED,
  REQUEST_BUS_LOCK,
  SHUT_DOWN,
  UNINITIALIZED,
  VCPU_ACTIVITY,
  VCPU_CR2,
  VCPU_EXIT_GPA,
  VCPU_EXIT_IO_OUT,
  VCPU_EXIT_IO_SIZE,
  VCPU_EXIT_IO_STRING,
  VCPU_EXIT_PORT,
  VCPU_EXIT_QUALIFICATION,
  VCPU_EXIT_REASON,
  VCPU_F_DELIVERIES,
  VCPU_F_INSNS,
  VCPU_GPR,
  VCPU_INTERRUPT_SHADOW,
  VCPU_INTERRUPT_WINDOW,
  VCPU_REQUESTS,
  VCPU_RFLAGS,
  VCPU_RIP,
  VCPU_SKIP_MMIO_STOP,
} from '../../arena/vcpu-layout.ts';
import type { Result } from '../../base/result.ts';
import { TP_KVM_EXIT } from '../../base/tracepoints.ts';
import {
  awaitBus,
  EXIT_ATTENTION,
  EXIT_BUDGET,
  EXIT_BUS_LOCK,
  EXIT_DEBUG,
  EXIT_DEBUG_EVENT,
  EXIT_IO_INSTRUCTION,
  EXIT_NPF,
  EXIT_UNIMPLEMENTED,
  lockBus,
  RFLAGS_IF,
  unlockBus,
  type Cpu,
} from '../../x86/index.ts';
import type { VmBus } from '../bus.ts';
import { WATCH_PORTS, type KvmWatch } from '../hooks.ts';
import { handleExit, shutDown } from '../exits/exit-handlers.ts';
import { RESUME_GUEST } from '../exits/exit-handlers-emulate.ts';
import { deliverQueuedException } from '../exits/exception-queue.ts';
import { abandonGuestMode, beginReading, enterGuestMode, leaveGuestMode } from './guest-mode.ts';
import { stopsBeforeFault } from '../exits/exit-handlers-fault.ts';
import { MmioExitsInPlace } from '../mmio/mmio-exits-in-place.ts';
import { MMU_NPT, MMU_SHADOW, type Mmu } from '../mmu/mmu.ts';
import { mmuFollowRegisters, mmuLoad, mmuUnload } from '../mmu/mmu-roots.ts';
import {
  VCPU_IN_GUEST,
  VCPU_PENDING_ERROR_CODE,
  VCPU_PENDING_EXCEPTION,
  VCPU_PENDING_INTERRUPT,
  VCPU_ROOT_VALID,
} from '../mmu/mmu-words.ts';
import {
  countTlbFlush,
  KVM_REQ_MMU_RELOAD,
  KVM_REQ_MMU_SYNC,
  KVM_REQ_TLB_FLUSH,
  KVM_REQ_TRIPLE_FAULT,
} from './requests.ts';
import { mmuSyncRoots } from '../shadow/shadow-sync.ts';
import { traceEnabled } from '../trace/trace.ts';
import { KVM_ISA_SVM, KVM_ISA_VMX, traceKvmEntry, traceKvmExit, traceKvmInjVirq } from '../trace/trace-events.ts';
import { setSegmentRegisters, setSpecialRegister, type SegmentWrite, type SpecialRegister } from './set-sregs.ts';
import type { RegisterRefusal } from './sregs-checks.ts';
import { VcpuContext } from './vcpu-context.ts';
import { NO_EXIT } from './vcpu-exit-reasons.ts';
import {
  RUN_BUDGET,
  RUN_DEBUG_EVENT,
  RUN_DEBUG_MMIO,
  RUN_HLT,
  RUN_SHUTDOWN,
  RUN_VMM_STOP,
  type RunCode,
} from './vcpu-run.ts';

/** struct kvm_vcpu. */
export class Vcpu {
  readonly id: number;
  readonly cpu: Cpu;
  private readonly context: VcpuContext;

  constructor(id: number, mmu: Mmu, cpu: Cpu, bus: VmBus) {
    this.id = id;
    this.cpu = cpu;
    this.context = new VcpuContext(id, mmu, cpu, bus);
    this.cpu.exitsInPlace = new MmioExitsInPlace(this.context);
  }

  /** Why the last run ended with RUN_INTERNAL_ERROR. */
  get internalError(): string {
    return this.context.internalError;
  }

  /** What KVM_SET_REGS does beside writing the general registers: an exception that was to be injected is forgotten. */
  forgetException(): void {
    this.context.r[VCPU_PENDING_EXCEPTION] = 0;
  }

  /** KVM_SET_SREGS, KVM_SET_DEBUGREGS or KVM_SET_MSRS with one register changed. What is refused has changed nothing. */
  setSpecialRegister(name: SpecialRegister, value: bigint): Result<undefined, RegisterRefusal> {
    return setSpecialRegister(this.context, name, value);
  }

  /** KVM_SET_SREGS with these segments changed: all of them, or none. */
  setSegmentRegisters(writes: readonly SegmentWrite[]): Result<undefined, RegisterRefusal> {
    return setSegmentRegisters(this.context, writes);
  }

  /**
   * KVM_RUN: runs until `budget` instructions have retired (exceptions delivered count too) or user space is wanted.
   * @param skipBreakpoint do not stop at an execution breakpoint on the very first instruction
   */
  run(budget: number, skipBreakpoint: boolean): RunCode {
    const { mmu, r } = this.context;
    if (!mmu.threaded) return this.runLoop(budget, skipBreakpoint);
    beginReading(mmu, r);
    try {
      return this.runLoop(budget, skipBreakpoint);
    } finally {
      abandonGuestMode(r);
    }
  }

  private runLoop(budget: number, skipBreakpoint: boolean): RunCode {
    const { context, cpu } = this;
    const { r, f, bus, mmu } = context;
    const { watch } = context.hooks;
    const end = f[VCPU_F_INSNS] + f[VCPU_F_DELIVERIES] + budget;
    let skip = skipBreakpoint;
    context.internalError = '';
    watch?.enter(this.id);
    for (;;) {
      if (watch !== undefined && watch.stopPending) return RUN_DEBUG_EVENT;
      // A plain load: requests are looked at once more on the way into guest mode.
      if (r[VCPU_REQUESTS] !== 0 && !this.serveRequests()) return shutDown(context) as RunCode;
      if (r[VCPU_ACTIVITY] !== ACTIVE) {
        if (r[VCPU_ACTIVITY] === SHUT_DOWN) return RUN_SHUTDOWN;
        if (!this.wake()) return RUN_HLT;
      }
      if (f[VCPU_F_INSNS] + f[VCPU_F_DELIVERIES] >= end) return RUN_BUDGET;
      if (mmu.mode === MMU_SHADOW) mmuFollowRegisters(mmu, r);
      this.queueInterrupt();
      if (r[VCPU_ROOT_VALID] === 0) {
        const loaded = mmuLoad(mmu, r, this.id);
        cpu.flushTlb();
        // What loading asked for is served first: a sync, a flush, or the end of a guest whose root is in no memory.
        if (!loaded || r[VCPU_REQUESTS] !== 0) continue;
      }

      if (watch !== undefined && watch.exceptions && this.stopsBeforeQueued(watch)) return RUN_DEBUG_EVENT;
      if (!enterGuestMode(mmu, r)) continue;
      if (r[VCPU_IN_GUEST] === 0 || r[VCPU_PENDING_INTERRUPT] !== 0) {
        r[VCPU_IN_GUEST] = 1;
        traceKvmEntry(mmu.arena, this.id);
      }
      const before = f[VCPU_F_INSNS];
      if ((r[VCPU_PENDING_INTERRUPT] | r[VCPU_PENDING_EXCEPTION]) !== 0) skip = false;
      // A delivery is work too.
      const delivered = this.deliverEvent();
      const rest = end - f[VCPU_F_INSNS] - f[VCPU_F_DELIVERIES];
      let exit = delivered ? cpu.run(rest, !skip) : r[VCPU_EXIT_REASON];
      leaveGuestMode(mmu, r);
      const alone = exit === EXIT_BUS_LOCK;
      if (alone) exit = this.runWithBusLocked();

      if (f[VCPU_F_INSNS] !== before) {
        skip = false;
        r[VCPU_SKIP_MMIO_STOP] = 0;
      }
      if (exit === EXIT_BUDGET) {
        if (alone) continue;
        return RUN_BUDGET;
      }
      if (exit === EXIT_ATTENTION) {
        if (bus.stopRequested()) return RUN_VMM_STOP;
        continue;
      }
      if (exit === EXIT_DEBUG_EVENT) return RUN_DEBUG_EVENT;
      if (watch !== undefined && exit === EXIT_IO_INSTRUCTION && this.stopsBeforePort(watch)) return RUN_DEBUG_EVENT;
      if (context.hooks.mmioStopArmed && stopsBeforeFault(context, exit)) return RUN_DEBUG_MMIO;
      if (exit !== EXIT_DEBUG && exit !== EXIT_UNIMPLEMENTED) {
        r[VCPU_IN_GUEST] = 0;
        context.count(context.cExits);
        if (traceEnabled(mmu.arena, TP_KVM_EXIT)) this.traceExit(exit);
      }
      const retired = f[VCPU_F_INSNS];
      const code = handleExit(context, exit);
      if (code !== RESUME_GUEST) return code as RunCode;
      if (f[VCPU_F_INSNS] !== retired) skip = false;
      if (bus.stopRequested()) return RUN_VMM_STOP;
    }
  }

  /** Executes the one locked instruction at rip while no other vCPU executes anything. Not an exit: KVM knows nothing of it. */
  private runWithBusLocked(): number {
    const { cpu } = this;
    const { mmu, r } = this.context;
    lockBus(cpu);
    try {
      // Requests come first, and then the instruction again.
      if (!enterGuestMode(mmu, r)) return EXIT_BUDGET;
      const exit = cpu.run(1, false);
      leaveGuestMode(mmu, r);
      return exit;
    } finally {
      unlockBus(cpu);
    }
  }

  /** kvm_arch_vcpu_runnable, and a vCPU that has shut down: its end is still to be told. */
  runnable(): boolean {
    const activity = this.context.r[VCPU_ACTIVITY];
    return activity === ACTIVE || activity === SHUT_DOWN || (activity === HALTED && this.mayWake());
  }

  /** Waits to be started, as application processors do after power-up. */
  holdUntilStarted(): void {
    this.context.r[VCPU_ACTIVITY] = UNINITIALIZED;
  }

  /** What a change of registers from outside may have invalidated: the hardware's caches of translations. */
  registersChanged(): void {
    this.cpu.flushTlb();
    this.cpu.successor = 0;
  }

  /** Drops the roots: the next run loads new ones (reset, or registers that decide on the paging mode were edited). */
  unloadMmu(): void {
    mmuUnload(this.context.mmu, this.context.r);
    this.cpu.flushTlb();
  }

  /** vcpu_enter_guest's requests, in its order. False: the guest is shut down. */
  private serveRequests(): boolean {
    const { r, mmu } = this.context;
    let requests = Atomics.exchange(r, VCPU_REQUESTS, 0);
    if ((requests & (1 << KVM_REQ_MMU_RELOAD)) !== 0) mmuUnload(mmu, r);
    if ((requests & (1 << KVM_REQ_MMU_SYNC)) !== 0) {
      mmuSyncRoots(mmu, r, this.id);
      requests |= Atomics.exchange(r, VCPU_REQUESTS, 0);
    }
    if ((requests & (1 << KVM_REQ_TLB_FLUSH)) !== 0) {
      this.cpu.flushTlb();
      countTlbFlush(mmu, this.id);
    }
    if ((requests & REQUEST_BUS_LOCK) !== 0) awaitBus(this.cpu);
    return (requests & (1 << KVM_REQ_TRIPLE_FAULT)) === 0;
  }

  private interruptAllowed(): boolean {
    const { r } = this.context;
    return (r[VCPU_RFLAGS] & RFLAGS_IF) !== 0 && r[VCPU_INTERRUPT_SHADOW] === 0;
  }

  /** An interrupt that may be delivered ends a halt. The PIC's INTR line leads to the boot vCPU only, as on a PC. */
  private mayWake(): boolean {
    return this.id === 0 && this.context.bus.interruptPending() && this.interruptAllowed();
  }

  /**
   * User space finds the vCPU runnable and calls KVM_RUN again: HLT has left KVM, since the interrupt controllers are user
   * space's (kvm_emulate_halt), and so nobody sleeps in kvm_vcpu_block and is counted by halt_wakeup.
   */
  private wake(): boolean {
    const { r } = this.context;
    if (r[VCPU_ACTIVITY] !== HALTED || !this.mayWake()) return false;
    r[VCPU_ACTIVITY] = ACTIVE;
    return true;
  }

  /** inject_pending_event: takes an interrupt from the controller, or asks for an exit as soon as one may be delivered. */
  private queueInterrupt(): void {
    const { r, bus } = this.context;
    if (r[VCPU_PENDING_INTERRUPT] !== 0) this.noteInjection(true);
    if (r[VCPU_PENDING_INTERRUPT] !== 0 || this.id !== 0) return;
    if (!bus.interruptPending()) {
      r[VCPU_INTERRUPT_WINDOW] = 0;
      return;
    }
    if (!this.interruptAllowed() || r[VCPU_PENDING_EXCEPTION] !== 0) {
      r[VCPU_INTERRUPT_WINDOW] = 1;
      return;
    }
    const vector = bus.acknowledgeInterrupt();
    r[VCPU_INTERRUPT_WINDOW] = 0;
    r[VCPU_PENDING_INTERRUPT] = vector + 1;
    this.noteInjection(false);
  }

  /** vmx_inject_irq, svm_set_irq: once more for each entry that is to deliver the same interrupt again. */
  private noteInjection(again: boolean): void {
    const { context } = this;
    context.count(context.cIrqInjections);
    traceKvmInjVirq(context.mmu.arena, this.id, context.r[VCPU_PENDING_INTERRUPT] - 1, again);
  }

  /** Asks the debugger about an exception that KVM has queued, as the processor asks about its own. */
  private stopsBeforeQueued(watch: KvmWatch): boolean {
    const { cpu, r } = this.context;
    if (r[VCPU_PENDING_EXCEPTION] === 0) return false;
    const vector = r[VCPU_PENDING_EXCEPTION] - 1;
    return watch.beforeException(cpu, vector, r[VCPU_PENDING_ERROR_CODE], r[VCPU_CR2], r[VCPU_CR2 + 1]);
  }

  /** Nothing of the exit has been counted, traced or handled: should the vCPU stop, the instruction is begun again. */
  private stopsBeforePort(watch: KvmWatch): boolean {
    const { r } = this.context;
    if ((watch.armed & WATCH_PORTS) === 0) return false;
    const size = r[VCPU_EXIT_IO_SIZE];
    const out = r[VCPU_EXIT_IO_OUT] !== 0;
    const string = r[VCPU_EXIT_IO_STRING] !== 0;
    const value = out && !string ? (size === 4 ? r[VCPU_GPR] : r[VCPU_GPR] & ((1 << (8 * size)) - 1)) : 0;
    return watch.onPort(this.id, r[VCPU_EXIT_PORT], size, out, string, value);
  }

  /** inject_pending_event: an exception before an interrupt. False: delivery ran into the exit in VCPU_EXIT_REASON. */
  private deliverEvent(): boolean {
    if (this.context.r[VCPU_PENDING_EXCEPTION] !== 0) return deliverQueuedException(this.context);
    return this.deliverInterrupt();
  }

  /**
   * The delivery of a queued interrupt, which the hardware does at VM entry. False: it ran into the exit in VCPU_EXIT_REASON
   * and is tried again afterwards, as KVM does with IDT-vectoring information.
   */
  private deliverInterrupt(): boolean {
    const { r } = this.context;
    if (r[VCPU_PENDING_INTERRUPT] === 0) return true;
    r[VCPU_EXIT_REASON] = NO_EXIT;
    const exit = this.cpu.injectInterrupt(r[VCPU_PENDING_INTERRUPT] - 1);
    // Reason 0 is an exit too, under the shadow MMU.
    if (exit === 0 && r[VCPU_EXIT_REASON] === NO_EXIT) {
      r[VCPU_PENDING_INTERRUPT] = 0;
      return true;
    }
    r[VCPU_EXIT_REASON] = exit;
    return false;
  }

  private traceExit(exit: number): void {
    const { r, mmu } = this.context;
    const svm = mmu.mode === MMU_NPT;
    const q = VCPU_EXIT_QUALIFICATION;
    const gpa = exit === EXIT_NPF;
    traceKvmExit(
      mmu.arena,
      this.id,
      exit,
      r[VCPU_RIP],
      r[VCPU_RIP + 1],
      svm ? KVM_ISA_SVM : KVM_ISA_VMX,
      r[q],
      r[q + 1],
      gpa ? r[VCPU_EXIT_GPA] : 0,
      gpa ? r[VCPU_EXIT_GPA + 1] : 0,
    );
  }
}
