import type { Draft } from './decode-draft.ts';
import type { InstructionHandler } from './instruction.ts';
export const hotMove = (_d: Draft): InstructionHandler | undefined => undefined;
export const hotArithmetic = (_d: Draft, _op: number): InstructionHandler | undefined => undefined;
export const hotExtend = (_d: Draft, _signed: boolean): InstructionHandler | undefined => undefined;
export const hotIncrement = (_d: Draft, _step: number): InstructionHandler | undefined => undefined;
export const hotLea = (_d: Draft): InstructionHandler | undefined => undefined;
