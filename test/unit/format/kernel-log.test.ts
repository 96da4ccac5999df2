import { describe, expect, it } from 'vitest';
import { readSpteLog, type LogHost } from '../../../core/debug/sptes/spte-log.ts';
import { MAX_LOG_CHARACTERS, MAX_LOG_LINES, parseKernelLog } from '../../../core/format/kernel-log.ts';

const one = (text: string) => {
  const { lines, unknown } = parseKernelLog(text);
  expect(unknown, `${text} is known`).toBe(0);
  return lines[0];
};

describe('a line of a kernel log', () => {
  it.each([
    [
      ' qemu-kvm-1234 [002] .... 12.345678: mark_mmio_spte: sptep:ffff8800371a2f00 gfn fee00 access 6 gen 7ff69',
      'mark_mmio_spte',
      [],
      { gfn: 0xfee00n, access: 6n, gen: 0x7ff69n },
    ],
    ['mark_mmio_spte: sptep:00000000a1b2c3d4 gfn b8 access 7', 'mark_mmio_spte', [], { gfn: 0xb8n, access: 7n }],
    [
      'handle_mmio_page_fault: addr:0 gfn fed00 access 6',
      'handle_mmio_page_fault',
      [],
      { addr: 0n, gfn: 0xfed00n, access: 6n },
    ],
    [
      'check_mmio_spte: spte fff00000fee00b4e kvm_gen 7ff6a spte-gen 7ff69 valid 0',
      'check_mmio_spte',
      [0xfff00000fee00b4en],
      { kvm_gen: 0x7ff6an, spte_gen: 0x7ff69n, valid: 0n },
    ],
    [
      'fast_page_fault: vcpu 0 gva 2000 error_code W|P sptep ffff88 old 0x3b9aca75 new 3b9aca77 spurious 0 fixed 1',
      'fast_page_fault',
      [0x3b9aca75n, 0x3b9aca77n],
      {},
    ],
    [
      'kvm_mmu_set_spte: gfn 1000 spte 60000012345b77 (rwx) level 1 at 12f4c8008',
      'kvm_mmu_set_spte',
      [0x60000012345b77n],
      { gfn: 0x1000n, level: 1n, sptep: 0x12f4c8008n },
    ],
    [
      'kvm_tdp_mmu_spte_changed: as id 0 gfn fee00 level 1 old_spte 8000000000000000 new_spte 86100000fee00f06',
      'kvm_tdp_mmu_spte_changed',
      [1n << 63n, 0x86100000fee00f06n],
      { as_id: 0n, gfn: 0xfee00n, level: 1n },
    ],
    [
      '[   22.859768] get_mmio_spte: reserved bits set on MMU-present spte, addr 0xfffff000, hierarchy:',
      'reserved bits',
      [],
      { addr: 0xfffff000n },
    ],
    [
      'walk_shadow_page_get_mmio_spte: detect reserved bits on spte, addr 0xfee00000, dump hierarchy:',
      'reserved bits',
      [],
      { addr: 0xfee00000n },
    ],
    [
      '[   22.860633] ------ spte = 0xfffffc4465825 level = 1, rsvd bits = 0xffff000000000000',
      'hierarchy',
      [0xfffffc4465825n],
      { level: 1n, rsvd: 0xffff000000000000n },
    ],
    ['------ spte 0x8913827 level 2.', 'hierarchy', [0x8913827n], { level: 2n }],
    ['---- spte 0x8913827 level 2.', 'hierarchy', [0x8913827n], { level: 2n }],
    ['ept_misconfig_inspect_spte: spte 0x12f4c8007 level 4', 'ept_misconfig', [0x12f4c8007n], { level: 4n }],
    ['kvm: zapping shadow pages for mmio generation wraparound', 'wrap-around', [], {}],
    ['0xfff00000fee00b56', 'value', [0xfff00000fee00b56n], {}],
    ['fff00000fee00b56, c0000000fee00006', 'value', [0xfff00000fee00b56n, 0xc0000000fee00006n], {}],
  ])('%s', (text, print, values, numbers) => {
    const line = one(text);
    expect(line.print).toBe(print);
    expect(line.sptes.map(({ value }) => value)).toEqual(values);
    expect(line.numbers).toEqual(numbers);
  });

  it.each(['hello', 'face', 'Modules linked in: kvm_intel', 'check_mmio_spte: spte xyz', '0x12345678901234567'])(
    '%s is left over, not dropped',
    (text) => {
      expect(parseKernelLog(text)).toMatchObject({ lines: [], unknown: 1, firstUnknown: [{ line: 1, text }] });
    },
  );

  it('is looked at in bounded time however long it is', () => {
    const hostile = `${'check_mmio_spte: spte '.repeat(30_000)}\n${'0x1 '.repeat(200_000)}\n${'\n'.repeat(MAX_LOG_LINES)}`;
    const log = parseKernelLog(hostile.slice(0, MAX_LOG_CHARACTERS + 5));
    expect(log.lines).toEqual([]);
    expect(log.isCut).toBe(true);
  });
});

describe('a log for an era', () => {
  const v311: LogHost = { era: 'v3.11', mmu: 'ept', maxPhyAddr: 40 };
  const read = (text: string, host = v311) => {
    const log = readSpteLog(text, host);
    if (!log.ok) throw new Error(log.error);
    return log.value;
  };

  it('says which spte mark_mmio_spte wrote', () => {
    const [line] = read('mark_mmio_spte: sptep:ffff88003 gfn fee00 access 6 gen 7ff69').lines;
    expect(line.sptes).toMatchObject([{ part: 'written', decoded: { value: 0xfff00000fee00b4en, gen: 0x7ff69 } }]);
    expect(line.findings).toEqual([]);
  });

  it('finds that a line is of another era', () => {
    const [older] = read('mark_mmio_spte: sptep:ffff88003 gfn fee00 access 6').lines;
    expect(older.findings.join()).toMatch(/older kernel/);
    const [newer] = read('mark_mmio_spte: sptep:ffff88003 gfn fee00 access 6 gen 1', { ...v311, era: 'v3.10' }).lines;
    expect(newer.findings.join()).toMatch(/newer kernel/);
    const check = 'check_mmio_spte: spte fff00000fee00b4e kvm_gen 7ff6a spte-gen 7ff69 valid 0';
    expect(read(check).lines[0].findings).toEqual([]);
    expect(read(check, { ...v311, era: 'v6.10' }).lines[0].findings.length).toBeGreaterThan(0);
  });

  it('says which reserved bits a present spte has', () => {
    const [line] = read('------ spte = 0x1000fc4465825 level = 1, rsvd bits = 0xffff000000000000').lines;
    expect(line.findings).toContain('Bits 0x1000000000000 are set and reserved at this level.');
  });

  it('says that "valid" contradicts its generations', () => {
    const [line] = read('check_mmio_spte: spte fff00000fee00b4e kvm_gen 7ff69 spte-gen 7ff69 valid 0').lines;
    expect(line.findings.join()).toMatch(/does not follow/);
  });
});
