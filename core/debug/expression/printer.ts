/**
 * A tree as text, with a pair of parentheses wherever two different operators meet: it shows how an expression was understood,
 * and parsing it gives the tree again.
 */
import { BINARY_LEVELS, type BinaryOperator, type Expression } from './syntax.ts';

const POWERS: ReadonlyMap<BinaryOperator, number> = new Map(
  BINARY_LEVELS.flatMap((operators, level) => operators.map((operator) => [operator, level + 1] as const)),
);
const CHOICE = 0;
const UNARY = BINARY_LEVELS.length + 1;
const PLAIN_NUMBERS_END = 10n;

export const printExpression = (tree: Expression): string => print(tree, CHOICE);

const sameChain = (left: Expression, operator: BinaryOperator): boolean =>
  left.kind === 'binary' && left.operator === operator;

/** @param least the power below which parentheses are needed */
function print(tree: Expression, least: number): string {
  switch (tree.kind) {
    case 'number':
      return tree.value < PLAIN_NUMBERS_END ? String(tree.value) : `0x${tree.value.toString(16)}`;
    case 'word':
      return `"${tree.word}"`;
    case 'name':
      if (tree.sigil === 'symbol') return `\`${tree.name}\``;
      return tree.sigil === 'register' ? `$${tree.name}` : tree.name;
    case 'member':
      return `${tree.object}.${tree.member}`;
    case 'memory': {
      const space = tree.space === 'gva' ? '' : `${tree.space}: `;
      return `${tree.width}[${space}${print(tree.address, CHOICE)}]`;
    }
    case 'convert':
      return `${tree.width}(${print(tree.operand, CHOICE)})`;
    case 'unary':
      return `${tree.operator}${print(tree.operand, UNARY)}`;
    case 'binary': {
      const power = POWERS.get(tree.operator) ?? UNARY;
      const text = `${print(tree.left, sameChain(tree.left, tree.operator) ? power : UNARY)} ${tree.operator} ${print(tree.right, UNARY)}`;
      return power < least ? `(${text})` : text;
    }
    case 'choice': {
      const { condition, whenTrue, whenFalse } = tree;
      const text = `${print(condition, CHOICE + 1)} ? ${print(whenTrue, CHOICE)} : ${print(whenFalse, CHOICE)}`;
      return least > CHOICE ? `(${text})` : text;
    }
  }
}
