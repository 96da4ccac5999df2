import { UmbraBug } from '../base/assert.ts';
import type { Result } from '../base/result.ts';
import type { Era, MmuMode } from '../base/machine-modes.ts';
import type { Arena } from '../arena/arena.ts';
import type { VmBus } from './bus.ts';
import { noHooks, type KvmHooks } from './hooks.ts';
import type { MemslotChangeReport, MemslotError, UserMemoryRegion } from './memslot-update.ts';
import type { Vcpu } from './vcpu.ts';

export interface VmConfig {
  readonly mmu: MmuMode;
  readonly era: Era;
  /** Host MAXPHYADDR, 32 … 52. */
  readonly maxPhyAddr: number;
  readonly vcpus: number;
}

/** KVM_SET_NR_MMU_PAGES refused. */
export interface NrMmuPagesError {
  readonly errno: 'EINVAL' | 'ENOMEM';
  readonly message: string;
}

/** struct kvm: one virtual machine as the kernel sees it. */
export class Vm {
  readonly arena: Arena;
  readonly config: VmConfig;
  readonly bus: VmBus;
  readonly hooks: KvmHooks;
  readonly vcpus: readonly Vcpu[];

  /** Makes a VM in a fresh (zeroed) arena. */
  constructor(arena: Arena, config: VmConfig, bus: VmBus, hooks: KvmHooks = noHooks()) {
    this.arena = arena;
    this.config = config;
    this.bus = bus;
    this.hooks = hooks;
    this.vcpus = [];
  }

  /** Opens the VM that lives in an arena. */
  static attach(arena: Arena, bus: VmBus, hooks: KvmHooks = noHooks()): Vm {
    throw new UmbraBug(`not yet ${String(arena)}${String(bus)}${String(hooks)}`);
  }

  /** KVM_SET_USER_MEMORY_REGION. */
  setUserMemoryRegion(region: UserMemoryRegion): Result<MemslotChangeReport, MemslotError> {
    throw new UmbraBug(`not yet ${String(region)}`);
  }

  /** What {@link Vm.setUserMemoryRegion} would do or say; changes nothing. */
  previewUserMemoryRegion(region: UserMemoryRegion): Result<MemslotChangeReport, MemslotError> {
    throw new UmbraBug(`not yet ${String(region)}`);
  }

  /** KVM_GET_DIRTY_LOG: the bitmap, which is cleared, its pages write-protected again. */
  getDirtyLog(slot: number): Result<Uint8Array, MemslotError> {
    throw new UmbraBug(`not yet ${slot}`);
  }

  /** KVM_SET_NR_MMU_PAGES. */
  setNrMmuPages(pages: number): Result<undefined, NrMmuPagesError> {
    throw new UmbraBug(`not yet ${pages}`);
  }

  /** kvm_current_mmio_generation; −1 in an era without one. */
  currentMmioGeneration(): number {
    throw new UmbraBug('not yet');
  }

  memslotsGeneration(): bigint {
    throw new UmbraBug('not yet');
  }

  /** Debugging aid: as if that many changes had happened. */
  setMemslotsGeneration(generation: bigint): void {
    throw new UmbraBug(`not yet ${generation}`);
  }

  /** Resets every vCPU to power-up state (the MMU stays; roots are dropped). */
  resetVcpus(): void {
    throw new UmbraBug('not yet');
  }
}
