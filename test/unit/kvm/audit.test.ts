import { beforeEach, describe, expect, it, test } from 'vitest';
import { MEMSLOT_DIRTY_BITMAP, MEMSLOT_LPAGE_INFO } from '../../../core/arena/memslot-layout.ts';
import {
  SP_GFN,
  SP_HASH_NEXT,
  SP_LINK_NEXT,
  SP_LINK_PREV,
  SP_MMIO_CACHED,
  SP_PARENT_PTES,
  SP_ROLE,
  SP_ROOT_COUNT,
  SP_UNSYNC,
  SP_UNSYNC_CHILDREN,
  SP_UNSYNC_CHILD_BITMAP,
  VM_FREE_HEAD,
  VM_INDIRECT_SHADOW_PAGES,
  VM_MMIO_SPTES,
  VM_N_USED_MMU_PAGES,
  VM_PTE_LIST_FREE,
  MMU_HASH_BUCKETS,
} from '../../../core/arena/mmu-layout.ts';
import { VCPU_MMIO_GFN, VCPU_REQUESTS, VCPU_ROOT_PAGE } from '../../../core/arena/vcpu-layout.ts';
import { HVA_BASE } from '../../../core/base/address.ts';
import { ERAS, MMU_MODES, type Era, type MmuMode } from '../../../core/base/machine-modes.ts';
import { AUDIT_RULES, auditMmu, type AuditRule, type AuditViolation } from '../../../core/kvm/audit/audit.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY } from '../../../core/kvm/memslots/limits.ts';
import { gfnToMemslot, slotLpageWord, slotRmapWord } from '../../../core/kvm/memslots/memslots.ts';
import { VM_MMIO_FRESH } from '../../../core/kvm/mmu/mmu-words.ts';
import { pageHeader, pageOfHpa } from '../../../core/kvm/mmu/shadow-page-pool.ts';
import { ROLE_CR4_PAE, ROLE_DIRECT } from '../../../core/kvm/mmu/shadow-page-role.ts';
import { PT_PAGE_SIZE_MASK } from '../../../core/kvm/mmu/mmu.ts';
import { programmed, runToStop, type SmallMachine } from '../machine/small-machine.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const HOLE = 0xe000_0000n;
const READONLY_GPA = 4n * MIB;
const LOGGED_GPA = 8n * MIB;

/** RAM, a read-only slot and one that logs, each touched; a hole touched twice; another one once. */
function populated(mmu: MmuMode, era: Era): KvmFixture {
  const kvm = new KvmFixture({ mmu, era });
  kvm.slot(0, 0n, 2n * MIB);
  kvm.slot(1, READONLY_GPA, MIB, KVM_MEM_READONLY, HVA_BASE + 2n * MIB);
  kvm.slot(2, LOGGED_GPA, MIB, KVM_MEM_LOG_DIRTY_PAGES, HVA_BASE + 3n * MIB);
  for (const gpa of [0x1000n, 0x2000n, 0x7_f000n]) kvm.touch(gpa, true);
  kvm.touch(READONLY_GPA);
  kvm.touch(LOGGED_GPA, true);
  kvm.touch(LOGGED_GPA + 0x9000n);
  for (const gpa of [HOLE, HOLE, HOLE + 0x5000n]) kvm.touch(gpa);
  return kvm;
}

const found = (kvm: KvmFixture): AuditRule[] => [...new Set(auditMmu(kvm.vm.mmu).violations.map(({ rule }) => rule))];

/** The first finding of a rule; fails without one. */
function finding(kvm: KvmFixture, rule: AuditRule): AuditViolation {
  const { violations } = auditMmu(kvm.vm.mmu);
  const first = violations.find((violation) => violation.rule === rule);
  expect(violations.map((violation) => violation.rule)).toContain(rule);
  if (first === undefined) throw new Error('unreachable');
  return first;
}

const pageOf = (kvm: KvmFixture, gpa: bigint): number => pageOfHpa(kvm.vm.mmu, kvm.sptep(gpa));

/** int32 index of a field of the header of the page that maps a gpa. */
const field = (kvm: KvmFixture, gpa: bigint, at: number): number =>
  pageHeader(kvm.vm.mmu, pageOf(kvm, gpa)) + (at >> 2);

describe.each(MMU_MODES.flatMap((mmu) => ERAS.map((era) => [mmu, era] as const)))('%s, %s', (mmu, era) => {
  it('is silent over a clean machine, and changes nothing of it', () => {
    const kvm = populated(mmu, era);
    const before = kvm.arena.u8.slice(0, kvm.arena.layout.ram);
    const report = auditMmu(kvm.vm.mmu, { afterSync: 0 });
    expect(report.violations).toEqual([]);
    expect(report.leaves).toBeGreaterThan(5);
    expect(report.mmioSptes).toBe(2);
    expect(Buffer.compare(before, kvm.arena.u8.slice(0, kvm.arena.layout.ram))).toBe(0);
  });

  it('is silent after the slots have changed', () => {
    const kvm = populated(mmu, era);
    kvm.deleteSlot(1);
    kvm.touch(READONLY_GPA);
    kvm.slot(2, LOGGED_GPA, MIB, 0, HVA_BASE + 3n * MIB);
    kvm.touch(LOGGED_GPA + 0x9000n, true);
    expect(found(kvm)).toEqual([]);
  });
});

describe('a fault put into the arena is found and named', () => {
  let kvm: KvmFixture;
  beforeEach(() => {
    kvm = populated('ept', 'v3.17');
    expect(found(kvm)).toEqual([]);
  });

  const flip = (gpa: bigint, bit: bigint): void => {
    kvm.arena.u64[kvm.sptep(gpa) >> 3] ^= 1n << bit;
  };
  const put = (word: number, value: number): void => {
    kvm.arena.i32[word] = value;
  };
  const add = (word: number, value: number): void => put(word, kvm.arena.i32[word] + value);
  const vmWord = (at: number): number => (kvm.arena.layout.vm + at) >> 2;

  const faults: readonly (readonly [string, AuditRule, () => void])[] = [
    ['an address bit of a leaf', 'mapping', () => flip(0x1000n, 20n)],
    ['the read bit of a leaf, which leaves an rmap entry behind', 'rmap-entry', () => flip(0x1000n, 0n)],
    ['the write bit of a leaf of a read-only slot', 'read-only', () => flip(READONLY_GPA, 1n)],
    [
      'the write bit of a clean page of a slot that logs',
      'dirty-log',
      () => {
        const bitmap = kvm.arena.i32[(gfnToMemslot(kvm.arena, Number(LOGGED_GPA >> 12n)) + MEMSLOT_DIRTY_BITMAP) >> 2];
        kvm.arena.i32.fill(0, bitmap >> 2, (bitmap >> 2) + 8);
      },
    ],
    [
      'a rmap word that is emptied',
      'leaf-in-rmap',
      () => {
        const slot = gfnToMemslot(kvm.arena, 1);
        put(slotRmapWord(kvm.arena, slot, 1, 1) >> 2, 0);
      },
    ],
    [
      'a rmap word of another frame',
      'rmap-entry',
      () => {
        const slot = gfnToMemslot(kvm.arena, 1);
        put(slotRmapWord(kvm.arena, slot, 0x55, 1) >> 2, kvm.sptep(0x1000n));
      },
    ],
    [
      'a rmap word that points nowhere',
      'rmap-entry',
      () => {
        put(slotRmapWord(kvm.arena, gfnToMemslot(kvm.arena, 1), 0x55, 1) >> 2, 0x7fff_fff8);
      },
    ],
    [
      'a leaf whose slot is taken out of the table',
      'no-memslot',
      () => {
        kvm.arena.f64[gfnToMemslot(kvm.arena, 1) >> 3] = 0x9_0000;
      },
    ],
    ['parents that are forgotten', 'link-in-parents', () => put(field(kvm, 0x1000n, SP_PARENT_PTES), 0)],
    ['a parent that is no link', 'parent-entry', () => put(field(kvm, 0x1000n, SP_PARENT_PTES), kvm.sptep(0x1000n))],
    [
      'the gfn of a page',
      'child-place',
      () => {
        kvm.arena.f64[(kvm.arena.layout.mmuPages + SP_GFN + pageOf(kvm, 0x1000n) * 128) >> 3] += 512;
      },
    ],
    ['the level of a page', 'child-place', () => add(field(kvm, HOLE, SP_ROLE), 1)],
    ['a free list with a page in use on it', 'free-list', () => put(vmWord(VM_FREE_HEAD), pageOf(kvm, 0x1000n))],
    ['a free list that is cut short', 'free-list', () => put(vmWord(VM_FREE_HEAD), -1)],
    [
      'an active list that loses a page',
      'active-list',
      () => {
        const next = field(kvm, 0x1000n, SP_LINK_NEXT);
        put(next, kvm.arena.i32[pageHeader(kvm.vm.mmu, kvm.arena.i32[next]) + (SP_LINK_NEXT >> 2)]);
      },
    ],
    [
      'an active list that goes round',
      'active-list',
      () => put(field(kvm, 0x1000n, SP_LINK_NEXT), pageOf(kvm, 0x1000n)),
    ],
    ['a link back that is wrong', 'active-list', () => add(field(kvm, 0x1000n, SP_LINK_PREV), 1)],
    ['a hash chain that is cut', 'hash-chain', () => put(field(kvm, 0x1000n, SP_HASH_NEXT), -1)],
    ['a hash chain that goes round', 'hash-chain', () => put(field(kvm, 0x1000n, SP_HASH_NEXT), pageOf(kvm, 0x1000n))],
    ['the number of pages used', 'used-pages', () => add(vmWord(VM_N_USED_MMU_PAGES), 1)],
    [
      'root_count',
      'root-count',
      () => {
        add(pageHeader(kvm.vm.mmu, kvm.cpu.r[VCPU_ROOT_PAGE]) + (SP_ROOT_COUNT >> 2), 1);
      },
    ],
    [
      'a descriptor that is lost',
      'pte-list',
      () => {
        const free = vmWord(VM_PTE_LIST_FREE);
        put(free, kvm.arena.i32[(kvm.arena.i32[free] >> 2) + 3]);
      },
    ],
    [
      'free descriptors that go round',
      'pte-list',
      () => {
        const free = kvm.arena.i32[vmWord(VM_PTE_LIST_FREE)];
        put((free >> 2) + 3, free);
      },
    ],
    ['unsync at a direct page', 'unsync', () => put(field(kvm, 0x1000n, SP_UNSYNC), 1)],
    ['unsync children that no bit says', 'unsync-children', () => put(field(kvm, 0x1000n, SP_UNSYNC_CHILDREN), 1)],
    [
      'a child bit that is not counted',
      'unsync-children',
      () => put(field(kvm, 0x1000n, SP_UNSYNC_CHILD_BITMAP) + 3, 4),
    ],
    ['an unsync page that is not counted', 'unsync-count', () => put(field(kvm, 0x1000n, SP_UNSYNC), 1)],
    [
      'a write_count',
      'lpage-info',
      () => {
        add(kvm.arena.i32[(gfnToMemslot(kvm.arena, 1) + MEMSLOT_LPAGE_INFO) >> 2] >> 2, 2);
      },
    ],
    ['indirect_shadow_pages', 'indirect-shadow-pages', () => add(vmWord(VM_INDIRECT_SHADOW_PAGES), 1)],
    ['the gfn in an MMIO spte', 'mmio-spte', () => flip(HOLE, 13n)],
    [
      'a generation to come in an MMIO spte',
      'generation-repeats',
      () => {
        kvm.vm.setMemslotsGeneration(2n);
      },
    ],
    ['the count of MMIO sptes', 'mmio-count', () => add(vmWord(VM_MMIO_SPTES), -1)],
    ['the count of fresh MMIO sptes', 'mmio-count', () => add(vmWord(VM_MMIO_FRESH), 1)],
    [
      'a slot that appears over a fresh MMIO spte',
      'mmio-in-slot',
      () => {
        kvm.arena.f64[gfnToMemslot(kvm.arena, Number(READONLY_GPA >> 12n)) >> 3] = Number(HOLE >> 12n);
      },
    ],
    ['an MMIO cache that answers for a slot', 'mmio-cache', () => put(kvm.vm.mmu.vcpuBlock(0) + VCPU_MMIO_GFN, 1)],
  ];

  /** Makes the page that maps the hole an indirect one: as if it shadowed a guest table in a frame. */
  const shadowing = (gfn: number): void => {
    put(field(kvm, HOLE, SP_ROLE), (kvm.arena.i32[field(kvm, HOLE, SP_ROLE)] & ~ROLE_DIRECT) | ROLE_CR4_PAE);
    kvm.arena.f64[(kvm.arena.layout.mmuPages + SP_GFN + pageOf(kvm, HOLE) * 128) >> 3] = gfn;
  };

  /** Makes the page that maps a gpa stand for a large guest page without a right. */
  const withoutRight = (gpa: bigint, right: number): void => {
    put(field(kvm, gpa, SP_ROLE), kvm.arena.i32[field(kvm, gpa, SP_ROLE)] & ~(right << 14));
  };

  const shadowFaults: readonly (readonly [string, AuditRule, () => void])[] = [
    ['a guest table that is writable', 'write-protection', () => shadowing(1)],
    [
      'a guest table that fast_page_fault would make writable',
      'write-protection',
      () => {
        shadowing(1);
        flip(0x1000n, 1n);
      },
    ],
    ['a leaf that may be written in a direct page that may not', 'direct-access', () => withoutRight(0x1000n, 2)],
    ['a shadow entry whose guest entry is empty', 'guest-entry', () => shadowing(0x33)],
    [
      'an MMIO spte of another gfn than the guest maps',
      'guest-entry',
      () => {
        shadowing(0x33);
        kvm.arena.u64[(kvm.arena.layout.ram + 0x33000) >> 3] = (HOLE + 0x7000n) | 1n;
      },
    ],
    [
      'an unsync page whose parent does not know',
      'unsync',
      () => {
        shadowing(0x33);
        put(field(kvm, HOLE, SP_UNSYNC), 1);
      },
    ],
    [
      'a large spte where none may be',
      'lpage-disallowed',
      () => {
        const { mmu } = kvm.vm;
        const parent = kvm.arena.i32[field(kvm, READONLY_GPA, SP_PARENT_PTES)];
        expect(pageOfHpa(mmu, parent)).toBeGreaterThanOrEqual(0);
        kvm.arena.i32[parent >> 2] |= PT_PAGE_SIZE_MASK;
        const slot = gfnToMemslot(kvm.arena, Number(READONLY_GPA >> 12n));
        expect(kvm.arena.i32[slotLpageWord(kvm.arena, slot, Number(READONLY_GPA >> 12n), 2) >> 2]).toBe(1);
      },
    ],
  ];

  test.each(shadowFaults)('%s: %s', (_what, rule, corrupt) => {
    corrupt();
    expect(finding(kvm, rule).text).not.toBe('');
  });

  it('an unsync page below a root that was synced: unsync-after-sync', () => {
    shadowing(0x33);
    put(field(kvm, HOLE, SP_UNSYNC), 1);
    expect(found(kvm)).not.toContain('unsync-after-sync');
    const rules = auditMmu(kvm.vm.mmu, { afterSync: 0 }).violations.map(({ rule }) => rule);
    expect(rules).toContain('unsync-after-sync');
  });

  it('by every rule there is', () => {
    const tested = new Set([...faults, ...shadowFaults].map(([, rule]) => rule));
    for (const rule of ['mmio-cached', 'unsync-after-sync', 'tlb'] as const) tested.add(rule);
    expect([...tested].toSorted()).toEqual(Object.keys(AUDIT_RULES).toSorted());
  });

  test.each(faults)('%s: %s', (_what, rule, corrupt) => {
    corrupt();
    expect(finding(kvm, rule).text).not.toBe('');
  });
});

describe('a TLB that was not flushed', () => {
  /** add [0x8000], eax; hlt: a page written, and so in the TLB. */
  const PROGRAM = [0x01, 0x05, 0x00, 0x80, 0x00, 0x00, 0xf4];

  const ran = (mmu: MmuMode): SmallMachine => {
    const small = programmed(PROGRAM, { mmu, era: 'v3.11' });
    runToStop(small.machine);
    expect(auditMmu(small.machine.vm.mmu).violations).toEqual([]);
    return small;
  };

  test.each(MMU_MODES)('after a write protection, under %s', (mmu) => {
    const { machine } = ran(mmu);
    const { arena, vm } = machine;
    const slot = gfnToMemslot(arena, 8);
    const sptep = arena.i32[slotRmapWord(arena, slot, 8, 1) >> 2];
    arena.i32[sptep >> 2] &= ~2;
    const [violation] = auditMmu(vm.mmu).violations;
    expect(violation).toMatchObject({ rule: 'tlb' });
    expect(violation.text).toMatch(/translates gva 0x8000 to pfn 0x[0-9a-f]+, writable, and no spte allows that/);
    Atomics.or(vm.vcpus[0].cpu.r, VCPU_REQUESTS, 1);
    expect(auditMmu(vm.mmu).violations, 'a flush is on its way').toEqual([]);
  });
});

describe('a page that the walks of the patch and of v3.10 would miss', () => {
  test.each(['patch', 'v3.10'] as const)('%s', (era) => {
    const kvm = populated('npt', era);
    kvm.arena.i32[field(kvm, HOLE, SP_MMIO_CACHED)] = 0;
    expect(found(kvm)).toEqual(['mmio-cached']);
  });
});

describe('a violation', () => {
  it('names the entry, its fields, its page and the last events that touched it', () => {
    const kvm = new KvmFixture();
    kvm.trace('mark_mmio_spte', 'check_mmio_spte', 'kvm_page_fault');
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    kvm.touch(HOLE);
    kvm.arena.u64[kvm.sptep(HOLE) >> 3] ^= 1n << 13n;
    const { violations } = auditMmu(kvm.vm.mmu);
    const [violation] = violations.filter(({ rule }) => rule === 'mmio-spte');
    expect(violation).toMatchObject({
      sptep: kvm.sptep(HOLE),
      value: kvm.spte(HOLE),
      level: 1,
      decoded: { kind: 'mmio', gfn: (HOLE >> 12n) ^ 2n },
    });
    expect(violation.events.map(({ name }) => name)).toContain('mark_mmio_spte');
    expect(Object.keys(AUDIT_RULES)).toContain(violation.rule);
  });

  it('that the era’s own bug explains says which', () => {
    const kvm = new KvmFixture({ era: 'v3.11' });
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    kvm.slot(1, HOLE, 0x1000n, 0, HVA_BASE + MIB);
    const [violation, ...others] = auditMmu(kvm.vm.mmu).violations;
    expect(others).toEqual([]);
    expect(violation).toMatchObject({ rule: 'mmio-cache', eraBug: { name: 'stale mmio cache' } });
  });

  it('is told of a hundred times at most', () => {
    const kvm = populated('ept', 'patch');
    kvm.arena.i32.fill(-1, kvm.arena.layout.mmuHash >> 2, (kvm.arena.layout.mmuHash >> 2) + MMU_HASH_BUCKETS);
    expect(auditMmu(kvm.vm.mmu, { limit: 2 }).violations).toHaveLength(2);
  });
});
