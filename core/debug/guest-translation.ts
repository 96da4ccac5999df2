/** Where a guest virtual address leads, by a pure walk of the guest's page tables. */
import type { Arena } from '../arena/arena.ts';
import { err, ok, type Result } from '../base/result.ts';
import { probeGuestWalk } from '../x86/index.ts';

/** The gpa, or why there is none. */
export function translateGva(arena: Arena, vcpuId: number, gva: bigint): Result<bigint, string> {
  const walk = probeGuestWalk(arena, vcpuId, gva, 'read');
  if (walk.gpa !== undefined) return ok(walk.gpa);
  return err(walk.fault?.reason ?? 'the guest page tables do not map it');
}
