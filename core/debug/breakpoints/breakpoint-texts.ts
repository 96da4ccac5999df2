/** Compiles the condition and the log text of a breakpoint against the image that is loaded and the fields of its event. */
import { err, ok, type Result } from '../../base/result.ts';
import { BREAKPOINT_KINDS } from '../../protocol/breakpoint-kinds.ts';
import type { BreakpointSpec, ExpressionRefusal } from '../../protocol/snapshots.ts';
import type { CompiledTexts } from './breakpoint-table.ts';
import type { Scope } from '../expression/checker.ts';
import { compileExpression } from '../expression/compiled.ts';
import { compileLogTemplate } from '../expression/log-template.ts';
import type { Session } from '../session.ts';

const scopeOf = (session: Session, spec: BreakpointSpec): Scope => {
  const { symbols } = session;
  const { fields, event } = BREAKPOINT_KINDS[spec.kind];
  // Before the first image nothing runs that could be met; with it every text is compiled anew.
  const symbol = (name: string): bigint | undefined =>
    session.debuggee === undefined ? 0n : symbols.find(name)?.address;
  return { symbol, fields, eventName: event };
};

export function compileTexts(
  session: Session,
  spec: BreakpointSpec,
  condition: string,
  log: string,
): Result<CompiledTexts, ExpressionRefusal> {
  const scope = scopeOf(session, spec);
  const test = condition.trim() === '' ? ok(undefined) : compileExpression(condition, scope);
  if (!test.ok) return err({ part: 'condition', ...test.error });
  const template = log === '' ? ok(undefined) : compileLogTemplate(log, scope);
  if (!template.ok) return err({ part: 'log', ...template.error });
  return ok({ condition: test.value, template: template.value, problem: undefined });
}

/** Another image: its symbols are elsewhere, or are not there. Then the breakpoint says so, and stops where it is met. */
export function recompileBreakpoints(session: Session): void {
  for (const { id, spec, condition, log } of session.breakpoints.entries) {
    const texts = compileTexts(session, spec, condition, log);
    const problem = (refusal: ExpressionRefusal): string =>
      `its ${refusal.part === 'log' ? 'log text' : 'condition'}, column ${refusal.column}: ${refusal.message}`;
    session.breakpoints.update(
      id,
      {},
      texts.ok ? texts.value : { condition: undefined, template: undefined, problem: problem(texts.error) },
    );
  }
}
