/** The guest's own page tables as a debugger walks them. */
import type { Arena } from '../../arena/arena.ts';
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
} from '../../arena/vcpu-layout.ts';
import { highHalf, lowHalf, u64FromHalves } from '../../base/address.ts';
import type { AccessKind } from '../../base/machine-modes.ts';
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
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_PAGE_SIZE,
  PTE_PRESENT,
  reservedHighBits,
  reservedLowBits,
  RIGHT_EXECUTE,
  RIGHT_USER,
  RIGHT_WRITE,
  tableIndex,
} from '../paging/paging-entry.ts';
import { pageFaultCode, permits } from '../paging/paging-permission.ts';
import { isCanonical } from '../memory/linear-address.ts';
import type { GuestFrames } from '../paging/paging-walk.ts';
import { accessRule, ENTRY_NAMES, notPresentRule, reservedBitsRule, type BrokenRule } from './probe-rules.ts';
import { probeSecondLevelWalk, vcpuWords, type SecondLevelProbe } from './probe-second-level.ts';
import { SECOND_LEVEL_NPT, SECOND_LEVEL_SHADOW } from '../second-level/second-level-entry.ts';

export type GuestPagingMode = 'none' | '32-bit' | 'pae' | '4-level';

export interface ProbedGuestEntry {
  /** 4 = PML4E, 3 = PDPTE, 2 = PDE, 1 = PTE. */
  readonly level: number;
  /** Guest physical address of the entry; undefined for a PDPTE register. */
  readonly gpa: bigint | undefined;
  readonly value: bigint;
  /** What this entry and those above it allow together: RIGHT_* (KVM's ACC_*: execute 1, write 2, user 4). */
  readonly rights: number;
  readonly leaf: boolean;
  /** A and D bits (PTE_ACCESSED, PTE_DIRTY) that the access would set in it. 0 also when it never gets so far. */
  readonly marks: number;
}

/** Why an access of this kind would fault. `errorCode` is that of the #PF; undefined when it would not be one. */
export interface GuestWalkFault extends BrokenRule {
  readonly errorCode: number | undefined;
  /** Level of the entry that broke the rule; undefined when the address alone did. */
  readonly level: number | undefined;
  /** The second level refused the processor an access to a guest table: where it lies, and what it would be. */
  readonly table: { readonly gpa: bigint; readonly probe: SecondLevelProbe } | undefined;
}

export interface GuestWalkProbe {
  readonly mode: GuestPagingMode;
  readonly levels: readonly ProbedGuestEntry[];
  /** Where the address leads, whenever a leaf was found: also when the access itself would not be allowed. */
  readonly gpa: bigint | undefined;
  readonly pageSize: number | undefined;
  /** RIGHT_* of the translation (KVM's ACC_*: execute 1, write 2, user 4). */
  readonly rights: number;
  readonly fault: GuestWalkFault | undefined;
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
  readonly root: number | undefined;
  readonly levels: ProbedGuestEntry[];
}

const ALL_RIGHTS = RIGHT_EXECUTE | RIGHT_WRITE | RIGHT_USER;

/**
 * Walks the guest's tables for an access.
 * @param frames where guest tables are read: through memslots; without it through the second level, as hardware does
 * @param user privilege of the access; the vCPU's own when not said
 * @param root the second level's root, if it is not the one in the control block
 */
export function probeGuestWalk(
  arena: Arena,
  vcpuId: number,
  gva: bigint,
  access: AccessKind,
  frames?: GuestFrames,
  user?: boolean,
  root?: number,
): GuestWalkProbe {
  const r = vcpuWords(arena, vcpuId);
  const lo = lowHalf(gva);
  const hi = highHalf(gva);
  const kind = access === 'write' ? PFERR_WRITE : access === 'fetch' ? PFERR_FETCH : 0;
  const long = (r[VCPU_EFER] & EFER_LMA) !== 0;
  const context: WalkContext = {
    arena,
    vcpuId,
    r,
    lo,
    hi,
    access: kind | ((user ?? r[VCPU_CPL] === 3) ? PFERR_USER : 0),
    mode: guestPagingMode(r),
    frames,
    root,
    levels: [],
  };
  const addressFault = (reason: string, source: string): GuestWalkProbe =>
    end(context, undefined, undefined, 0, { reason, source, errorCode: undefined, level: undefined, table: undefined });
  if (long && !isCanonical(hi)) {
    return addressFault('not canonical: bits 63–47 are not all equal', 'SDM vol 1, "Canonical Addressing"');
  }
  if (!long && hi !== 0) {
    return addressFault('beyond 32 bits, which is all that a linear address has here', 'SDM vol 3A, "Paging"');
  }
  switch (context.mode) {
    case 'none':
      return end(context, u64FromHalves(lo, 0), undefined, ALL_RIGHTS, undefined);
    case '32-bit':
      return probe32Bit(context);
    default:
      return probe64Bit(context, long);
  }
}

/** The paging mode that a vCPU's control registers choose (SDM vol 3A, "Paging Modes"). */
export function guestPagingMode(r: Int32Array): GuestPagingMode {
  if ((r[VCPU_CR0] & CR0_PG) === 0) return 'none';
  if ((r[VCPU_CR4] & CR4_PAE) === 0) return '32-bit';
  return (r[VCPU_EFER] & EFER_LMA) !== 0 ? '4-level' : 'pae';
}

function end(
  context: WalkContext,
  gpa: bigint | undefined,
  pageSize: number | undefined,
  rights: number,
  fault: GuestWalkFault | undefined,
): GuestWalkProbe {
  return { mode: context.mode, levels: context.levels, gpa, pageSize, rights, fault };
}

function pageFault(context: WalkContext, code: number, level: number, rule: BrokenRule): GuestWalkFault {
  const { r, access } = context;
  const errorCode = pageFaultCode(r[VCPU_CR4], r[VCPU_EFER], access, code);
  return { ...rule, errorCode, level, table: undefined };
}

/** Ends at a leaf: the address, whether the access is allowed, and whether A and D bits can be set for it. */
function endAtLeaf(context: WalkContext, gpa: bigint, pageSize: number, rights: number): GuestWalkProbe {
  const { r, access, levels } = context;
  const leaf = levels[levels.length - 1];
  if (!permits(r[VCPU_CR0], r[VCPU_CR4], r[VCPU_RFLAGS], rights, access)) {
    const rule = accessRule(r[VCPU_CR0], r[VCPU_CR4], rights, access);
    return end(context, gpa, pageSize, rights, pageFault(context, PFERR_PRESENT, leaf.level, rule));
  }
  return end(context, gpa, pageSize, rights, markLevels(context));
}

/**
 * A on every level and D on the leaf of a write, as after the permission check (walk order of paging-64bit.ts): noted in the
 * entries.
 * @returns the fault when a table cannot be written for it
 */
function markLevels(context: WalkContext): GuestWalkFault | undefined {
  const { levels, access } = context;
  for (const [index, entry] of levels.entries()) {
    if (entry.gpa === undefined) continue;
    const wanted = PTE_ACCESSED | (entry.leaf && (access & PFERR_WRITE) !== 0 ? PTE_DIRTY : 0);
    const marks = wanted & ~lowHalf(entry.value);
    if (marks === 0) continue;
    levels[index] = { ...entry, marks };
    const reached = reachTable(context, entry.gpa, true);
    if (typeof reached !== 'number') return unreachable(context, entry.level, entry.gpa, reached);
  }
  return undefined;
}

/** Arena offset of a guest table's entry, or what the second level says; undefined when no memslot has it. */
function reachTable(context: WalkContext, gpa: bigint, write: boolean): number | SecondLevelProbe | undefined {
  const { arena, vcpuId, frames, r } = context;
  if (frames !== undefined) {
    const at = frames.frameOf(lowHalf(gpa), highHalf(gpa), write);
    return at < 0 ? undefined : at;
  }
  if (r[VCPU_SECOND_LEVEL] === SECOND_LEVEL_SHADOW) return undefined;
  const purpose = write ? 'table-write' : 'table';
  const probe = probeSecondLevelWalk(arena, vcpuId, gpa, 'read', false, purpose, context.root);
  return probe.hpa ?? probe;
}

function unreachable(
  context: WalkContext,
  level: number,
  gpa: bigint,
  probe: SecondLevelProbe | undefined,
): GuestWalkFault {
  const what = `the guest's ${ENTRY_NAMES[level]} at gpa 0x${gpa.toString(16)}`;
  if (probe !== undefined) {
    const reason = `${what} cannot be reached: ${probe.fault?.reason ?? 'no translation'}`;
    const source = probe.fault?.source ?? '';
    return { reason, source, errorCode: undefined, level, table: { gpa, probe } };
  }
  const reason = `${what} cannot be read: no memslot has it`;
  const rule = { reason, source: 'FNAME(walk_addr_generic), arch/x86/kvm/paging_tmpl.h' };
  return pageFault(context, 0, level, rule);
}

function probe64Bit(context: WalkContext, long: boolean): GuestWalkProbe {
  const { arena, r, lo, hi, levels } = context;
  const amd = r[VCPU_SECOND_LEVEL] === SECOND_LEVEL_NPT;
  const reservedHigh = reservedHighBits(r[VCPU_MAXPHYADDR], r[VCPU_EFER], long);
  let rights = ALL_RIGHTS;
  const root = long ? VCPU_CR3 : VCPU_PDPTE + ((lo >>> 30) << 1);
  const stop = (fault: GuestWalkFault): GuestWalkProbe => end(context, undefined, undefined, 0, fault);
  if (!long) {
    const value = u64FromHalves(r[root], r[root + 1]);
    levels.push({ level: 3, gpa: undefined, value, rights, leaf: false, marks: 0 });
    if ((r[root] & PTE_PRESENT) === 0) {
      return stop(pageFault(context, 0, 3, notPresentRule(`the guest's PDPTE register ${lo >>> 30}`)));
    }
  }
  let table = u64FromHalves(r[root] & ~0xfff, r[root + 1] & 0xf_ffff);
  for (let level = long ? 4 : 2; ; level--) {
    const gpa = table + BigInt(tableIndex(level, lo, hi) << 3);
    const at = reachTable(context, gpa, false);
    if (typeof at !== 'number') return stop(unreachable(context, level, gpa, at));
    const entryLo = arena.i32[at >> 2];
    const entryHi = arena.i32[(at >> 2) + 1];
    rights &= (entryLo | RIGHT_EXECUTE) & (entryHi < 0 ? ~RIGHT_EXECUTE : -1);
    const leaf = level === 1 || (level < 4 && (entryLo & PTE_PAGE_SIZE) !== 0);
    levels.push({ level, gpa, value: u64FromHalves(entryLo, entryHi), rights, leaf, marks: 0 });
    const what = `the guest's ${ENTRY_NAMES[level]}`;
    if ((entryLo & PTE_PRESENT) === 0) return stop(pageFault(context, 0, level, notPresentRule(what)));
    const low = entryLo & reservedLowBits(level, entryLo, amd);
    const high = entryHi & reservedHigh;
    if (high !== 0 || low !== 0) {
      return stop(pageFault(context, PFERR_PRESENT | PFERR_RSVD, level, reservedBitsRule(what, low, high, amd)));
    }
    if (leaf) {
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
  let rights = ALL_RIGHTS;
  const stop = (fault: GuestWalkFault): GuestWalkProbe => end(context, undefined, undefined, 0, fault);
  for (let level = 2; ; level--) {
    const at = reachTable(context, gpa, false);
    if (typeof at !== 'number') return stop(unreachable(context, level, gpa, at));
    const entry = arena.i32[at >> 2];
    const large = level === 2 && (entry & PTE_PAGE_SIZE) !== 0 && (r[VCPU_CR4] & CR4_PSE) !== 0;
    rights &= entry | RIGHT_EXECUTE;
    levels.push({ level, gpa, value: u64FromHalves(entry, 0), rights, leaf: level === 1 || large, marks: 0 });
    const what = `the guest's ${ENTRY_NAMES[level]}`;
    if ((entry & PTE_PRESENT) === 0) return stop(pageFault(context, 0, level, notPresentRule(what)));
    if (level === 1) return endAtLeaf(context, u64FromHalves((entry & ~0xfff) | (lo & 0xfff), 0), 0x1000, rights);
    if (large) {
      const reserved = entry & pse36ReservedBits(r[VCPU_MAXPHYADDR]);
      if (reserved !== 0) {
        return stop(pageFault(context, PFERR_PRESENT | PFERR_RSVD, level, reservedBitsRule(what, reserved, 0, false)));
      }
      const page = u64FromHalves((entry & ~0x3f_ffff) | (lo & 0x3f_ffff), (entry >>> 13) & 0xff);
      return endAtLeaf(context, page, 0x40_0000, rights);
    }
    gpa = u64FromHalves((entry & ~0xfff) + (((lo >>> 12) & 0x3ff) << 2), 0);
  }
}
