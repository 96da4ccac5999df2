/** From tokens to a tree, by operator precedence (Pratt's way). Every string is either an expression or an error at a column. */
import { err, ok, type Result } from '../../base/result.ts';
import { tokenize, type Token } from './lexer.ts';
import {
  BINARY_LEVELS,
  errorAt,
  MAX_EXPRESSION_DEPTH,
  SPACES,
  UNARY_OPERATORS,
  WIDTHS,
  type BinaryOperator,
  type Expression,
  type ExpressionError,
  type Space,
  type Span,
  type UnaryOperator,
  type Width,
} from './syntax.ts';

type Parsed = Result<Expression, ExpressionError>;

const POWERS: ReadonlyMap<string, { readonly operator: BinaryOperator; readonly power: number }> = new Map(
  BINARY_LEVELS.flatMap((operators, level) =>
    operators.map((operator) => [operator, { operator, power: level + 1 }] as const),
  ),
);
const UNARY: ReadonlyMap<string, UnaryOperator> = new Map(UNARY_OPERATORS.map((operator) => [operator, operator]));
const WIDTH_NAMES: ReadonlyMap<string, Width> = new Map(WIDTHS.map((width) => [width, width]));
const SPACE_NAMES: ReadonlyMap<string, Space> = new Map(SPACES.map((space) => [space, space]));

export function parseExpression(text: string): Parsed {
  const tokens = tokenize(text);
  if (!tokens.ok) return tokens;
  return new Parser(tokens.value).parse();
}

const across = (first: Span, last: Span): Span => ({ at: first.at, length: last.at + last.length - first.at });

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): Parsed {
    const tree = this.#choice(0);
    if (!tree.ok) return tree;
    const rest = this.#peek();
    return rest.kind === 'end' ? tree : err(errorAt(rest, this.#unexpected(rest, 'an operator')));
  }

  #peek(): Token {
    return this.#tokens[this.#next];
  }

  #take(): Token {
    const token = this.#tokens[this.#next];
    if (token.kind !== 'end') this.#next += 1;
    return token;
  }

  #isNext(text: string): boolean {
    const token = this.#peek();
    return token.kind === 'punctuation' && token.text === text;
  }

  #expect(text: string, after: string): Result<Token, ExpressionError> {
    if (this.#isNext(text)) return ok(this.#take());
    const token = this.#peek();
    return err(errorAt(token, this.#unexpected(token, `${text} ${after}`)));
  }

  #unexpected(token: Token, wanted: string): string {
    if (token.kind === 'end') return `the expression ends where ${wanted} should follow.`;
    const found = this.#text(token);
    return `${found} stands where ${wanted} should.`;
  }

  #text(token: Token): string {
    switch (token.kind) {
      case 'number':
        return `0x${token.value.toString(16)}`;
      case 'word':
        return `"${token.word}"`;
      case 'name':
        return token.name;
      case 'punctuation':
        return token.text;
      case 'end':
        return 'the end';
    }
  }

  /** `a ? b : c`, right-associative. */
  #choice(depth: number): Parsed {
    const condition = this.#binary(1, depth);
    if (!condition.ok || !this.#isNext('?')) return condition;
    this.#take();
    const whenTrue = this.#choice(depth + 1);
    if (!whenTrue.ok) return whenTrue;
    const colon = this.#expect(':', 'and the other value');
    if (!colon.ok) return colon;
    const whenFalse = this.#choice(depth + 1);
    if (!whenFalse.ok) return whenFalse;
    return ok({
      kind: 'choice',
      condition: condition.value,
      whenTrue: whenTrue.value,
      whenFalse: whenFalse.value,
      ...across(condition.value, whenFalse.value),
    });
  }

  #binary(least: number, depth: number): Parsed {
    let left = this.#unary(depth);
    // A chain of operators of one level leans to the left and deepens the tree by one each.
    for (let chained = depth; left.ok; chained++) {
      const token = this.#peek();
      const found = token.kind === 'punctuation' ? POWERS.get(token.text) : undefined;
      if (found === undefined || found.power < least) break;
      if (chained >= MAX_EXPRESSION_DEPTH) return err(tooDeep(token));
      this.#take();
      const right = this.#binary(found.power + 1, depth + 1);
      if (!right.ok) return right;
      left = ok({
        kind: 'binary',
        operator: found.operator,
        left: left.value,
        right: right.value,
        ...across(left.value, right.value),
      });
    }
    return left;
  }

  #unary(depth: number): Parsed {
    const token = this.#peek();
    if (depth >= MAX_EXPRESSION_DEPTH) return err(tooDeep(token));
    const operator = token.kind === 'punctuation' ? UNARY.get(token.text) : undefined;
    if (operator === undefined) return this.#primary(depth);
    this.#take();
    const operand = this.#unary(depth + 1);
    if (!operand.ok) return operand;
    return ok({ kind: 'unary', operator, operand: operand.value, ...across(token, operand.value) });
  }

  #primary(depth: number): Parsed {
    const token = this.#peek();
    switch (token.kind) {
      case 'number':
        this.#take();
        return ok({ kind: 'number', value: token.value, at: token.at, length: token.length });
      case 'word':
        this.#take();
        return ok({ kind: 'word', word: token.word, at: token.at, length: token.length });
      case 'name':
        this.#take();
        return this.#named(token, depth);
      default:
        if (!this.#isNext('(')) return err(errorAt(token, this.#unexpected(token, 'a value')));
        this.#take();
        return this.#enclosed(depth);
    }
  }

  #enclosed(depth: number): Parsed {
    const inner = this.#choice(depth + 1);
    if (!inner.ok) return inner;
    const close = this.#expect(')', 'to close the parenthesis');
    return close.ok ? inner : close;
  }

  #named(token: Token & { readonly kind: 'name' }, depth: number): Parsed {
    const { name, sigil, at, length } = token;
    if (sigil === 'symbol') return ok({ kind: 'name', name, sigil, at, length });
    const width = sigil === 'none' ? WIDTH_NAMES.get(name.toLowerCase()) : undefined;
    if (width !== undefined && this.#isNext('[')) return this.#memory(token, width, depth);
    if (width !== undefined && this.#isNext('(')) return this.#convert(token, width, depth);
    if (width !== undefined) {
      const next = this.#peek();
      return err(errorAt(next, `${width} reads memory as ${width}[address], or converts a value as ${width}(value).`));
    }
    if (!this.#isNext('.')) return ok({ kind: 'name', name, sigil, at, length });
    this.#take();
    const member = this.#peek();
    if (member.kind !== 'name' || member.sigil !== 'none') {
      return err(errorAt(member, this.#unexpected(member, `a name after ${name}.`)));
    }
    this.#take();
    return ok({ kind: 'member', object: name, member: member.name, memberAt: member.at, ...across(token, member) });
  }

  #memory(token: Token, width: Width, depth: number): Parsed {
    this.#take();
    const first = this.#peek();
    const space =
      first.kind === 'name' && first.sigil === 'none' ? SPACE_NAMES.get(first.name.toLowerCase()) : undefined;
    const colon = this.#tokens[this.#next + 1];
    const named = space !== undefined && colon?.kind === 'punctuation' && colon.text === ':';
    if (named) this.#next += 2;
    const address = this.#choice(depth + 1);
    if (!address.ok) return address;
    const close = this.#expect(']', 'to close the bracket');
    if (!close.ok) return close;
    const chosen = named ? space : 'gva';
    return ok({ kind: 'memory', width, space: chosen, address: address.value, ...across(token, close.value) });
  }

  #convert(token: Token, width: Width, depth: number): Parsed {
    this.#take();
    const first = this.#peek();
    const colon = this.#tokens[this.#next + 1];
    if (first.kind === 'name' && SPACE_NAMES.has(first.name) && colon?.kind === 'punctuation' && colon.text === ':') {
      return err(errorAt(first, `memory is read with brackets: ${width}[${first.name}: address].`));
    }
    const operand = this.#choice(depth + 1);
    if (!operand.ok) return operand;
    const close = this.#expect(')', 'to close the parenthesis');
    if (!close.ok) return close;
    return ok({ kind: 'convert', width, operand: operand.value, ...across(token, close.value) });
  }
}

const tooDeep = (span: Span): ExpressionError =>
  errorAt(span, `the expression is nested more than ${MAX_EXPRESSION_DEPTH} deep.`);
