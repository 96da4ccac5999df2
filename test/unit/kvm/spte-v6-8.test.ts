/** Present sptes of v6.8: bit 11 says present, and the writeable bits have moved (arch/x86/kvm/mmu/spte.h). */
import { readTrace } from '../../../core/debug/logs/trace-lines.ts';
import { describe, expect, it } from 'vitest';
import { ERAS, MMU_MODES, type Era, type MmuMode } from '../../../core/base/machine-modes.ts';
import { explainSpte } from '../../../core/kvm/spte/spte-decode.ts';
import { findSpteEra } from '../../../core/kvm/spte/spte-eras.ts';
import { spteHostOf } from '../../../core/kvm/spte/spte-mmio.ts';
import { getSpteHierarchy } from '../../../core/kvm/probe/probe-hierarchy.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

function decoded(kvm: KvmFixture, value: bigint): ReturnType<typeof explainSpte> {
  const era = findSpteEra(kvm.vm.config.era);
  if (era === undefined) throw new Error(kvm.vm.config.era);
  return explainSpte(era, spteHostOf(kvm.arena), value);
}

const fieldOf = (kvm: KvmFixture, value: bigint, name: string): bigint | undefined =>
  decoded(kvm, value).fields.find((field) => field.name === name)?.value;

const MODES = ERAS.flatMap((era) => MMU_MODES.map((mmu) => [era, mmu] as const));

describe('what KVM maps and links', () => {
  it.each(MODES)('in %s under %s decodes as present, with its rights and software bits', (era: Era, mmu: MmuMode) => {
    const kvm = new KvmFixture({ era, mmu });
    kvm.slot(0, 0n, MIB);
    kvm.slot(1, 0x4000_0000n, MIB, 2);
    for (const gpa of [0x1000n, 0x4000_0000n]) {
      kvm.touch(gpa);
      const entries = getSpteHierarchy(kvm.vm.mmu, kvm.cpu.r, Number(gpa), 0);
      for (const { value } of entries) expect(decoded(kvm, value).kind).toBe('present');
      const leaf = entries[entries.length - 1].value;
      const writable = gpa === 0x1000n ? 1n : 0n;
      expect(fieldOf(kvm, leaf, 'W')).toBe(writable);
      expect(fieldOf(kvm, leaf, 'host writable')).toBe(writable);
      expect(fieldOf(kvm, leaf, 'MMU writable')).toBe(writable);
    }
  });

  it('under EPT has them at 57 and 58 in v6.8, elsewhere at 9 and 10', () => {
    for (const [mmu, bits] of [
      ['ept', 0x0600_0000_0000_0800n],
      ['npt', 0xe00n],
      ['shadow', 0xe00n],
    ] as const) {
      const kvm = new KvmFixture({ era: 'v6.8', mmu });
      kvm.slot(0, 0n, MIB);
      kvm.touch(0x1000n, true);
      expect(kvm.spte(0x1000n) & (0x0600_0000_0000_0c00n | (mmu === 'ept' ? 0n : 0x200n)) & ~0x400n).toBe(
        bits & ~0x400n,
      );
    }
  });

  it('notes in v6.8 that EPT has no accessed and dirty flags', () => {
    const kvm = new KvmFixture({ era: 'v6.8', eptAd: false });
    kvm.slot(0, 0n, MIB);
    kvm.touch(0x1000n);
    expect((kvm.spte(0x1000n) >> 52n) & 3n).toBe(1n);
    expect(decoded(kvm, kvm.spte(0x1000n)).kind).toBe('present');
  });
});

describe('dirty logging in v6.8', () => {
  it.each(MMU_MODES)('takes W alone under %s, and a write gets it back without mmu_lock', (mmu) => {
    const kvm = new KvmFixture({ era: 'v6.8', mmu });
    kvm.slot(0, 0n, MIB);
    kvm.touch(0x1000n, true);
    kvm.trace('fast_page_fault');
    const writable = kvm.spte(0x1000n);
    kvm.slot(0, 0n, MIB, 1);
    expect(kvm.spte(0x1000n)).toBe(writable & ~2n);
    if (mmu === 'ept') kvm.eptViolation(0x1000n, 0x18a | (5 << 3));
    else if (mmu === 'npt') kvm.nestedFault(0x1000n, 7);
    else kvm.shadowFault(0x1000n, 3);
    expect(kvm.spte(0x1000n)).toBe(writable);
    expect(kvm.traced()).toHaveLength(1);
  });

  it('looks without mmu_lock for an entry that is not there, where EPT has no A/D flags: it may be tracked for accesses', () => {
    const traced = (eptAd: boolean): string[] => {
      const kvm = new KvmFixture({ era: 'v6.8', mmu: 'ept', eptAd });
      kvm.slot(0, 0n, MIB);
      kvm.trace('fast_page_fault').touch(0x1000n);
      return readTrace(kvm.arena, 0, 8, 'modern').lines.map(({ text }) => text);
    };
    expect(traced(true)).toEqual([]);
    // As in a trace of a real host: "error_code U", nothing there before or after, neither spurious nor fixed.
    expect(traced(false)).toEqual([
      expect.stringMatching(/^vcpu 0 gva 1000 error_code U sptep [0-9a-f]+ old 0x0 new 0 spurious 0 fixed 0$/),
    ]);
  });
});
