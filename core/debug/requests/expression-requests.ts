/** expression.*: print and watch, and names for whoever writes one. */
import { ok } from '../../base/result.ts';
import { BREAKPOINT_KINDS } from '../../protocol/breakpoint-kinds.ts';
import { completeExpression, completeLogText } from '../expression/completion.ts';
import { askExpression, compileExpression, valueText } from '../expression/compiled.ts';
import { machineValues } from '../expression/machine-values.ts';
import { expressionRefused } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';
import { presentMachine, presentVcpu } from './present.ts';

export const expressionRequests: RequestFamily<'expression.evaluate' | 'expression.complete'> = {
  'expression.complete': ({ symbols }, { kind, part, text, at }) => {
    const fields = kind === undefined ? undefined : BREAKPOINT_KINDS[kind].fields;
    const scope = { fields, symbols: (query: string, limit: number) => symbols.search(query, limit) };
    return ok(part === 'log' ? completeLogText(text, at, scope) : completeExpression(text, at, scope));
  },
  'expression.evaluate': (session, { vcpu: id, text }) => {
    const vcpu = presentVcpu(session, id);
    if (!vcpu.ok) return vcpu;
    const { symbols } = session;
    const scope = { symbol: (name: string) => symbols.find(name)?.address, fields: undefined, eventName: undefined };
    const compiled = compileExpression(text, scope);
    if (!compiled.ok) return expressionRefused({ part: 'expression', ...compiled.error });
    const { machine } = presentMachine(session);
    const asked = askExpression(
      compiled.value,
      machineValues(machine, id, 0, () => 0n),
    );
    if (!asked.ok) return expressionRefused({ part: 'expression', ...asked.error });
    const { value, signed } = asked.value;
    const { understood } = compiled.value;
    return ok({ moment: session.moment(), understood, value, signed, text: valueText(asked.value) });
  },
};
