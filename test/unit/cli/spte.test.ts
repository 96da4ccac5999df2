import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  spteDecode,
  spteEncode,
  spteLog,
  type SpteDecodeOptions,
  type SpteEncodeOptions,
} from '../../../electron/cli/spte.ts';

function run(command: (output: { out(line: string): void; err(line: string): void }) => number) {
  const out: string[] = [];
  const err: string[] = [];
  const status = command({ out: (line) => void out.push(line), err: (line) => void err.push(line) });
  return { status, out, err };
}
const encode = (options: SpteEncodeOptions) => run((output) => spteEncode(options, output));
const decode = (values: readonly string[], options: SpteDecodeOptions = {}) =>
  run((output) => spteDecode(values, options, output));

describe('spte encode', () => {
  it.each([
    [{ era: 'v3.11', mmu: 'ept', gfn: '0xfee00', access: 'wu', gen: '0x7ff6a' }, '0xfff00000fee00b56'],
    [{ gfn: '0xfee00', gen: '1' }, '0xc0000000fee0000e'],
    [{ era: 'v3.11', mmu: 'shadow', gfn: '0xfee00', access: 'wu', gen: '0x7ff69' }, '0xffffff00fee00b4f'],
    [{ era: 'v3.11', mmu: 'npt', gfn: '1043968', access: 'w', gen: '524137', maxphyaddr: '46' }, '0xffffc000fee00b4b'],
    [{ era: 'v3.10', mmu: 'ept', gfn: '0xfee00', gen: '0' }, '0x01fe0000fee00006'],
    [{ era: '6.8', mmu: 'shadow', gfn: '0', access: '-u-', gen: '0' }, '0x0008000000000005'],
    [{ era: '6.8', gfn: '0xfee00', gen: '2', l1tfBits: '46' }, '0x00003e00fee00016'],
    [{ era: '6.8', mmu: 'npt', gfn: '0', gen: '0', maxphyaddr: '47', smeBit: '47' }, '0x000f000000000001'],
  ])('%j prints %s and nothing else', (options, value) => {
    expect(encode(options)).toEqual({ status: 0, out: [value], err: [] });
  });

  it.each([
    [{ era: 'v2.6', gfn: '0', gen: '0' }, "era 'v2.6' is not known"],
    [{ mmu: 'tdp', gfn: '0', gen: '0' }, "mmu 'tdp' is not known: name one of ept, npt, shadow"],
    [{ gfn: 'fee00', gen: '0' }, "gfn 'fee00' is not a number of up to 64 bits: write it like 0xfee00"],
    [{ gfn: '0x10000000000', gen: '0' }, 'gfn 0x10000000000 is out of range: here the last one is 0xffffffffff'],
    [{ mmu: 'shadow', gfn: '0x10000000', gen: '0' }, 'gfn 0x10000000 is out of range: here the last one is 0xfffffff'],
    [{ gfn: '0', gen: '0x80000' }, 'generation 0x80000 is out of range: patch has generations 0 to 0x7ffff'],
    [{ era: 'v3.10', gfn: '0', gen: '1' }, 'sptes of v3.10 carry no generation'],
    [{ era: 'v3.17', gfn: '0', gen: '3' }, 'is odd'],
    [{ gfn: '0', gen: '-1' }, "generation '-1' is not a number"],
    [{ gfn: '0', gen: '0', access: 'rw' }, "access 'rw' is not known"],
    [{ gfn: '0', gen: '0', access: 'ww' }, "access 'ww' is not known"],
    [{ gfn: '0', gen: '0', maxphyaddr: '31' }, "maxphyaddr '31' must be a number from 32 to 52"],
    [{ gfn: '0', gen: '0', maxphyaddr: '53' }, 'must be a number from 32 to 52'],
    [{ gfn: '0', gen: '0', l1tfBits: 'x' }, "l1tf-bits 'x'"],
    [{ gfn: '0', gen: '0', smeBit: '52' }, "sme-bit '52'"],
    [{ era: '6.8', mmu: 'shadow', gfn: '0', gen: '0', maxphyaddr: '52' }, 'makes no MMIO sptes'],
    [{ gfn: '\u001b[31m', gen: '0' }, "gfn '?[31m' is not a number"],
  ])('%j is refused in one sentence', (options, message) => {
    const { status, out, err } = encode(options);
    expect(status).toBe(2);
    expect(out).toEqual([]);
    expect(err).toEqual([expect.stringContaining(message)]);
    expect(err[0]).toMatch(/^umbra spte encode: /);
  });
});

describe('spte decode', () => {
  it('explains every field', () => {
    const { status, out, err } = decode(['0xfff00000fee00b56'], { era: 'v3.11' });
    expect({ status, err }).toEqual({ status: 0, err: [] });
    expect(out[0]).toBe('0xfff00000fee00b56  MMIO spte, gen 0x7ff6a, gfn 0xfee00, access none');
    expect(out.map((line) => line.trim().split(/\s{2,}/)[0])).toEqual([
      '0xfff00000fee00b56',
      'era v3.11, ept, MAXPHYADDR 40',
      '63–62',
      '61–52',
      '51–12',
      '11–3',
      '2–0',
      'note: On EPT an MMIO spte keeps no access bits; access reads as none.',
    ]);
  });

  it('prints one JSON object a line', () => {
    const { status, out } = decode(['ffffff00fee00b4f', '0X0', '12345c77'], { json: true, mmu: 'shadow' });
    expect(status).toBe(0);
    expect(out.map((line): unknown => JSON.parse(line))).toMatchObject([
      {
        value: '0xffffff00fee00b4f',
        kind: 'mmio',
        gen: 0x7ff69,
        gfn: '0xfee00',
        access: 'wu',
        era: 'patch',
        mmu: 'shadow',
      },
      { value: '0x0000000000000000', kind: 'nonpresent', gen: null, gfn: null, access: null },
      { value: '0x0000000012345c77', kind: 'present', gen: null },
    ]);
  });

  it('says what else a value may be when no era was named', () => {
    const { out } = decode(['0x00000000fee00016'], { mmu: 'ept' });
    expect(out.at(-1)).toBe('  note: An MMIO spte to v5.13, v6.10, v7.2 as well (--era).');
    expect(decode(['0x00000000fee00016'], { era: 'patch' }).out.join('\n')).not.toContain('as well');
  });

  it.each([
    [['xyz'], {}, "value 'xyz' is not a hexadecimal number"],
    [['0x1', '0x10000000000000000'], {}, 'is not a hexadecimal number of up to 64 bits'],
    [['-1'], {}, "value '-1'"],
    [[], {}, 'name at least one value'],
    [['1'], { era: 'tomorrow' }, "era 'tomorrow' is not known"],
    [['1'], { maxphyaddr: '0x100' }, 'must be a number from 32 to 52'],
  ])('of %j with %j is refused, and nothing is decoded', (values, options, message) => {
    const { status, out, err } = decode(values, options);
    expect(status).toBe(2);
    expect(out).toEqual([]);
    expect(err).toEqual([expect.stringContaining(message)]);
  });
});

describe('spte --log', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'umbra-log-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'kern.log');
  writeFileSync(
    file,
    [
      'a line of something else',
      ' qemu-1 [000] ....  1.0: check_mmio_spte: spte ffffff00fee00b4f kvm_gen 7ff6a spte-gen 7ff69 valid 0',
      ' qemu-1 [000] ....  1.1: mark_mmio_spte: sptep:ffff88003f7c5a58 gfn fee00 access 6 gen 7ff6a',
      '',
    ].join('\n'),
  );
  const log = (options: SpteDecodeOptions, of = file) => run((output) => spteLog(of, options, output));

  it('decodes every spte that a kernel log names, for an era, and says what it could not read', () => {
    const { status, out, err } = log({ era: 'v3.11', mmu: 'shadow' });
    expect(status).toBe(0);
    expect(out.join('\n')).toContain('2: check_mmio_spte: INVALID: its generation is 0x7ff69');
    expect(out.join('\n')).toContain('gfn 0xfee00');
    expect(out.filter((line) => line.startsWith('3: mark_mmio_spte'))).toHaveLength(1);
    expect(err).toEqual([
      'line 1, unknown: a line of something else',
      '2 recognised, 1 unknown, 1 blank, read as v3.11, shadow',
    ]);
  });

  it('finds out that a log is of another era, and says so by its exit status', () => {
    const { status, out } = log({ era: 'v3.10', mmu: 'shadow' });
    expect(status).toBe(1);
    expect(out.some((line) => line.startsWith('  ! '))).toBe(true);
  });

  it('prints one object a line when asked', () => {
    const objects = log({ era: 'v3.11', mmu: 'shadow', json: true }).out.map((line) => JSON.parse(line));
    expect(objects.map(({ line, print }) => [line, print])).toEqual([
      [2, 'check_mmio_spte'],
      [3, 'mark_mmio_spte'],
    ]);
    expect(objects[0].sptes[0]).toMatchObject({ gfn: '0xfee00', gen: 0x7ff69 });
    expect(objects[1].sptes[0].part).toBe('written');
  });

  it('refuses what is no file, and what is too long', () => {
    expect(log({}, path.join(folder, 'none')).err[0]).toMatch(/^umbra spte --log: .*none cannot be read/);
    const long = path.join(folder, 'long');
    writeFileSync(long, 'x'.repeat(2 * 1024 * 1024));
    expect(log({}, long)).toMatchObject({ status: 2, out: [] });
    expect(log({ era: 'v2.6' }).err[0]).toContain("era 'v2.6' is not known");
  });
});
