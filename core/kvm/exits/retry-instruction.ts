/**
 * retry_instruction (arch/x86/kvm/x86.c of v3.11): a write to a shadowed table by an instruction that is no writer of page
 * tables. The shadow goes instead, and the guest executes the instruction itself.
 */
import {
  CS,
  SEG_BASE,
  SEGMENT_WORDS,
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_RIP,
  VCPU_SEGMENTS,
} from '../../arena/vcpu-layout.ts';
import { TP_KVM_EMULATE_INSN } from '../../base/tracepoints.ts';
import { traceInsn } from './exit-handlers-emulate.ts';
import { isPaging } from '../shadow/guest-paging.ts';
import { walkAddr } from '../shadow/guest-table-walk.ts';
import { mmuUnprotectPage } from '../shadow/guest-table-write.ts';
import { isPageTableWriter } from '../shadow/guest-table-writers.ts';
import { gfnToPfn } from '../memslots/memslots.ts';
import { MMU_SHADOW } from '../mmu/mmu.ts';
import { PFERR_FETCH_MASK, PFERR_USER_MASK, PFERR_WRITE_MASK } from '../mmu/mmu-fault-error.ts';
import { VCPU_LAST_RETRY_ADDR, VCPU_LAST_RETRY_EIP } from '../mmu/mmu-words.ts';
import { traceEnabled } from '../trace/trace.ts';
import type { VcpuContext } from '../vcpu/vcpu-context.ts';

const CS_BASE = VCPU_SEGMENTS + CS * SEGMENT_WORDS + SEG_BASE;

/** Whether the instruction at RIP is made for writing page tables; also when it cannot be read. */
function atWriter(vcpu: VcpuContext, user: number): boolean {
  const { mmu, cpu, r } = vcpu;
  const long = r[VCPU_CODE_BITS] === 64;
  const lo = long ? r[VCPU_RIP] : (r[VCPU_RIP] + r[CS_BASE]) | 0;
  let gfn = lo >>> 12;
  if (isPaging(r)) {
    if (!walkAddr(mmu, cpu, mmu.walker, lo, long ? r[VCPU_RIP + 1] : 0, user | PFERR_FETCH_MASK)) return true;
    gfn = mmu.walker.gfn;
  }
  const pfn = gfnToPfn(mmu.arena, gfn, false);
  if (pfn < 0) return true;
  const page = pfn << 12;
  return isPageTableWriter(mmu.arena.u8, page + (lo & 0xfff), page + 0x1000, long);
}

/**
 * Not the same instruction at the same address twice in a row: it may write to the table that maps it, whose shadow comes back
 * at once.
 * @param lo, hi linear address of the fault; with a direct map its guest physical address
 * @returns true: the guest is to try again
 */
export function retryInstruction(vcpu: VcpuContext, lo: number, hi: number): boolean {
  const { mmu, cpu, r } = vcpu;
  const same =
    r[VCPU_LAST_RETRY_EIP] === r[VCPU_RIP] &&
    r[VCPU_LAST_RETRY_EIP + 1] === r[VCPU_RIP + 1] &&
    r[VCPU_LAST_RETRY_ADDR] === lo &&
    r[VCPU_LAST_RETRY_ADDR + 1] === hi;
  r.fill(0, VCPU_LAST_RETRY_EIP, VCPU_LAST_RETRY_ADDR + 2);
  const user = r[VCPU_CPL] === 3 ? PFERR_USER_MASK : 0;
  if (same || atWriter(vcpu, user)) return false;
  r[VCPU_LAST_RETRY_EIP] = r[VCPU_RIP];
  r[VCPU_LAST_RETRY_EIP + 1] = r[VCPU_RIP + 1];
  r[VCPU_LAST_RETRY_ADDR] = lo;
  r[VCPU_LAST_RETRY_ADDR + 1] = hi;
  if (mmu.mode !== MMU_SHADOW || !isPaging(r)) mmuUnprotectPage(mmu, (lo >>> 12) + (hi >>> 0) * 0x10_0000);
  else if (walkAddr(mmu, cpu, mmu.walker, lo, hi, user | PFERR_WRITE_MASK)) mmuUnprotectPage(mmu, mmu.walker.gfn);
  // Decoded, counted and traced as emulated; executed by the guest.
  vcpu.count(vcpu.cInsnEmulation);
  if (traceEnabled(mmu.arena, TP_KVM_EMULATE_INSN)) traceInsn(vcpu, false);
  return true;
}
