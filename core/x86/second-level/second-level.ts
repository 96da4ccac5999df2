/**
 * Guest physical → arena, through whichever tables the control block names. What cannot be translated leaves the guest:
 * EPT violation or misconfiguration, or AMD's nested page fault.
 */
import {
  VCPU_EPT_AD,
  VCPU_EXIT_GPA,
  VCPU_EXIT_GVA,
  VCPU_EXIT_QUALIFICATION,
  VCPU_SECOND_LEVEL,
} from '../../arena/vcpu-layout.ts';
import { UmbraBug } from '../../base/assert.ts';
import type { Cpu } from '../cpu.ts';
import { ABORT_NONE, EXIT_NPF } from '../system/exits.ts';
import { raiseExit } from '../interrupts/exceptions.ts';
import {
  PFERR_FETCH,
  PFERR_USER,
  PFERR_WRITE,
  RIGHT_DIRTY,
  RIGHT_EXECUTE,
  RIGHT_WRITE,
} from '../paging/paging-entry.ts';
import {
  enterNested,
  findNested,
  N_RIGHTS,
  NESTED_EXECUTE,
  NESTED_READ,
  NESTED_WRITE,
} from '../tlb/second-level-cache.ts';
import { walkEpt } from './second-level-ept.ts';
import {
  EPT_VIOLATION_FETCH,
  EPT_VIOLATION_GLA_TRANSLATED,
  EPT_VIOLATION_GLA_VALID,
  EPT_VIOLATION_READ,
  EPT_VIOLATION_WRITE,
  NPF_GUEST_FINAL_HIGH,
  NPF_GUEST_PAGE_HIGH,
  SECOND_LEVEL_EPT,
  SECOND_LEVEL_NPT,
} from './second-level-entry.ts';
import { walkHostTable } from './second-level-pagetable.ts';
import { HOST_WALK_ERROR, HOST_WALK_RIGHTS } from '../tlb/tlb-layout.ts';

/** The translation of a linear address ends at this guest physical one. Answers a nested TLB entry, or −1 and `cpu.abort`. */
export function translateFinal(
  cpu: Cpu,
  gpaLo: number,
  gpaHi: number,
  access: number,
  gvaLo: number,
  gvaHi: number,
): number {
  const r = cpu.r;
  const write = (access & PFERR_WRITE) !== 0;
  const fetch = (access & PFERR_FETCH) !== 0;
  const need = fetch ? NESTED_EXECUTE : write ? NESTED_WRITE : NESTED_READ;
  const n = findNested(r, gpaLo, gpaHi);
  if (n !== 0 && (r[n + N_RIGHTS] & need) === need) return n;
  if (r[VCPU_SECOND_LEVEL] === SECOND_LEVEL_EPT) {
    const kind = fetch ? EPT_VIOLATION_FETCH : write ? EPT_VIOLATION_WRITE : EPT_VIOLATION_READ;
    const qualification = kind | EPT_VIOLATION_GLA_VALID | EPT_VIOLATION_GLA_TRANSLATED;
    return walkEpt(cpu, gpaLo, gpaHi, need, qualification, gvaLo, gvaHi);
  }
  // Nested paging takes every access as a user's.
  const kind = PFERR_USER | (access & (PFERR_WRITE | PFERR_FETCH));
  return walkNpt(cpu, gpaLo, gpaHi, kind, NPF_GUEST_FINAL_HIGH, gvaLo, gvaHi);
}

/**
 * A guest paging structure lies at this guest physical address; `write`: its A or D bits are to be set.
 * @param glaValid 0 when no linear address is being translated: MOV CR3 and the like load PDPTEs
 */
export function translateTable(
  cpu: Cpu,
  gpaLo: number,
  gpaHi: number,
  write: boolean,
  glaValid: boolean,
  gvaLo: number,
  gvaHi: number,
): number {
  const r = cpu.r;
  const ept = r[VCPU_SECOND_LEVEL] === SECOND_LEVEL_EPT;
  // With nested paging the processor's accesses to guest tables count as writes, whatever they are for; so they do with
  // accessed and dirty flags for EPT.
  const writes = write || !ept || r[VCPU_EPT_AD] !== 0;
  const need = writes ? NESTED_READ | NESTED_WRITE : NESTED_READ;
  const n = findNested(r, gpaLo, gpaHi);
  if (n !== 0 && (r[n + N_RIGHTS] & need) === need) return n;
  if (ept) {
    const kind = writes ? EPT_VIOLATION_READ | EPT_VIOLATION_WRITE : EPT_VIOLATION_READ;
    return walkEpt(cpu, gpaLo, gpaHi, need, kind | (glaValid ? EPT_VIOLATION_GLA_VALID : 0), gvaLo, gvaHi);
  }
  return walkNpt(cpu, gpaLo, gpaHi, PFERR_USER | PFERR_WRITE, NPF_GUEST_PAGE_HIGH, gvaLo, gvaHi);
}

function walkNpt(
  cpu: Cpu,
  gpaLo: number,
  gpaHi: number,
  access: number,
  stageHigh: number,
  gvaLo: number,
  gvaHi: number,
): number {
  const r = cpu.r;
  if (r[VCPU_SECOND_LEVEL] !== SECOND_LEVEL_NPT) {
    throw new UmbraBug('a guest physical address was looked up on a vCPU without EPT or NPT');
  }
  if (gpaHi >>> 16 === 0) {
    const page = walkHostTable(cpu, 4, gpaLo, gpaHi, access, true);
    if (page >= 0) {
      const rights = r[HOST_WALK_RIGHTS];
      const writable = (rights & (RIGHT_WRITE | RIGHT_DIRTY)) === (RIGHT_WRITE | RIGHT_DIRTY);
      const nested =
        NESTED_READ | (writable ? NESTED_WRITE : 0) | ((rights & RIGHT_EXECUTE) !== 0 ? NESTED_EXECUTE : 0);
      return enterNested(r, gpaLo, gpaHi, page, nested);
    }
    if (cpu.abort !== ABORT_NONE) return -1;
  } else {
    r[HOST_WALK_ERROR] = access; // 4 levels translate 48 bits: not present
  }
  r[VCPU_EXIT_QUALIFICATION] = r[HOST_WALK_ERROR];
  r[VCPU_EXIT_QUALIFICATION + 1] = stageHigh;
  r[VCPU_EXIT_GPA] = gpaLo;
  r[VCPU_EXIT_GPA + 1] = gpaHi;
  r[VCPU_EXIT_GVA] = gvaLo;
  r[VCPU_EXIT_GVA + 1] = gvaHi;
  raiseExit(cpu, EXIT_NPF);
  return -1;
}
