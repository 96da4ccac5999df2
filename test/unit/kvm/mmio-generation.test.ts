import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../../core/base/address.ts';
import { RESUME_GUEST } from '../../../core/kvm/exits/exit-handlers-emulate.ts';
import { readVcpuCounters, readVmCounters } from '../../../core/kvm/trace/stats.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const HOLE = 0xfeb0_0000n;
const OTHER = 0xfed0_0000n;

describe('a hole becomes RAM (the scenario of the patch)', () => {
  it('marks generation g, then finds the spte stale at g + 1 and replaces it by RAM', () => {
    const kvm = new KvmFixture().trace('mark_mmio_spte', 'check_mmio_spte', 'handle_mmio_page_fault');
    kvm.slot(0, 0n, MIB);
    expect(kvm.vm.currentMmioGeneration()).toBe(1);

    expect(kvm.touch(HOLE)).toBe(RESUME_GUEST);
    expect(kvm.spte(HOLE)).toBe(0xc000_0000_feb0_000en);
    // The cache holds the hole, so another MMIO page takes its place there.
    kvm.touch(OTHER);

    kvm.slot(1, HOLE, MIB, 0, HVA_BASE + MIB);
    expect(kvm.vm.currentMmioGeneration()).toBe(2);
    expect(kvm.spte(HOLE), 'a memslot change touches no spte').toBe(0xc000_0000_feb0_000en);

    expect(kvm.touch(HOLE)).toBe(RESUME_GUEST);
    const frame = BigInt(kvm.arena.layout.ram) + MIB;
    expect(kvm.spte(HOLE)).toBe(frame | 0xc77n);
    expect(kvm.outcomes()).toEqual(['FIRST', 'FIRST', 'INVALID']);
    expect(kvm.faults()[2]).toMatchObject({ spteGen: 1, kvmGen: 2, size: 0, spte: 0xc000_0000_feb0_000en });
    expect(kvm.cpu.emulated, 'the RAM access is not emulated').toBe(2);
    expect(kvm.traced()).toEqual([
      expect.stringMatching(/^mark_mmio_spte sptep=[0-9a-f]+ gfn=feb00 access=6 gen=1$/),
      expect.stringMatching(/^mark_mmio_spte sptep=[0-9a-f]+ gfn=fed00 access=6 gen=1$/),
      'check_mmio_spte kvm_gen=2 spte_gen=1 spte=c0000000feb0000e',
    ]);
  });

  it('gives a page that is still a hole a fresh spte, in the same fault', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    kvm.touch(OTHER);
    kvm.slot(1, 0x8000_0000n, MIB);
    kvm.bus.value = 0xabcdn;
    kvm.touch(HOLE);
    expect(kvm.spte(HOLE)).toBe(0xc000_0000_feb0_0016n);
    expect(kvm.faults().at(-1)).toMatchObject({ outcome: 'INVALID', spteGen: 1, size: 4, value: 0xabcdn, claim: 1 });
  });

  it('walks and zaps in v3.10 instead: the pages are gone before the guest comes back', () => {
    const kvm = new KvmFixture({ era: 'v3.10' });
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    expect(kvm.spte(HOLE)).toBe((0xffn << 49n) | 0xfeb0_0006n);
    const zapped = readVmCounters(kvm.arena).mmu_shadow_zapped;
    kvm.slot(1, 0x8000_0000n, MIB);
    expect(kvm.spte(HOLE)).toBe(0n);
    expect(readVmCounters(kvm.arena).mmu_shadow_zapped).toBe(zapped + 1);
    expect(kvm.vm.mmioSpteCounts().live).toBe(0);
    // Only creating and moving slots does that.
    kvm.touch(OTHER);
    kvm.slot(1, 0x8000_0000n, MIB, 1);
    expect(kvm.vm.mmioSpteCounts().live).toBe(1);
  });
});

describe('what an MMIO fault comes to', () => {
  it('is EMULATE for a fresh spte, and fills the cache', () => {
    const kvm = new KvmFixture().trace('check_mmio_spte', 'handle_mmio_page_fault', 'kvm_mmio', 'vcpu_match_mmio');
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    kvm.touch(OTHER);
    const from = kvm.traced().length;
    kvm.bus.value = 0x1122_3344n;
    expect(kvm.touch(HOLE)).toBe(RESUME_GUEST);
    expect(kvm.outcomes().at(-1)).toBe('EMULATE');
    expect(kvm.traced().slice(from)).toEqual([
      'check_mmio_spte kvm_gen=1 spte_gen=1 spte=c0000000feb0000e',
      'handle_mmio_page_fault addr=0 gfn=feb00 access=0',
      'vcpu_match_mmio gva=feb00000 gpa=feb00000 write=0 gpa_match=1',
      'kvm_mmio type=0 len=4 gpa=feb00000 val=0',
      'kvm_mmio type=1 len=4 gpa=feb00000 val=11223344',
    ]);
  });

  it('is EMULATE without a walk while the cache knows the page', () => {
    const kvm = new KvmFixture().trace('check_mmio_spte');
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    kvm.touch(HOLE);
    expect(kvm.outcomes()).toEqual(['FIRST', 'CACHED']);
    expect(kvm.traced()).toEqual([]);
  });

  it('is served from the cache even after a slot was created there: no generation is compared before 3.17', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    kvm.slot(1, HOLE, MIB, 0, HVA_BASE + MIB);
    kvm.touch(HOLE, true);
    expect(kvm.outcomes()).toEqual(['FIRST', 'CACHED']);
    expect(kvm.bus.accesses.at(-1), 'the write reached the bus, not RAM').toMatchObject({ write: true, gpa: HOLE });
    expect(kvm.spte(HOLE) & 7n, 'the MMIO spte still stands').toBe(6n);
  });

  it('is RETRY when the entry was zapped meanwhile', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    expect(kvm.eptMisconfig(HOLE)).toBe(RESUME_GUEST);
    expect(kvm.outcomes()).toEqual(['RETRY']);
    expect(kvm.cpu.emulated).toBe(0);
  });

  it('is BUG when a direct map holds something else, and stops with the hierarchy', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.touch(0x5000n);
    expect(kvm.spte(0x5000n) & 7n).toBe(7n);
    expect(kvm.eptMisconfig(0x5000n)).toBe(5);
    expect(kvm.outcomes()).toEqual(['BUG']);
    const lines = kvm.vcpu.internalError.split('\n');
    expect(lines.slice(0, 2)).toEqual(['EPT: Misconfiguration.', 'EPT: GPA: 0x5000']);
    expect(lines.slice(2)).toHaveLength(4);
    expect(lines[5]).toBe(`ept_misconfig_inspect_spte: spte 0x${kvm.spte(0x5000n).toString(16)} level 1`);
  });

  it.each([
    ['npt', (kvm: KvmFixture, code: number) => kvm.nestedFault(0x5000n, code)],
    ['shadow', (kvm: KvmFixture, code: number) => kvm.shadowFault(0x5000n, code)],
  ] as const)('is BUG through the RSVD route of %s too', (mmu, fault) => {
    const kvm = new KvmFixture({ mmu });
    kvm.slot(0, 0n, MIB);
    fault(kvm, 0);
    expect(fault(kvm, 9)).toBe(5);
    expect(kvm.outcomes()).toEqual(['BUG']);
    expect(kvm.vcpu.internalError).toContain('RET_MMIO_PF_BUG');
  });
});

describe('counters of the MMIO routes', () => {
  it('counts mmio_exits through kvm_mmu_page_fault but not on the EPT misconfiguration route', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    expect(readVcpuCounters(kvm.arena, 0)).toMatchObject({ mmio_exits: 1, insn_emulation: 1, pf_fixed: 1 });
    kvm.touch(HOLE);
    expect(readVcpuCounters(kvm.arena, 0)).toMatchObject({ mmio_exits: 1, insn_emulation: 2, pf_fixed: 1 });
  });

  it.each(['npt', 'shadow'] as const)('counts every one with %s', (mmu) => {
    const kvm = new KvmFixture({ mmu });
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    kvm.touch(HOLE);
    expect(kvm.outcomes()).toEqual(['FIRST', 'CACHED']);
    expect(readVcpuCounters(kvm.arena, 0)).toMatchObject({ mmio_exits: 2, insn_emulation: 2 });
  });
});

describe('where the routes differ', () => {
  it('turns a stale write on EPT into a fault as if it had read', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    kvm.touch(OTHER);
    // Read-only memory: a write fault would be emulated at once, a read fault maps the page first.
    kvm.slot(1, HOLE, MIB, 2, HVA_BASE + MIB);
    const emulated = kvm.cpu.emulated;
    kvm.touch(HOLE, true);
    expect(kvm.cpu.emulated).toBe(emulated);
    expect(kvm.spte(HOLE) & 0xfffn, 'mapped without W and the writeable bits').toBe(0x075n);
    kvm.writes(HOLE, 7n).eptViolation(HOLE, 0x1aa);
    expect(kvm.cpu.emulated, 'now the write is emulated').toBe(emulated + 1);
    expect(kvm.bus.accesses.at(-1)).toEqual({ write: true, gpa: HOLE, size: 4, value: 7n });
  });

  it('keeps the write on NPT: a read-only slot is emulated in the same fault', () => {
    const kvm = new KvmFixture({ mmu: 'npt' });
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    kvm.touch(OTHER);
    kvm.slot(1, HOLE, MIB, 2, HVA_BASE + MIB);
    kvm.touch(HOLE, true);
    expect(kvm.outcomes().at(-1)).toBe('INVALID');
    expect(kvm.bus.accesses.at(-1)).toMatchObject({ write: true, gpa: HOLE });
    expect(kvm.spte(HOLE) & 1n, 'and no mapping is made').toBe(1n);
    expect(kvm.spte(HOLE) >> 62n, 'the stale MMIO spte stays').toBe(3n);
  });

  it.each(['npt', 'shadow'] as const)('takes the ordinary route for every access with %s and MAXPHYADDR 52', (mmu) => {
    const kvm = new KvmFixture({ mmu, maxPhyAddr: 52 });
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    expect(kvm.spte(HOLE), 'bit 0 is clear: hardware sees no entry').toBe(0xc000_0000_feb0_000en);
    kvm.touch(HOLE);
    expect(kvm.outcomes()).toEqual(['FIRST', 'FIRST']);
    expect(kvm.faults()[1]).toMatchObject({ spteGen: 1, kvmGen: 1 });
    expect(kvm.vm.mmioSpteCounts()).toEqual({ live: 1, fresh: 1 });
  });

  it.each(['ept', 'npt'] as const)(
    'above the 48 bits that %s tables translate leaves no spte and no RAM unmapped',
    (mmu) => {
      const kvm = new KvmFixture({ mmu, maxPhyAddr: 52 });
      kvm.slot(0, 0n, MIB);
      kvm.touch(0x5000n);
      const ram = kvm.spte(0x5000n);
      const beyond = (1n << 48n) + 0x5000n;
      const { emulated } = kvm.cpu;
      if (mmu === 'ept') kvm.eptViolation(beyond);
      else kvm.nestedFault(beyond, 4);
      expect(kvm.cpu.emulated).toBe(emulated + 1);
      expect(kvm.outcomes()).toEqual(['FIRST']);
      expect(kvm.spte(0x5000n)).toBe(ram);
      expect(kvm.vm.mmioSpteCounts().live).toBe(0);
    },
  );

  it('is the same as ever on EPT with MAXPHYADDR 52', () => {
    const kvm = new KvmFixture({ maxPhyAddr: 52 });
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    kvm.touch(OTHER);
    kvm.touch(HOLE);
    expect(kvm.outcomes()).toEqual(['FIRST', 'FIRST', 'EMULATE']);
  });
});
