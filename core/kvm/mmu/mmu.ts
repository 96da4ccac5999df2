/**
 * What every MMU function is handed: the views, offsets and masks of one VM (the MMU's part of struct kvm_arch, and the
 * shadow_*_mask variables that kvm_mmu_set_mask_ptes sets, arch/x86/kvm/mmu.c of v3.11). All state is in the arena.
 */
import { ENGINE_OWNER, lockWord, unlockWord } from '../../arena/futex-lock.ts';
import type { Arena } from '../../arena/arena.ts';
import { MEMSLOTS_GENERATION } from '../../arena/memslot-layout.ts';
import {
  VM_ACTIVE_MEMSLOTS,
  VM_ERA,
  VM_MMU_LOCK,
  VM_MMU_MODE,
  VM_MMU_VALID_GEN,
  VM_N_MAX_MMU_PAGES,
  VM_N_USED_MMU_PAGES,
} from '../../arena/mmu-layout.ts';
import { VCPU_BYTES } from '../../arena/vcpu-layout.ts';
import { cacheHasGeneration, ERA_V6_8, inProgressBitHigh, mmioGenerationBias, mmioGenerationMask } from '../eras.ts';
import { GuestWalker } from '../shadow/guest-walker.ts';
import type { KernelLogLevel, KvmHooks } from '../hooks.ts';
import { vmCounterWord } from '../trace/stats.ts';
import { UnsyncPages } from '../shadow/unsync-pages.ts';
import { mmioSpteFormatOf, type MmioSpteFormat } from '../spte/spte-mmio.ts';
import { VM_EPT_AD, VM_HOST_PAGES, VM_MMIO_WATCH, VM_MMU_LOCK_WAITERS, VM_THREADED } from './mmu-words.ts';

/** Values of VM_MMU_MODE and of a vCPU's VCPU_SECOND_LEVEL. */
export const MMU_EPT = 1;
export const MMU_NPT = 2;
export const MMU_SHADOW = 3;

/** Hardware bits that both formats share (EPT: read and write); low half. */
export const PT_PRESENT_MASK = 1;
export const PT_WRITABLE_MASK = 2;
export const PT_USER_MASK = 4;
export const PT_ACCESSED_MASK = 0x20;
export const PT_DIRTY_MASK = 0x40;
export const PT_PAGE_SIZE_MASK = 0x80;
/** Bit 63, as the high half has it. */
export const PT_NX_MASK_HIGH = 0x8000_0000 | 0;
/** Software bits of v3.11, in both formats. */
const SPTE_HOST_WRITEABLE = 0x400;
const SPTE_MMU_WRITEABLE = 0x800;
/** SPTE_MMU_PRESENT_MASK of v6.8, which moves the two away: to bits 9 and 10, on EPT (where D is bit 9) to 57 and 58. */
const SPTE_MMU_PRESENT_MASK = 0x800;
const HOST_WRITEABLE_V6_8 = 0x200;
const MMU_WRITEABLE_V6_8 = 0x400;
const EPT_HOST_WRITEABLE_V6_8_HIGH = 0x200_0000;
const EPT_MMU_WRITEABLE_V6_8_HIGH = 0x400_0000;
/** SPTE_TDP_AD_DISABLED of v6.8. */
const TDP_AD_DISABLED_HIGH = 0x10_0000;

const EPT_EXECUTABLE_MASK = 4;
const EPT_ACCESS_BIT = 0x100;
const EPT_DIRTY_BIT = 0x200;
/** Write-back memory type, and "ignore PAT" (vmx_get_mt_mask without an assigned device). */
const EPT_MEMORY_TYPE_WB = (6 << 3) | 0x40;

export const PT64_ROOT_LEVEL = 4;
export const PT32E_ROOT_LEVEL = 3;
export const PT32_ROOT_LEVEL = 2;
export const PT_PAGE_TABLE_LEVEL = 1;
export const PT_DIRECTORY_LEVEL = 2;
export const PT_PDPE_LEVEL = 3;

export class Mmu {
  readonly arena: Arena;
  readonly i32: Int32Array<SharedArrayBuffer>;
  readonly f64: Float64Array<SharedArrayBuffer>;
  readonly hooks: KvmHooks;
  readonly vcpuCount: number;
  /** Byte offset of the vm region. */
  readonly vm: number;
  /** MMU_EPT, MMU_NPT or MMU_SHADOW. */
  readonly mode: number;
  /** ERA_*. */
  readonly era: number;
  /** HOST_PAGES_*. */
  readonly hostPages: number;
  /** How MMIO sptes look. */
  readonly mmio: MmioSpteFormat;
  /** shadow_accessed_mask, low half; 0 on EPT without A/D flags. The dirty bit is hardware's to set: v3.11 never does. */
  readonly accessedMask: number;
  /** shadow_dirty_mask, low half. */
  readonly dirtyMask: number;
  /** SPTE_HOST_WRITEABLE and SPTE_MMU_WRITEABLE, each in one of the halves. */
  readonly hostWriteableLo: number;
  readonly hostWriteableHi: number;
  readonly mmuWriteableLo: number;
  readonly mmuWriteableHi: number;
  /** High bits of every present spte: v6.8 notes that EPT has no A/D flags. */
  readonly presentBitsHi: number;
  /** Low bits of an spte that links to a page table: upper levels grant everything. */
  readonly linkBits: number;
  /** Low bits of a leaf with ACC_EXEC and ACC_USER, memory type included, without accessed, write and software bits. */
  readonly leafBits: number;
  /** What a leaf loses without ACC_EXEC and ACC_USER: shadow_x_mask and shadow_user_mask; and what it gains: shadow_nx_mask, high half. */
  readonly execMask: number;
  readonly userMask: number;
  readonly nxMaskHi: number;
  /** Scratch of a fault: the walk of the guest's tables, and the unsync pages that a pass found (struct kvm_mmu_pages). */
  readonly walker = new GuestWalker();
  readonly unsyncPages = new UnsyncPages();

  /** Each vCPU's block. */
  readonly vcpuWords: readonly Int32Array<SharedArrayBuffer>[];

  /** int32 indexes of VM scalars. */
  readonly usedPages: number;
  readonly maxPages: number;
  readonly validGen: number;
  readonly activeMemslots: number;
  /** The low half of the generation in the first memslot table, and the distance to the second. */
  readonly memslotsGeneration: number;
  readonly memslotTableWords: number;
  /** VM_MMIO_WATCH. */
  readonly mmioWatch: number;
  /** What the era makes of it (eras.ts). */
  readonly generationBias: number;
  readonly generationMask: number;
  readonly inProgressBitHigh: number;
  /** The vCPU's MMIO cache is good for one memslots generation only: from 3.17 on. */
  readonly cacheHasGeneration: boolean;
  /** Each vCPU runs on a thread of its own: what others look at meanwhile is ordered by fences, and mmu_lock is one. */
  readonly threaded: boolean;
  /** High half of the entry that `spteLockless` has read last. */
  spteHigh = 0;
  /** Who takes mmu_lock through this object: the engine's thread, or that of a vCPU (lockOwnerOf). */
  lockOwner: number = ENGINE_OWNER;
  readonly lock: number;
  readonly lockWaiters: number;
  /** f64 indexes of VM counters. */
  readonly cShadowZapped: number;
  readonly cRecycled: number;
  readonly cCacheMiss: number;
  readonly cRemoteTlbFlush: number;
  readonly cLargepages: number;
  readonly cPteWrite: number;
  readonly cPteUpdated: number;
  readonly cPdeZapped: number;
  readonly cFlooded: number;
  readonly cUnsync: number;
  readonly cRemoteTlbFlushRequests: number;
  /** pages_4k; pages_2m and pages_1g follow. */
  readonly cPages: number;
  readonly cMaxRmapSize: number;
  readonly cMaxHashCollisions: number;

  constructor(arena: Arena, hooks: KvmHooks) {
    const { layout, i32 } = arena;
    const vm = layout.vm;
    this.arena = arena;
    this.i32 = i32;
    this.f64 = arena.f64;
    this.hooks = hooks;
    this.vcpuCount = layout.config.vcpus;
    this.vm = vm;
    this.mode = i32[(vm + VM_MMU_MODE) >> 2];
    this.era = i32[(vm + VM_ERA) >> 2];
    this.hostPages = i32[(vm + VM_HOST_PAGES) >> 2];
    this.mmio = mmioSpteFormatOf(arena);
    this.mmioWatch = (vm + VM_MMIO_WATCH) >> 2;
    this.generationBias = mmioGenerationBias(this.era);
    this.generationMask = mmioGenerationMask(this.era);
    this.inProgressBitHigh = inProgressBitHigh(this.era);
    this.cacheHasGeneration = cacheHasGeneration(this.era);
    if (this.mode === MMU_EPT) {
      const ad = i32[(vm + VM_EPT_AD) >> 2] !== 0;
      this.accessedMask = ad ? EPT_ACCESS_BIT : 0;
      this.dirtyMask = ad ? EPT_DIRTY_BIT : 0;
      this.linkBits = PT_PRESENT_MASK | PT_WRITABLE_MASK | EPT_EXECUTABLE_MASK | this.accessedMask;
      this.leafBits = PT_PRESENT_MASK | EPT_EXECUTABLE_MASK | EPT_MEMORY_TYPE_WB;
      this.execMask = EPT_EXECUTABLE_MASK;
      this.userMask = 0;
      this.nxMaskHi = 0;
    } else {
      this.accessedMask = PT_ACCESSED_MASK;
      this.dirtyMask = PT_DIRTY_MASK;
      this.linkBits = PT_PRESENT_MASK | PT_WRITABLE_MASK | PT_USER_MASK | PT_ACCESSED_MASK;
      this.leafBits = PT_PRESENT_MASK | PT_USER_MASK;
      this.execMask = 0;
      this.userMask = PT_USER_MASK;
      this.nxMaskHi = PT_NX_MASK_HIGH;
    }
    const ept = this.mode === MMU_EPT;
    const modern = this.era === ERA_V6_8;
    if (modern) {
      this.linkBits |= SPTE_MMU_PRESENT_MASK;
      this.leafBits |= SPTE_MMU_PRESENT_MASK;
    }
    this.presentBitsHi = modern && ept && this.accessedMask === 0 ? TDP_AD_DISABLED_HIGH : 0;
    this.hostWriteableLo = !modern ? SPTE_HOST_WRITEABLE : ept ? 0 : HOST_WRITEABLE_V6_8;
    this.mmuWriteableLo = !modern ? SPTE_MMU_WRITEABLE : ept ? 0 : MMU_WRITEABLE_V6_8;
    this.hostWriteableHi = modern && ept ? EPT_HOST_WRITEABLE_V6_8_HIGH : 0;
    this.mmuWriteableHi = modern && ept ? EPT_MMU_WRITEABLE_V6_8_HIGH : 0;
    this.vcpuWords = Array.from({ length: this.vcpuCount }, (_, id) => {
      const start = layout.vcpus + id * VCPU_BYTES;
      return new Int32Array(arena.buffer, start, VCPU_BYTES / 4);
    });
    this.usedPages = (vm + VM_N_USED_MMU_PAGES) >> 2;
    this.maxPages = (vm + VM_N_MAX_MMU_PAGES) >> 2;
    this.validGen = (vm + VM_MMU_VALID_GEN) >> 2;
    this.activeMemslots = (vm + VM_ACTIVE_MEMSLOTS) >> 2;
    this.memslotsGeneration = (layout.memslots + MEMSLOTS_GENERATION) >> 2;
    this.memslotTableWords = layout.memslotTableBytes >> 2;
    this.threaded = i32[(vm + VM_THREADED) >> 2] !== 0;
    this.lock = (vm + VM_MMU_LOCK) >> 2;
    this.lockWaiters = (vm + VM_MMU_LOCK_WAITERS) >> 2;
    this.cShadowZapped = vmCounterWord(arena, 'mmu_shadow_zapped');
    this.cRecycled = vmCounterWord(arena, 'mmu_recycled');
    this.cCacheMiss = vmCounterWord(arena, 'mmu_cache_miss');
    this.cRemoteTlbFlush = vmCounterWord(arena, 'remote_tlb_flush');
    this.cLargepages = vmCounterWord(arena, 'largepages');
    this.cPteWrite = vmCounterWord(arena, 'mmu_pte_write');
    this.cPteUpdated = vmCounterWord(arena, 'mmu_pte_updated');
    this.cPdeZapped = vmCounterWord(arena, 'mmu_pde_zapped');
    this.cFlooded = vmCounterWord(arena, 'mmu_flooded');
    this.cUnsync = vmCounterWord(arena, 'mmu_unsync');
    this.cRemoteTlbFlushRequests = vmCounterWord(arena, 'remote_tlb_flush_requests');
    this.cPages = vmCounterWord(arena, 'pages_4k');
    this.cMaxRmapSize = vmCounterWord(arena, 'max_mmu_rmap_size');
    this.cMaxHashCollisions = vmCounterWord(arena, 'max_mmu_page_hash_collisions');
  }

  /** int32 index of a vCPU's block. */
  vcpuBlock(vcpuId: number): number {
    return (this.arena.layout.vcpus + vcpuId * VCPU_BYTES) >> 2;
  }

  log(level: KernelLogLevel, text: string): void {
    this.hooks.onLog?.(level, text);
  }
}

/** spin_lock(&kvm->mmu_lock). Contended only when vCPUs run on threads of their own. */
export function mmuLock(mmu: Mmu): void {
  if (!mmu.threaded) return;
  if (Atomics.compareExchange(mmu.i32, mmu.lock, 0, mmu.lockOwner) === 0) return;
  Atomics.add(mmu.i32, mmu.lockWaiters, 1);
  try {
    lockWord(mmu.i32, mmu.lock, 'mmu_lock', mmu.lockOwner);
  } finally {
    Atomics.sub(mmu.i32, mmu.lockWaiters, 1);
  }
}

export function mmuUnlock(mmu: Mmu): void {
  if (mmu.threaded) unlockWord(mmu.i32, mmu.lock);
}

/** spin_needbreak(&kvm->mmu_lock). */
export const mmuLockWanted = (mmu: Mmu): boolean => Atomics.load(mmu.i32, mmu.lockWaiters) !== 0;

/** cond_resched_lock: lets whoever waits have the lock; true when it was given up meanwhile. */
export function mmuLockBreak(mmu: Mmu): boolean {
  if (!mmuLockWanted(mmu)) return false;
  mmuUnlock(mmu);
  mmuLock(mmu);
  return true;
}
