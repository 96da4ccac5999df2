/** What a memslot call would do, or why it would be refused. Changes nothing. */
import type { Arena } from '../../arena/arena.ts';
import { ok, type Result } from '../../base/result.ts';
import { changeWraps, eraOf, generationsPerInstall } from '../eras.ts';
import type { MemslotLimits } from './limits.ts';
import { planMemoryRegion } from './memslot-checks.ts';
import type { MemslotError } from './memslot-errors.ts';
import type { MemslotCaller, MemslotChange, UserMemoryRegion } from './memslot-region.ts';
import { changeReport, type MemslotChangeReport } from './memslot-update.ts';
import { memslotsGeneration } from './memslots.ts';

export interface MemslotPreview extends MemslotChangeReport {
  /** Whether kvm_mmu_invalidate_mmio_sptes would find the generation at its end and zap. */
  readonly wraps: boolean;
}

/** Tables installed by a change: DELETE and MOVE install the slot marked INVALID first. */
export function installsOf(change: MemslotChange): number {
  if (change === 'NONE') return 0;
  return change === 'DELETE' || change === 'MOVE' ? 2 : 1;
}

export function previewMemoryRegion(
  arena: Arena,
  limits: MemslotLimits,
  region: UserMemoryRegion,
  caller: MemslotCaller = 'user',
): Result<MemslotPreview, MemslotError> {
  const planned = planMemoryRegion(arena, limits, region, caller);
  if (!planned.ok) return planned;
  const { change } = planned.value;
  const before = memslotsGeneration(arena);
  const era = eraOf(arena);
  const installs = installsOf(change);
  const after = BigInt.asUintN(64, before + BigInt(installs * generationsPerInstall(era)));
  const wraps = changeWraps(era, before, installs);
  return ok({ ...changeReport(arena, change, before, after), wraps });
}
