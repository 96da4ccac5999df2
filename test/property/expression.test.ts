import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ok } from '../../core/base/result.ts';
import type { Scope } from '../../core/debug/expression/checker.ts';
import { compileExpression, askExpression } from '../../core/debug/expression/compiled.ts';
import { compileLogTemplate, fillLogTemplate } from '../../core/debug/expression/log-template.ts';
import { parseExpression } from '../../core/debug/expression/parser.ts';
import { printExpression } from '../../core/debug/expression/printer.ts';
import { BINARY_LEVELS, SPACES, UNARY_OPERATORS, WIDTHS, type Expression } from '../../core/debug/expression/syntax.ts';

const nowhere = { at: 0, length: 1 };
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const name = fc.constantFrom('rax', 'al', 'main', 'vcpu', 'hits', 'foo_bar', '_x9');

const { tree } = fc.letrec<{ tree: Expression; leaf: Expression }>((tie) => ({
  leaf: fc.oneof(
    u64.map((value): Expression => ({ kind: 'number', value, ...nowhere })),
    name.map((text): Expression => ({ kind: 'name', name: text, sigil: 'none', ...nowhere })),
    name.map((text): Expression => ({ kind: 'name', name: text, sigil: 'register', ...nowhere })),
    fc.constant<Expression>({ kind: 'name', name: 'a b.c', sigil: 'symbol', ...nowhere }),
    fc.constant<Expression>({ kind: 'word', word: 'write', ...nowhere }),
    fc.constant<Expression>({ kind: 'member', object: 'event', member: 'gpa', memberAt: 0, ...nowhere }),
  ),
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    tie('leaf'),
    fc
      .tuple(fc.constantFrom(...UNARY_OPERATORS), tie('tree'))
      .map(([operator, operand]): Expression => ({ kind: 'unary', operator, operand, ...nowhere })),
    fc
      .tuple(fc.constantFrom(...BINARY_LEVELS.flat()), tie('tree'), tie('tree'))
      .map(([operator, left, right]): Expression => ({ kind: 'binary', operator, left, right, ...nowhere })),
    fc.tuple(tie('tree'), tie('tree'), tie('tree')).map(([condition, whenTrue, whenFalse]): Expression => ({
      kind: 'choice',
      condition,
      whenTrue,
      whenFalse,
      ...nowhere,
    })),
    fc
      .tuple(fc.constantFrom(...WIDTHS), fc.constantFrom(...SPACES), tie('tree'))
      .map(([width, space, address]): Expression => ({ kind: 'memory', width, space, address, ...nowhere })),
    fc
      .tuple(fc.constantFrom(...WIDTHS), tie('tree'))
      .map(([width, operand]): Expression => ({ kind: 'convert', width, operand, ...nowhere })),
  ),
}));

/** The tree without its places. */
const shape = (value: Expression): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, part: unknown) => {
      if (key === 'at' || key === 'length' || key === 'memberAt') return undefined;
      return typeof part === 'bigint' ? String(part) : part;
    }),
  );

const scope: Scope = {
  symbol: () => 0x1000n,
  fields: [{ name: 'gpa', meaning: 'the address', words: ['write'] }],
  eventName: 'the event',
};
const values = {
  register: () => 0x8000_0000_0000_0000n,
  counter: () => 1n,
  field: () => 0n,
  memory: (_space: string, address: bigint, bytes: number) => ok(BigInt.asUintN(8 * bytes, address)),
};

/** Strings that are nearly expressions. */
const pieces = fc
  .array(
    fc.constantFrom(
      ...BINARY_LEVELS.flat(),
      ...UNARY_OPERATORS,
      ...WIDTHS,
      ...[
        '(',
        ')',
        '[',
        ']',
        '?',
        ':',
        '.',
        '"',
        '`',
        '$',
        '{',
        '}',
        ' ',
        'rax',
        'event',
        'gpa',
        'gva:',
        '0x',
        '1',
        '\n',
      ],
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(''));
const anyText = fc.oneof(fc.string({ maxLength: 200, unit: 'binary' }), pieces);

describe('any expression', () => {
  it('is the same after it was printed and parsed', () => {
    fc.assert(
      fc.property(tree, (expression) => {
        const text = printExpression(expression);
        fc.pre(text.length <= 1024);
        const parsed = parseExpression(text);
        expect(parsed.ok && shape(parsed.value)).toEqual(shape(expression));
      }),
      { numRuns: 300, seed: 4 },
    );
  });

  it('has a value of 64 bits, or an error inside its text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const compiled = compileExpression(text, scope);
        const answer = compiled.ok ? askExpression(compiled.value, values) : compiled;
        if (answer.ok) expect(BigInt.asUintN(64, answer.value.value)).toBe(answer.value.value);
        else {
          expect(answer.error.column).toBeGreaterThanOrEqual(1);
          expect(answer.error.column).toBeLessThanOrEqual(text.length + 1);
          expect(answer.error.length).toBeGreaterThanOrEqual(1);
        }
      }),
      { numRuns: 2000, seed: 4 },
    );
  });

  it('and any log text makes one line or an error inside it', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const compiled = compileLogTemplate(text, scope);
        if (compiled.ok) expect(fillLogTemplate(compiled.value, values)).not.toMatch(/[\r\n]/);
        else expect(compiled.error.column).toBeLessThanOrEqual(text.length + 1);
      }),
      { numRuns: 1000, seed: 4 },
    );
  });
});
