/** Expressions typed at the console: their value by the machine as it stands, or what is wrong and where in the line. */
import { err, ok, type Result } from '../../base/result.ts';
import type { ConsoleRefusal } from '../../protocol/console.ts';
import type { AddressSpace } from '../../protocol/snapshots.ts';
import { COUNTERS } from '../expression/checker.ts';
import { askExpression, compileExpression, type ExpressionValue } from '../expression/compiled.ts';
import { machineValues } from '../expression/machine-values.ts';
import { bitNames, REGISTER_NAMES, registerPart } from '../expression/register-names.ts';
import { WIDTHS, type ExpressionError } from '../expression/syntax.ts';
import type { Session } from '../session.ts';

export interface ConsoleAddress {
  readonly space: AddressSpace;
  readonly address: bigint;
}

export interface ConsoleValues {
  /** @param at where the text stands in the line */
  evaluate(text: string, at: number): Result<ExpressionValue, ConsoleRefusal>;
  /** `gpa:EXPR`, `gva:`, `hva:`, `gfn:`; without a prefix a gva. */
  address(text: string, at: number): Result<ConsoleAddress, ConsoleRefusal>;
  /** Names that begin like that: registers and their flags (`cr0.pe`), counters, symbols, `u32[`. */
  names(prefix: string): readonly string[];
  /** What an address may begin with: a space or a name. */
  addresses(prefix: string): readonly string[];
}

const MAX_NAMES = 200;
const SPACE_PREFIXES = ['gva:', 'gpa:', 'hva:', 'gfn:'];
const NO_MACHINE: ConsoleRefusal = { errno: 'ENODEV', message: 'there is no machine yet: load an image first.' };

export function consoleValues(session: Session, vcpuId: number): ConsoleValues {
  const evaluate: ConsoleValues['evaluate'] = (text, at) => {
    const { debuggee } = session;
    if (debuggee === undefined) return err(NO_MACHINE);
    if (session.vcpu(vcpuId) === undefined) return err({ errno: 'EINVAL', message: `there is no vCPU ${vcpuId}.` });
    const symbol = (name: string): bigint | undefined => session.symbols.find(name)?.address;
    const compiled = compileExpression(text, { symbol, fields: undefined, eventName: undefined });
    if (!compiled.ok) return err(refusalAt(compiled.error, at));
    const value = askExpression(
      compiled.value,
      machineValues(debuggee.machine, vcpuId, 0, () => 0n),
    );
    return value.ok ? value : err(refusalAt(value.error, at));
  };
  const values: ConsoleValues = {
    evaluate,
    address(text, at) {
      const prefix = /^(gva|gpa|hva|gfn)\s*:\s*/i.exec(text);
      const skip = prefix?.[0].length ?? 0;
      const value = evaluate(text.slice(skip), at + skip);
      if (!value.ok) return value;
      const address = value.value.value;
      const space = prefix?.[1].toLowerCase();
      if (space === 'gfn') return ok({ space: 'gpa', address: BigInt.asUintN(64, address << 12n) });
      return ok({ space: space === 'gpa' || space === 'hva' ? space : 'gva', address });
    },
    names(prefix) {
      const begins = (name: string): boolean => name.startsWith(prefix);
      const [, register, flag] = /^(\w+)\.(\w*)$/.exec(prefix) ?? [];
      if (flag !== undefined) {
        const part = registerPart(register);
        return (part === undefined ? undefined : bitNames(part))?.map((name) => `${register}.${name}`) ?? [];
      }
      const symbols = prefix === '' ? [] : session.symbols.entries.filter(({ name }) => begins(name));
      return [
        ...new Set([
          ...REGISTER_NAMES.filter(begins),
          ...COUNTERS.filter(begins),
          ...WIDTHS.map((width) => `${width}[`).filter(begins),
          ...symbols.slice(0, MAX_NAMES).map(({ name }) => name),
        ]),
      ];
    },
    addresses: (prefix) =>
      prefix.includes(':')
        ? values.names(prefix.slice(prefix.indexOf(':') + 1))
        : [...SPACE_PREFIXES, ...values.names(prefix)],
  };
  return values;
}

const refusalAt = ({ column, length, message }: ExpressionError, at: number): ConsoleRefusal => ({
  errno: 'EINVAL',
  message,
  at: at + column - 1,
  length,
});
