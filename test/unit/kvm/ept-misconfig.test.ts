import { describe, expect, it } from 'vitest';
import { inspectEptSpte } from '../../../core/kvm/mmio/ept-misconfig.ts';
import { getSpteHierarchy } from '../../../core/kvm/probe/probe-hierarchy.ts';
import { RUN_INTERNAL_ERROR } from '../../../core/kvm/vcpu/vcpu-run.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const NAME = 'ept_misconfig_inspect_spte: ';
const said = (spte: bigint, level: number, maxPhyAddr = 40): readonly string[] =>
  inspectEptSpte(spte, level, maxPhyAddr)
    .slice(1)
    .map((line) => line.replace(NAME, ''));

describe('what the kernel says of an entry that is misconfigured', () => {
  it.each<readonly [string, bigint, number, readonly string[]]>([
    ['a good 4 KiB leaf', 0x5c77n, 1, []],
    ['a good 2 MiB leaf', 0x20_0cf7n, 2, []],
    ['a good link', 0x5007n, 3, []],
    ['nothing at all', 0xffff_ffff_ffff_fff8n, 1, []],
    ['write-only', 0x5032n, 1, ['WARNING: write-only (010b)']],
    ['an MMIO spte', 0xc000_0000_fee0_0006n, 1, ['WARNING: write and execute, not readable (110b)']],
    ['execute-only, which this processor has', 0x5034n, 1, []],
    ['memory type 2', 0x5017n, 1, ['ept_mem_type=0x2']],
    ['memory type 7 of a 2 MiB leaf', 0x20_00bfn, 2, ['ept_mem_type=0x7']],
    ['an address bit beyond the host', (1n << 45n) | 0x37n, 1, ['rsvd_bits = 0x200000000000']],
    ['a 2 MiB leaf off its boundary', 0x10_00b7n, 2, ['rsvd_bits = 0x100000']],
    ['bits 3 to 6 of a link', 0x507fn, 2, ['rsvd_bits = 0x78']],
    ['bits 3 to 7 of an upper entry', 0x50ffn, 4, ['rsvd_bits = 0xf8']],
  ])('%s', (_what, spte, level, lines) => {
    expect(said(spte, level)).toEqual(lines);
  });

  it('is wrong in two places, and so is this: the first reserved address bit, and 1 GiB pages', () => {
    expect(said((1n << 40n) | 0x37n, 1)).toEqual([]);
    expect(said((1n << 41n) | 0x37n, 1)).toEqual(['rsvd_bits = 0x20000000000']);
    expect(said(0x4000_00b7n, 3)).toEqual(['rsvd_bits = 0xb0']);
  });

  it('is said of every entry from the top down, after the address', () => {
    const kvm = new KvmFixture({ era: 'v3.11', hostPages: '2m' });
    kvm.slot(0, 0n, 4n * MIB);
    kvm.slot(0, MIB, 4n * MIB);
    kvm.touch(2n * MIB);
    const entries = getSpteHierarchy(kvm.vm.mmu, kvm.cpu.r, 0x20_0000, 0);
    expect(kvm.eptMisconfig(2n * MIB)).toBe(RUN_INTERNAL_ERROR);
    expect(kvm.vcpu.internalError.split('\n')).toEqual([
      'EPT: Misconfiguration.',
      'EPT: GPA: 0x200000',
      ...entries.map(({ value, level }) => `${NAME}spte 0x${value.toString(16)} level ${level}`),
      `${NAME}rsvd_bits = 0x100000`,
    ]);
  });
});
