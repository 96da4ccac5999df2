/** One virtual machine as the kernel sees it: struct kvm, and the ioctls that user space has for it. */
import { assert } from '../base/assert.ts';
import { err, ok, type Result } from '../base/result.ts';
import { HOST_PAGES, type HostPages } from '../base/host-pages.ts';
import { ERAS, MMU_MODES, type Era, type MmuMode } from '../base/machine-modes.ts';
import type { Arena } from '../arena/arena.ts';
import { lockOwnerOf } from '../arena/futex-lock.ts';
import {
  VM_ERA,
  VM_MAXPHYADDR,
  VM_MMU_MODE,
  VM_N_MAX_MMU_PAGES,
  VM_N_REQUESTED_MMU_PAGES,
  VM_N_USED_MMU_PAGES,
  VM_SHADOW_MMIO_MASK,
} from '../arena/mmu-layout.ts';
import {
  VCPU_ACTIVITY,
  VCPU_EPT_AD,
  VCPU_IDT_VECTORING,
  VCPU_INTERRUPT_WINDOW,
  VCPU_MAXPHYADDR,
  VCPU_MMIO_GFN,
  VCPU_MMIO_GVA,
  VCPU_REQUESTS,
  VCPU_ROOT_PAGE,
  VCPU_SECOND_LEVEL,
  VCPU_SKIP_MMIO_STOP,
} from '../arena/vcpu-layout.ts';
import { Cpu } from '../x86/index.ts';
import type { VmBus } from './bus.ts';
import { getDirtyLog } from './memslots/dirty-log.ts';
import { hostPagesIndex } from './mmu/large-page-level.ts';
import { isMmuOrphaned, VM_BUGGED } from './vcpu/lost-vcpu.ts';
import { noHooks, type KvmHooks } from './hooks.ts';
import { limitsOf, memslotsOf, type MemslotLimits } from './memslots/limits.ts';
import { previewMemoryRegion } from './memslots/memslot-preview.ts';
import {
  beginMemslotUpdate,
  setMemoryRegion,
  type MemslotError,
  type MemslotUpdate,
  type UserMemoryRegion,
} from './memslots/memslot-update.ts';
import { initMemslots, setMemslotsGeneration } from './memslots/memslot-table.ts';
import { memslotsGeneration } from './memslots/memslots.ts';
import { visibleGeneration } from './mmio/mmio-fault.ts';
import { Mmu, mmuLock, mmuUnlock } from './mmu/mmu.ts';
import { KVM_MIN_ALLOC_MMU_PAGES, MmuMemslots } from './mmu/mmu-memslots.ts';
import { clearFlushYoung, invalidateRange } from './mmu/mmu-notifier.ts';
import { mmuShrink } from './mmu/mmu-shrink.ts';
import {
  VCPU_PENDING_EXCEPTION,
  VCPU_PENDING_INTERRUPT,
  VCPU_MMIO_GEN,
  VM_L1TF_CACHE_BITS,
  VM_MMIO_FRESH,
  VM_MMIO_FRESH_GEN,
  VM_EPT_AD,
  VM_THREADED,
  VM_HOST_PAGES,
} from './mmu/mmu-words.ts';
import { countMmioSptes } from './probe/probe-sptes.ts';
import { initPteLists } from './mmu/rmap-list.ts';
import { initPool, NO_PAGE } from './mmu/shadow-page-pool.ts';
import { changeMmuPages } from './mmu/shadow-page-zap.ts';
import { mmioSpteFormatOf, spteHostOf } from './spte/spte-mmio.ts';
import { Vcpu } from './vcpu/vcpu.ts';
import { foreseeChange, mmioSpteCounts, mmuBefore, reportChange, type VmMemslotReport } from './vm-report.ts';

export interface VmConfig {
  readonly mmu: MmuMode;
  readonly era: Era;
  /** Host MAXPHYADDR, 32 … 52. */
  readonly maxPhyAddr: number;
  /** x86_cache_bits of a host CPU with the L1TF bug; undefined = not affected. Decides on MMIO sptes of v6.8. */
  readonly l1tfCacheBits?: number | undefined;
  readonly vcpus: number;
  /** Each vCPU runs on a thread of its own, which attaches to the arena; all on one unless said. */
  readonly threaded?: boolean | undefined;
  /** What backs guest memory on the host, '4k' unless said; larger pages let KVM map large ones. */
  readonly hostPages?: HostPages | undefined;
  /** Accessed and dirty flags for EPT (kvm_intel.eptad); false unless said, and of no effect without EPT. */
  readonly eptAd?: boolean | undefined;
}

/** KVM_SET_NR_MMU_PAGES refused. */
export interface NrMmuPagesError {
  readonly errno: 'EINVAL' | 'ENOMEM' | 'EIO';
  readonly message: string;
}

export class Vm {
  readonly arena: Arena;
  readonly config: VmConfig;
  readonly bus: VmBus;
  readonly hooks: KvmHooks;
  /** For probes (probe*.ts), which take it as their first argument. */
  readonly mmu: Mmu;
  /** What KVM_SET_USER_MEMORY_REGION of the era allows. */
  readonly limits: MemslotLimits;
  readonly vcpus: readonly Vcpu[];
  private readonly memslotMmu: MmuMemslots;

  /**
   * Makes a VM in a fresh (zeroed) arena; its vCPUs are in power-up state.
   * @param attach the VM is there already; with a number, only that vCPU is this thread's
   */
  constructor(
    arena: Arena,
    config: VmConfig,
    bus: VmBus,
    hooks: KvmHooks = noHooks(),
    attach: boolean | number = false,
  ) {
    assert(config.vcpus === arena.layout.config.vcpus, 'the arena was laid out for another number of vCPUs');
    assert(
      arena.layout.config.memslots >= memslotsOf(config.era),
      `the arena has room for fewer memslots than ${config.era} has`,
    );
    this.arena = arena;
    this.config = config;
    this.bus = bus;
    this.hooks = hooks;
    if (attach === false) writeVmWords(arena, config);
    this.mmu = new Mmu(arena, hooks);
    if (typeof attach === 'number') this.mmu.lockOwner = lockOwnerOf(attach);
    this.memslotMmu = new MmuMemslots(this.mmu);
    this.limits = limitsOf(config.era, config.mmu, config.maxPhyAddr);
    const { maxPhyAddr, threaded } = config;
    const ids = typeof attach === 'number' ? [attach] : Array.from({ length: config.vcpus }, (_, id) => id);
    this.vcpus = ids.map((id) => new Vcpu(id, this.mmu, new Cpu(arena, id, { maxPhyAddr, threaded }), bus));
    if (attach !== false) return;
    initPool(this.mmu);
    initPteLists(this.mmu);
    for (const vcpu of this.vcpus) vcpu.cpu.r[VCPU_ROOT_PAGE] = NO_PAGE;
    this.resetVcpus();
  }

  /** Opens the VM that lives in an arena already. */
  static attach(arena: Arena, bus: VmBus, hooks: KvmHooks = noHooks(), only?: number): Vm {
    const { i32, layout } = arena;
    const config: VmConfig = {
      mmu: MMU_MODES[i32[(layout.vm + VM_MMU_MODE) >> 2] - 1],
      era: ERAS[i32[(layout.vm + VM_ERA) >> 2]],
      maxPhyAddr: i32[(layout.vm + VM_MAXPHYADDR) >> 2],
      l1tfCacheBits: spteHostOf(arena).l1tfCacheBits,
      vcpus: layout.config.vcpus,
      threaded: i32[(layout.vm + VM_THREADED) >> 2] !== 0,
      hostPages: HOST_PAGES[i32[(layout.vm + VM_HOST_PAGES) >> 2]],
      eptAd: i32[(layout.vm + VM_EPT_AD) >> 2] !== 0,
    };
    return new Vm(arena, config, bus, hooks, only ?? true);
  }

  /** KVM_SET_USER_MEMORY_REGION. */
  setUserMemoryRegion(region: UserMemoryRegion): Result<VmMemslotReport, MemslotError> {
    if (this.isBugged) return err(VM_BUGGED);
    const before = mmuBefore(this.mmu);
    const done = setMemoryRegion(this.arena, this.limits, this.memslotMmu, region);
    return done.ok ? ok(reportChange(this.mmu, done.value, before)) : done;
  }

  /**
   * The same call, to be carried out step by step. Nothing else may change memslots before it is finished: the kernel holds
   * slots_lock.
   */
  beginMemslotUpdate(region: UserMemoryRegion): Result<MemslotUpdate, MemslotError> {
    if (this.isBugged) return err(VM_BUGGED);
    return beginMemslotUpdate(this.arena, this.limits, this.memslotMmu, region);
  }

  /** What the same call would answer, without making it. */
  previewUserMemoryRegion(region: UserMemoryRegion): Result<VmMemslotReport, MemslotError> {
    if (this.isBugged) return err(VM_BUGGED);
    const preview = previewMemoryRegion(this.arena, this.limits, region);
    return preview.ok ? ok(foreseeChange(this.mmu, preview.value)) : preview;
  }

  /** KVM_GET_DIRTY_LOG: the bitmap; its bits are cleared and its pages write-protected again. */
  getDirtyLog(slot: number): Result<Uint8Array<ArrayBuffer>, MemslotError> {
    if (this.isBugged) return err(VM_BUGGED);
    mmuLock(this.mmu);
    const log = getDirtyLog(this.arena, this.limits, this.memslotMmu, slot);
    mmuUnlock(this.mmu);
    return log;
  }

  /**
   * The thread of a vCPU died while it held mmu_lock. The MMU is half changed, and every call that would go on with it answers
   * EIO, as KVM's do for a VM that a bug has struck (kvm->vm_bugged, 5.15). Only a reset helps.
   */
  get isBugged(): boolean {
    return isMmuOrphaned(this.arena);
  }

  /** KVM_SET_NR_MMU_PAGES. */
  setNrMmuPages(pages: number): Result<undefined, NrMmuPagesError> {
    if (this.isBugged) return err({ errno: 'EIO', message: VM_BUGGED.message });
    const pool = this.arena.layout.config.shadowPages;
    if (!Number.isInteger(pages) || pages < KVM_MIN_ALLOC_MMU_PAGES) {
      const message = `${pages} shadow pages are too few: KVM needs at least ${KVM_MIN_ALLOC_MMU_PAGES}`;
      return err({ errno: 'EINVAL', message });
    }
    if (pages > pool) {
      const message = `${pages} shadow pages are more than this machine's pool of ${pool}: make it with a larger pool`;
      return err({ errno: 'ENOMEM', message });
    }
    changeMmuPages(this.mmu, pages);
    this.mmu.i32[(this.mmu.vm + VM_N_REQUESTED_MMU_PAGES) >> 2] = pages;
    return ok(undefined);
  }

  /** The host is short of memory: mmu_shrink asks this VM. @returns shadow pages given back */
  shrinkMmu(): number {
    return mmuShrink(this.mmu);
  }

  /** The host asks which of these pages of user space were used since it last asked (kvm_age_hva). @returns how many were */
  ageHva(hva: bigint, pages: number): number {
    let young = 0;
    for (let n = 0; n < pages; n++) if (clearFlushYoung(this.mmu, hva + BigInt(n) * 4096n)) young++;
    return young;
  }

  /** The host is about to take these pages away (kvm_unmap_hva_range). @returns sptes dropped */
  unmapHva(hva: bigint, pages: number): number {
    return invalidateRange(this.mmu, hva, hva + BigInt(pages) * 4096n);
  }

  /** KVM_GET_NR_MMU_PAGES, and how many are in use. */
  mmuPages(): { readonly max: number; readonly used: number } {
    const { i32, vm } = this.mmu;
    return { max: i32[(vm + VM_N_MAX_MMU_PAGES) >> 2], used: i32[(vm + VM_N_USED_MMU_PAGES) >> 2] };
  }

  /** kvm_current_mmio_generation; −1 in an era without one. */
  currentMmioGeneration(): number {
    return visibleGeneration(this.mmu);
  }

  memslotsGeneration(): bigint {
    return memslotsGeneration(this.arena);
  }

  /** Debugging aid: as if that many changes had happened, without what they would have done. */
  setMemslotsGeneration(generation: bigint): void {
    setMemslotsGeneration(this.arena, generation);
    const { i32, vm } = this.mmu;
    i32[(vm + VM_MMIO_FRESH) >> 2] = countMmioSptes(this.arena).fresh;
    i32[(vm + VM_MMIO_FRESH_GEN) >> 2] = Math.max(0, visibleGeneration(this.mmu));
  }

  /** Live MMIO sptes and how many are fresh; no scan. */
  mmioSpteCounts(): { readonly live: number; readonly fresh: number } {
    return mmioSpteCounts(this.mmu);
  }

  /** Power-up state for every vCPU. Memslots and shadow pages stay; roots are dropped. */
  resetVcpus(): void {
    for (const vcpu of this.vcpus) {
      const { r } = vcpu.cpu;
      vcpu.unloadMmu();
      vcpu.cpu.reset();
      r[VCPU_SECOND_LEVEL] = this.mmu.mode;
      r[VCPU_MAXPHYADDR] = this.config.maxPhyAddr;
      r[VCPU_EPT_AD] = this.config.eptAd === true ? 1 : 0;
      r[VCPU_ACTIVITY] = 0;
      r[VCPU_INTERRUPT_WINDOW] = 0;
      r[VCPU_PENDING_INTERRUPT] = 0;
      r[VCPU_PENDING_EXCEPTION] = 0;
      r[VCPU_IDT_VECTORING] = 0;
      r[VCPU_REQUESTS] = 0;
      r[VCPU_SKIP_MMIO_STOP] = 0;
      r.fill(0, VCPU_MMIO_GVA, VCPU_MMIO_GFN + 2);
      r.fill(0, VCPU_MMIO_GEN, VCPU_MMIO_GEN + 2);
    }
  }
}

function writeVmWords(arena: Arena, config: VmConfig): void {
  const { i32, layout } = arena;
  i32[(layout.vm + VM_MMU_MODE) >> 2] = MMU_MODES.indexOf(config.mmu) + 1;
  i32[(layout.vm + VM_ERA) >> 2] = ERAS.indexOf(config.era);
  i32[(layout.vm + VM_MAXPHYADDR) >> 2] = config.maxPhyAddr;
  i32[(layout.vm + VM_HOST_PAGES) >> 2] = hostPagesIndex(config.hostPages ?? '4k');
  i32[(layout.vm + VM_THREADED) >> 2] = config.threaded === true ? 1 : 0;
  i32[(layout.vm + VM_EPT_AD) >> 2] = config.eptAd === true ? 1 : 0;
  i32[(layout.vm + VM_L1TF_CACHE_BITS) >> 2] = config.l1tfCacheBits ?? 0;
  const { maskLo, maskHi } = mmioSpteFormatOf(arena);
  i32[(layout.vm + VM_SHADOW_MMIO_MASK) >> 2] = maskLo;
  i32[(layout.vm + VM_SHADOW_MMIO_MASK + 4) >> 2] = maskHi;
  initMemslots(arena);
  i32[(layout.vm + VM_N_MAX_MMU_PAGES) >> 2] = KVM_MIN_ALLOC_MMU_PAGES;
}
