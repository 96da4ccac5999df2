import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../../core/base/address.ts';
import { VCPU_REQUESTS, VCPU_ROOT_HPA, VCPU_ROOT_LEVELS } from '../../../core/arena/vcpu-layout.ts';
import { RESUME_GUEST } from '../../../core/kvm/exits/exit-handlers-emulate.ts';
import { gfnToMemslot, slotRmapWord } from '../../../core/kvm/memslots/memslots.ts';
import { getSpteHierarchy } from '../../../core/kvm/probe/probe-hierarchy.ts';
import { KVM_REQ_MMU_RELOAD, KVM_REQ_TLB_FLUSH } from '../../../core/kvm/vcpu/requests.ts';
import { readVcpuCounters, readVmCounters } from '../../../core/kvm/trace/stats.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const LOG_DIRTY = 1;
const READONLY = 2;
const RSVD = 9;

const frameOf = (kvm: KvmFixture, gpa: bigint): bigint => BigInt(kvm.arena.layout.ram) + gpa;
const rmapWord = (kvm: KvmFixture, gfn: number): number =>
  kvm.arena.i32[slotRmapWord(kvm.arena, gfnToMemslot(kvm.arena, gfn), gfn, 1) >> 2];
const dirtyLog = (kvm: KvmFixture, slot: number): number[] => {
  const log = kvm.vm.getDirtyLog(slot);
  if (!log.ok) throw new Error(log.error.message);
  return [...log.value].flatMap((byte, i) => [...Array(8).keys()].filter((b) => byte & (1 << b)).map((b) => i * 8 + b));
};

describe('sptes of RAM', () => {
  it.each([
    // R W X, write-back and IPAT, host- and MMU-writeable; no accessed bit without EPT A/D flags.
    ['ept', 0x181, 0xc77n],
    // P W U A and the two writeable bits.
    ['npt', 0x4, 0xc27n],
    ['shadow', 0x0, 0xc27n],
  ] as const)('under %s', (mmu, fault, bits) => {
    const kvm = new KvmFixture({ mmu });
    kvm.slot(0, 0n, MIB);
    if (mmu === 'ept') kvm.eptViolation(0x5000n, fault);
    else if (mmu === 'npt') kvm.nestedFault(0x5000n, fault);
    else kvm.shadowFault(0x5000n, fault);
    expect(kvm.spte(0x5000n)).toBe(frameOf(kvm, 0x5000n) | bits);
    expect(kvm.cpu.emulated).toBe(0);
    expect(readVcpuCounters(kvm.arena, 0).pf_fixed).toBe(1);
    expect(rmapWord(kvm, 5)).toBe(kvm.sptep(0x5000n));
  });

  it('are reached through links that grant everything', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.eptViolation(0x5000n);
    const entries = getSpteHierarchy(kvm.vm.mmu, kvm.cpu.r, 0x5000, 0);
    expect(entries.map(({ level }) => level)).toEqual([4, 3, 2, 1]);
    expect(entries.slice(0, 3).map(({ value }) => value & 0xfffn)).toEqual([7n, 7n, 7n]);
    expect(readVmCounters(kvm.arena).mmu_cache_miss).toBe(4);
  });

  it('hang below four PAE roots when the shadow MMU serves a guest without paging', () => {
    const kvm = new KvmFixture({ mmu: 'shadow' });
    kvm.slot(0, 0n, MIB);
    const { r } = kvm.cpu;
    expect(r[VCPU_ROOT_LEVELS]).toBe(3);
    expect(r[VCPU_ROOT_HPA] & 31, 'CR3 of PAE paging is 32-byte aligned').toBe(0);
    for (let i = 0; i < 4; i++) expect(kvm.arena.u64[(r[VCPU_ROOT_HPA] >> 3) + i] & 0xfffn).toBe(1n);
    kvm.shadowFault(0xfeb0_0000n, 0);
    expect(kvm.spte(0xfeb0_0000n)).toBe(0xc00f_ff00_feb0_000fn);
  });

  it('are prefetched for empty neighbours ahead of the fault, unless accesses leave no trace', () => {
    const npt = new KvmFixture({ mmu: 'npt' });
    npt.slot(0, 0n, MIB);
    npt.nestedFault(0x5000n, 4);
    expect(npt.spte(0x2000n), 'not accessed yet').toBe(frameOf(npt, 0x2000n) | 0xc07n);
    expect(npt.spte(0x6000n), 'behind the fault nothing closes the run').toBe(0n);
    expect(npt.spte(0x9000n)).toBe(0n);
    expect(readVcpuCounters(npt.arena, 0).pf_fixed).toBe(1);
    const ept = new KvmFixture();
    ept.slot(0, 0n, MIB);
    ept.eptViolation(0x5000n);
    expect(ept.spte(0x2000n)).toBe(0n);
  });

  it('fail with EFAULT when the slot maps no memory', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB, 0, 0x1000_0000n);
    expect(kvm.eptViolation(0x5000n)).toBe(5);
    expect(kvm.vcpu.internalError).toContain('EFAULT');
    expect(kvm.spte(0x5000n)).toBe(0n);
  });
});

describe('read-only slots', () => {
  it('are mapped without W, and writes to them are emulated and reach the bus', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB, READONLY);
    kvm.eptViolation(0x5000n, 0x181);
    expect(kvm.spte(0x5000n) & 0xfffn).toBe(0x075n);
    kvm.writes(0x5000n, 0xbeefn, 2);
    expect(kvm.eptViolation(0x5000n, 0x1aa)).toBe(RESUME_GUEST);
    expect(kvm.bus.accesses).toEqual([{ write: true, gpa: 0x5000n, size: 2, value: 0xbeefn }]);
    expect(kvm.spte(0x5000n) & 0xfffn, 'no MMIO spte: reads still reach RAM').toBe(0x075n);
    expect(kvm.vm.mmioSpteCounts().live).toBe(0);
    expect(readVcpuCounters(kvm.arena, 0).mmio_exits).toBe(1);
  });
});

describe('dirty logging', () => {
  it('takes W from what is mapped when it is switched on, and marks what is written after', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.eptViolation(0x5000n, 0x182);
    kvm.eptViolation(0x6000n, 0x182);
    kvm.slot(0, 0n, MIB, LOG_DIRTY);
    expect(kvm.spte(0x5000n) & 0xfffn, 'both writeable bits stay').toBe(0xc75n);
    expect(dirtyLog(kvm, 0)).toEqual([]);
    expect(kvm.eptViolation(0x5000n, 0x1aa)).toBe(RESUME_GUEST);
    expect(kvm.spte(0x5000n) & 0xfffn).toBe(0xc77n);
    expect(dirtyLog(kvm, 0)).toEqual([5]);
    expect(kvm.spte(0x5000n) & 0xfffn, 'protected again').toBe(0xc75n);
    expect(dirtyLog(kvm, 0)).toEqual([]);
  });

  it('gives W back without mmu_lock (fast_page_fault)', () => {
    const kvm = new KvmFixture().trace('fast_page_fault');
    kvm.slot(0, 0n, MIB);
    kvm.eptViolation(0x5000n, 0x182);
    kvm.slot(0, 0n, MIB, LOG_DIRTY);
    kvm.eptViolation(0x5000n, 0x1aa);
    expect(readVcpuCounters(kvm.arena, 0).pf_fixed, 'the full path did not run').toBe(1);
    kvm.eptViolation(0x5000n, 0x1aa);
    expect(kvm.traced().map((line) => line.replace(/sptep=\S+ /, ''))).toEqual([
      `fast_page_fault vcpu_id=100000000 gva=5000 error_code=3 old_spte=${(frameOf(kvm, 0x5000n) | 0xc75n).toString(16)} new_spte=${(frameOf(kvm, 0x5000n) | 0xc77n).toString(16)}`,
      `fast_page_fault vcpu_id=100000000 gva=5000 error_code=3 old_spte=${(frameOf(kvm, 0x5000n) | 0xc77n).toString(16)} new_spte=${(frameOf(kvm, 0x5000n) | 0xc77n).toString(16)}`,
    ]);
  });

  it('does not let the fast path make a read-only mapping writable', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB, READONLY);
    kvm.eptViolation(0x5000n, 0x181);
    kvm.writes(0x5000n, 1n).eptViolation(0x5000n, 0x1aa);
    expect(kvm.cpu.emulated).toBe(1);
  });

  it('marks pages that the emulator writes', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB, LOG_DIRTY);
    kvm.writes(0x7ff0n, 0x0102_0304_0506_0708n, 8).eptViolation(0x4_0000_0000n, 0x182);
    expect(dirtyLog(kvm, 0)).toEqual([7]);
    expect(kvm.arena.u64[(kvm.arena.layout.ram + 0x7ff0) >> 3]).toBe(0x0102_0304_0506_0708n);
    expect(kvm.bus.accesses).toEqual([]);
  });

  it('forgets nothing when frames are mapped twice', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.slot(1, 0x1000_0000n, MIB, LOG_DIRTY, HVA_BASE);
    kvm.eptViolation(0x5000n, 0x182);
    kvm.eptViolation(0x1000_5000n, 0x182);
    expect(kvm.spte(0x5000n)).toBe(kvm.spte(0x1000_5000n));
    expect(dirtyLog(kvm, 1)).toEqual([5]);
    expect(kvm.spte(0x5000n) & 2n, 'the other slot does not log').toBe(2n);
    expect(kvm.spte(0x1000_5000n) & 2n).toBe(0n);
  });
});

describe('slots that go away or move', () => {
  it('take every shadow page with them, and the vCPU builds a new root', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.eptViolation(0x5000n);
    kvm.trace('kvm_mmu_invalidate_zap_all_pages', 'kvm_mmu_get_page');
    const region = { slot: 0, flags: 0, guestPhysAddr: 0n, memorySize: 0n, userspaceAddr: HVA_BASE };
    expect(kvm.vm.setUserMemoryRegion(region).ok).toBe(true);
    expect(kvm.cpu.r[VCPU_REQUESTS] & (1 << KVM_REQ_MMU_RELOAD)).not.toBe(0);
    expect(kvm.cpu.r[VCPU_REQUESTS] & (1 << KVM_REQ_TLB_FLUSH)).not.toBe(0);
    kvm.enter();
    expect(kvm.traced()).toEqual([
      'kvm_mmu_invalidate_zap_all_pages mmu_valid_gen=0 mmu_used_pages=4',
      // The high half of "unsync" is role.ad_disabled of later kernels: EPT without A/D flags.
      'kvm_mmu_get_page mmu_valid_gen=1 gfn=0 role=1e004 root_count=0 unsync=100000000 created=1',
    ]);
    expect(kvm.spte(0x5000n)).toBe(0n);
    kvm.reads(0x5000n);
    kvm.eptViolation(0x5000n);
    expect(kvm.spte(0x5000n) & 7n, 'a hole now').toBe(6n);
  });

  it('move: the old place is a hole, the new one RAM', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.eptViolation(0x5000n);
    kvm.slot(0, 0x1000_0000n, MIB);
    expect(kvm.spte(0x5000n)).toBe(0n);
    kvm.eptViolation(0x1000_5000n);
    expect(kvm.spte(0x1000_5000n)).toBe(frameOf(kvm, 0x5000n) | 0xc77n);
    expect(rmapWord(kvm, 0x10005)).toBe(kvm.sptep(0x1000_5000n));
  });

  it.each(['npt', 'shadow'] as const)('does the same under %s', (mmu) => {
    const kvm = new KvmFixture({ mmu });
    const fault = (gpa: bigint, code: number): number =>
      mmu === 'npt' ? kvm.nestedFault(gpa, code) : kvm.shadowFault(gpa, code);
    kvm.slot(0, 0n, MIB);
    fault(0x5000n, 0);
    kvm.deleteSlot(0);
    expect(kvm.spte(0x5000n)).toBe(0n);
    kvm.reads(0x5000n);
    fault(0x5000n, 0);
    expect(kvm.outcomes()).toEqual(['FIRST']);
    fault(0x5000n, RSVD);
    expect(kvm.outcomes()).toEqual(['FIRST', 'CACHED']);
  });
});
