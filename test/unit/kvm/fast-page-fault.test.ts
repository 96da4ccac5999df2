import { afterEach, describe, expect, it, vi } from 'vitest';
import { RESUME_GUEST } from '../../../core/kvm/exits/exit-handlers-emulate.ts';
import { fastPageFault } from '../../../core/kvm/mmu/mmu-fast-fault.ts';
import { FAULT_CONTINUE } from '../../../core/kvm/mmio/noslot-fault.ts';
import { mmuSpteUpdate, spteHasVolatileBits } from '../../../core/kvm/mmu/mmu-spte.ts';
import { readVcpuCounters } from '../../../core/kvm/trace/stats.ts';
import { KvmFixture, MIB, type FixtureOptions } from './kvm-fixture.ts';

const LOG_DIRTY = 1;
const READONLY = 2;
const P = 1;
const W = 2;
const RSVD = 8;
const GPA = 0x5000n;
const CHUNK = 2n * MIB;

/** What the types of a mocked Atomics function say of its array; here it is the arena's int32 words. */
type Words = BigInt64Array | BigUint64Array;

const dirtyPages = (kvm: KvmFixture): number[] => {
  const log = kvm.vm.getDirtyLog(0);
  if (!log.ok) throw new Error(log.error.message);
  return [...log.value].flatMap((byte, i) => [...Array(8).keys()].filter((b) => byte & (1 << b)).map((b) => i * 8 + b));
};

/** A page mapped and then protected for dirty logging. */
function protectedPage(options: FixtureOptions = {}): KvmFixture {
  const kvm = new KvmFixture(options);
  kvm.slot(0, 0n, 8n * MIB);
  kvm.touch(GPA, true);
  kvm.slot(0, 0n, 8n * MIB, LOG_DIRTY);
  return kvm;
}

const fast = (kvm: KvmFixture, gpa: bigint, code: number, level = 1): boolean =>
  fastPageFault(kvm.vm.mmu, kvm.cpu.r, 0, Number(gpa), 0, level, code) !== FAULT_CONTINUE;

afterEach(() => vi.restoreAllMocks());

describe('fast_page_fault', () => {
  it.each([
    ['ept', 'patch'],
    ['npt', 'v3.10'],
    ['shadow', 'v3.11'],
    ['ept', 'v3.17'],
    ['ept', 'v6.8'],
    ['npt', 'v6.8'],
  ] as const)('gives W back under %s in era %s and marks the page dirty', (mmu, era) => {
    const kvm = protectedPage({ mmu, era });
    const before = kvm.spte(GPA);
    expect(before & 2n).toBe(0n);
    expect(fast(kvm, GPA, P | W)).toBe(true);
    expect(kvm.spte(GPA)).toBe(before | 2n);
    expect(dirtyPages(kvm)).toEqual([5]);
    expect(readVcpuCounters(kvm.arena, 0).pf_fixed, 'the full path did not run').toBe(1);
  });

  it.each<readonly [string, number, boolean]>([
    ['a write to a present page', P | W, true],
    ['a write to one that is not present', W, false],
    ['a read of a present page', P, false],
    ['an entry with reserved bits, which may be a stale MMIO spte', P | W | RSVD, false],
  ])('looks at %s: %#', (_what, code, looks) => {
    const kvm = protectedPage();
    expect(fast(kvm, GPA, code)).toBe(looks);
    expect(kvm.spte(GPA) & 2n).toBe(looks ? 2n : 0n);
  });

  it('lets the guest try again when the entry went away meanwhile', () => {
    const kvm = protectedPage();
    expect(fast(kvm, 0x20_0000n, P | W)).toBe(true);
    expect(kvm.spte(0x20_0000n)).toBe(0n);
    expect(dirtyPages(kvm)).toEqual([]);
  });

  it('takes an MMIO spte for one that went away: it is not shadow-present', () => {
    const kvm = protectedPage();
    kvm.touch(0x4000_0000n);
    const spte = kvm.spte(0x4000_0000n);
    expect(fast(kvm, 0x4000_0000n, P | W)).toBe(true);
    expect(kvm.spte(0x4000_0000n)).toBe(spte);
  });

  it('finds a fault spurious when the entry is writable already, and marks nothing', () => {
    const kvm = protectedPage();
    fast(kvm, GPA, P | W);
    dirtyPages(kvm);
    fast(kvm, GPA, P | W);
    expect(dirtyPages(kvm)).toEqual([5]);
    // dirtyPages protected the page again; give W back once more and fault on the writable entry.
    fast(kvm, GPA, P | W);
    const writable = kvm.spte(GPA);
    kvm.arena.i32[kvm.vm.mmu.lock] = 1;
    expect(fast(kvm, GPA, P | W)).toBe(true);
    expect(kvm.spte(GPA)).toBe(writable);
  });

  it('leaves a page to the full path whose write protection has another reason', () => {
    const host = new KvmFixture();
    host.slot(0, 0n, MIB, READONLY);
    host.touch(GPA);
    expect(fast(host, GPA, P | W), 'the host forbids it').toBe(false);
    const shadowed = protectedPage();
    const word = shadowed.sptep(GPA) >> 2;
    shadowed.arena.i32[word] &= ~0x800;
    expect(fast(shadowed, GPA, P | W), 'MMU_WRITEABLE is clear: a guest page table').toBe(false);
    expect(shadowed.spte(GPA) & 2n).toBe(0n);
  });

  it('needs no mmu_lock', () => {
    const kvm = protectedPage();
    kvm.arena.i32[kvm.vm.mmu.lock] = 1;
    expect(fast(kvm, GPA, P | W)).toBe(true);
    expect(kvm.arena.i32[kvm.vm.mmu.lock]).toBe(1);
    expect(kvm.spte(GPA) & 2n).toBe(2n);
  });

  it('marks nothing when it loses the race for the entry, and lets the guest try again', () => {
    const kvm = protectedPage();
    const word = kvm.sptep(GPA) >> 2;
    const { compareExchange } = Atomics;
    vi.spyOn(Atomics, 'compareExchange').mockImplementation((array: Words, index, expected, value) => {
      // Another vCPU zaps the entry between the read and the exchange.
      if (index === word) kvm.arena.i32[word] = 0;
      return compareExchange(array, index, expected, value);
    });
    expect(fast(kvm, GPA, P | W)).toBe(true);
    vi.restoreAllMocks();
    expect(kvm.arena.i32[word]).toBe(0);
    const log = kvm.vm.getDirtyLog(0);
    expect(log.ok && log.value.every((byte) => byte === 0)).toBe(true);
  });

  it('does not take a small page for the large one that the full path would map', () => {
    const kvm = new KvmFixture({ hostPages: '2m' });
    kvm.slot(0, 0n, 8n * MIB, LOG_DIRTY);
    kvm.touch(CHUNK, true);
    dirtyPages(kvm);
    expect(fast(kvm, CHUNK, P | W, 2)).toBe(false);
    kvm.slot(0, 0n, 8n * MIB);
    expect(kvm.eptViolation(CHUNK, 0x1aa)).toBe(RESUME_GUEST);
    expect(kvm.spte(CHUNK) & 0x80n, 'the full path made it large').toBe(0x80n);
  });

  it('fixes a large page as a whole', () => {
    const kvm = new KvmFixture({ hostPages: '2m' });
    kvm.slot(0, 0n, 8n * MIB);
    kvm.touch(CHUNK, true);
    kvm.arena.i32[kvm.sptep(CHUNK) >> 2] &= ~2;
    expect(fast(kvm, CHUNK + 0x7000n, P | W, 2)).toBe(true);
    expect(kvm.spte(CHUNK) & 0x82n).toBe(0x82n);
  });

  it('tells what it found and what it left: retry, with the entry before and after', () => {
    const kvm = protectedPage().trace('fast_page_fault');
    const before = kvm.spte(GPA);
    fast(kvm, GPA, P | W);
    fast(kvm, GPA, P);
    fast(kvm, GPA, P | W);
    const at = kvm.sptep(GPA).toString(16);
    const line = (old: bigint): string =>
      `fast_page_fault vcpu_id=100000000 gva=5000 error_code=3 sptep=${at} old_spte=${old.toString(16)} new_spte=${(before | 2n).toString(16)}`;
    expect(kvm.traced(), 'fixed, then spurious; a read is not looked at').toEqual([line(before), line(before | 2n)]);
  });
});

describe('spte_has_volatile_bits', () => {
  const HOST_AND_MMU = 0xc00;
  it.each<readonly [string, FixtureOptions, number, boolean]>([
    ['both writeable bits: the fast path may set W', {}, 0x75 | HOST_AND_MMU, true],
    ['one writeable bit, EPT without A/D flags', {}, 0x75 | 0x400, false],
    ['not accessed, with A/D flags', { eptAd: true }, 0x75, true],
    ['accessed and read-only, with A/D flags', { eptAd: true }, 0x175, false],
    ['accessed, writable and clean', { eptAd: true }, 0x177, true],
    ['accessed, writable and dirty', { eptAd: true }, 0x377, false],
    ['not accessed, nested paging', { mmu: 'npt' }, 0x05, true],
    ['accessed and read-only, nested paging', { mmu: 'npt' }, 0x25, false],
    ['accessed, writable and dirty, nested paging', { mmu: 'npt' }, 0x67, false],
    ['not present', { eptAd: true }, 0, false],
  ])('%s', (_what, options, lo, volatile) => {
    expect(spteHasVolatileBits(new KvmFixture(options).vm.mmu, lo, 0)).toBe(volatile);
  });

  it('makes an update take the last state of the entry: W that the fast path gave meanwhile is not lost to a flush', () => {
    const kvm = protectedPage();
    const sptep = kvm.sptep(GPA);
    const { exchange } = Atomics;
    vi.spyOn(Atomics, 'exchange').mockImplementation((array: Words, index, value) => {
      if (index === sptep >> 2) kvm.arena.i32[index] |= W;
      return exchange(array, index, value);
    });
    const lo = kvm.arena.i32[sptep >> 2];
    expect(lo & W, 'read-only when it was looked at').toBe(0);
    expect(mmuSpteUpdate(kvm.vm.mmu, sptep, lo, 0), 'and yet TLBs must be flushed').toBe(true);
  });
});
