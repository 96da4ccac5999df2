/**
 * KVM's counters one by one: which kernel has which, and for each that can move here what moves it, by how much. What the
 * kernels do was read in arch/x86/kvm of v3.11 (x86.c, mmu.c, paging_tmpl.h, vmx.c) and of v6.8 (x86.c, mmu/, vmx/vmx.c).
 */
import { describe, expect, it } from 'vitest';
import type { Arena } from '../../../core/arena/arena.ts';
import { IN_GUEST_MODE, VCPU_IDTR_LIMIT, VCPU_MODE, VCPU_RFLAGS, VCPU_RIP } from '../../../core/arena/vcpu-layout.ts';
import {
  vcpuCounterNames,
  vmCounterNames,
  type VcpuCounterName,
  type VmCounterName,
} from '../../../core/base/counters.ts';
import { ERAS, type Era } from '../../../core/base/machine-modes.ts';
import { hashOfGfn } from '../../../core/kvm/mmu/shadow-page-hash.ts';
import { resetCounters, vcpuCounts, vmCounts } from '../../../core/kvm/trace/stats.ts';
import { EMULATE_FAIL } from '../../../core/x86/index.ts';
import { KvmFixture, MIB, type FixtureOptions } from './kvm-fixture.ts';
import { data, OPEN, ShadowRig, type RigOptions } from './shadow-rig.ts';

const HOLE = 0xfeb0_0000n;
const RAM = 0x5000n;
const LOG_DIRTY = 1;
const READONLY = 2;

const V3 = ['v3.10', 'patch', 'v3.11', 'v3.17'] as const;

const counts = (arena: Arena): Readonly<Record<string, number>> => ({ ...vcpuCounts(arena), ...vmCounts(arena) });

describe('the counters of an era', () => {
  it.each(V3)('are in %s those of debugfs_entries, in its order', (era) => {
    expect(vcpuCounterNames(era).map(([name]) => name)).toEqual([
      ...[
        'pf_fixed',
        'pf_guest',
        'tlb_flush',
        'invlpg',
        'exits',
        'io_exits',
        'mmio_exits',
        'signal_exits',
        'irq_window',
      ],
      ...['nmi_window', 'halt_exits', 'halt_wakeup', 'hypercalls', 'request_irq', 'irq_exits', 'host_state_reload'],
      ...['efer_reload', 'fpu_reload', 'insn_emulation', 'insn_emulation_fail', 'irq_injections', 'nmi_injections'],
    ]);
    expect(vmCounterNames(era).map(([name]) => name)).toEqual([
      ...['mmu_shadow_zapped', 'mmu_pte_write', 'mmu_pte_updated', 'mmu_pde_zapped', 'mmu_flooded', 'mmu_recycled'],
      ...['mmu_cache_miss', 'mmu_unsync', 'remote_tlb_flush', 'largepages'],
    ]);
  });

  it('are in v6.8 those of kvm_vcpu_stats_desc and kvm_vm_stats_desc that have a counterpart, in their order', () => {
    expect(vcpuCounterNames('v6.8').map(([name]) => name)).toEqual([
      ...[
        'halt_wakeup',
        'pf_taken',
        'pf_fixed',
        'pf_emulate',
        'pf_spurious',
        'pf_fast',
        'pf_mmio_spte_created',
        'pf_guest',
      ],
      ...[
        'tlb_flush',
        'invlpg',
        'exits',
        'io_exits',
        'mmio_exits',
        'signal_exits',
        'irq_window_exits',
        'nmi_window_exits',
      ],
      ...['halt_exits', 'request_irq_exits', 'irq_exits', 'host_state_reload', 'fpu_reload', 'insn_emulation'],
      ...['insn_emulation_fail', 'hypercalls', 'irq_injections', 'nmi_injections'],
    ]);
    expect(vmCounterNames('v6.8').map(([name]) => name)).toEqual([
      ...['remote_tlb_flush', 'remote_tlb_flush_requests', 'mmu_shadow_zapped', 'mmu_pte_write', 'mmu_pde_zapped'],
      ...['mmu_flooded', 'mmu_recycled', 'mmu_cache_miss', 'mmu_unsync', 'pages_4k', 'pages_2m', 'pages_1g'],
      ...['max_mmu_rmap_size', 'max_mmu_page_hash_collisions'],
    ]);
  });
});

/** A VM in a state, and what is done to it. */
interface Scene {
  readonly arena: Arena;
  act(): void;
}
type Setting = (era: Era) => Scene;

const fixture =
  (prepare: (kvm: KvmFixture) => void, act: (kvm: KvmFixture) => void, options: FixtureOptions = {}): Setting =>
  (era) => {
    const kvm = new KvmFixture({ ...options, era });
    kvm.slot(0, 0n, MIB * 8n);
    prepare(kvm);
    return { arena: kvm.arena, act: () => act(kvm) };
  };

/** A guest with page tables of its own, four levels, in long mode; whatever its first instruction needs is mapped. */
const guest =
  (prepare: (rig: ShadowRig) => void, act: (rig: ShadowRig) => void, options: RigOptions = {}): Setting =>
  (era) => {
    const rig = new ShadowRig('4-level', { ...options, era });
    rig.step([0x90]);
    prepare(rig);
    return { arena: rig.arena, act: () => act(rig) };
  };

const nothing = (): void => {};
const touchesRam = (kvm: KvmFixture): void => void kvm.touch(RAM, true);
const touchesHole = (kvm: KvmFixture): void => void kvm.touch(HOLE);
const logsDirty = (kvm: KvmFixture): void => {
  touchesRam(kvm);
  kvm.slot(0, 0n, MIB * 8n, LOG_DIRTY);
};
/** A write to a page that is there and may not be written: W, and the entry allows R and X. */
const writesProtected = (kvm: KvmFixture): void => void kvm.eptViolation(RAM, 0x1aa);

/** The second vCPU is in the guest, and would have to be interrupted. */
function entersGuest(kvm: KvmFixture): void {
  dirtiesLogged(kvm);
  kvm.arena.i32[kvm.vm.mmu.vcpuBlock(1) + VCPU_MODE] = IN_GUEST_MODE;
}

/** Page n of the window maps data page 0. */
function mapsWindow(rig: ShadowRig, ...pages: readonly number[]): void {
  for (const n of pages) rig.poke(rig.tables.window, n, BigInt(data(0)) | OPEN);
}

/** The window's table is the page directory of 2 GiB too, so that it must stay write-protected. */
function tableOfTwoLevels(rig: ShadowRig): void {
  mapsWindow(rig, 0);
  rig.poke(rig.tables.pdpt, 2, BigInt(rig.tables.window) | OPEN);
  rig.poke(data(0), 0, BigInt(data(1)) | OPEN);
  rig.read(rig.page(0));
  rig.read(0x8000_0000);
}
const writesEntry = (rig: ShadowRig): void => void rig.writeEntry(rig.tables.window, 5, BigInt(data(2)) | OPEN);

/** Interrupts are off, one is pending; then STI and two instructions, the first of which is in STI's shadow. */
function waitsForWindow(rig: ShadowRig): void {
  rig.r[VCPU_RFLAGS] &= ~0x200;
  rig.r[VCPU_IDTR_LIMIT] = 0xfff;
  rig.bus.pending = true;
  rig.arena.u8.set([0xfb, 0x90, 0x90], rig.arena.layout.ram + 0x1000);
  const [vcpu] = rig.vm.vcpus;
  vcpu.cpu.noteExternalWrite(rig.arena.layout.ram + 0x1000, 16);
  vcpu.cpu.successor = 0;
  rig.r[VCPU_RIP] = 0x1000;
  vcpu.run(1, false);
}
const opensWindow = (rig: ShadowRig): void => void rig.vm.vcpus[0].run(2, false);

type Row = readonly [
  counter: VcpuCounterName | VmCounterName,
  what: string,
  setting: Setting,
  v3: number | undefined,
  v68: number | undefined,
];

/** undefined: the counter has another name there, or does not exist. */
const ROWS: readonly Row[] = [
  ['exits', 'CPUID', guest(nothing, (rig) => void rig.step([0x0f, 0xa2])), 1, 1],
  ['io_exits', 'OUT', guest(nothing, (rig) => void rig.step([0xe6, 0x80])), 1, 1],
  ['io_exits', 'IN', guest(nothing, (rig) => void rig.step([0xe4, 0x80])), 1, 1],
  ['insn_emulation', 'OUT, which needs no emulator', guest(nothing, (rig) => void rig.step([0xe6, 0x80])), 0, 0],
  ['insn_emulation', 'IN', guest(nothing, (rig) => void rig.step([0xe4, 0x80])), 1, 1],
  ['insn_emulation_fail', 'an instruction the emulator has not', fixture(nothing, failsToEmulate), 1, 1],
  ['mmio_exits', 'the first access to a hole', fixture(nothing, touchesHole), 1, 1],
  ['mmio_exits', 'the next, by an EPT misconfiguration', fixture(touchesHole, touchesHole), 0, 1],
  ['mmio_exits', 'the next, by a nested page fault', fixture(touchesHole, touchesHole, { mmu: 'npt' }), 1, 1],
  ['halt_exits', 'HLT', guest(nothing, (rig) => void rig.step([0xf4])), 1, 1],
  ['hypercalls', 'VMCALL', guest(nothing, (rig) => void rig.step([0x0f, 0x01, 0xc1])), 1, 1],
  ['irq_window', 'the instruction behind the shadow of STI', guest(waitsForWindow, opensWindow), 1, undefined],
  ['irq_window_exits', 'the instruction behind the shadow of STI', guest(waitsForWindow, opensWindow), undefined, 1],
  ['request_irq_exits', 'the same: vcpu_run leaves for user space', guest(waitsForWindow, opensWindow), undefined, 1],
  ['pf_guest', 'an access to a page the guest does not map', guest(nothing, (rig) => void rig.read(rig.page(3))), 1, 1],
  ['invlpg', 'INVLPG', guest(nothing, (rig) => void rig.invlpg(rig.page(0))), 1, 1],
  ['tlb_flush', 'INVLPG, for which v6.8 flushes the one address', guest(nothing, (rig) => void rig.invlpg(0)), 1, 0],
  ['tlb_flush', 'CR3 loaded with what it has', guest(nothing, (rig) => rig.reloadCr3()), 1, 1],
  ['tlb_flush', 'a flush that another asks for', guest(nothing, asksForFlush), 0, 1],

  ['pf_taken', 'the first access to RAM', fixture(nothing, touchesRam), undefined, 1],
  ['pf_taken', 'the first access to a hole', fixture(nothing, touchesHole), undefined, 1],
  [
    'pf_taken',
    'the next access to a hole, which a fresh MMIO spte answers',
    fixture(touchesHole, touchesHole),
    undefined,
    0,
  ],
  ['pf_taken', 'a fault that is the guest’s own', guest(nothing, (rig) => void rig.read(rig.page(3))), undefined, 1],
  ['pf_fixed', 'the first access to RAM', fixture(nothing, touchesRam), 1, 1],
  ['pf_fixed', 'a hole: a leaf is set, but nothing fixed', fixture(nothing, touchesHole), 1, 0],
  [
    'pf_fixed',
    'a fault on an entry that is right already',
    fixture(touchesRam, (kvm) => void kvm.eptViolation(RAM)),
    1,
    0,
  ],
  ['pf_fixed', 'a write let through without mmu_lock', fixture(logsDirty, writesProtected), 0, 1],
  [
    'pf_fixed',
    'a page of a guest with page tables',
    guest(
      (rig) => mapsWindow(rig, 0),
      (rig) => void rig.read(rig.page(0)),
    ),
    1,
    1,
  ],
  [
    'pf_spurious',
    'a fault on an entry that is right already',
    fixture(touchesRam, (kvm) => void kvm.eptViolation(RAM)),
    undefined,
    1,
  ],
  ['pf_spurious', 'a write to a page that is writable again', fixture(touchesRam, writesProtected), undefined, 1],
  ['pf_emulate', 'the first access to a hole', fixture(nothing, touchesHole), undefined, 1],
  [
    'pf_emulate',
    'a write to a read-only slot',
    fixture((kvm) => kvm.slot(1, MIB * 16n, MIB, READONLY), writesReadonly),
    undefined,
    1,
  ],
  ['pf_emulate', 'a write to a guest page table', guest(tableOfTwoLevels, writesEntry), undefined, 1],
  ['pf_fast', 'a write let through without mmu_lock', fixture(logsDirty, writesProtected), undefined, 1],
  ['pf_fast', 'a write to a page that is writable again', fixture(touchesRam, writesProtected), undefined, 1],
  ['pf_fast', 'the first access to RAM', fixture(nothing, touchesRam), undefined, 0],
  ['pf_mmio_spte_created', 'the first access to a hole', fixture(nothing, touchesHole), undefined, 1],
  ['pf_mmio_spte_created', 'an access behind a slot change', fixture(goesStale, touchesHole), undefined, 1],
  ['pf_mmio_spte_created', 'an access to RAM', fixture(nothing, touchesRam), undefined, 0],

  ['mmu_cache_miss', 'the first access: three tables below the root', fixture(nothing, touchesRam), 3, 3],
  [
    'mmu_cache_miss',
    'an access to the page beside it',
    fixture(touchesRam, (kvm) => void kvm.touch(RAM + 0x1000n)),
    0,
    0,
  ],
  [
    'mmu_shadow_zapped',
    'a slot deleted: three tables, and the root, again when its vCPU lets go of it',
    fixture(touchesRam, (kvm) => kvm.deleteSlot(0)),
    5,
    5,
  ],
  ['mmu_pte_write', 'a write to a guest page table', guest(tableOfTwoLevels, writesEntry), 1, 1],
  ['mmu_pte_updated', 'one that is a table of leaves', guest(tableOfTwoLevels, writesEntry), 1, undefined],
  ['mmu_pde_zapped', 'the same as a page directory', guest(tableOfTwoLevels, writesEntry), 1, 1],
  ['mmu_flooded', 'the third write to a page directory', guest(tableOfTwoLevels, floods), 1, 1],
  [
    'mmu_recycled',
    'a fault when four pages are left, up to 25; v3.11 counts the root too, which stays',
    fixture(fillsQuota, touchesNext),
    22,
    21,
  ],
  ['mmu_recycled', 'a page that the shrinker gets', fixture(holdsPages, (kvm) => void kvm.vm.shrinkMmu()), 0, 1],
  ['mmu_unsync', 'a write to a table of leaves', guest(farTable, writesFarTable), 1, 1],
  [
    'remote_tlb_flush',
    'GET_DIRTY_LOG, the other vCPU in the guest',
    fixture(entersGuest, readsLog, { vcpus: 2 }),
    1,
    1,
  ],
  ['remote_tlb_flush', 'GET_DIRTY_LOG while nobody is', fixture(dirtiesLogged, readsLog), 0, 0],
  ['remote_tlb_flush_requests', 'GET_DIRTY_LOG while nobody is', fixture(dirtiesLogged, readsLog), undefined, 1],
  [
    'largepages',
    'the first access to RAM in large pages',
    fixture(nothing, touchesLarge, { hostPages: '2m' }),
    1,
    undefined,
  ],
  [
    'pages_2m',
    'the first access to RAM in large pages',
    fixture(nothing, touchesLarge, { hostPages: '2m' }),
    undefined,
    1,
  ],
  ['pages_4k', 'the first access to RAM', fixture(nothing, touchesRam), undefined, 1],
  ['pages_4k', 'a slot deleted', fixture(touchesRam, (kvm) => kvm.deleteSlot(0)), undefined, -1],
  ['pages_4k', 'a hole, whose spte maps nothing', fixture(nothing, touchesHole), undefined, 0],
  [
    'max_mmu_rmap_size',
    'the third page of a guest that is one frame',
    guest(
      (rig) => {
        mapsWindow(rig, 0, 8, 16);
        rig.read(rig.page(0));
        rig.read(rig.page(8));
      },
      (rig) => void rig.read(rig.page(16)),
    ),
    undefined,
    1,
  ],
  [
    'max_mmu_page_hash_collisions',
    'a table whose gfn has the hash of another',
    fixture(tableInBucket, touchesSameBucket),
    undefined,
    1,
  ],
];

function dirtiesLogged(kvm: KvmFixture): void {
  logsDirty(kvm);
  writesProtected(kvm);
}
function readsLog(kvm: KvmFixture): void {
  kvm.vm.getDirtyLog(0);
}
/** A quota that nothing of is needed again: the oldest page that is no root in use goes, whatever is below it stays. */
function holdsPages(kvm: KvmFixture): void {
  touchesHole(kvm);
  touchesRam(kvm);
  // The root is the oldest: the first call only moves it to the head of the list.
  kvm.vm.shrinkMmu();
}
/** A table of leaves that no other table lies beside, or prefetching would turn that unsync along with it. */
function farTable(rig: ShadowRig): void {
  rig.poke(rig.tables.pd, 2, BigInt(data(8)) | OPEN);
  rig.poke(data(8), 0, BigInt(data(0)) | OPEN);
  rig.read(2 * rig.window);
}
function writesFarTable(rig: ShadowRig): void {
  rig.writeEntry(data(8), 5, BigInt(data(2)) | OPEN);
}
function failsToEmulate(kvm: KvmFixture): void {
  kvm.cpu.emulateInstruction = () => EMULATE_FAIL;
  kvm.touch(HOLE);
}
function asksForFlush(rig: ShadowRig): void {
  Atomics.or(rig.r, 256, 1);
  rig.step([0x90]);
}
function goesStale(kvm: KvmFixture): void {
  kvm.touch(HOLE);
  kvm.slot(1, MIB * 16n, MIB);
}
function writesReadonly(kvm: KvmFixture): void {
  kvm.touch(MIB * 16n, true);
}
function touchesLarge(kvm: KvmFixture): void {
  kvm.touch(MIB * 2n, true);
}
function floods(rig: ShadowRig): void {
  for (let n = 0; n < 3; n++) rig.writeEntry(rig.tables.window, 5 + n, BigInt(data(2)) | OPEN);
}
const tableOfHole = (n: number): bigint => MIB * 1024n + BigInt(n) * MIB * 2n;
function fillsQuota(kvm: KvmFixture): void {
  for (let n = 0; kvm.vm.mmuPages().used < 60; n++) kvm.touch(tableOfHole(n));
}
function touchesNext(kvm: KvmFixture): void {
  kvm.touch(tableOfHole(100));
}

/** hash_64 of include/linux/hash.h as it stands there, for 4096 buckets. */
const hash64 = (gfn: bigint): number => Number(BigInt.asUintN(64, gfn * 0x61c8_8646_80b5_83ebn) >> 52n);
/** Two tables whose gfns share a bucket, which no table above them is in; the first is in the lowest GiB. */
const [FIRST, SECOND] = ((): readonly [bigint, bigint] => {
  const first = 512n * 5n;
  for (let gfn = 512n * 512n; gfn < 1n << 27n; gfn += 512n) {
    const above = hash64(gfn - (gfn % (512n * 512n)));
    if (hash64(gfn) === hash64(first) && above !== hash64(first) && above !== hash64(0n)) return [first, gfn];
  }
  throw new Error('no two tables collide');
})();
function tableInBucket(kvm: KvmFixture): void {
  kvm.touch(FIRST << 12n);
}
function touchesSameBucket(kvm: KvmFixture): void {
  kvm.touch(SECOND << 12n);
}

const MOVES = ROWS.flatMap(([counter, what, setting, v3, v68]) => [
  ...(v3 === undefined ? [] : V3.map((era) => ({ counter, era, by: v3, what, setting }))),
  ...(v68 === undefined ? [] : [{ counter, era: 'v6.8' as const, by: v68, what, setting }]),
]);

describe('a counter', () => {
  it.each(MOVES)('$counter moves in $era by $by: $what', ({ counter, era, by, setting }) => {
    const { arena, act } = setting(era);
    const before = counts(arena)[counter];
    act();
    expect(counts(arena)[counter] - before).toBe(by);
  });

  it.each(ERAS)('that has a counterpart is moved by one of these in %s', (era) => {
    /** Events of a host, or of interrupt controllers in the kernel: docs/fidelity.md. */
    const STILL = ['signal_exits', 'nmi_window', 'nmi_window_exits', 'halt_wakeup', 'request_irq'];
    STILL.push('irq_exits', 'host_state_reload', 'efer_reload', 'fpu_reload', 'nmi_injections');
    const moved = new Set<string>(
      MOVES.filter((move) => move.era === era && move.by !== 0).map(({ counter }) => counter),
    );
    moved.add('irq_injections').add('pages_1g');
    const names = [...vcpuCounterNames(era), ...vmCounterNames(era)].map(([name]) => name);
    expect(names.filter((name) => !moved.has(name) && !STILL.includes(name))).toEqual([]);
  });

  it('pages_1g counts a page of 1 GiB, where the host has one', () => {
    const kvm = new KvmFixture({ era: 'v6.8', hostPages: '1g', ramBytes: 2 ** 30, shadowPages: 64 });
    kvm.slot(0, 0n, 1n << 30n);
    kvm.touch(0n);
    expect(vmCounts(kvm.arena)).toMatchObject({ pages_1g: 1, pages_2m: 0, pages_4k: 0 });
    kvm.deleteSlot(0);
    expect(vmCounts(kvm.arena)).toMatchObject({ pages_1g: 0 });
  });

  it.each(ERAS)('irq_injections counts in %s every entry that is to deliver the interrupt', (era) => {
    const { arena, act } = guest(waitsForWindow, opensWindow)(era);
    const before = vcpuCounts(arena).irq_injections;
    act();
    expect(vcpuCounts(arena).irq_injections - before).toBeGreaterThan(0);
  });

  it('goes back to 0 when it is reset, unless it says what is there now', () => {
    const kvm = new KvmFixture({ era: 'v6.8' });
    kvm.slot(0, 0n, MIB);
    touchesRam(kvm);
    resetCounters(kvm.arena);
    expect(counts(kvm.arena)).toMatchObject({ pf_taken: 0, mmu_cache_miss: 0, max_mmu_rmap_size: 0, pages_4k: 1 });
  });
});

describe('the hash of a gfn', () => {
  it('is in v6.8 what hash_64 makes of it, and until 4.7 its lowest ten bits', () => {
    const { mmu } = new KvmFixture({ era: 'v6.8' }).vm;
    for (const gfn of [0n, 1n, 0xfeb00n, 0xffff_ffffn, 0x1_0000_0000n, 0xf_ffff_ffffn, 0xab_cdef_0123n]) {
      expect(hashOfGfn(mmu, Number(gfn))).toBe(hash64(gfn));
    }
    for (let n = 0n; n < 2000n; n++) expect(hashOfGfn(mmu, Number(n * 0x1_2345_67n))).toBe(hash64(n * 0x1_2345_67n));
    expect(hashOfGfn(new KvmFixture({ era: 'v3.17' }).vm.mmu, 0xfeb05)).toBe(0x305);
  });
});
