import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ok, err } from '../../../core/base/result.ts';
import { askExpression, compileExpression, valueText } from '../../../core/debug/expression/compiled.ts';
import type { Scope } from '../../../core/debug/expression/checker.ts';
import type { Values } from '../../../core/debug/expression/evaluator.ts';
import { compileLogTemplate, fillLogTemplate } from '../../../core/debug/expression/log-template.ts';

const REGISTERS: Readonly<Record<string, bigint>> = {
  rax: 0xffff_ffff_8000_1234n,
  rbx: 3n,
  rsp: 0x7000n,
  rip: 0x10_0040n,
  rflags: 0x3046n,
  cr0: 0x8000_0011n,
  r9: 0x1_0000_0203n,
};

const scope: Scope = {
  symbol: (name) => (name === 'main' || name === 'main.cold' ? 0x10_0000n : undefined),
  fields: [
    { name: 'gpa', meaning: 'the address' },
    { name: 'access', meaning: 'what it does', words: ['read', 'write', 'fetch'] },
  ],
  eventName: 'an MMIO fault',
};

const values: Values = {
  register: (name) => REGISTERS[name] ?? 0n,
  counter: (name) => ({ vcpu: 1n, cpl: 3n, hits: 4n, insns: 1000n, generation: 9n })[name],
  field: (field) => (field.name === 'access' ? 1n : 0xfeb0_0010n),
  memory: (space, address, bytes) => {
    if (space === 'hva') return err('nothing is there');
    const value = (space === 'gva' ? 0x1122_3344_5566_7788n : 0xffff_ffff_ffff_fffen) + (address & 0xfn);
    return ok(BigInt.asUintN(8 * bytes, value));
  },
};

function answer(text: string): string {
  const compiled = compileExpression(text, scope);
  if (!compiled.ok) return `${compiled.error.column}: ${compiled.error.message}`;
  const asked = askExpression(compiled.value, values);
  return asked.ok ? valueText(asked.value) : `${asked.error.column}: ${asked.error.message}`;
}

describe('an expression', () => {
  it.each([
    ['1 + 2 * 3', '7'],
    ['(1 + 2) * 3', '9'],
    ['0x10 | 0b1000_0001', '145'],
    ['1_000', '1000'],
    ['7 & 1 == 1', '1'],
    ['1 ^ 3 & 2', '3'],
    ['1 << 3 + 1', '16'],
    ['10 - 4 - 3', '3'],
    ['0 ? 1 : 0 ? 2 : 3', '3'],
    ['!0 && ~0', '1'],
    ['-7 / 2', '-3'],
    ['-7 % 3', '-1'],
    ['-8 >> 1', '-4'],
    ['0xffffffffffffffff + 1', '0'],
    ['1 << 65', '2'],
  ])('computes as C does: %s = %s', (text, value) => {
    expect(answer(text)).toBe(value);
  });

  it.each([
    ['rax', '0xffffffff80001234'],
    ['$rax == RAX', '1'],
    ['eax', '0x80001234'],
    ['ax', '0x1234'],
    ['al', '0x34'],
    ['ah', '0x12'],
    ['r9d', '0x203'],
    ['r9b', '3'],
    ['eip', '0x100040'],
    ['rflags.zf', '1'],
    ['eflags.cf', '0'],
    ['rflags.iopl', '3'],
    ['cr0.pg && cr0.pe', '1'],
    ['main + 4', '0x100004'],
    ['`main.cold`', '0x100000'],
    ['vcpu + hits', '5'],
    ['insns', '0x3e8'],
    ['event.gpa >> 12', '0xfeb00'],
    ['event.access', 'write'],
    ['event.access == "WRITE"', '1'],
    ['"read" != event.access', '1'],
  ])('knows the machine: %s = %s', (text, value) => {
    expect(answer(text)).toBe(value);
  });

  it.each([
    ['u8[rsp]', '0x88'],
    ['u16[rsp + 1]', '0x7789'],
    ['u64[gva: 0]', '0x1122334455667788'],
    ['s8[gpa: 0]', '-2'],
    ['u32[gpa: 0]', '0xfffffffe'],
    ['s32(eax) < 0', '1'],
    ['eax < 0', '0'],
    ['rax < -1', '1'],
    ['s64(rax) < -1', '1'],
    ['u8(0x1ff)', '0xff'],
    ['0 && u8[hva: 1]', '0'],
    ['1 || u8[hva: 1]', '1'],
    ['1 ? 2 : u8[hva: 1]', '2'],
  ])('reads memory and takes signs: %s = %s', (text, value) => {
    expect(answer(text)).toBe(value);
  });

  it.each([
    ['', '1: the expression ends where a value should follow.'],
    ['1 +', '4: the expression ends where a value should follow.'],
    ['1 2', '3: 0x2 stands where an operator should.'],
    ['rax = 1', '5: an expression does not assign; equality is ==.'],
    ['12ab', '1: 12ab is not a number; hexadecimal numbers begin with 0x.'],
    ['010', '1: 010: C would read octal; write decimal without the 0, or 0x.'],
    ['0x1_0000_0000_0000_0000', '1: 0x1_0000_0000_0000_0000 has more than 64 bits.'],
    ['rax + mian', '7: mian is neither a register nor a symbol of the image.'],
    ['$main', '1: there is no register called main.'],
    [
      'rflags.xf',
      '8: rflags has no bit called xf; it has cf, pf, af, zf, sf, tf, if, df, of, nt, rf, vm, ac, vif, vip, id, iopl.',
    ],
    ['rax.zf', '5: rax has no named bits; write (rax >> n) & 1.'],
    ['event.gfn', '7: an MMIO fault has no field called gfn; it has gpa, access.'],
    ['event', '1: event is followed by one of its fields: gpa, access.'],
    ['event.access == "wirte"', '17: event.access is never "wirte"; it is one of read, write, fetch.'],
    ['event.gpa == "read"', '14: event.gpa is a number and is compared with numbers.'],
    ['"read"', '1: a word in quotation marks can only be compared, with == or !=, with a field of the event.'],
    ['u32(gpa: 0)', '5: memory is read with brackets: u32[gpa: address].'],
    ['u32 + 1', '5: u32 reads memory as u32[address], or converts a value as u32(value).'],
    ['(1', '3: the expression ends where ) to close the parenthesis should follow.'],
    ['u8[1', '5: the expression ends where ] to close the bracket should follow.'],
    ['1 @ 2', '3: "@" means nothing in an expression.'],
    ['rbx / (rbx - 3)', '1: / divides by zero.'],
    ['1 + u8[hva: 16]', '5: hva 0x10 cannot be read: nothing is there.'],
  ])('that is wrong says where: %s → %s', (text, complaint) => {
    expect(answer(text)).toBe(complaint);
  });

  it('has bounds', () => {
    expect(answer('1'.repeat(1025))).toBe('1025: an expression has at most 1024 characters, not 1025.');
    expect(answer('('.repeat(65))).toBe('65: the expression is nested more than 64 deep.');
    expect(answer('~'.repeat(65) + '1')).toBe('65: the expression is nested more than 64 deep.');
    expect(answer(`${'1+'.repeat(65)}1`)).toMatch(/nested more than 64 deep/);
  });

  it('shows how it was understood', () => {
    const compiled = compileExpression('rax & 1 == 0 || vcpu', scope);
    expect(compiled.ok && compiled.value.understood).toBe('(rax & (1 == 0)) || vcpu');
  });
});

describe('the text of a log breakpoint', () => {
  it.each([
    ['gpa {event.gpa}: {event.access}', 'gpa 0xfeb00010: write'],
    ['{{{rbx}}}', '{3}'],
    ['no braces', 'no braces'],
    ['{u8[hva: 1]}!', '<hva 0x1 cannot be read: nothing is there>!'],
    ['two\nlines', 'two lines'],
  ])('%s → %s', (text, line) => {
    const compiled = compileLogTemplate(text, scope);
    expect(compiled.ok && fillLogTemplate(compiled.value, values)).toBe(line);
  });

  it.each([
    ['a {rax + mian}', 10, 'mian is neither a register nor a symbol of the image.'],
    ['a {rax', 3, 'this brace is not closed; {{ is a brace.'],
    ['a } b', 3, 'this brace closes nothing; }} is a brace.'],
  ])('%s is refused at column %i', (text, column, message) => {
    const compiled = compileLogTemplate(text, scope);
    expect(compiled.ok ? undefined : compiled.error).toMatchObject({ column, message });
  });
});

describe('docs/expressions.md', () => {
  const page = readFileSync(new URL('../../../docs/expressions.md', import.meta.url), 'utf8');
  const examples = [...page.matchAll(/^\| `([^`\n]+)` +\| `([^`\n]+)` +\|/gm)].map((row) => [
    row[1].replaceAll('\\|', '|'),
    row[2],
  ]);

  it('has examples', () => {
    expect(examples.length).toBeGreaterThan(15);
  });

  it.each(examples)('says what %s is: %s', (text, value) => {
    expect(answer(text)).toBe(value);
  });
});
