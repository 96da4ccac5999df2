/**
 * Gives every name its meaning and every value its sign, once, when an expression is set. What comes out cannot fail but for
 * memory that is not there and division by zero.
 *
 * Signs follow C, with every integer 64 bits wide: numbers below 2^63 and truth values are signed; registers, memory read as
 * u…, symbols and fields are unsigned; an operation is signed when both sides are.
 */
import { err, ok, type Result } from '../../base/result.ts';
import { bitNames, registerBit, registerPart, type RegisterPart } from './register-names.ts';
import {
  errorAt,
  isSigned,
  type BinaryOperator,
  type Expression,
  type ExpressionError,
  type Space,
  type Span,
  type UnaryOperator,
  type Width,
} from './syntax.ts';

/** A field of an event. With `words` its value is an index into them, and it is compared with a word in quotation marks. */
export interface FieldName {
  readonly name: string;
  readonly meaning: string;
  readonly words?: readonly string[] | undefined;
}

export const COUNTERS = ['vcpu', 'cpl', 'hits', 'insns', 'generation'] as const;
export type CounterName = (typeof COUNTERS)[number];

/** What names mean where the expression stands. */
export interface Scope {
  /** Address of a symbol of the image. */
  symbol(name: string): bigint | undefined;
  /** Fields of the event that it is asked about; undefined where there is no event. */
  readonly fields: readonly FieldName[] | undefined;
  /** What the event is, in words: 'an MMIO fault'. */
  readonly eventName: string | undefined;
}

interface Signed {
  readonly signed: boolean;
}

export type Checked =
  | (Signed & { readonly kind: 'constant'; readonly value: bigint })
  | (Signed & { readonly kind: 'register'; readonly part: RegisterPart })
  | (Signed & { readonly kind: 'counter'; readonly name: CounterName })
  | (Signed & { readonly kind: 'field'; readonly field: FieldName })
  | (Signed & {
      readonly kind: 'memory';
      readonly width: Width;
      readonly space: Space;
      readonly address: Checked;
      readonly span: Span;
    })
  | (Signed & { readonly kind: 'convert'; readonly width: Width; readonly operand: Checked })
  | (Signed & { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Checked })
  | (Signed & {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Checked;
      readonly right: Checked;
      readonly span: Span;
    })
  | (Signed & {
      readonly kind: 'choice';
      readonly condition: Checked;
      readonly whenTrue: Checked;
      readonly whenFalse: Checked;
    });

type Check = Result<Checked, ExpressionError>;

const SIGNED_END = 1n << 63n;

export function checkExpression(tree: Expression, scope: Scope): Check {
  switch (tree.kind) {
    case 'number':
      return ok({ kind: 'constant', value: tree.value, signed: tree.value < SIGNED_END });
    case 'word':
      return err(
        errorAt(tree, 'a word in quotation marks can only be compared, with == or !=, with a field of the event.'),
      );
    case 'name':
      return checkName(tree, scope);
    case 'member':
      return checkMember(tree, scope);
    case 'memory': {
      const { width, space, at, length } = tree;
      const address = checkExpression(tree.address, scope);
      if (!address.ok) return address;
      const span = { at, length };
      return ok({ kind: 'memory', width, space, address: address.value, span, signed: isSigned(width) });
    }
    case 'convert': {
      const operand = checkExpression(tree.operand, scope);
      if (!operand.ok) return operand;
      const { width } = tree;
      return ok({ kind: 'convert', width, operand: operand.value, signed: isSigned(width) });
    }
    case 'unary': {
      const operand = checkExpression(tree.operand, scope);
      if (!operand.ok) return operand;
      const { operator } = tree;
      return ok({ kind: 'unary', operator, operand: operand.value, signed: operator === '!' || operand.value.signed });
    }
    case 'binary':
      return checkBinary(tree, scope);
    case 'choice':
      return checkChoice(tree, scope);
  }
}

function checkName(tree: Expression & { readonly kind: 'name' }, scope: Scope): Check {
  const { name, sigil } = tree;
  const part = sigil === 'symbol' ? undefined : registerPart(name);
  if (part !== undefined) return ok({ kind: 'register', part, signed: false });
  if (sigil === 'register') return err(errorAt(tree, `there is no register called ${name}.`));
  const counter = sigil === 'none' ? COUNTERS.find((candidate) => candidate === name) : undefined;
  if (counter !== undefined) return ok({ kind: 'counter', name: counter, signed: false });
  if (sigil === 'none' && name === 'event') {
    return err(errorAt(tree, `event is followed by one of its fields: ${fieldList(scope)}`));
  }
  const address = scope.symbol(name);
  if (address !== undefined) return ok({ kind: 'constant', value: address, signed: false });
  return err(errorAt(tree, `${name} is neither a register nor a symbol of the image.`));
}

const fieldList = ({ fields }: Scope): string =>
  fields === undefined || fields.length === 0
    ? 'there is no event here.'
    : `${fields.map(({ name }) => name).join(', ')}.`;

function checkMember(tree: Expression & { readonly kind: 'member' }, scope: Scope): Check {
  const { object, member, memberAt } = tree;
  const memberSpan = { at: memberAt, length: member.length };
  if (object === 'event') {
    if (scope.fields === undefined) return err(errorAt(tree, 'there is no event here whose fields could be named.'));
    const field = scope.fields.find((candidate) => candidate.name === member);
    if (field !== undefined) return ok({ kind: 'field', field, signed: false });
    const what = scope.eventName ?? 'this event';
    return err(errorAt(memberSpan, `${what} has no field called ${member}; it has ${fieldList(scope)}`));
  }
  const part = registerPart(object);
  if (part === undefined) return err(errorAt(tree, `${object} has no parts: event and registers made of flags have.`));
  const bit = registerBit(part, member);
  if (bit !== undefined && bit.shift < part.bits) return ok({ kind: 'register', part: bit, signed: false });
  const names = bitNames(part);
  const message =
    names === undefined
      ? `${object} has no named bits; write (${object} >> n) & 1.`
      : `${object} has no bit called ${member}; it has ${names.join(', ')}.`;
  return err(errorAt(memberSpan, message));
}

const COMPARISONS: ReadonlySet<BinaryOperator> = new Set(['==', '!=', '<', '<=', '>', '>=']);
const TRUTH: ReadonlySet<BinaryOperator> = new Set([...COMPARISONS, '&&', '||']);

function checkBinary(tree: Expression & { readonly kind: 'binary' }, scope: Scope): Check {
  const { operator, at, length } = tree;
  const left = checkSide(tree.left, tree.right, operator, scope);
  if (!left.ok) return left;
  const right = checkSide(tree.right, tree.left, operator, scope);
  if (!right.ok) return right;
  const isShift = operator === '<<' || operator === '>>';
  const bothSigned = left.value.signed && (isShift || right.value.signed);
  const span = { at, length };
  // The evaluator asks the sides of a comparison for their signs; its own value is a truth value, which is signed in C.
  const signed = TRUTH.has(operator) || bothSigned;
  return ok({ kind: 'binary', operator, left: left.value, right: right.value, span, signed });
}

/** One side of an operator; a word takes its value from the field on the other side. */
function checkSide(side: Expression, other: Expression, operator: BinaryOperator, scope: Scope): Check {
  if (side.kind !== 'word' || (operator !== '==' && operator !== '!=') || other.kind !== 'member') {
    return checkExpression(side, scope);
  }
  const field = checkMember(other, scope);
  if (!field.ok) return field;
  if (field.value.kind !== 'field' || field.value.field.words === undefined) {
    return err(errorAt(side, `${other.object}.${other.member} is a number and is compared with numbers.`));
  }
  const { words } = field.value.field;
  const index = words.findIndex((word) => word.toLowerCase() === side.word.toLowerCase());
  if (index < 0) {
    return err(errorAt(side, `event.${other.member} is never "${side.word}"; it is one of ${words.join(', ')}.`));
  }
  return ok({ kind: 'constant', value: BigInt(index), signed: false });
}

function checkChoice(tree: Expression & { readonly kind: 'choice' }, scope: Scope): Check {
  const condition = checkExpression(tree.condition, scope);
  if (!condition.ok) return condition;
  const whenTrue = checkExpression(tree.whenTrue, scope);
  if (!whenTrue.ok) return whenTrue;
  const whenFalse = checkExpression(tree.whenFalse, scope);
  if (!whenFalse.ok) return whenFalse;
  return ok({
    kind: 'choice',
    condition: condition.value,
    whenTrue: whenTrue.value,
    whenFalse: whenFalse.value,
    signed: whenTrue.value.signed && whenFalse.value.signed,
  });
}
