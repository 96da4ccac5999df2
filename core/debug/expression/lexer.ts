/** The text of an expression as tokens. */
import { err, ok, type Result } from '../../base/result.ts';
import { errorAt, MAX_EXPRESSION_CHARACTERS, type ExpressionError, type Span } from './syntax.ts';

export type Token =
  | (Span & { readonly kind: 'number'; readonly value: bigint })
  | (Span & { readonly kind: 'word'; readonly word: string })
  | (Span & { readonly kind: 'name'; readonly name: string; readonly sigil: 'none' | 'register' | 'symbol' })
  | (Span & { readonly kind: 'punctuation'; readonly text: string })
  | (Span & { readonly kind: 'end' });

const U64_END = 1n << 64n;
const SPACE = /\s+/y;
/** Everything that begins like a number is taken whole, so that 0x12g is one wrong number and not a number and a name. */
const NUMBER = /[0-9][0-9A-Za-z_]*/y;
const NUMBER_FORMS = /^(?:0[xX][0-9a-fA-F](?:_?[0-9a-fA-F])*|0[bB][01](?:_?[01])*|[0-9](?:_?[0-9])*)$/;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const REGISTER = /\$([A-Za-z_][A-Za-z0-9_]*)/y;
const SYMBOL = /`([^`\s][^`]{0,255})`/y;
const WORD = /"([^"]{0,64})"/y;
const PUNCTUATION = /\|\||&&|==|!=|<=|>=|<<|>>|[-+*/%&|^~!<>()[\]?:.]/y;

/** The tokens, the last of them 'end'. Never throws. */
export function tokenize(text: string): Result<readonly Token[], ExpressionError> {
  if (text.length > MAX_EXPRESSION_CHARACTERS) {
    const message = `an expression has at most ${MAX_EXPRESSION_CHARACTERS} characters, not ${text.length}.`;
    return err(errorAt({ at: MAX_EXPRESSION_CHARACTERS, length: 1 }, message));
  }
  const tokens: Token[] = [];
  for (let at = 0; at < text.length;) {
    const space = match(SPACE, text, at);
    if (space !== undefined) {
      at += space[0].length;
      continue;
    }
    const token = readToken(text, at);
    if (!token.ok) return token;
    tokens.push(token.value);
    at += token.value.length;
  }
  tokens.push({ kind: 'end', at: text.length, length: 0 });
  return ok(tokens);
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  // A sticky pattern of its own: the constants above stay as they are.
  const here = new RegExp(pattern.source, 'y');
  here.lastIndex = at;
  return here.exec(text) ?? undefined;
}

function readToken(text: string, at: number): Result<Token, ExpressionError> {
  const number = match(NUMBER, text, at);
  if (number !== undefined) return readNumber(number[0], at);
  const name = match(NAME, text, at);
  if (name !== undefined) return ok({ kind: 'name', name: name[0], sigil: 'none', at, length: name[0].length });
  const register = match(REGISTER, text, at);
  if (register !== undefined) {
    return ok({ kind: 'name', name: register[1], sigil: 'register', at, length: register[0].length });
  }
  const symbol = match(SYMBOL, text, at);
  if (symbol !== undefined) {
    return ok({ kind: 'name', name: symbol[1], sigil: 'symbol', at, length: symbol[0].length });
  }
  const word = match(WORD, text, at);
  if (word !== undefined) return ok({ kind: 'word', word: word[1], at, length: word[0].length });
  const punctuation = match(PUNCTUATION, text, at);
  if (punctuation !== undefined) {
    return ok({ kind: 'punctuation', text: punctuation[0], at, length: punctuation[0].length });
  }
  return err(errorAt({ at, length: 1 }, complaintAbout(text[at])));
}

function complaintAbout(character: string): string {
  switch (character) {
    case '"':
      return 'the quotation mark is not closed.';
    case '`':
      return 'the backquote around a symbol is not closed.';
    case '$':
      return 'a register name follows a $.';
    case '=':
      return 'an expression does not assign; equality is ==.';
    default:
      return `${JSON.stringify(character)} means nothing in an expression.`;
  }
}

function readNumber(digits: string, at: number): Result<Token, ExpressionError> {
  const span = { at, length: digits.length };
  if (!NUMBER_FORMS.test(digits)) {
    const hint = /^[0-9a-f_]+$/i.test(digits) ? '; hexadecimal numbers begin with 0x' : '';
    return err(errorAt(span, `${digits} is not a number${hint}.`));
  }
  const plain = digits.replaceAll('_', '').toLowerCase();
  if (/^0[0-9]/.test(plain)) {
    return err(errorAt(span, `${digits}: C would read octal; write decimal without the 0, or 0x.`));
  }
  const value = BigInt(plain);
  return value < U64_END
    ? ok({ kind: 'number', value, ...span })
    : err(errorAt(span, `${digits} has more than 64 bits.`));
}
