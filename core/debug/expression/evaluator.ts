/** The value of a checked expression. Pure: what it asks for is given by probes. */
import { err, ok, type Result } from '../../base/result.ts';
import type { Checked, CounterName, FieldName } from './checker.ts';
import { bitsOf, errorAt, isSigned, type ExpressionError, type Space, type Width } from './syntax.ts';

/** Where values come from. Nothing that is asked for changes the machine. */
export interface Values {
  register(name: string): bigint;
  counter(name: CounterName): bigint;
  field(field: FieldName): bigint;
  /** Little-endian; the error is why it cannot be read, as the rest of a sentence. */
  memory(space: Space, address: bigint, bytes: number): Result<bigint, string>;
}

type Value = Result<bigint, ExpressionError>;

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const s64 = (value: bigint): bigint => BigInt.asIntN(64, value);
const truth = (value: boolean): bigint => (value ? 1n : 0n);

/** A value of so many bits as 64: by its sign or with zeros. */
const widen = (value: bigint, width: Width): bigint =>
  isSigned(width) ? u64(BigInt.asIntN(bitsOf(width), value)) : BigInt.asUintN(bitsOf(width), value);

/** @returns 64 bits, as an unsigned number whatever the sign */
export function evaluate(tree: Checked, values: Values): Value {
  switch (tree.kind) {
    case 'constant':
      return ok(tree.value);
    case 'register': {
      const { register, shift, bits } = tree.part;
      return ok(BigInt.asUintN(bits, values.register(register) >> BigInt(shift)));
    }
    case 'counter':
      return ok(u64(values.counter(tree.name)));
    case 'field':
      return ok(u64(values.field(tree.field)));
    case 'memory': {
      const address = evaluate(tree.address, values);
      if (!address.ok) return address;
      const read = values.memory(tree.space, address.value, bitsOf(tree.width) / 8);
      if (read.ok) return ok(widen(read.value, tree.width));
      const place = `${tree.space} 0x${address.value.toString(16)}`;
      return err(errorAt(tree.span, `${place} cannot be read: ${read.error}.`));
    }
    case 'convert': {
      const operand = evaluate(tree.operand, values);
      return operand.ok ? ok(widen(operand.value, tree.width)) : operand;
    }
    case 'unary': {
      const operand = evaluate(tree.operand, values);
      return operand.ok ? ok(applyUnary(tree.operator, operand.value)) : operand;
    }
    case 'binary':
      return evaluateBinary(tree, values);
    case 'choice': {
      const condition = evaluate(tree.condition, values);
      if (!condition.ok) return condition;
      return evaluate(condition.value !== 0n ? tree.whenTrue : tree.whenFalse, values);
    }
  }
}

function applyUnary(operator: (Checked & { readonly kind: 'unary' })['operator'], value: bigint): bigint {
  switch (operator) {
    case '!':
      return truth(value === 0n);
    case '~':
      return u64(~value);
    case '-':
      return u64(-value);
    case '+':
      return value;
  }
}

function evaluateBinary(tree: Checked & { readonly kind: 'binary' }, values: Values): Value {
  const { operator } = tree;
  const left = evaluate(tree.left, values);
  if (!left.ok) return left;
  // The right side of these is not looked at when the left one decides: u64[p] is then not read.
  if (operator === '&&' && left.value === 0n) return ok(0n);
  if (operator === '||' && left.value !== 0n) return ok(1n);
  const right = evaluate(tree.right, values);
  if (!right.ok) return right;
  const bothSigned = tree.left.signed && tree.right.signed;
  const view = bothSigned ? s64 : u64;
  const a = view(left.value);
  const b = view(right.value);
  switch (operator) {
    case '&&':
    case '||':
      return ok(truth(b !== 0n));
    case '|':
      return ok(u64(a | b));
    case '^':
      return ok(u64(a ^ b));
    case '&':
      return ok(u64(a & b));
    case '==':
      return ok(truth(a === b));
    case '!=':
      return ok(truth(a !== b));
    case '<':
      return ok(truth(a < b));
    case '<=':
      return ok(truth(a <= b));
    case '>':
      return ok(truth(a > b));
    case '>=':
      return ok(truth(a >= b));
    // As the processor's 64-bit shifts take it: the low six bits of the count.
    case '<<':
      return ok(u64(left.value << (right.value & 63n)));
    case '>>':
      return ok(u64((tree.left.signed ? s64(left.value) : left.value) >> (right.value & 63n)));
    case '+':
      return ok(u64(a + b));
    case '-':
      return ok(u64(a - b));
    case '*':
      return ok(u64(a * b));
    case '/':
    case '%':
      if (b === 0n) return err(errorAt(tree.span, `${operator} divides by zero.`));
      return ok(u64(operator === '/' ? a / b : a % b));
  }
}
