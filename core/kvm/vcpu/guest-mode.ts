/**
 * The border between guest mode and KVM of one vCPU, and what others wait for at it. Outside guest mode a vCPU is a reader of
 * the memslots (vcpu->srcu_idx: KVM holds kvm->srcu from vcpu_enter_guest's end to its next entry); in guest mode it is at a
 * quiescent point, and so is one that nobody runs. VCPU_SRCU counts both crossings: odd while it reads.
 *
 * Only with vCPUs on threads of their own does anybody look at these words while a vCPU runs (Mmu.threaded). Otherwise the
 * fences that order them would be the dearest instructions of an exit.
 */
import { IN_GUEST_MODE, OUTSIDE_GUEST_MODE, VCPU_MODE, VCPU_REQUESTS } from '../../arena/vcpu-layout.ts';
import { awaitOther } from '../../arena/futex-lock.ts';
import type { Mmu } from '../mmu/mmu.ts';
import { VCPU_SRCU } from '../mmu/mmu-words.ts';

type VcpuWords = Int32Array<SharedArrayBuffer>;

/** srcu_read_lock, when a vCPU begins to run. */
export function beginReading(mmu: Mmu, r: VcpuWords): void {
  if (mmu.threaded && (r[VCPU_SRCU] & 1) === 0) Atomics.add(r, VCPU_SRCU, 1);
}

/** srcu_read_unlock, when it comes back from running. */
export function endReading(mmu: Mmu, r: VcpuWords): void {
  if (mmu.threaded && (r[VCPU_SRCU] & 1) !== 0) Atomics.add(r, VCPU_SRCU, 1);
}

/**
 * The last steps before guest mode: whoever makes a request from now on kicks the vCPU, so requests are looked at once more.
 * @returns false when there are any; the vCPU is outside then
 */
export function enterGuestMode(mmu: Mmu, r: VcpuWords): boolean {
  if (!mmu.threaded) {
    r[VCPU_MODE] = IN_GUEST_MODE;
    return true;
  }
  Atomics.store(r, VCPU_MODE, IN_GUEST_MODE);
  if (Atomics.load(r, VCPU_REQUESTS) !== 0) {
    Atomics.store(r, VCPU_MODE, OUTSIDE_GUEST_MODE);
    return false;
  }
  endReading(mmu, r);
  return true;
}

/** Nothing happens when the vCPU is outside already. */
export function leaveGuestMode(mmu: Mmu, r: VcpuWords): void {
  if (!mmu.threaded) {
    r[VCPU_MODE] = OUTSIDE_GUEST_MODE;
    return;
  }
  beginReading(mmu, r);
  Atomics.store(r, VCPU_MODE, OUTSIDE_GUEST_MODE);
}

/** A vCPU that nobody runs (any more) stands outside and reads nothing, so that nobody waits for it. */
export function abandonGuestMode(r: VcpuWords): void {
  Atomics.store(r, VCPU_MODE, OUTSIDE_GUEST_MODE);
  if ((r[VCPU_SRCU] & 1) !== 0) Atomics.add(r, VCPU_SRCU, 1);
}

/**
 * synchronize_srcu_expedited: comes back when every vCPU that was reading when it was called has passed a quiescent point.
 * On one thread none can be in the middle of reading.
 */
export function synchronizeSrcu(mmu: Mmu): void {
  if (!mmu.threaded) return;
  for (let id = 0; id < mmu.vcpuCount; id++) {
    const word = mmu.vcpuBlock(id) + VCPU_SRCU;
    const seen = Atomics.load(mmu.i32, word);
    if ((seen & 1) === 0) continue;
    awaitOther(mmu.i32, word, seen, seen, `vCPU ${id} does not leave its read-side critical section`);
  }
}
