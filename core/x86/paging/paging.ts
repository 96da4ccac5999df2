/**
 * The guest's own paging: which mode is in force, what a translation permits, and the page fault when it does not
 * (SDM vol 3A, chapter "Paging"). The walks themselves are in paging-32bit.ts and paging-64bit.ts.
 */
import { VCPU_CR0, VCPU_CR4, VCPU_EFER } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raisePageFault } from '../interrupts/exceptions.ts';
import { walk32Bit } from './paging-32bit.ts';
import { walk64Bit } from './paging-64bit.ts';
import { CR0_PG, CR4_PAE, RIGHT_DIRTY, RIGHT_EXECUTE, RIGHT_USER, RIGHT_WRITE } from './paging-entry.ts';
import { pageFaultCode } from './paging-permission.ts';
import { flushPagingCaches } from '../tlb/paging-cache.ts';
import { type GuestFrames, WALK_AGAIN, WALK_DONE } from './paging-walk.ts';
import { GUEST_WALK_GPA, GUEST_WALK_RIGHTS } from '../tlb/tlb-layout.ts';

const ALL_RIGHTS = RIGHT_EXECUTE | RIGHT_WRITE | RIGHT_USER | RIGHT_DIRTY;

/**
 * Linear → guest physical, with A and D bits set. `access` is PFERR_WRITE | USER | FETCH and ACCESS_IMPLICIT.
 * True: GUEST_WALK_GPA holds the address, GUEST_WALK_RIGHTS what else may be done there. False: `cpu.abort`.
 */
export function walkGuest(cpu: Cpu, lo: number, hi: number, access: number, frames?: GuestFrames): boolean {
  const r = cpu.r;
  if ((r[VCPU_CR0] & CR0_PG) === 0) {
    r[GUEST_WALK_GPA] = lo;
    r[GUEST_WALK_GPA + 1] = 0;
    r[GUEST_WALK_RIGHTS] = ALL_RIGHTS;
    return true;
  }
  let code = walk(cpu, lo, hi, access, frames);
  while (code === WALK_AGAIN) {
    flushPagingCaches(r);
    code = walk(cpu, lo, hi, access, frames);
  }
  if (code === WALK_DONE) return true;
  if (code >= 0) raiseWalkFault(cpu, lo, hi, access, code);
  return false;
}

const walk = (cpu: Cpu, lo: number, hi: number, access: number, frames: GuestFrames | undefined): number =>
  (cpu.r[VCPU_CR4] & CR4_PAE) !== 0 ? walk64Bit(cpu, lo, hi, access, frames) : walk32Bit(cpu, lo, access, frames);

function raiseWalkFault(cpu: Cpu, lo: number, hi: number, access: number, code: number): void {
  raisePageFault(cpu, lo, hi, pageFaultCode(cpu.r[VCPU_CR4], cpu.r[VCPU_EFER], access, code));
}
