/**
 * Linear → arena: the whole way on a TLB miss. Guest paging, then the second level; or the shadow page table alone. What
 * comes out well goes into the TLB with everything it permits; what does not has set `cpu.abort`.
 */
import {
  VCPU_CR0,
  VCPU_CR4,
  VCPU_EXIT_GPA,
  VCPU_EXIT_GVA,
  VCPU_EXIT_QUALIFICATION,
  VCPU_RFLAGS,
  VCPU_ROOT_LEVELS,
  VCPU_SECOND_LEVEL,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseExit } from '../interrupts/exceptions.ts';
import { ABORT_NONE, EXIT_EXCEPTION_NMI } from '../system/exits.ts';
import { requireCanonical } from '../memory/linear-address.ts';
import { walkGuest } from './paging.ts';
import {
  ACCESS_FINAL,
  CR0_PG,
  CR0_WP,
  CR4_PGE,
  CR4_SMAP,
  CR4_SMEP,
  PFERR_FETCH,
  PFERR_PRESENT,
  PFERR_USER,
  PFERR_WRITE,
  RIGHT_DIRTY,
  RIGHT_EXECUTE,
  RIGHT_GLOBAL,
  RIGHT_LARGE,
  RIGHT_USER,
  RIGHT_WRITE,
} from './paging-entry.ts';
import { permits } from './paging-permission.ts';
import { translateFinal } from '../second-level/second-level.ts';
import { N_PAGE, N_RIGHTS, NESTED_EXECUTE, NESTED_READ, NESTED_WRITE } from '../tlb/second-level-cache.ts';
import { SECOND_LEVEL_SHADOW } from '../second-level/second-level-entry.ts';
import { walkHostTable } from '../second-level/second-level-pagetable.ts';
import { isCodePage } from '../memory/system-code-pages.ts';
import { TLB_GLOBAL, TLB_LARGE, tlbInsert } from '../tlb/tlb.ts';
import {
  GUEST_WALK_GPA,
  GUEST_WALK_RIGHTS,
  HOST_WALK_ERROR,
  HOST_WALK_RIGHTS,
  LAST_ACCESS,
} from '../tlb/tlb-layout.ts';

/** Arena offset of the byte, or −1 with `cpu.abort` set. `access` is PFERR_WRITE | USER | FETCH and ACCESS_IMPLICIT. */
export function translate(cpu: Cpu, lo: number, hi: number, access: number): number {
  const r = cpu.r;
  r[LAST_ACCESS] = access;
  if (!requireCanonical(cpu, hi)) return -1;
  if (r[VCPU_SECOND_LEVEL] === SECOND_LEVEL_SHADOW) return translateShadow(cpu, lo, hi, access);
  if (!walkGuest(cpu, lo, hi, access)) return -1;
  r[LAST_ACCESS] = access | ACCESS_FINAL;
  const rights = r[GUEST_WALK_RIGHTS];
  const n = translateFinal(cpu, r[GUEST_WALK_GPA], r[GUEST_WALK_GPA + 1], access, lo, hi);
  if (n < 0) return -1;
  const page = r[n + N_PAGE];
  insert(cpu, lo, hi, access, page, rights, r[n + N_RIGHTS]);
  return page + (lo & 0xfff);
}

/** Kind of the access that the last exit or page fault was about: PFERR_WRITE | USER | FETCH. A misconfiguration does not say. */
export function lastAccess(cpu: Cpu): number {
  return cpu.r[LAST_ACCESS] & (PFERR_WRITE | PFERR_USER | PFERR_FETCH);
}

/** The last exit was about the access itself: what it wanted lies at the exit's guest physical address. */
export function lastAccessIsFinal(cpu: Cpu): boolean {
  return (cpu.r[LAST_ACCESS] & ACCESS_FINAL) !== 0;
}

function insert(cpu: Cpu, lo: number, hi: number, access: number, page: number, rights: number, nested: number): void {
  const r = cpu.r;
  const cr0 = r[VCPU_CR0];
  const cr4 = (cr0 & CR0_PG) !== 0 ? r[VCPU_CR4] : 0;
  const user = (access & PFERR_USER) !== 0;
  const userPage = (rights & RIGHT_USER) !== 0;
  const guarded = !user && userPage && (cr4 & CR4_SMAP) !== 0;
  const readable = !guarded && (nested & NESTED_READ) !== 0;
  const mayWrite = (rights & RIGHT_WRITE) !== 0 || (!user && (cr0 & CR0_WP) === 0);
  const writable = mayWrite && !guarded && (rights & RIGHT_DIRTY) !== 0 && (nested & NESTED_WRITE) !== 0;
  const executable =
    (rights & RIGHT_EXECUTE) !== 0 && (nested & NESTED_EXECUTE) !== 0 && (user || !userPage || (cr4 & CR4_SMEP) === 0);
  if (!readable && !writable && !executable) return;
  const global = (rights & RIGHT_GLOBAL) !== 0 && (cr4 & CR4_PGE) !== 0;
  const flags = (global ? TLB_GLOBAL : 0) | ((rights & RIGHT_LARGE) !== 0 ? TLB_LARGE : 0);
  const hasCode = writable && isCodePage(cpu, page >>> 12);
  tlbInsert(cpu, user, lo, hi, page, readable, writable, executable, hasCode, flags);
}

/** CR4.SMEP and SMAP are the guest's own, in hardware too, while it has paging on. */
function guardedBySupervisorBits(r: Int32Array, rights: number, access: number): boolean {
  if ((r[VCPU_CR0] & CR0_PG) === 0 || (r[VCPU_CR4] & (CR4_SMEP | CR4_SMAP)) === 0) return false;
  return !permits(r[VCPU_CR0] | CR0_WP, r[VCPU_CR4], r[VCPU_RFLAGS], rights, access);
}

/** The shadow page table is what the hardware walks, and CR0.WP is on there; a guest without paging has no rights of its own. */
function translateShadow(cpu: Cpu, lo: number, hi: number, access: number): number {
  const r = cpu.r;
  r[LAST_ACCESS] = access | ACCESS_FINAL;
  const kind = access & (PFERR_WRITE | PFERR_USER | PFERR_FETCH);
  const page = walkHostTable(cpu, r[VCPU_ROOT_LEVELS] === 3 ? 3 : 4, lo, hi, kind, false);
  if (page >= 0 && !guardedBySupervisorBits(r, r[HOST_WALK_RIGHTS], access)) {
    const rights = r[HOST_WALK_RIGHTS];
    const nested = NESTED_READ | NESTED_EXECUTE | ((rights & RIGHT_WRITE) !== 0 ? NESTED_WRITE : 0);
    insert(cpu, lo, hi, access, page, rights, nested);
    return page + (lo & 0xfff);
  }
  if (cpu.abort === ABORT_NONE) {
    r[VCPU_EXIT_QUALIFICATION] = page >= 0 ? kind | PFERR_PRESENT : r[HOST_WALK_ERROR];
    r[VCPU_EXIT_QUALIFICATION + 1] = 0;
    r[VCPU_EXIT_GVA] = lo;
    r[VCPU_EXIT_GVA + 1] = hi;
    r[VCPU_EXIT_GPA] = lo;
    r[VCPU_EXIT_GPA + 1] = 0;
    raiseExit(cpu, EXIT_EXCEPTION_NMI);
  }
  return -1;
}
