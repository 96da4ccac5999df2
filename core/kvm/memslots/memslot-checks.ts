/**
 * The checks of KVM_SET_USER_MEMORY_REGION in the kernel's order, and the change that a region which passes them stands for.
 * Pure: `memslot-update.ts` carries the plan out, `memslot-preview.ts` only shows it.
 *
 * Sources: kvm_vm_ioctl_set_memory_region and __kvm_set_memory_region of virt/kvm/kvm_main.c, v3.11 and v6.18. The newer
 * one differs in this: a slot number's upper half names an address space, DELETE looks at nothing but size and slot, and
 * the top of guest physical memory is checked.
 */
import type { Arena } from '../../arena/arena.ts';
import { ok, type Result } from '../../base/result.ts';
import { createSlotRequests, dirtyBitmapRequests } from './memslot-arrays.ts';
import { refuse, type MemslotError } from './memslot-errors.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY, type MemslotLimits } from './limits.ts';
import type { MemslotPlan } from './memslot-plan.ts';
import type { MemslotCaller, UserMemoryRegion } from './memslot-region.ts';
import { memslotById, readMemslot, readMemslots, type Memslot } from './memslot-table.ts';
import { activeMemslots } from './memslots.ts';
import { slotHeapHasRoomFor } from './slot-heap.ts';

const PAGE_MASK = 0xfffn;
const U64_MAX = (1n << 64n) - 1n;
const KNOWN_FLAGS = KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY;
const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const range = (base: bigint, bytes: bigint): string => `[${hex(base)}, ${hex(base + bytes)})`;

export function planMemoryRegion(
  arena: Arena,
  limits: MemslotLimits,
  region: UserMemoryRegion,
  caller: MemslotCaller,
): Result<MemslotPlan, MemslotError> {
  const id = limits.rules === 'v6.18' ? region.slot & 0xffff : region.slot;
  const refusal = checkArguments(limits, region, id, caller);
  if (refusal !== undefined) return refusal;

  const present = memslotById(arena, activeMemslots(arena), id);
  const old = present < 0 ? undefined : readMemslot(arena, present);
  const npages = Number(region.memorySize >> 12n);
  // With size 0 v3.11 quietly forgets the request to log.
  const flags = npages === 0 ? region.flags & ~KVM_MEM_LOG_DIRTY_PAGES : region.flags;
  const plan = {
    id,
    old,
    npages,
    flags,
    baseGfn: Number(region.guestPhysAddr >> 12n),
    userspaceAddr: region.userspaceAddr,
  };

  if (npages === 0) {
    if (old !== undefined) return ok({ ...plan, change: 'DELETE' });
    return refuse('EINVAL', 'delete-empty', `slot ${id} is empty, so there is nothing to delete (size 0 means delete)`);
  }
  if (old === undefined) return placeRegion(arena, limits, { ...plan, change: 'CREATE' });

  const modification = checkModification(old, region, npages);
  if (modification !== undefined) return modification;
  if (plan.baseGfn !== old.baseGfn) return placeRegion(arena, limits, { ...plan, change: 'MOVE' });
  if (flags === old.flags) return ok({ ...plan, change: 'NONE' });
  return checkMemory(arena, { ...plan, change: 'FLAGS_ONLY' }, limits);
}

type Refusal = { readonly ok: false; readonly error: MemslotError } | undefined;

function checkArguments(limits: MemslotLimits, region: UserMemoryRegion, id: number, caller: MemslotCaller): Refusal {
  const { slot, flags, guestPhysAddr, memorySize, userspaceAddr } = region;
  const fromUser = caller === 'user';
  if (fromUser && id >= limits.userSlots) {
    const allowed = `0 to ${limits.userSlots - 1}`;
    return refuse(
      'EINVAL',
      'slot-out-of-range',
      `slot ${slot} is out of range: ${limits.name} has user slots ${allowed}`,
    );
  }
  const unknown = (flags & ~KNOWN_FLAGS) >>> 0;
  if (unknown !== 0) {
    const known = 'LOG_DIRTY_PAGES (1) and READONLY (2)';
    return refuse(
      'EINVAL',
      'unknown-flags',
      `flags ${hex(flags)} have unknown bits ${hex(unknown)}: only ${known} exist`,
    );
  }
  if ((memorySize & PAGE_MASK) !== 0n) {
    return refuse('EINVAL', 'size-unaligned', `size ${hex(memorySize)} is no multiple of the page size 0x1000`);
  }
  if ((guestPhysAddr & PAGE_MASK) !== 0n) {
    return refuse('EINVAL', 'gpa-unaligned', `guest address ${hex(guestPhysAddr)} is not page aligned (0x1000)`);
  }
  // v3.11 takes the kernel's own slots at their word here.
  if (limits.rules === 'v6.18' || id < limits.userSlots) {
    if ((userspaceAddr & PAGE_MASK) !== 0n) {
      return refuse('EINVAL', 'hva-unaligned', `user address ${hex(userspaceAddr)} is not page aligned (0x1000)`);
    }
    // access_ok: the range may end exactly at the limit, and must not wrap.
    if (userspaceAddr + memorySize > limits.userAddressLimit) {
      const where = range(userspaceAddr, memorySize);
      const limit = `user addresses end at ${hex(limits.userAddressLimit)}`;
      return refuse('EINVAL', 'hva-not-user', `user range ${where} leaves user space: ${limit}`);
    }
  }
  if (limits.rules === 'v6.18' && slot > 0xffff) {
    const text = `slot ${hex(slot)} names address space ${slot >>> 16}, but this VM has only address space 0`;
    return refuse('EINVAL', 'address-space', text);
  }
  if (id >= limits.memSlots) {
    return refuse('EINVAL', 'slot-out-of-range', `slot ${slot} is out of range: ${limits.memSlots} slots exist in all`);
  }
  if (guestPhysAddr + memorySize > U64_MAX) {
    const text = `guest range from ${hex(guestPhysAddr)} of ${hex(memorySize)} bytes wraps around 64 bits`;
    return refuse('EINVAL', 'gpa-wraps', text);
  }
  if (memorySize >> 12n > limits.maxPages) {
    const text = `${memorySize >> 12n} pages are too many: a slot holds at most ${limits.maxPages}`;
    return refuse('EINVAL', 'too-many-pages', text);
  }
  return undefined;
}

/** What a slot that exists may not have changed. */
function checkModification(old: Memslot, region: UserMemoryRegion, npages: number): Refusal {
  const instead = 'delete the slot and create it anew';
  if (region.userspaceAddr !== old.userspaceAddr) {
    const text = `slot ${old.id} maps user address ${hex(old.userspaceAddr)} and cannot change to ${hex(region.userspaceAddr)}`;
    return refuse('EINVAL', 'hva-changed', `${text}: ${instead}`);
  }
  if (npages !== old.npages) {
    const text = `slot ${old.id} has ${old.npages} pages and cannot change to ${npages}`;
    return refuse('EINVAL', 'size-changed', `${text}: ${instead}`);
  }
  if (((region.flags ^ old.flags) & KVM_MEM_READONLY) !== 0) {
    const text = `slot ${old.id} cannot turn ${(old.flags & KVM_MEM_READONLY) === 0 ? 'read-only' : 'writable'}`;
    return refuse('EINVAL', 'readonly-toggled', `${text}: ${instead}`);
  }
  return undefined;
}

/** CREATE and MOVE: nobody else may be there. */
function placeRegion(arena: Arena, limits: MemslotLimits, plan: MemslotPlan): Result<MemslotPlan, MemslotError> {
  const end = plan.baseGfn + plan.npages;
  const collision = readMemslots(arena).find(
    (slot) =>
      slot.id !== plan.id &&
      (limits.overlapWithInternal || slot.id < limits.userSlots) &&
      plan.baseGfn < slot.baseGfn + slot.npages &&
      slot.baseGfn < end,
  );
  if (collision !== undefined) {
    const wanted = range(BigInt(plan.baseGfn) << 12n, BigInt(plan.npages) << 12n);
    const taken = range(BigInt(collision.baseGfn) << 12n, BigInt(collision.npages) << 12n);
    const text = `guest range ${wanted} overlaps slot ${collision.id} at ${taken}: delete or move one of them`;
    return refuse('EEXIST', 'overlap', text, collision.id);
  }
  const lastGfn = plan.baseGfn + plan.npages - 1;
  if (lastGfn > limits.maxGfn) {
    const text = `guest frame ${hex(lastGfn)} is beyond the last one that the host can map, ${hex(limits.maxGfn)}`;
    return refuse('EINVAL', 'beyond-max-gfn', text);
  }
  return checkMemory(arena, plan, limits);
}

/** The kernel finds out by allocating; asking first is what makes a refusal leave nothing behind. */
function checkMemory(arena: Arena, plan: MemslotPlan, limits: MemslotLimits): Result<MemslotPlan, MemslotError> {
  const requests = [...createSlotRequests(plan, limits), ...dirtyBitmapRequests(plan)];
  if (slotHeapHasRoomFor(arena, requests)) return ok(plan);
  const bytes = requests.reduce((sum, request) => sum + request, 0);
  const text = `no memory for the ${bytes} bytes that ${plan.npages} pages need for rmaps, large page info and dirty bitmap`;
  return refuse('ENOMEM', 'out-of-memory', `${text}: make the slot smaller or delete others`);
}
