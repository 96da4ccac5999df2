/** The second-level tables of a vCPU as a debugger walks them. */
import type { Arena } from '../arena/arena.ts';
import {
  VCPU_BYTES,
  VCPU_MAXPHYADDR,
  VCPU_ROOT_HPA,
  VCPU_ROOT_LEVELS,
  VCPU_SECOND_LEVEL,
} from '../arena/vcpu-layout.ts';
import { highHalf, lowHalf, u64FromHalves } from '../base/address.ts';
import type { AccessKind } from '../base/machine-modes.ts';
import {
  PFERR_FETCH,
  PFERR_PRESENT,
  PFERR_RSVD,
  PFERR_USER,
  PFERR_WRITE,
  PTE_PAGE_SIZE,
  PTE_PRESENT,
  RIGHT_EXECUTE,
  RIGHT_USER,
  RIGHT_WRITE,
  reservedAddressBits,
  tableIndex,
} from './paging-entry.ts';
import {
  EPT_VIOLATION_FETCH,
  EPT_VIOLATION_GLA_TRANSLATED,
  EPT_VIOLATION_GLA_VALID,
  EPT_VIOLATION_READ,
  EPT_VIOLATION_RIGHTS_SHIFT,
  EPT_VIOLATION_WRITE,
  isEptLeaf,
  isEptMisconfigured,
  isHostEntryReserved,
  SECOND_LEVEL_EPT,
  SECOND_LEVEL_NPT,
  SECOND_LEVEL_SHADOW,
} from './second-level-entry.ts';

export interface ProbedSecondLevelEntry {
  /** 4 = root … 1. */
  readonly level: number;
  /** Arena offset of the entry, and its value. */
  readonly hpa: number;
  readonly value: bigint;
}

/** What the processor would leave the guest with. `code` is the exit qualification, or the PFERR bits of a page-table walk. */
export interface SecondLevelFault {
  readonly kind: 'violation' | 'misconfiguration' | 'page-fault' | 'outside-host-memory';
  readonly code: number;
  readonly reason: string;
}

export interface SecondLevelProbe {
  readonly kind: 'none' | 'ept' | 'npt' | 'shadow';
  readonly entries: readonly ProbedSecondLevelEntry[];
  /** Arena offset of the byte, when an access of this kind would reach it. */
  readonly hpa: number | undefined;
  /** Bytes that the leaf maps, when there is one. */
  readonly pageSize: number | undefined;
  readonly fault: SecondLevelFault | undefined;
}

const KINDS = ['none', 'ept', 'npt', 'shadow'] as const;

const PAGE_SIZES = [0, 0x1000, 0x20_0000, 0x4000_0000] as const;

/** The words of a vCPU's block, for readers. */
export const vcpuWords = (arena: Arena, vcpuId: number): Int32Array =>
  arena.i32.subarray(
    (arena.layout.vcpus + vcpuId * VCPU_BYTES) >> 2,
    (arena.layout.vcpus + (vcpuId + 1) * VCPU_BYTES) >> 2,
  );

/**
 * Walks EPT, NPT or the shadow page table (then `address` is linear) for an access of the given kind.
 * @param user privilege of the access; only a shadow page table asks, nested walks are always a user's
 */
export function probeSecondLevelWalk(
  arena: Arena,
  vcpuId: number,
  address: bigint,
  access: AccessKind = 'read',
  user = false,
): SecondLevelProbe {
  const r = vcpuWords(arena, vcpuId);
  const mode = r[VCPU_SECOND_LEVEL];
  const lo = lowHalf(address);
  const hi = highHalf(address);
  const shadow = mode === SECOND_LEVEL_SHADOW;
  if (mode !== SECOND_LEVEL_EPT && mode !== SECOND_LEVEL_NPT && !shadow) {
    const fault = { kind: 'violation', code: 0, reason: 'no second-level tables are set' } as const;
    return { kind: 'none', entries: [], hpa: undefined, pageSize: undefined, fault };
  }
  if (!shadow && hi >>> 16 !== 0) {
    const fault = mode === SECOND_LEVEL_EPT ? violation(access, 0) : pageFault(access, true, 0, 'beyond 48 bits');
    return { kind: KINDS[mode], entries: [], hpa: undefined, pageSize: undefined, fault };
  }
  return mode === SECOND_LEVEL_EPT
    ? probeEpt(arena, r, lo, hi, access)
    : probePageTable(arena, r, lo, hi, access, shadow, user);
}

function probeEpt(arena: Arena, r: Int32Array, lo: number, hi: number, access: AccessKind): SecondLevelProbe {
  const entries: ProbedSecondLevelEntry[] = [];
  const end = (fault: SecondLevelFault | undefined, hpa: number | undefined, level: number): SecondLevelProbe => ({
    kind: 'ept',
    entries,
    hpa,
    pageSize: PAGE_SIZES[level],
    fault,
  });
  const reservedHigh = reservedAddressBits(r[VCPU_MAXPHYADDR]);
  let table = r[VCPU_ROOT_HPA] & ~0xfff;
  let rights = 7;
  for (let level = 4; ; level--) {
    const at = table + (tableIndex(level, lo, hi) << 3);
    const entryLo = arena.i32[at >> 2];
    const entryHi = arena.i32[(at >> 2) + 1];
    entries.push({ level, hpa: at, value: u64FromHalves(entryLo, entryHi) });
    rights &= entryLo;
    if ((entryLo & 7) === 0) return end(violation(access, 0), undefined, 0);
    if (isEptMisconfigured(level, entryLo, entryHi, reservedHigh)) {
      return end({ kind: 'misconfiguration', code: 0, reason: `EPT misconfiguration at level ${level}` }, undefined, 0);
    }
    const leaf = isEptLeaf(level, entryLo);
    if (leaf && (rights & needOf(access)) === 0) return end(violation(access, rights), undefined, level);
    const page = (entryLo & ~0xfff) + (leaf ? lo & (PAGE_SIZES[level] - 0x1000) : 0);
    if (isOutside(arena, page, entryHi)) return end(outside(level), undefined, 0);
    if (leaf) return end(undefined, page + (lo & 0xfff), level);
    table = page;
  }
}

const needOf = (access: AccessKind): number => (access === 'fetch' ? 4 : access === 'write' ? 2 : 1);

function violation(access: AccessKind, rights: number): SecondLevelFault {
  const kind = access === 'fetch' ? EPT_VIOLATION_FETCH : access === 'write' ? EPT_VIOLATION_WRITE : EPT_VIOLATION_READ;
  const code = kind | (rights << EPT_VIOLATION_RIGHTS_SHIFT) | EPT_VIOLATION_GLA_VALID | EPT_VIOLATION_GLA_TRANSLATED;
  const reason = rights === 0 ? 'EPT violation: not present' : `EPT violation: ${access} not allowed`;
  return { kind: 'violation', code, reason };
}

function isOutside(arena: Arena, page: number, entryHi: number): boolean {
  return (entryHi & 0xf_ffff) !== 0 || page < 0 || page >= arena.layout.totalBytes;
}

function outside(level: number): SecondLevelFault {
  return { kind: 'outside-host-memory', code: 0, reason: `the entry at level ${level} points outside host memory` };
}

function probePageTable(
  arena: Arena,
  r: Int32Array,
  lo: number,
  hi: number,
  access: AccessKind,
  shadow: boolean,
  asUser: boolean,
): SecondLevelProbe {
  const entries: ProbedSecondLevelEntry[] = [];
  const levels = shadow && r[VCPU_ROOT_LEVELS] === 3 ? 3 : 4;
  const pae = levels === 3;
  const user = !shadow || asUser;
  const end = (fault: SecondLevelFault | undefined, hpa: number | undefined, level: number): SecondLevelProbe => ({
    kind: shadow ? 'shadow' : 'npt',
    entries,
    hpa,
    pageSize: PAGE_SIZES[level],
    fault,
  });
  let table = r[VCPU_ROOT_HPA] & (pae ? ~0x1f : ~0xfff);
  let rights = RIGHT_EXECUTE | RIGHT_WRITE | RIGHT_USER;
  for (let level = levels; ; level--) {
    const root = pae && level === 3;
    const at = table + ((root ? lo >>> 30 : tableIndex(level, lo, hi)) << 3);
    const entryLo = arena.i32[at >> 2];
    const entryHi = arena.i32[(at >> 2) + 1];
    entries.push({ level, hpa: at, value: u64FromHalves(entryLo, entryHi) });
    if ((entryLo & PTE_PRESENT) === 0)
      return end(pageFault(access, user, 0, `not present at level ${level}`), undefined, 0);
    if (isHostEntryReserved(levels, level, entryLo, entryHi, r[VCPU_MAXPHYADDR], !shadow)) {
      const code = PFERR_PRESENT | PFERR_RSVD;
      return end(pageFault(access, user, code, `reserved bits at level ${level}`), undefined, 0);
    }
    if (!root) rights &= (entryLo | RIGHT_EXECUTE) & (entryHi < 0 ? ~RIGHT_EXECUTE : -1);
    const leaf = level === 1 || (!root && level < 4 && (entryLo & PTE_PAGE_SIZE) !== 0);
    const denied =
      (access === 'write' && (rights & RIGHT_WRITE) === 0) ||
      (user && (rights & RIGHT_USER) === 0) ||
      (access === 'fetch' && (rights & RIGHT_EXECUTE) === 0);
    if (leaf && denied) return end(pageFault(access, user, PFERR_PRESENT, `${access} not allowed`), undefined, level);
    const size = leaf ? PAGE_SIZES[level] : 0x1000;
    const page = (entryLo & -size) + (leaf ? lo & (size - 0x1000) : 0);
    if (isOutside(arena, page, entryHi)) return end(outside(level), undefined, 0);
    if (leaf) return end(undefined, page + (lo & 0xfff), level);
    table = page;
  }
}

function pageFault(access: AccessKind, user: boolean, code: number, what: string): SecondLevelFault {
  const kind = (access === 'write' ? PFERR_WRITE : access === 'fetch' ? PFERR_FETCH : 0) | (user ? PFERR_USER : 0);
  return { kind: 'page-fault', code: code | kind, reason: `page fault: ${what}` };
}
