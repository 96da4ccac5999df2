import { describe, expect, it } from 'vitest';
import { parseInteger, parseIntegerIn, quoteText } from '../../../core/format/integer-text.ts';
import {
  plainHex,
  pointer,
  prefixedHex,
  printFlags,
  printSymbolic,
  signed,
} from '../../../core/format/kernel-print.ts';
import {
  describeChange,
  generationsText,
  memslotFlagsText,
  parseMemslotFlags,
  refusalText,
  regionText,
} from '../../../core/format/memslot-text.ts';
import { describePageFault, eptViolationText, pferrText } from '../../../core/format/page-fault-error.ts';
import { accessText, roleText } from '../../../core/format/role-text.ts';
import { spteHeading, spteLines } from '../../../core/format/spte-text.ts';
import type { DecodedSpte } from '../../../core/protocol/snapshots.ts';
import { decodeSpte, type DecodedSpte as KernelDecodedSpte } from '../../../core/kvm/spte/spte-decode.ts';

describe('a decoded spte', () => {
  it('of the kernel storey is what the contract promises', () => {
    const decoded = decodeSpte(0xffffff00fee00b4fn, 'v3.11', 'shadow', 40);
    if (!decoded.ok) throw new Error(decoded.error);
    // Both directions: the two storeys do not know each other, so only the compiler can hold the shapes together.
    const contract: DecodedSpte = decoded.value;
    const kernel: KernelDecodedSpte = contract;
    expect(spteHeading(kernel)).toBe('0xffffff00fee00b4f  MMIO spte, gen 0x7ff69, gfn 0xfee00, access wu');
    expect(spteLines(contract)).toHaveLength(2 + contract.fields.length + contract.notes.length);
  });

  it('of an unknown era is refused with the ones there are', () => {
    expect(decodeSpte(0n, 'v1', 'ept', 40)).toMatchObject({
      ok: false,
      error: expect.stringContaining('patch, v3.11'),
    });
  });
});

describe('kernel print formats', () => {
  it.each([
    [plainHex(0n), '0'],
    [prefixedHex(0n), '0x0'],
    [pointer(0x1000n), '0000000000001000'],
    [signed(0xffff_fffen), '-2'],
    [printFlags(0n, [[1n, 'P']]), ''],
    [printFlags(5n, [[1n, 'P']]), 'P|0x4'],
    [printSymbolic(3n, { 3: 'three' }), 'three'],
    [printSymbolic(4n, { 3: 'three' }), '0x4'],
  ])('%s', (text, expected) => {
    expect(text).toBe(expected);
  });
});

describe('error codes', () => {
  it.each([
    [0n, '', 'read from supervisor mode: the page is not present'],
    [7n, 'P|W|U', 'write from user mode: the access is not allowed'],
    [0xdn, 'P|U|RSVD', 'read from user mode: a reserved bit is set'],
    [0x11n, 'P|F', 'instruction fetch from supervisor mode: the access is not allowed'],
  ])('0x%s is %j: %s', (code, names, sentence) => {
    expect(pferrText(code)).toBe(names);
    expect(describePageFault(code)).toBe(sentence);
  });

  it('names the bits of an EPT violation', () => {
    expect(eptViolationText(0x181n)).toBe('read|gva valid|final access');
    expect(eptViolationText(0x18an)).toBe('write|readable|gva valid|final access');
  });
});

describe('roles', () => {
  it('names all access combinations', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7].map(accessText).join(' ')).toBe('--- --x w-- w-x -u- -ux wu- wux');
  });
  it('leaves out what is not so', () => {
    expect(roleText(0)).toBe('0 q0 --- !nxe');
  });
});

describe('numbers that people type', () => {
  it.each([
    ['0', 0n],
    ['0x7f00_0000_0000', 0x7f00_0000_0000n],
    ['18446744073709551615', (1n << 64n) - 1n],
    ['18446744073709551616', undefined],
    ['0x10000000000000000', undefined],
    ['', undefined],
    ['0x', undefined],
    ['-1', undefined],
    ['1_', undefined],
    ['ff', undefined],
    [' 1', undefined],
    ['1e3', undefined],
    ['0b1', undefined],
    [`0x${'0'.repeat(100)}`, undefined],
  ])('%j is %s', (text, value) => {
    expect(parseInteger(text)).toBe(value);
  });

  it('may be asked to lie in a range', () => {
    expect(['31', '32', '52', '53', 'x'].map((text) => parseIntegerIn(text, 32, 52))).toEqual([
      undefined,
      32,
      52,
      undefined,
      undefined,
    ]);
  });

  it('are quoted without control characters and at bounded length', () => {
    expect(quoteText('a\u001b[0m\nb')).toBe("'a?[0m?b'");
    expect(quoteText('x'.repeat(100))).toHaveLength(62);
  });
});

describe('memslots in words', () => {
  it.each([
    [0, 'none'],
    [1, 'log-dirty'],
    [3, 'log-dirty,readonly'],
    [0x8000_0004, '0x80000004'],
    [6, 'readonly,0x4'],
  ])('flags %i are %s', (flags, text) => {
    expect(memslotFlagsText(flags)).toBe(text);
    if (flags < 4) expect(parseMemslotFlags(text)).toEqual({ ok: true, value: flags });
  });

  it('describes regions, refusals and generations', () => {
    const region = { slot: 3, flags: 1, guestPhysAddr: 0x1000n, memorySize: 0x2000n, userspaceAddr: 0x7f0000000000n };
    expect(regionText(region)).toBe('slot 3: gpa [0x1000, 0x3000) at hva 0x7f0000000000, flags log-dirty');
    expect(regionText({ ...region, memorySize: 0n })).toBe('slot 3: delete');
    expect(refusalText({ errno: 'EEXIST', check: 'overlap', message: 'no.', collidingSlot: 1 })).toBe(
      'EEXIST (overlap): no.',
    );
    const generations = { generationBefore: 4n, generationAfter: 6n, mmioGenerationBefore: 4, mmioGenerationAfter: 6 };
    expect(generationsText(generations)).toBe('generation 4 → 6, mmio 0x4 → 0x6');
    expect(generationsText({ ...generations, mmioGenerationBefore: -1, mmioGenerationAfter: -1 })).toBe(
      'generation 4 → 6',
    );
    expect(describeChange('MOVE')).toContain('INVALID');
  });
});
