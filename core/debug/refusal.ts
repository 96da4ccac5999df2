/** Refusals as the contract has them: a code for programs, one sentence for people. */
import { err, type Result } from '../base/result.ts';
import type { RegisterRefusal } from '../kvm/index.ts';
import type { RequestError } from '../protocol/requests.ts';
import type { ExpressionRefusal, MemslotRefusal } from '../protocol/snapshots.ts';

export type Handled<T> = Result<T, RequestError>;

type Refused = { readonly ok: false; readonly error: RequestError };

const refuse = (code: RequestError['code'], message: string, memslot?: MemslotRefusal): Refused =>
  err({ code, message, memslot });

export const badRequest = (message: string): Refused => refuse('bad-request', message);
export const noMachine = (): Refused => refuse('no-machine', 'there is no machine yet: load an image first.');
export const notAllowed = (message: string): Refused => refuse('not-allowed', message);
export const refused = (message: string): Refused => refuse('refused', message);
/** A memslot call that KVM would have refused. */
export const memslotRefused = (refusal: MemslotRefusal): Refused => refuse('refused', refusal.message, refusal);
/** A register that KVM or the processor would not take. */
export const registerRefused = ({ errno, message }: RegisterRefusal): Refused =>
  err({ code: 'refused', message, memslot: undefined, errno });
/** An expression that says nothing: the sentence names the column, the refusal carries it. */
export const expressionRefused = (expression: ExpressionRefusal): Refused => {
  const where = { expression: '', condition: 'the condition, ', log: 'the log text, ' }[expression.part];
  const message = `${where}column ${expression.column}: ${expression.message}`;
  return err({ code: 'bad-request', message, memslot: undefined, expression });
};
