/**
 * Faults to be put into core/kvm one at a time, to see whether the random scripts find them
 * (`npm run faults`, docs/auditor.md). A fault is a replacement of text that occurs once in its file.
 */
import type { HostPages } from '../../core/base/host-pages.ts';
import type { Era, MmuMode } from '../../core/base/machine-modes.ts';

export interface InjectedFault {
  readonly name: string;
  /** What is broken, as a sentence. */
  readonly what: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** The MMU that the code belongs to, and the era in which it runs. */
  readonly mmu: MmuMode;
  readonly era: Era;
  /** The host's pages, where the fault is about large ones. */
  readonly hostPages?: HostPages;
  /** What the scripts of the hunt dwell on (audit-steps.ts): of all scripts a sixteenth does. Absent: they are of every kind. */
  readonly dwelling?: string;
}

const MMU = 'core/kvm/mmu';
const SHADOW = 'core/kvm/shadow';
const MMIO = 'core/kvm/mmio';
const EXITS = 'core/kvm/exits';

const shadowPaging = { mmu: 'shadow', era: 'v3.11' } as const;
const directMap = { mmu: 'npt', era: 'v3.11' } as const;

/** Lists of sptes, dirty logs and write protection. */
const REVERSE_MAP_FAULTS: readonly InjectedFault[] = [
  {
    name: 'drop-keeps-rmap',
    what: '`drop_spte` leaves one spte in eight in its rmap',
    file: `${MMU}/mmu-spte.ts`,
    find: 'pteListRemove(mmu, rmapWordOf(',
    replace: 'if ((sptep & 0x38) !== 0) pteListRemove(mmu, rmapWordOf(',
    ...directMap,
  },
  {
    name: 'reuse-forgets-parent',
    what: 'a page that is found again does not learn its new parent pte',
    file: `${MMU}/shadow-page.ts`,
    find: 'if (parentPte !== 0) pteListAdd(mmu, header + (SP_PARENT_PTES >> 2), parentPte);\n  if (unsyncChildren',
    replace: 'if (unsyncChildren',
    ...shadowPaging,
  },
  {
    name: 'set-spte-not-dirty',
    what: '`set_spte` does not mark the page dirty',
    file: `${MMU}/mmu-set-spte.ts`,
    find: 'markPageDirtyInSlot(mmu.arena, gfnToMemslot(mmu.arena, gfn), gfn);',
    replace: 'gfnToMemslot(mmu.arena, gfn);',
    ...directMap,
  },
  {
    name: 'fast-fault-not-dirty',
    what: '`fast_page_fault` does not mark the page dirty',
    file: `${MMU}/mmu-fast-fault.ts`,
    find: 'markPageDirty(mmu.arena, spteGfn(mmu, sptep));',
    replace: 'spteGfn(mmu, sptep);',
    ...directMap,
    dwelling: 'dirty logs',
  },
  {
    name: 'dirty-log-no-flush',
    what: 'a dirty log that is read flushes no TLB',
    file: `${MMU}/mmu-memslots.ts`,
    find: 'flushRemoteTlbs(this.mmu);',
    replace: 'void this.mmu;',
    ...directMap,
    dwelling: 'dirty logs',
  },
  {
    name: 'log-on-no-flush',
    what: 'switching a dirty log on flushes no TLB',
    file: `${MMU}/rmap.ts`,
    find: '  });\n  flushRemoteTlbs(mmu);\n  mmuUnlock(mmu);',
    replace: '  });\n  mmuUnlock(mmu);',
    ...directMap,
    dwelling: 'dirty logs',
  },
  {
    name: 'log-on-not-protected',
    what: 'switching a dirty log on takes no write access away',
    file: `${MMU}/mmu-memslots.ts`,
    find: 'slotRemoveWriteAccess(mmu, commit.slot);',
    replace: 'void slotRemoveWriteAccess;',
    ...directMap,
  },
  {
    name: 'read-only-writable',
    what: 'a read-only slot is mapped writable',
    file: `${MMU}/direct-map.ts`,
    find: 'const mapWritable = pfn >= 0 && !memslotIsReadonly(arena, slot);',
    replace: 'const mapWritable = pfn >= 0 || memslotIsReadonly(arena, slot);',
    ...directMap,
  },
  {
    name: 'slot-gone-pages-stay',
    what: 'a memslot that goes leaves its shadow pages',
    file: `${MMU}/mmu-memslots.ts`,
    find: 'else invalidateZapAllPages(this.mmu);',
    replace: 'else void invalidateZapAllPages;',
    ...directMap,
  },
  {
    name: 'other-frame-no-flush',
    what: 'a spte of another frame is replaced without a flush',
    file: `${MMU}/mmu-set-spte.ts`,
    find: 'dropSpte(mmu, sptep);\n      flushRemoteTlbs(mmu);',
    replace: 'dropSpte(mmu, sptep);',
    ...shadowPaging,
    dwelling: 'one entry',
  },
  {
    name: 'large-not-protected',
    what: 'large sptes that map a guest table are not dropped when it is shadowed',
    file: `${MMU}/rmap.ts`,
    find: 'for (let level = 1; level <= 3; level++) {\n    if (rmapWriteProtect(mmu, rmapWord(mmu, slot, gfn, level), true)) flush = true;',
    replace:
      'for (let level = 1; level <= 1; level++) {\n    if (rmapWriteProtect(mmu, rmapWord(mmu, slot, gfn, level), true)) flush = true;',
    ...shadowPaging,
    hostPages: 'thp',
  },
  {
    name: 'lpage-closed-ignored',
    what: 'a large page is mapped over a shadowed guest table',
    file: `${MMU}/large-page-level.ts`,
    find: 'while (level < hostLevel && slotWriteCount(mmu, slot, gfn, level + 1) === 0) level++;',
    replace: 'while (level < hostLevel && slotWriteCount(mmu, slot, gfn, level + 1) >= 0) level++;',
    ...shadowPaging,
    hostPages: '2m',
  },
];

/** Shadowed guest tables: write protection, unsync, roles. */
const SHADOW_PAGING_FAULTS: readonly InjectedFault[] = [
  {
    name: 'writable-table-stays-synced',
    what: 'a writable mapping of a guest table leaves its shadow synced',
    file: `${SHADOW}/unsync.ts`,
    find: 'if (!isUnsync(mmu, page)) unsyncPage(mmu, vcpuId, page);',
    replace: 'if (isUnsync(mmu, page)) unsyncPage(mmu, vcpuId, page);',
    ...shadowPaging,
  },
  {
    name: 'synced-stays-marked',
    what: 'a synced page stays marked unsync',
    file: `${SHADOW}/unsync.ts`,
    find: 'mmu.i32[header + (SP_UNSYNC >> 2)] = 0;',
    replace: '',
    ...shadowPaging,
  },
  {
    name: 'unsync-child-not-counted-down',
    what: '`__clear_unsync_child` does not count down',
    file: `${SHADOW}/unsync.ts`,
    find: 'mmu.i32[header + (SP_UNSYNC_CHILDREN >> 2)] -= 1;',
    replace: '',
    ...shadowPaging,
  },
  {
    name: 'pte-write-keeps-spte',
    what: '`kvm_mmu_pte_write` leaves the old spte',
    file: `${SHADOW}/guest-table-write.ts`,
    find: 'mmuPageZapPte(mmu, sptep, level);',
    replace: 'void mmuPageZapPte;',
    ...shadowPaging,
  },
  {
    name: 'pte-write-no-remote-flush',
    what: '`kvm_mmu_pte_write` flushes no remote TLB',
    file: `${SHADOW}/guest-table-write.ts`,
    find: 'if (remoteFlush) flushRemoteTlbs(mmu);\n    else if (localFlush) mmuFlushTlb(mmu, vcpuId);',
    replace: 'void flushRemoteTlbs;\n    if (localFlush || remoteFlush) mmuFlushTlb(mmu, vcpuId);',
    ...shadowPaging,
    dwelling: 'two processors',
  },
  {
    name: 'quadrant-ignored',
    what: 'the quadrant of a write is not looked at',
    file: `${SHADOW}/guest-table-write.ts`,
    find: 'if (at >> 12 !== roleQuadrant(role)) return 0;',
    replace: 'void roleQuadrant;',
    ...shadowPaging,
    dwelling: 'recursive directories',
  },
  {
    name: 'misaligned-not-seen',
    what: 'a misaligned write to a guest table is taken for one of an entry',
    file: `${SHADOW}/guest-table-write.ts`,
    find: 'return ((offset ^ (offset + bytes - 1)) & ~(entry - 1)) !== 0 || bytes < 4;',
    replace: 'return ((offset ^ (offset + bytes - 1)) & ~(entry - 1)) !== 0 && bytes > 8;',
    ...shadowPaging,
    dwelling: 'recursive directories',
  },
  {
    name: 'half-entry-written',
    what: 'half of an 8-byte entry that is written is taken for the whole',
    file: `${SHADOW}/guest-table-write.ts`,
    find: 'gpteHi = i32[(((pfn << 12) + offset) >> 2) + 1];',
    replace: 'gpteHi = 0;',
    ...shadowPaging,
    dwelling: 'recursive directories',
  },
  {
    name: 'zapped-stays-accounted',
    what: 'a zapped guest table stays accounted',
    file: `${MMU}/shadow-page-zap.ts`,
    find: 'if (!invalid && (role & ROLE_DIRECT) === 0) unaccountShadowed(',
    replace: 'if (!invalid && (role & ROLE_DIRECT) === 0 && (role & 0xf) !== 1) unaccountShadowed(',
    ...shadowPaging,
  },
  {
    name: 'sync-keeps-other-gfn',
    what: 'a sync keeps sptes whose gfn has changed',
    file: `${SHADOW}/shadow-sync.ts`,
    find: 'if (spteGfn(mmu, sptep) !== gfn) {',
    replace: 'if (spteGfn(mmu, sptep) < 0) {',
    ...shadowPaging,
    dwelling: 'leaf tables',
  },
  {
    name: 'sync-keeps-not-present',
    what: 'a sync keeps the sptes of entries that are not present any more',
    file: `${SHADOW}/shadow-sync.ts`,
    find: 'if (prefetchInvalidGpte(mmu, r, sptep, lo, hi)) {',
    replace: 'if ((lo & 1) !== 0 && prefetchInvalidGpte(mmu, r, sptep, lo, hi)) {',
    ...shadowPaging,
    dwelling: 'rights of entries',
  },
  {
    name: 'sync-keeps-rights',
    what: 'a sync gives sptes no new rights and takes none away',
    file: `${SHADOW}/shadow-sync.ts`,
    find: 'setSpte(mmu, vcpuId, sptep, access, PT_PAGE_TABLE_LEVEL, gfn, spteToPfn(spteLo), true, false, hostWritable);',
    replace: 'void [setSpte, access, hostWritable, spteToPfn];',
    ...shadowPaging,
    dwelling: 'rights of entries',
  },
  {
    name: 'invlpg-passes-unsync',
    what: 'INVLPG does not look at unsync pages',
    file: `${SHADOW}/shadow-invlpg.ts`,
    find: 'if (i32[pageHeader(mmu, page) + (SP_UNSYNC >> 2)] !== 0) refresh(mmu, r, vcpuId, page, sptep);',
    replace: 'void [SP_UNSYNC, refresh];',
    ...shadowPaging,
    dwelling: 'invalidated entries',
  },
  {
    name: 'new-table-no-flush',
    what: 'making a guest table read-only flushes no TLB',
    file: `${MMU}/shadow-page.ts`,
    find: 'if (rmapWriteProtectGfn(mmu, gfn)) flushRemoteTlbs(mmu);',
    replace: 'void [rmapWriteProtectGfn(mmu, gfn), flushRemoteTlbs];',
    ...shadowPaging,
  },
  {
    name: 'direct-page-rights-kept',
    what: 'a direct page under a large guest page is kept although the rights have changed',
    file: `${SHADOW}/shadow-fetch.ts`,
    find: 'if (roleAccess(pageRole(mmu, child)) === directAccess) return;',
    replace: 'if (roleAccess(pageRole(mmu, child)) >= 0 || directAccess < 0) return;',
    ...shadowPaging,
    dwelling: 'large pages',
  },
  {
    name: 'direct-page-no-flush',
    what: 'a direct page that is let go for its rights is not flushed',
    file: `${SHADOW}/shadow-fetch.ts`,
    find: 'dropParentPte(mmu, child, sptep);\n  flushRemoteTlbs(mmu);',
    replace: 'dropParentPte(mmu, child, sptep);\n  void flushRemoteTlbs;',
    ...shadowPaging,
    dwelling: 'large pages',
  },
  {
    name: 'role-without-access',
    what: 'roles of direct pages ignore the access',
    file: `${MMU}/shadow-page-role.ts`,
    find: '(baseRole & ~ROLE_CR4_PAE) | level | ROLE_DIRECT | (access << ROLE_ACCESS_SHIFT);',
    replace: '(baseRole & ~ROLE_CR4_PAE) | level | ROLE_DIRECT | ((access | 7) << ROLE_ACCESS_SHIFT);',
    ...shadowPaging,
    dwelling: 'large pages',
  },
  {
    name: 'indirect-role-without-access',
    what: 'roles of shadowed tables ignore the access',
    file: `${MMU}/shadow-page-role.ts`,
    find: 'baseRole | level | (access << ROLE_ACCESS_SHIFT);',
    replace: 'baseRole | level | ((access | 7) << ROLE_ACCESS_SHIFT);',
    ...shadowPaging,
    dwelling: 'page directories',
  },
  {
    name: 'role-without-quadrant',
    what: 'all quadrants of a guest table have one page',
    file: `${MMU}/shadow-page-role.ts`,
    find: 'return quadrant << ROLE_QUADRANT_SHIFT;',
    replace: 'return (quadrant & 0) << ROLE_QUADRANT_SHIFT;',
    ...shadowPaging,
  },
  {
    name: 'no-sync-request',
    what: '`KVM_REQ_MMU_SYNC` is not made for a page with unsync children',
    file: `${MMU}/shadow-page.ts`,
    find: 'makeRequest(mmu, vcpuId, KVM_REQ_MMU_SYNC);',
    replace: 'void [makeRequest, KVM_REQ_MMU_SYNC];',
    ...shadowPaging,
    dwelling: 'upper levels',
  },
  {
    name: 'cr3-not-synced',
    what: 'a CR3 load does not sync what is unsync below the root',
    file: `${SHADOW}/shadow-sync.ts`,
    find: 'if (unsyncChildren(mmu, root) === 0) return;',
    replace: 'if (unsyncChildren(mmu, root) >= 0) return;',
    ...shadowPaging,
  },
];

/** Generations, MMIO sptes and the vCPU's MMIO cache. */
const MMIO_FAULTS: readonly InjectedFault[] = [
  {
    name: 'lowest-generation-bit',
    what: 'generations are compared without their lowest bit',
    file: `${MMIO}/mmio-spte.ts`,
    find: 'return fresh === spteGen;',
    replace: 'return fresh >> 1 === spteGen >> 1;',
    mmu: 'ept',
    era: 'v3.11',
    dwelling: 'slots over MMIO',
  },
  {
    name: 'generation-not-compared',
    what: 'generations are not compared',
    file: `${MMIO}/mmio-spte.ts`,
    find: 'return fresh === spteGen;',
    replace: 'return fresh - spteGen < 0x100;',
    mmu: 'npt',
    era: 'v6.8',
    dwelling: 'slots over MMIO',
  },
  {
    name: 'no-zap-at-wrap',
    what: 'nothing is zapped at the wrap-around',
    file: `${MMU}/mmu-memslots.ts`,
    find: 'if (!zapsAtGeneration(ERAS[mmu.era], generation)) return;',
    replace: 'if (!zapsAtGeneration(ERAS[mmu.era], generation) || mmu.era >= 0) return;',
    mmu: 'ept',
    era: 'v3.11',
    dwelling: 'the wrap-around',
  },
  {
    name: 'no-zap-at-wrap-3.17',
    what: 'nothing is zapped at the wrap-around, v3.17',
    file: `${MMU}/mmu-memslots.ts`,
    find: 'if (!zapsAtGeneration(ERAS[mmu.era], generation)) return;',
    replace: 'if (!zapsAtGeneration(ERAS[mmu.era], generation) || mmu.era >= 0) return;',
    mmu: 'npt',
    era: 'v3.17',
    dwelling: 'the generation',
  },
  {
    name: 'patch-walk-misses',
    what: 'a page with MMIO sptes is not marked for the walk of the patch',
    file: `${MMIO}/mmio-spte.ts`,
    find: 'mmu.i32[pageHeader(mmu, pageOfHpa(mmu, sptep)) + (SP_MMIO_CACHED >> 2)] = 1;',
    replace: 'void [SP_MMIO_CACHED, pageHeader, pageOfHpa];',
    mmu: 'ept',
    era: 'patch',
    dwelling: 'the generation',
  },
  {
    name: 'v3.10-no-walk',
    what: 'v3.10 zaps no MMIO sptes when a slot is made',
    file: `${MMU}/mmu-memslots.ts`,
    find: "else if (commit.change === 'CREATE' || commit.change === 'MOVE') zapMmioSptes(mmu);",
    replace: "else if (commit.change === 'MOVE') zapMmioSptes(mmu);",
    mmu: 'shadow',
    era: 'v3.10',
    dwelling: 'slots over MMIO',
  },
  {
    name: 'cache-without-generation',
    what: 'the vCPU’s MMIO cache is not asked for its generation in v3.17',
    file: `${MMIO}/mmio-cache.ts`,
    find: '  (r[VCPU_MMIO_GFN] | r[VCPU_MMIO_GFN + 1]) !== 0 &&\n  (!mmu.cacheHasGeneration || vcpuMatchMmioGen(mmu, r));',
    replace: '  (r[VCPU_MMIO_GFN] | r[VCPU_MMIO_GFN + 1]) !== 0;',
    mmu: 'ept',
    era: 'v3.17',
    dwelling: 'slots over MMIO',
  },
];

/** What KVM's emulator does with an instruction's memory. */
const EMULATOR_FAULTS: readonly InjectedFault[] = [
  {
    name: 'crossing-stays',
    what: 'a load over the end of a page goes on in the page that it began in',
    file: `${EXITS}/emulator.ts`,
    find: 'const fromB = kindB === MEMORY ? this.frameOf(gpaBLo, gpaBHi, false) : -1;',
    replace: 'const fromB = kindB === MEMORY ? this.frameOf(gpaALo, gpaAHi, false) : -1;',
    mmu: 'ept',
    era: 'v3.11',
    dwelling: 'page ends',
  },
  {
    name: 'fetch-by-sptes',
    what: 'an instruction under emulation is fetched by sptes, MMIO sptes too',
    file: `${EXITS}/emulator.ts`,
    find: 'if (!this.walk(cpu, gvaLo, gvaHi, user | PFERR_FETCH_MASK)) return -1;',
    replace: 'if (user >= 0 || PFERR_FETCH_MASK < 0) cpu.abort = ABORT_EXIT;\n    if (user >= 0) return -1;',
    mmu: 'ept',
    era: 'v3.11',
    dwelling: 'slots over MMIO',
  },
];

export const INJECTED_FAULTS: readonly InjectedFault[] = [
  ...REVERSE_MAP_FAULTS,
  ...SHADOW_PAGING_FAULTS,
  ...MMIO_FAULTS,
  ...EMULATOR_FAULTS,
];
