/** The PDPTE registers of PAE paging: loaded with CR3, not walked (SDM vol 3A, "PDPTE Registers"). */
import { VCPU_MAXPHYADDR, VCPU_PDPTE, VCPU_SECOND_LEVEL } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseGp } from '../interrupts/exceptions.ts';
import { ABORT_NONE } from '../system/exits.ts';
import { PAE_PDPTE_RESERVED_LOW, paePdpteReservedHigh, PTE_PRESENT } from './paging-entry.ts';
import { translateTable } from '../second-level/second-level.ts';
import { N_PAGE } from '../tlb/second-level-cache.ts';
import { SECOND_LEVEL_SHADOW } from '../second-level/second-level-entry.ts';

/**
 * Arena offset of the table, or −1 with `cpu.abort` set. Where the instruction exits it is KVM that reads it (load_pdptrs),
 * through memslots; always so under the shadow MMU.
 */
function tableAt(cpu: Cpu, cr3: number): number {
  if (cpu.emulator !== undefined || cpu.r[VCPU_SECOND_LEVEL] === SECOND_LEVEL_SHADOW) {
    const at = cpu.emulator?.frameOf?.(cr3 & ~0x1f, 0, false) ?? -1;
    if (at < 0) raiseGp(cpu, 0);
    return at;
  }
  const n = translateTable(cpu, cr3 & ~0x1f, 0, false, false, 0, 0);
  return n < 0 ? -1 : cpu.r[n + N_PAGE] + (cr3 & 0xfe0);
}

/** Loads all four from the table at `cr3`, or none: #GP(0) on a reserved bit in a present one. False with `cpu.abort` set. */
export function loadPdptes(cpu: Cpu, cr3: number): boolean {
  const at = tableAt(cpu, cr3);
  if (at < 0) return false;
  if (!loadPdptesAt(cpu, at)) raiseGp(cpu, 0);
  return cpu.abort === ABORT_NONE;
}

/** The same from a table whose arena offset is known. False, and nothing loaded, on a reserved bit in a present one. */
export function loadPdptesAt(cpu: Cpu, offset: number): boolean {
  const r = cpu.r;
  const { i32 } = cpu.arena;
  const at = offset >> 2;
  const reservedHigh = paePdpteReservedHigh(r[VCPU_MAXPHYADDR]);
  for (let i = 0; i < 8; i += 2) {
    if ((i32[at + i] & PTE_PRESENT) === 0) continue;
    if ((i32[at + i] & PAE_PDPTE_RESERVED_LOW) !== 0 || (i32[at + i + 1] & reservedHigh) !== 0) return false;
  }
  for (let i = 0; i < 8; i++) r[VCPU_PDPTE + i] = i32[at + i];
  return true;
}
