/** The guest's own page tables as a debugger walks them. */
import type { Arena } from '../arena/arena.ts';
import {
  VCPU_CPL,
  VCPU_CR0,
  VCPU_CR3,
  VCPU_CR4,
  VCPU_EFER,
  VCPU_MAXPHYADDR,
  VCPU_PDPTE,
  VCPU_RFLAGS,
  VCPU_SECOND_LEVEL,
} from '../arena/vcpu-layout.ts';
import { highHalf, lowHalf, u64FromHalves } from '../base/address.ts';
import type { AccessKind } from '../base/machine-modes.ts';
import {
  CR0_PG,
  CR4_PAE,
  CR4_PSE,
  EFER_LMA,
  PFERR_FETCH,
  PFERR_PRESENT,
  PFERR_RSVD,
  PFERR_USER,
  PFERR_WRITE,
  pse36ReservedBits,
  PTE_PAGE_SIZE,
  PTE_PRESENT,
  reservedHighBits,
  reservedLowBits,
  RIGHT_EXECUTE,
  RIGHT_USER,
  RIGHT_WRITE,
  tableIndex,
} from './paging-entry.ts';
import { pageFaultCode, permits } from './paging-permission.ts';
import { isCanonical } from './paging-translate.ts';
import type { GuestFrames } from './paging-walk.ts';
import { probeSecondLevelWalk, vcpuWords } from './probe-second-level.ts';
import { SECOND_LEVEL_NPT, SECOND_LEVEL_SHADOW } from './second-level-entry.ts';

export type GuestPagingMode = 'none' | '32-bit' | 'pae' | '4-level';

export interface ProbedGuestEntry {
  /** 4 = PML4E, 3 = PDPTE, 2 = PDE, 1 = PTE. */
  readonly level: number;
  /** Guest physical address of the entry; undefined for a PDPTE register. */
  readonly gpa: bigint | undefined;
  readonly value: bigint;
}

export interface GuestWalkProbe {
  readonly mode: GuestPagingMode;
  readonly levels: readonly ProbedGuestEntry[];
  /** Where the address leads, whenever a leaf was found: also when the access itself would not be allowed. */
  readonly gpa: bigint | undefined;
  readonly pageSize: number | undefined;
  /** RIGHT_* of the translation (KVM's ACC_*: execute 1, write 2, user 4). */
  readonly rights: number;
  /** Why an access of this kind would fault. `errorCode` is that of the #PF; undefined when it would not be one. */
  readonly fault: { readonly reason: string; readonly errorCode: number | undefined } | undefined;
}

/** Beside what a walk found: what is needed to say how it ends. */
interface WalkContext {
  readonly arena: Arena;
  readonly vcpuId: number;
  readonly r: Int32Array;
  readonly lo: number;
  readonly hi: number;
  readonly access: number;
  readonly mode: GuestPagingMode;
  readonly frames: GuestFrames | undefined;
  readonly levels: ProbedGuestEntry[];
}

/**
 * Walks the guest's tables for an access at the vCPU's current privilege.
 * @param frames where guest tables are read: through memslots; without it through the second level, as hardware does
 */
export function probeGuestWalk(
  arena: Arena,
  vcpuId: number,
  gva: bigint,
  access: AccessKind,
  frames?: GuestFrames,
): GuestWalkProbe {
  const r = vcpuWords(arena, vcpuId);
  const lo = lowHalf(gva);
  const hi = highHalf(gva);
  const kind = access === 'write' ? PFERR_WRITE : access === 'fetch' ? PFERR_FETCH : 0;
  const paging = (r[VCPU_CR0] & CR0_PG) !== 0;
  const pae = (r[VCPU_CR4] & CR4_PAE) !== 0;
  const long = (r[VCPU_EFER] & EFER_LMA) !== 0;
  const context: WalkContext = {
    arena,
    vcpuId,
    r,
    lo,
    hi,
    access: kind | (r[VCPU_CPL] === 3 ? PFERR_USER : 0),
    mode: !paging ? 'none' : !pae ? '32-bit' : long ? '4-level' : 'pae',
    frames,
    levels: [],
  };
  if (long && !isCanonical(hi))
    return end(context, undefined, undefined, 0, { reason: 'not canonical', errorCode: undefined });
  if (!long && hi !== 0) {
    return end(context, undefined, undefined, 0, { reason: 'beyond 32 bits', errorCode: undefined });
  }
  if (!paging)
    return end(context, u64FromHalves(lo, 0), undefined, RIGHT_EXECUTE | RIGHT_WRITE | RIGHT_USER, undefined);
  return pae ? probe64Bit(context, long) : probe32Bit(context);
}

function end(
  context: WalkContext,
  gpa: bigint | undefined,
  pageSize: number | undefined,
  rights: number,
  fault: GuestWalkProbe['fault'],
): GuestWalkProbe {
  return { mode: context.mode, levels: context.levels, gpa, pageSize, rights, fault };
}

function pageFault(context: WalkContext, code: number, reason: string): GuestWalkProbe['fault'] {
  const { r, access } = context;
  return { reason, errorCode: pageFaultCode(r[VCPU_CR4], r[VCPU_EFER], access, code) };
}

/** Ends at a leaf: the address, and whether the access is allowed. */
function endAtLeaf(context: WalkContext, gpa: bigint, pageSize: number, rights: number): GuestWalkProbe {
  const { r, access } = context;
  const allowed = permits(r[VCPU_CR0], r[VCPU_CR4], r[VCPU_RFLAGS], rights, access);
  const fault = allowed ? undefined : pageFault(context, PFERR_PRESENT, 'the page does not allow this access');
  return end(context, gpa, pageSize, rights, fault);
}

/** Arena offset of a guest table's entry, or undefined. */
function entryAt(context: WalkContext, gpa: bigint): number | undefined {
  const { arena, vcpuId, frames, r } = context;
  if (frames !== undefined) {
    const at = frames.frameOf(lowHalf(gpa), highHalf(gpa), false);
    return at < 0 ? undefined : at;
  }
  if (r[VCPU_SECOND_LEVEL] === SECOND_LEVEL_SHADOW) return undefined;
  // Nested paging counts the walker's accesses as writes.
  const kind = r[VCPU_SECOND_LEVEL] === SECOND_LEVEL_NPT ? 'write' : 'read';
  return probeSecondLevelWalk(arena, vcpuId, gpa, kind).hpa;
}

function unreadable(context: WalkContext, level: number): GuestWalkProbe {
  const reason = `the guest's table at level ${level} cannot be read`;
  const errorCode = context.frames === undefined ? undefined : pageFault(context, 0, reason)?.errorCode;
  return end(context, undefined, undefined, 0, { reason, errorCode });
}

function probe64Bit(context: WalkContext, long: boolean): GuestWalkProbe {
  const { arena, r, lo, hi, levels } = context;
  const amd = r[VCPU_SECOND_LEVEL] === SECOND_LEVEL_NPT;
  const reservedHigh = reservedHighBits(r[VCPU_MAXPHYADDR], r[VCPU_EFER], long);
  let rights = RIGHT_EXECUTE | RIGHT_WRITE | RIGHT_USER;
  const root = long ? VCPU_CR3 : VCPU_PDPTE + ((lo >>> 30) << 1);
  if (!long) {
    levels.push({ level: 3, gpa: undefined, value: u64FromHalves(r[root], r[root + 1]) });
    if ((r[root] & PTE_PRESENT) === 0) {
      return end(context, undefined, undefined, 0, pageFault(context, 0, 'PDPTE not present'));
    }
  }
  let table = u64FromHalves(r[root] & ~0xfff, r[root + 1] & 0xf_ffff);
  for (let level = long ? 4 : 2; ; level--) {
    const gpa = table + BigInt(tableIndex(level, lo, hi) << 3);
    const at = entryAt(context, gpa);
    if (at === undefined) return unreadable(context, level);
    const entryLo = arena.i32[at >> 2];
    const entryHi = arena.i32[(at >> 2) + 1];
    levels.push({ level, gpa, value: u64FromHalves(entryLo, entryHi) });
    if ((entryLo & PTE_PRESENT) === 0) {
      return end(context, undefined, undefined, 0, pageFault(context, 0, `not present at level ${level}`));
    }
    if ((entryHi & reservedHigh) !== 0 || (entryLo & reservedLowBits(level, entryLo, amd)) !== 0) {
      const code = PFERR_PRESENT | PFERR_RSVD;
      return end(context, undefined, undefined, 0, pageFault(context, code, `reserved bits at level ${level}`));
    }
    rights &= (entryLo | RIGHT_EXECUTE) & (entryHi < 0 ? ~RIGHT_EXECUTE : -1);
    if (level === 1 || (level < 4 && (entryLo & PTE_PAGE_SIZE) !== 0)) {
      const size = level === 1 ? 0x1000 : level === 2 ? 0x20_0000 : 0x4000_0000;
      const page = u64FromHalves((entryLo & -size) | (lo & (size - 1)), entryHi & 0xf_ffff);
      return endAtLeaf(context, page, size, rights);
    }
    table = u64FromHalves(entryLo & ~0xfff, entryHi & 0xf_ffff);
  }
}

function probe32Bit(context: WalkContext): GuestWalkProbe {
  const { arena, r, lo, levels } = context;
  let gpa = u64FromHalves((r[VCPU_CR3] & ~0xfff) + ((lo >>> 22) << 2), 0);
  let rights = RIGHT_EXECUTE | RIGHT_WRITE | RIGHT_USER;
  for (let level = 2; ; level--) {
    const at = entryAt(context, gpa);
    if (at === undefined) return unreadable(context, level);
    const entry = arena.i32[at >> 2];
    levels.push({ level, gpa, value: u64FromHalves(entry, 0) });
    if ((entry & PTE_PRESENT) === 0) {
      return end(context, undefined, undefined, 0, pageFault(context, 0, `not present at level ${level}`));
    }
    rights &= entry | RIGHT_EXECUTE;
    if (level === 1) return endAtLeaf(context, u64FromHalves((entry & ~0xfff) | (lo & 0xfff), 0), 0x1000, rights);
    if ((entry & PTE_PAGE_SIZE) !== 0 && (r[VCPU_CR4] & CR4_PSE) !== 0) {
      if ((entry & pse36ReservedBits(r[VCPU_MAXPHYADDR])) !== 0) {
        const fault = pageFault(context, PFERR_PRESENT | PFERR_RSVD, 'reserved bits at level 2');
        return end(context, undefined, undefined, 0, fault);
      }
      const page = u64FromHalves((entry & ~0x3f_ffff) | (lo & 0x3f_ffff), (entry >>> 13) & 0xff);
      return endAtLeaf(context, page, 0x40_0000, rights);
    }
    gpa = u64FromHalves((entry & ~0xfff) + (((lo >>> 12) & 0x3ff) << 2), 0);
  }
}
