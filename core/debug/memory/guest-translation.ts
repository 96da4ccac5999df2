/** Where a guest virtual address leads, by a pure walk of the guest's page tables. */
import type { Arena } from '../../arena/arena.ts';
import { PAGE_OFFSET_MASK } from '../../base/address.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { gfnToPfn } from '../../kvm/memslots/memslots.ts';
import { probeGuestWalk, type GuestFrames } from '../../x86/index.ts';

const FRAMES_IN_4_GIB = 0x10_0000;

/**
 * The gpa, or why there is none. The guest's tables are read through the memslots, as KVM_TRANSLATE reads them: whether
 * the processor has touched them yet makes no difference.
 */
export function translateGva(arena: Arena, vcpuId: number, gva: bigint): Result<bigint, string> {
  const walk = probeGuestWalk(arena, vcpuId, gva, 'read', framesOf(arena));
  if (walk.gpa !== undefined) return ok(walk.gpa);
  return err(
    walk.fault === undefined ? 'the guest does not map it' : `the guest does not map it (${walk.fault.reason})`,
  );
}

const framesOf = (arena: Arena): GuestFrames => ({
  frameOf(gpaLo, gpaHi) {
    const pfn = gfnToPfn(arena, (gpaHi >>> 0) * FRAMES_IN_4_GIB + (gpaLo >>> 12), false);
    return pfn < 0 ? -1 : pfn * (PAGE_OFFSET_MASK + 1) + (gpaLo & PAGE_OFFSET_MASK);
  },
});
