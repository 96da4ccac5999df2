import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../../core/base/address.ts';
import { auditMmu } from '../../../core/kvm/audit/audit.ts';
import { RESUME_GUEST } from '../../../core/kvm/exits/exit-handlers-emulate.ts';
import { accountShadowed, unaccountShadowed } from '../../../core/kvm/memslots/lpage-info.ts';
import { gfnToMemslot, slotLpageWord, slotRmapWord } from '../../../core/kvm/memslots/memslots.ts';
import { getSpteHierarchy } from '../../../core/kvm/probe/probe-hierarchy.ts';
import { readVcpuCounters, readVmCounters } from '../../../core/kvm/trace/stats.ts';
import { RUN_INTERNAL_ERROR } from '../../../core/kvm/vcpu/vcpu-run.ts';
import { lowHalf } from '../../../core/base/address.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const LOG_DIRTY = 1;
const READONLY = 2;
const CHUNK = 2n * MIB;
const GIB = 1024n * MIB;

const writeCount = (kvm: KvmFixture, gpa: bigint, level: number): number => {
  const gfn = Number(gpa >> 12n);
  return kvm.arena.i32[slotLpageWord(kvm.arena, gfnToMemslot(kvm.arena, gfn), gfn, level) >> 2];
};
const rmapWord = (kvm: KvmFixture, gpa: bigint, level: number): number => {
  const gfn = Number(gpa >> 12n);
  return kvm.arena.i32[slotRmapWord(kvm.arena, gfnToMemslot(kvm.arena, gfn), gfn, level) >> 2];
};
const levelOf = (kvm: KvmFixture, gpa: bigint): number =>
  getSpteHierarchy(kvm.vm.mmu, kvm.cpu.r, lowHalf(gpa), Number(gpa >> 32n)).at(-1)?.level ?? 0;
const ramOf = (kvm: KvmFixture, offset: bigint): bigint => BigInt(kvm.arena.layout.ram) + offset;
const largepages = (kvm: KvmFixture): number => readVmCounters(kvm.arena).largepages;
const clean = (kvm: KvmFixture): void => expect(auditMmu(kvm.vm.mmu).violations.map(({ text }) => text)).toEqual([]);

describe('lpage_info of a new slot', () => {
  it.each<readonly [string, bigint, bigint, bigint, readonly number[]]>([
    ['that covers whole 2 MiB pages', 0n, 4n * MIB, 0n, [0, 0]],
    ['that begins and ends within them', MIB, 4n * MIB, MIB, [1, 0, 1]],
    ['that lies within one', 4096n, 8192n, 4096n, [1]],
    ['that ends within one', 0n, 3n * MIB, 0n, [0, 1]],
    ['whose userspace address lies otherwise in its 2 MiB page', 0n, 4n * MIB, MIB, [1, 1]],
    ['whose userspace address lies in another 2 MiB page', 2n * MIB, 4n * MIB, 0n, [0, 0]],
  ])('%s', (_what, gpa, size, hva, counts) => {
    const kvm = new KvmFixture();
    kvm.slot(0, gpa, size, 0, HVA_BASE + hva);
    const first = (gpa / CHUNK) * CHUNK;
    expect(counts.map((_, i) => writeCount(kvm, i === 0 ? gpa : first + BigInt(i) * CHUNK, 2))).toEqual(counts);
    expect(writeCount(kvm, gpa, 3), 'no slot of these is a whole GiB').toBe(1);
  });

  it('counts each shadowed guest table in the chunk of every size, and forgets it', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, 4n * MIB);
    for (let n = 0; n < 3; n++) accountShadowed(kvm.vm.mmu, 0x210 + n);
    expect([writeCount(kvm, 0n, 2), writeCount(kvm, CHUNK, 2), writeCount(kvm, 0n, 3)]).toEqual([0, 3, 4]);
    for (let n = 0; n < 3; n++) unaccountShadowed(kvm.vm.mmu, 0x210 + n);
    expect([writeCount(kvm, CHUNK, 2), writeCount(kvm, 0n, 3)]).toEqual([0, 1]);
    expect(() => unaccountShadowed(kvm.vm.mmu, 0x210)).toThrow('below zero');
  });
});

describe('a fault in memory that the host has in 2 MiB pages', () => {
  it.each([
    ['ept', 0xcf7n],
    ['npt', 0xca7n],
    ['shadow', 0xca7n],
  ] as const)('maps all of one under %s', (mmu, bits) => {
    const kvm = new KvmFixture({ mmu, hostPages: '2m' });
    kvm.slot(0, 0n, 8n * MIB);
    expect(kvm.touch(CHUNK + 0x5123n, true)).toBe(RESUME_GUEST);
    expect(kvm.spte(CHUNK)).toBe(ramOf(kvm, CHUNK) | bits);
    expect(kvm.sptep(CHUNK + 0x1f_f000n)).toBe(kvm.sptep(CHUNK));
    expect(levelOf(kvm, CHUNK)).toBe(2);
    expect([rmapWord(kvm, CHUNK, 1), rmapWord(kvm, CHUNK, 2)]).toEqual([0, kvm.sptep(CHUNK)]);
    expect(largepages(kvm)).toBe(1);
    expect(readVcpuCounters(kvm.arena, 0).pf_fixed).toBe(1);
    clean(kvm);
  });

  it('needs no table for it', () => {
    const kvm = new KvmFixture({ hostPages: '2m' });
    kvm.slot(0, 0n, 8n * MIB);
    for (let chunk = 0n; chunk < 4n; chunk++) kvm.touch(chunk * CHUNK);
    expect(readVmCounters(kvm.arena).mmu_cache_miss, 'the root, one level 3, one level 2').toBe(3);
    expect(largepages(kvm)).toBe(4);
  });

  it('maps 4 KiB at the borders of a slot, and where gpa and hva lie otherwise in their pages', () => {
    const kvm = new KvmFixture({ hostPages: '2m' });
    kvm.slot(0, MIB, 4n * MIB, 0, HVA_BASE + MIB);
    kvm.slot(1, 16n * MIB, CHUNK, 0, HVA_BASE + MIB);
    for (const gpa of [MIB, CHUNK, 4n * MIB, 16n * MIB]) kvm.touch(gpa);
    expect([MIB, CHUNK, 4n * MIB, 16n * MIB].map((gpa) => levelOf(kvm, gpa))).toEqual([1, 2, 1, 1]);
    clean(kvm);
  });

  it('maps 4 KiB where host memory ends within a 2 MiB page', () => {
    const kvm = new KvmFixture({ hostPages: '2m', ramBytes: 3 << 20 });
    kvm.slot(0, 0n, 4n * MIB);
    kvm.touch(0n);
    kvm.touch(CHUNK);
    expect([levelOf(kvm, 0n), levelOf(kvm, CHUNK)]).toEqual([2, 1]);
  });

  it('maps 4 KiB beside a shadowed guest table', () => {
    const kvm = new KvmFixture({ hostPages: '2m' });
    kvm.slot(0, 0n, 8n * MIB);
    accountShadowed(kvm.vm.mmu, 0x210);
    kvm.touch(CHUNK);
    kvm.touch(0n);
    expect([levelOf(kvm, CHUNK), levelOf(kvm, 0n)]).toEqual([1, 2]);
  });

  it('makes MMIO sptes of 4 KiB all the same', () => {
    const kvm = new KvmFixture({ hostPages: '2m' });
    kvm.slot(0, 0n, 8n * MIB);
    kvm.touch(GIB);
    expect(levelOf(kvm, GIB)).toBe(1);
    expect(kvm.vm.mmioSpteCounts().live).toBe(1);
    expect(largepages(kvm)).toBe(0);
  });

  it('puts the large page in place of a table once nothing forbids it any more', () => {
    const kvm = new KvmFixture({ hostPages: '2m' });
    kvm.slot(0, 0n, 8n * MIB);
    accountShadowed(kvm.vm.mmu, 0x210);
    kvm.touch(CHUNK);
    unaccountShadowed(kvm.vm.mmu, 0x210);
    const flushes = readVmCounters(kvm.arena).mmu_shadow_zapped;
    kvm.touch(CHUNK + 0x1000n);
    expect(levelOf(kvm, CHUNK)).toBe(2);
    expect(readVmCounters(kvm.arena).mmu_shadow_zapped, 'the table is only unlinked').toBe(flushes);
    expect(kvm.vm.mmuPages().used).toBe(4);
    clean(kvm);
  });

  it('maps a read-only slot in large pages without W, and its writes go to the bus', () => {
    const kvm = new KvmFixture({ hostPages: '2m' });
    kvm.slot(0, 0n, 8n * MIB, READONLY);
    kvm.touch(CHUNK);
    expect(kvm.spte(CHUNK)).toBe(ramOf(kvm, CHUNK) | 0x0f5n);
    kvm.writes(CHUNK + 8n, 0xabn, 1);
    expect(kvm.eptViolation(CHUNK + 8n, 0x1aa)).toBe(RESUME_GUEST);
    expect(kvm.bus.accesses).toEqual([{ write: true, gpa: CHUNK + 8n, size: 1, value: 0xabn }]);
    expect(levelOf(kvm, CHUNK)).toBe(2);
  });

  it('goes with its slot', () => {
    const kvm = new KvmFixture({ hostPages: '2m', era: 'v3.11' });
    kvm.slot(0, 0n, 8n * MIB);
    for (let chunk = 0n; chunk < 4n; chunk++) kvm.touch(chunk * CHUNK);
    kvm.deleteSlot(0);
    expect(largepages(kvm)).toBe(0);
    expect(kvm.spte(CHUNK)).toBe(0n);
    clean(kvm);
  });
});

describe('transparent huge pages', () => {
  it('turn a mapping of 4 KiB into one of 2 MiB at the last moment', () => {
    const kvm = new KvmFixture({ hostPages: 'thp' });
    kvm.slot(0, 0n, 8n * MIB);
    kvm.touch(CHUNK + 0x5123n);
    expect(kvm.spte(CHUNK)).toBe(ramOf(kvm, CHUNK) | 0xcf7n);
    clean(kvm);
  });

  it('do not where a chunk has a write_count', () => {
    const kvm = new KvmFixture({ hostPages: 'thp' });
    kvm.slot(0, MIB, 7n * MIB, 0, HVA_BASE + MIB);
    accountShadowed(kvm.vm.mmu, 0x210);
    for (const gpa of [MIB, CHUNK, 2n * CHUNK]) kvm.touch(gpa);
    expect([MIB, CHUNK, 2n * CHUNK].map((gpa) => levelOf(kvm, gpa))).toEqual([1, 1, 2]);
  });
});

describe('1 GiB pages', () => {
  const options = { hostPages: '1g', ramBytes: Number(GIB), shadowPages: 64 } as const;

  it.each([
    ['ept', 3],
    ['npt', 3],
    // pae_root is the third level of a guest without paging.
    ['shadow', 2],
  ] as const)('under %s are mapped at level %i', (mmu, level) => {
    const kvm = new KvmFixture({ ...options, mmu });
    kvm.slot(0, 0n, GIB);
    kvm.touch(0x3456_7000n, true);
    expect(levelOf(kvm, 0x3456_7000n)).toBe(level);
    const base = level === 3 ? 0n : 0x3440_0000n;
    const leaf = kvm.spte(0x3456_7000n);
    expect(leaf & ~0xfffn).toBe(ramOf(kvm, base));
    expect(leaf & 0x80n).toBe(0x80n);
    expect(rmapWord(kvm, 0x3456_7000n, level)).toBe(kvm.sptep(0x3456_7000n));
    clean(kvm);
  });

  it('become 2 MiB ones where a guest table lies or the slot ends', () => {
    const kvm = new KvmFixture(options);
    kvm.slot(0, 0n, GIB);
    accountShadowed(kvm.vm.mmu, 0x10);
    kvm.touch(CHUNK);
    kvm.touch(0n);
    expect([levelOf(kvm, CHUNK), levelOf(kvm, 0n)]).toEqual([2, 1]);
  });
});

describe('dirty logging', () => {
  it('drops the large sptes that can be written, and maps 4 KiB from then on', () => {
    const kvm = new KvmFixture({ hostPages: '2m' });
    kvm.slot(0, 0n, 8n * MIB);
    kvm.touch(CHUNK, true);
    kvm.touch(2n * CHUNK);
    kvm.slot(0, 0n, 8n * MIB, LOG_DIRTY);
    expect([kvm.spte(CHUNK), kvm.spte(2n * CHUNK)]).toEqual([0n, 0n]);
    expect([largepages(kvm), rmapWord(kvm, CHUNK, 2)]).toEqual([0, 0]);
    kvm.touch(CHUNK + 0x3000n, true);
    expect(levelOf(kvm, CHUNK + 0x3000n)).toBe(1);
    const log = kvm.vm.getDirtyLog(0);
    expect(log.ok && [...log.value].flatMap((byte, i) => (byte === 0 ? [] : [[i, byte]]))).toEqual([[64, 8]]);
    clean(kvm);
  });

  it('leaves a large spte that cannot be written alone, as v3.11 does', () => {
    const kvm = new KvmFixture({ hostPages: '2m' });
    kvm.slot(0, 0n, 8n * MIB, READONLY);
    kvm.touch(CHUNK);
    kvm.slot(0, 0n, 8n * MIB, READONLY | LOG_DIRTY);
    expect(levelOf(kvm, CHUNK)).toBe(2);
    expect(largepages(kvm)).toBe(1);
  });

  it('switched off lets the next fault map a large page again', () => {
    const kvm = new KvmFixture({ hostPages: '2m' });
    kvm.slot(0, 0n, 8n * MIB, LOG_DIRTY);
    kvm.touch(CHUNK);
    kvm.slot(0, 0n, 8n * MIB);
    expect(levelOf(kvm, CHUNK), 'nothing is done at once').toBe(1);
    kvm.touch(CHUNK + 0x1000n);
    expect(levelOf(kvm, CHUNK)).toBe(2);
    clean(kvm);
  });
});

describe('a moved slot', () => {
  it('keeps its arrays in v3.11, so that a large page may be mapped where none can be', () => {
    const kvm = new KvmFixture({ era: 'v3.11', hostPages: '2m' });
    kvm.slot(0, 0n, 4n * MIB);
    kvm.slot(0, MIB, 4n * MIB);
    expect(writeCount(kvm, CHUNK, 2), 'gpa and hva do not lie alike any more').toBe(0);
    kvm.touch(CHUNK);
    // The frame is no multiple of 2 MiB: bit 20 is reserved in a large leaf, and KVM finds no MMIO spte there.
    expect(kvm.spte(CHUNK) & (1n << 20n)).toBe(1n << 20n);
    expect(kvm.eptMisconfig(CHUNK)).toBe(RUN_INTERNAL_ERROR);
    expect(kvm.vcpu.internalError).toContain('EPT: Misconfiguration.');
  });

  it('gets new ones in v6.8, and with them pages that fit', () => {
    const kvm = new KvmFixture({ era: 'v6.8', hostPages: '2m' });
    kvm.slot(0, 0n, 4n * MIB);
    kvm.slot(0, MIB, 4n * MIB);
    expect([writeCount(kvm, MIB, 2), writeCount(kvm, CHUNK, 2)]).toEqual([1, 1]);
    kvm.touch(CHUNK);
    expect(levelOf(kvm, CHUNK)).toBe(1);
    clean(kvm);
  });
});
