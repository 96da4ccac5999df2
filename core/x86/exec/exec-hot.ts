/** Which form of a common instruction has a handler of its own; `undefined` leaves it to the general one. */
import type { Draft } from '../decode/decode-draft.ts';
import { extendImmediate } from '../decode/decode-operands.ts';
import * as hot32 from './exec-hot-32.ts';
import * as hot64 from './exec-hot-64.ts';
import {
  BYTE,
  DWORD,
  EA_64_ABSOLUTE,
  I_EA,
  type InstructionHandler,
  KIND_IMMEDIATE,
  KIND_MEMORY,
  QWORD,
  WORD,
} from '../decode/instruction.ts';

/** An absolute 64-bit offset has its high half where an immediate would be: left to the general handlers. */
const isAbsolute = (draft: Draft): boolean => draft.code[draft.i + I_EA] === EA_64_ABSOLUTE;

/** ADD OR AND SUB XOR CMP TEST on 32 and 64 bits. */
export function hotArithmetic(draft: Draft, number: number): InstructionHandler | undefined {
  const size = draft.size(0);
  if (size < DWORD) return undefined;
  const source = draft.kind(1);
  if (source === KIND_IMMEDIATE) extendImmediate(draft.code, draft.i, size);
  const wide = size === QWORD;
  if (draft.isMemory(0)) {
    if (source === KIND_IMMEDIATE) return (wide ? hot64.MEMORY_IMMEDIATE_64 : hot32.MEMORY_IMMEDIATE_32)[number];
    return (wide ? hot64.MEMORY_REGISTER_64 : hot32.MEMORY_REGISTER_32)[number];
  }
  if (source === KIND_IMMEDIATE) return (wide ? hot64.REGISTER_IMMEDIATE_64 : hot32.REGISTER_IMMEDIATE_32)[number];
  if (source === KIND_MEMORY) return (wide ? hot64.REGISTER_MEMORY_64 : hot32.REGISTER_MEMORY_32)[number];
  return (wide ? hot64.REGISTER_REGISTER_64 : hot32.REGISTER_REGISTER_32)[number];
}

/** INC and DEC of a register. */
export function hotIncrement(draft: Draft, step: number): InstructionHandler | undefined {
  if (draft.isMemory(0)) return undefined;
  const size = draft.size(0);
  if (size === DWORD) return step === 1 ? hot32.incrementRegister32 : hot32.decrementRegister32;
  if (size === QWORD) return step === 1 ? hot64.incrementRegister64 : hot64.decrementRegister64;
  return undefined;
}

export function hotMove(draft: Draft): InstructionHandler | undefined {
  if (isAbsolute(draft)) return undefined;
  const size = draft.size(0);
  const source = draft.kind(1);
  if (draft.isMemory(0)) {
    if (size === BYTE) return source === KIND_IMMEDIATE ? undefined : hot32.moveMemoryRegister8;
    if (size === WORD) return source === KIND_IMMEDIATE ? undefined : hot32.moveMemoryRegister16;
    if (source === KIND_IMMEDIATE) return size === QWORD ? hot64.moveMemoryImmediate64 : hot32.moveMemoryImmediate32;
    return size === QWORD ? hot64.moveMemoryRegister64 : hot32.moveMemoryRegister32;
  }
  if (size < DWORD) return undefined;
  if (source === KIND_IMMEDIATE) return size === QWORD ? hot64.moveRegisterImmediate64 : hot32.moveRegisterImmediate32;
  if (source === KIND_MEMORY) return size === QWORD ? hot64.moveRegisterMemory64 : hot32.moveRegisterMemory32;
  return size === QWORD ? hot64.moveRegisterRegister64 : hot32.moveRegisterRegister32;
}

/** MOVZX into 32 or 64 bits, which both clear everything above. */
export function hotExtend(draft: Draft, signed: boolean): InstructionHandler | undefined {
  if (signed || draft.size(0) === WORD) return undefined;
  const byte = draft.size(1) === BYTE;
  if (draft.isMemory(1)) return byte ? hot32.zeroExtendByte : hot32.zeroExtendWord;
  return byte ? hot32.zeroExtendRegisterByte : hot32.zeroExtendRegisterWord;
}
