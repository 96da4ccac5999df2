/**
 * The end of a vCPU's thread, told by itself or, when it could not, by whoever hears of it: a small thread that is to load no more
 * of the program than this, so the storeys are not entered by their front doors.
 */
import type { Arena } from '../arena/arena.ts';
import { abandonDevices } from '../devices/locked-bus.ts';
import { abandonVcpu } from '../kvm/vcpu/lost-vcpu.ts';
import type { ThreadBoard } from './thread-board.ts';

/** Frees everybody who waits for the vCPU. The machine stops, and goes on only after a reset. */
export function buryVcpu(arena: Arena, board: ThreadBoard, id: number, why: string): void {
  // Who waits for a lock that it had dies of that, and is not the one to be named.
  if (!board.claimDeath(id)) return;
  const hadMmu = abandonVcpu(arena, id);
  const hadDevices = abandonDevices(arena, id);
  const mmu = hadMmu ? ' It held mmu_lock, so the MMU is half changed.' : '';
  const devices = hadDevices ? ' It was in the middle of a device.' : '';
  board.noteDeath(id, `${why}.${mmu}${devices}`);
}
