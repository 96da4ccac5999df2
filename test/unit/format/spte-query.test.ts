import { describe, expect, it } from 'vitest';
import { parseSpteQuery, queryOf } from '../../../core/format/spte-query.ts';

const SLOTS = [{ id: 2, gpa: 0xe000_0000n, size: 0x1_0000n }];

describe('the filter of the spte table', () => {
  it.each([
    ['', {}],
    ['feb00', { gfnStart: 0xfeb00, gfnLength: 1 }],
    ['0xfeb00-0xfeb0f', { gfnStart: 0xfeb00, gfnLength: 16 }],
    ['gpa:feb00fff', { gfnStart: 0xfeb00, gfnLength: 1 }],
    ['slot:2 level:1', { gfnStart: 0xe0000, gfnLength: 16, level: 1 }],
    ['page:12', { page: 12 }],
    ['ROLE:0x2041', { role: 0x2041 }],
    ['gen:5', { genFirst: 5, genLast: 5 }],
    ['gen=0x10', { genFirst: 16, genLast: 16 }],
    ['gen:2-5 e0000', { genFirst: 2, genLast: 5, gfnStart: 0xe0000, gfnLength: 1 }],
    ['gen<5', { genFirst: 0, genLast: 4 }],
    ['gen<=5', { genFirst: 0, genLast: 5 }],
    ['gen>5', { genFirst: 6 }],
    ['gen>=5 level:1', { genFirst: 5, level: 1 }],
    ['bits:0x6', { mask: 6n, bits: 6n }],
    ['bits:8000000000000002=2', { mask: 0x8000_0000_0000_0002n, bits: 2n }],
  ])('takes %j', (text, place) => {
    expect(parseSpteQuery(text, SLOTS)).toEqual({ ok: true, place });
  });

  it.each([
    'slot:7',
    'level:9',
    'page:99999',
    'xyz',
    'feb0f-feb00',
    'a-b-c',
    'role:123456789',
    'hva:12',
    '10000000000',
    'gen<0',
    'gen:five',
    'gen:5-2',
    'gen<2-5',
    'bits:',
    'bits:2=4',
    'bits:10000000000000000',
  ])('refuses %j with a sentence', (text) => {
    const answer = parseSpteQuery(text, SLOTS);
    expect(answer.ok ? '' : answer.message).toMatch(/^.{10,}\.$/);
  });

  it.each([
    'feb00-feb0f level:1',
    'feb00',
    'page:12',
    'role:0x2041',
    'gen:5',
    'gen:2-5',
    'gen<5',
    'gen>5 bits:6',
    'bits:6=2',
    '',
  ])('says %j again', (text) => {
    const answer = parseSpteQuery(text, SLOTS);
    const again = answer.ok ? parseSpteQuery(queryOf(answer.place), SLOTS) : undefined;
    expect(again).toEqual(answer);
  });
});
