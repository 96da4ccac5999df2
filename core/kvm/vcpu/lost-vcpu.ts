/**
 * A vCPU whose thread is no more. Nobody is to wait for it, and where it held mmu_lock nobody is to go on: the MMU is half
 * changed. KVM has no such thing, but a mark for a VM that a bug has struck (kvm->vm_bugged, 5.15): every ioctl answers EIO.
 */
import type { Arena } from '../../arena/arena.ts';
import { lockOwnerOf, orphanWord, ownerDied } from '../../arena/futex-lock.ts';
import { VM_MMU_LOCK } from '../../arena/mmu-layout.ts';
import { VCPU_BYTES } from '../../arena/vcpu-layout.ts';
import type { MemslotError } from '../memslots/memslot-errors.ts';
import { abandonGuestMode } from './guest-mode.ts';

const mmuLockWord = ({ layout }: Arena): number => (layout.vm + VM_MMU_LOCK) >> 2;

/** What ioctls answer from then on. */
export const VM_BUGGED: MemslotError = {
  errno: 'EIO',
  check: 'vm-bugged',
  message: 'the thread of a vCPU died while it held mmu_lock, and the MMU is half changed: reset the machine',
  collidingSlot: undefined,
};

/** @returns whether the thread had mmu_lock */
export function abandonVcpu(arena: Arena, id: number): boolean {
  const hadMmu = orphanWord(arena.i32, mmuLockWord(arena), lockOwnerOf(id));
  abandonGuestMode(new Int32Array(arena.buffer, arena.layout.vcpus + id * VCPU_BYTES, VCPU_BYTES / 4));
  return hadMmu;
}

export const isMmuOrphaned = (arena: Arena): boolean => ownerDied(arena.i32, mmuLockWord(arena));
