/** The second-level tables of a vCPU as a debugger walks them. */
import type { Arena } from '../../arena/arena.ts';
import {
  VCPU_BYTES,
  VCPU_EPT_AD,
  VCPU_MAXPHYADDR,
  VCPU_ROOT_HPA,
  VCPU_ROOT_LEVELS,
  VCPU_SECOND_LEVEL,
} from '../../arena/vcpu-layout.ts';
import type { SecondLevelEntry, SecondLevelTranslation } from '../../base/address-walk.ts';
import { highHalf, lowHalf, u64FromHalves } from '../../base/address.ts';
import type { AccessKind } from '../../base/machine-modes.ts';
import {
  CR0_WP,
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
  reservedLowBits,
  tableIndex,
} from '../paging/paging-entry.ts';
import {
  accessRule,
  ENTRY_NAMES,
  eptMisconfigurationRule,
  hostReservedBits,
  notPresentRule,
  reservedBitsRule,
} from './probe-rules.ts';
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
  NPF_GUEST_FINAL_HIGH,
  NPF_GUEST_PAGE_HIGH,
  SECOND_LEVEL_EPT,
  SECOND_LEVEL_NPT,
  SECOND_LEVEL_SHADOW,
} from '../second-level/second-level-entry.ts';

/**
 * What an address is looked up for: the access itself, the reading of a guest paging structure that lies there, or the
 * setting of A or D bits in it.
 */
export type SecondLevelPurpose = 'final' | 'table' | 'table-write';

export interface ProbedSecondLevelEntry extends SecondLevelEntry {
  /** What this entry and those above it allow together: bits R 1, W 2, X 4 of EPT; else RIGHT_* (KVM's ACC_*). */
  readonly rights: number;
}

/**
 * What the processor would leave the guest with. `code` is the exit qualification, or the PFERR bits of a page-table walk,
 * whose high half (`codeHigh`) only a nested page fault has.
 */
export interface SecondLevelFault {
  readonly kind: 'violation' | 'misconfiguration' | 'page-fault' | 'outside-host-memory';
  readonly code: number;
  readonly codeHigh: number;
  /** The rule that failed, and where it is written. */
  readonly reason: string;
  readonly source: string;
  /** Level of the entry that broke it; undefined when the address alone did. */
  readonly level: number | undefined;
}

export interface SecondLevelProbe extends SecondLevelTranslation {
  readonly entries: readonly ProbedSecondLevelEntry[];
  readonly fault: SecondLevelFault | undefined;
}

const KINDS = ['none', 'ept', 'npt', 'shadow'] as const;

const PAGE_SIZES = [0, 0x1000, 0x20_0000, 0x4000_0000] as const;

const NO_TABLES = { kind: 'violation', code: 0, codeHigh: 0, level: undefined } as const;
const EPT_VIOLATIONS = 'SDM vol 3C, "EPT Violations"';
const HOST_MEMORY = 'the arena is all the host memory there is';

/** The words of a vCPU's block, for readers. */
export const vcpuWords = (arena: Arena, vcpuId: number): Int32Array =>
  arena.i32.subarray(
    (arena.layout.vcpus + vcpuId * VCPU_BYTES) >> 2,
    (arena.layout.vcpus + (vcpuId + 1) * VCPU_BYTES) >> 2,
  );

/**
 * Walks EPT, NPT or the shadow page table (then `address` is linear) for an access of the given kind.
 * @param user privilege of the access; only a shadow page table asks, nested walks are always a user's
 * @param root walk from this table instead of the one in the control block; 0 is one without entries
 */
export function probeSecondLevelWalk(
  arena: Arena,
  vcpuId: number,
  address: bigint,
  access: AccessKind = 'read',
  user = false,
  purpose: SecondLevelPurpose = 'final',
  root?: number,
): SecondLevelProbe {
  const r = vcpuWords(arena, vcpuId);
  const mode = r[VCPU_SECOND_LEVEL];
  const lo = lowHalf(address);
  const hi = highHalf(address);
  // With accessed and dirty flags for EPT every access of the processor to a guest table counts as a write.
  const writes = mode === SECOND_LEVEL_EPT && purpose === 'table' && r[VCPU_EPT_AD] !== 0;
  const walk: Walk = {
    arena,
    r,
    lo,
    hi,
    access,
    user,
    purpose: writes ? 'table-write' : purpose,
    root: root ?? r[VCPU_ROOT_HPA],
    entries: [],
  };
  const shadow = mode === SECOND_LEVEL_SHADOW;
  if (mode !== SECOND_LEVEL_EPT && mode !== SECOND_LEVEL_NPT && !shadow) {
    const fault = { ...NO_TABLES, reason: 'no second-level tables are set', source: 'the control block' };
    return { kind: 'none', entries: [], hpa: undefined, pageSize: undefined, fault };
  }
  if (!shadow && hi >>> 16 !== 0) {
    const rule = { reason: 'four levels translate 48 bits, and the address has more', source: EPT_VIOLATIONS };
    const fault =
      mode === SECOND_LEVEL_EPT ? violation(walk, 0, undefined, rule) : pageFault(walk, false, 0, undefined, rule);
    return { kind: KINDS[mode], entries: [], hpa: undefined, pageSize: undefined, fault };
  }
  return mode === SECOND_LEVEL_EPT ? probeEpt(walk) : probePageTable(walk, shadow);
}

interface Walk {
  readonly arena: Arena;
  readonly r: Int32Array;
  readonly lo: number;
  readonly hi: number;
  readonly access: AccessKind;
  readonly user: boolean;
  readonly purpose: SecondLevelPurpose;
  readonly root: number;
  readonly entries: ProbedSecondLevelEntry[];
}

interface Rule {
  readonly reason: string;
  readonly source: string;
}

/** R, W and X that the access needs of an EPT mapping. */
function eptNeed({ access, purpose }: Walk): number {
  if (purpose === 'table') return 1;
  if (purpose === 'table-write') return 3;
  return access === 'fetch' ? 4 : access === 'write' ? 2 : 1;
}

function probeEpt(walk: Walk): SecondLevelProbe {
  const { arena, r, lo, hi, entries } = walk;
  const end = (fault: SecondLevelFault | undefined, hpa: number | undefined, level: number): SecondLevelProbe => ({
    kind: 'ept',
    entries,
    hpa,
    pageSize: PAGE_SIZES[level],
    fault,
  });
  const reservedHigh = reservedAddressBits(r[VCPU_MAXPHYADDR]);
  const need = eptNeed(walk);
  let table = walk.root & ~0xfff;
  if (table === 0) return end(violation(walk, 0, undefined, NO_ROOT), undefined, 0);
  let rights = 7;
  for (let level = 4; ; level--) {
    const at = table + (tableIndex(level, lo, hi) << 3);
    const entryLo = arena.i32[at >> 2];
    const entryHi = arena.i32[(at >> 2) + 1];
    const leaf = isEptLeaf(level, entryLo);
    rights &= entryLo;
    entries.push({ level, sptep: at, value: u64FromHalves(entryLo, entryHi), rights, leaf });
    if ((entryLo & 7) === 0) {
      const reason = `the EPT entry at level ${level} is not present (bits 2:0 = 000b)`;
      return end(violation(walk, 0, level, { reason, source: EPT_VIOLATIONS }), undefined, 0);
    }
    if (isEptMisconfigured(level, entryLo, entryHi, reservedHigh)) {
      const rule = eptMisconfigurationRule(level, entryLo, entryHi, reservedHigh);
      return end({ kind: 'misconfiguration', code: 0, codeHigh: 0, level, ...rule }, undefined, 0);
    }
    if (leaf && (rights & need) !== need) {
      const reason = `${accessWords(walk)} needs ${eptRights(need)}, and the entries on the way allow ${eptRights(rights)}`;
      return end(violation(walk, rights, level, { reason, source: EPT_VIOLATIONS }), undefined, level);
    }
    const page = (entryLo & ~0xfff) + (leaf ? lo & (PAGE_SIZES[level] - 0x1000) : 0);
    if (isOutside(arena, page, entryHi)) return end(outside(level), undefined, 0);
    if (leaf) return end(undefined, page + (lo & 0xfff), level);
    table = page;
  }
}

const NO_ROOT: Rule = { reason: 'the root is not there yet: a new one is empty', source: 'kvm_mmu_load (mmu.c)' };

/** `rwx`, `r-x`: the access bits of an EPT entry. */
export const eptRights = (rights: number): string =>
  `${(rights & 1) !== 0 ? 'r' : '-'}${(rights & 2) !== 0 ? 'w' : '-'}${(rights & 4) !== 0 ? 'x' : '-'}`;

function accessWords({ r, access, purpose }: Walk): string {
  if (purpose === 'table') return "the processor's read of a guest table";
  if (purpose === 'table-write' && r[VCPU_EPT_AD] !== 0) {
    return "the processor's access to a guest table, a write with A/D flags for EPT,";
  }
  if (purpose === 'table-write') return "the processor's update of A or D bits";
  return access === 'fetch' ? 'the fetch' : `the ${access}`;
}

function violation(walk: Walk, rights: number, level: number | undefined, rule: Rule): SecondLevelFault {
  const { access, purpose } = walk;
  const kind =
    purpose === 'table'
      ? EPT_VIOLATION_READ
      : purpose === 'table-write'
        ? EPT_VIOLATION_READ | EPT_VIOLATION_WRITE
        : access === 'fetch'
          ? EPT_VIOLATION_FETCH
          : access === 'write'
            ? EPT_VIOLATION_WRITE
            : EPT_VIOLATION_READ;
  const final = purpose === 'final' ? EPT_VIOLATION_GLA_TRANSLATED : 0;
  const code = kind | (rights << EPT_VIOLATION_RIGHTS_SHIFT) | EPT_VIOLATION_GLA_VALID | final;
  return { kind: 'violation', code, codeHigh: 0, level, ...rule };
}

function isOutside(arena: Arena, page: number, entryHi: number): boolean {
  return (entryHi & 0xf_ffff) !== 0 || page < 0 || page >= arena.layout.totalBytes;
}

function outside(level: number): SecondLevelFault {
  const reason = `the entry at level ${level} points outside host memory`;
  return { kind: 'outside-host-memory', code: 0, codeHigh: 0, reason, source: HOST_MEMORY, level };
}

function probePageTable(walk: Walk, shadow: boolean): SecondLevelProbe {
  const { arena, r, lo, hi, entries, purpose } = walk;
  const levels = shadow && r[VCPU_ROOT_LEVELS] === 3 ? 3 : 4;
  const pae = levels === 3;
  const user = !shadow || walk.user;
  const nested = purpose !== 'final';
  const write = nested || walk.access === 'write';
  const fetch = !nested && walk.access === 'fetch';
  const maxPhyAddr = r[VCPU_MAXPHYADDR];
  const end = (fault: SecondLevelFault | undefined, hpa: number | undefined, level: number): SecondLevelProbe => ({
    kind: shadow ? 'shadow' : 'npt',
    entries,
    hpa,
    pageSize: PAGE_SIZES[level],
    fault,
  });
  let table = walk.root & (pae ? ~0x1f : ~0xfff);
  if (table === 0) return end(pageFault(walk, shadow, 0, undefined, NO_ROOT), undefined, 0);
  let rights = RIGHT_EXECUTE | RIGHT_WRITE | RIGHT_USER;
  for (let level = levels; ; level--) {
    const root = pae && level === 3;
    const at = table + ((root ? lo >>> 30 : tableIndex(level, lo, hi)) << 3);
    const entryLo = arena.i32[at >> 2];
    const entryHi = arena.i32[(at >> 2) + 1];
    const leaf = level === 1 || (!root && level < 4 && (entryLo & PTE_PAGE_SIZE) !== 0);
    if (!root) rights &= (entryLo | RIGHT_EXECUTE) & (entryHi < 0 ? ~RIGHT_EXECUTE : -1);
    entries.push({ level, sptep: at, value: u64FromHalves(entryLo, entryHi), rights, leaf });
    const what = `the ${shadow ? 'shadow' : 'nested'} ${ENTRY_NAMES[level]}`;
    if ((entryLo & PTE_PRESENT) === 0) {
      return end(pageFault(walk, shadow, 0, level, notPresentRule(what)), undefined, 0);
    }
    if (isHostEntryReserved(levels, level, entryLo, entryHi, maxPhyAddr, !shadow)) {
      const mask = reservedLowBits(level, entryLo, !shadow);
      const [low, high] = hostReservedBits(levels, level, entryLo, entryHi, maxPhyAddr, mask);
      const rule = reservedBitsRule(what, low, high, !shadow);
      return end(pageFault(walk, shadow, PFERR_PRESENT | PFERR_RSVD, level, rule), undefined, 0);
    }
    const denied =
      (write && (rights & RIGHT_WRITE) === 0) ||
      (user && (rights & RIGHT_USER) === 0) ||
      (fetch && (rights & RIGHT_EXECUTE) === 0);
    if (leaf && denied) {
      const code = (write ? PFERR_WRITE : 0) | (fetch ? PFERR_FETCH : 0) | (user ? PFERR_USER : 0);
      const { reason, source } = accessRule(CR0_WP, 0, rights, code);
      return end(pageFault(walk, shadow, PFERR_PRESENT, level, { reason, source }), undefined, level);
    }
    const size = leaf ? PAGE_SIZES[level] : 0x1000;
    const page = (entryLo & -size) + (leaf ? lo & (size - 0x1000) : 0);
    if (isOutside(arena, page, entryHi)) return end(outside(level), undefined, 0);
    if (leaf) return end(undefined, page + (lo & 0xfff), level);
    table = page;
  }
}

function pageFault(
  { access, user, purpose }: Walk,
  shadow: boolean,
  code: number,
  level: number | undefined,
  rule: Rule,
): SecondLevelFault {
  // Nested paging counts every access as a user's, and the walker's own accesses to guest tables as writes.
  const table = !shadow && purpose !== 'final';
  const kind = table || access === 'write' ? PFERR_WRITE : access === 'fetch' ? PFERR_FETCH : 0;
  const codeHigh = shadow ? 0 : table ? NPF_GUEST_PAGE_HIGH : NPF_GUEST_FINAL_HIGH;
  return {
    kind: 'page-fault',
    code: code | kind | (!shadow || user ? PFERR_USER : 0),
    codeHigh,
    level,
    ...rule,
  };
}
