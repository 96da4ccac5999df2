/** Control transfers, stack, strings, flags, ports. */
import { Code, Mnemonic, OpKind, Register } from 'iced-x86';
import { lowHalf } from '../../base/address.ts';
import { DS } from '../../arena/vcpu-layout.ts';
import type { Draft, DraftBuilder, FamilyTable } from './decode-draft.ts';
import { CONDITIONS, mnemonic } from './decode-integer.ts';
import { isSegmentRegister, segmentNumber } from './decode-operands.ts';
import {
  CONDITIONAL_JUMPS,
  executeCall,
  executeCallIndirect,
  executeJump,
  executeJumpIndirect,
  executeLoop,
  executeReturn,
  I_BRANCH_WIDTH,
} from '../exec/exec-branch.ts';
import * as control from '../exec/exec-control.ts';
import { executeNothing } from '../exec/exec-move.ts';
import { executeIn, executeOut } from '../exec/exec-port.ts';
import { executeCompareScalar, executeMoveScalar, xmmWord } from '../exec/exec-scalar.ts';
import {
  executeEnter,
  executeLeave,
  executePop,
  executePopAll,
  executePopFlags,
  executePush,
  executePushAll,
  executePushFlags,
} from '../exec/exec-stack.ts';
import {
  ADDRESS_SIZE_SHIFT,
  executeString,
  OP_CMPS,
  OP_INS,
  OP_LODS,
  OP_MOVS,
  OP_OUTS,
  OP_SCAS,
  OP_STOS,
  REPEAT_EQUAL,
  REPEAT_NONE,
  REPEAT_NOT_EQUAL,
  REPEAT_SHIFT,
} from '../exec/exec-string.ts';
import { executeFarDirect, executeFarIndirect } from '../exec/exec-far.ts';
import { executePopSegment, executePushSegment } from '../exec/exec-segment.ts';
import {
  BYTE,
  DWORD,
  I_DST,
  I_IMM,
  I_IMM_HIGH,
  I_OPERATION,
  I_SEGMENT,
  I_SRC,
  type InstructionHandler,
  KIND_IMMEDIATE,
  operation,
  QWORD,
  WORD,
} from './instruction.ts';

const nearWidth = (kind: OpKind): number =>
  kind === OpKind.NearBranch16 ? WORD : kind === OpKind.NearBranch32 ? DWORD : QWORD;

const isNear = (kind: OpKind): boolean => kind >= OpKind.NearBranch16 && kind <= OpKind.NearBranch64;

/** Displacement and width of a direct near branch. The decoder was told that the instruction is at 0. */
function direct(draft: Draft): void {
  const { code, i, instruction } = draft;
  const width = nearWidth(instruction.opKind(0));
  const displacement = (lowHalf(instruction.nearBranchTarget) - instruction.length) | 0;
  code[i + I_IMM] = width === WORD ? (displacement << 16) >> 16 : displacement;
  code[i + I_BRANCH_WIDTH] = width;
}

/** JMP and CALL: direct, indirect, far. */
const transfer =
  (number: number, near: InstructionHandler, indirect: InstructionHandler): DraftBuilder =>
  (draft) => {
    const { code, i, instruction } = draft;
    const kind = instruction.opKind(0);
    if (isNear(kind)) {
      direct(draft);
      return near;
    }
    if (kind === OpKind.FarBranch16 || kind === OpKind.FarBranch32) {
      const wide = kind === OpKind.FarBranch32;
      code[i + I_IMM] = wide ? instruction.farBranch32 | 0 : instruction.farBranch16;
      code[i + I_IMM_HIGH] = instruction.farBranchSelector;
      return draft.plain(number, wide ? DWORD : WORD, executeFarDirect);
    }
    if (kind === OpKind.Memory && instruction.isCallFarIndirect !== instruction.isJmpFarIndirect) {
      return draft.plain(number, draft.memorySize, executeFarIndirect);
    }
    return draft.source(number, draft.size(0), indirect);
  };

const conditional =
  (cc: number): DraftBuilder =>
  (draft) => {
    direct(draft);
    return CONDITIONAL_JUMPS[cc];
  };

const repeatCondition = (draft: Draft, number: number): number =>
  draft.instruction.hasRepnePrefix ? 2 : draft.instruction.hasRepPrefix ? 1 : number;

const loop =
  (number: number): DraftBuilder =>
  (draft) => {
    direct(draft);
    const name = Code[draft.instruction.code];
    const size =
      name.endsWith('_RCX') || name.startsWith('Jrcxz')
        ? QWORD
        : name.endsWith('ECX') || name.startsWith('Jecxz')
          ? DWORD
          : WORD;
    // A repeat prefix overrules the opcode's condition, as the processor of the recordings does with F2 E1 (LOOPE).
    const overruled = number !== 1 && number !== 2 ? number : repeatCondition(draft, number);
    return draft.plain(overruled, size, executeLoop);
  };

/** Operand size from the name's ending: w, d, q as in Retnq, Enterd, Leavew. */
const sizeByName = (draft: Draft, stem: string): number => {
  const letter = Code[draft.instruction.code].charAt(stem.length);
  return letter === 'q' ? QWORD : letter === 'd' ? DWORD : WORD;
};

function push(draft: Draft): InstructionHandler {
  const register = draft.register(0);
  const size = draft.stackSize(1);
  if (isSegmentRegister(register)) {
    draft.setImmediate(segmentNumber(register));
    return draft.plain(0, size, executePushSegment);
  }
  return draft.source(0, size, executePush);
}

function pop(draft: Draft): InstructionHandler {
  const register = draft.register(0);
  const size = draft.stackSize(1);
  if (isSegmentRegister(register)) {
    draft.setImmediate(segmentNumber(register));
    return draft.plain(0, size, executePopSegment);
  }
  draft.code[draft.i + I_OPERATION] = operation(0, size, draft.isMemory(0) ? 1 : 0, 0);
  return executePop;
}

function enter(draft: Draft): InstructionHandler {
  draft.setImmediate(draft.instruction.immediate16 | (draft.instruction.immediate8_2nd << 16));
  return draft.plain(0, sizeByName(draft, 'Enter'), executeEnter);
}

function returnNear(draft: Draft): InstructionHandler {
  draft.setImmediate(draft.instruction.opCount === 0 ? 0 : draft.instruction.immediate16);
  return draft.plain(0, sizeByName(draft, 'Retn'), executeReturn);
}

/** MOVSD and CMPSD of SSE2. */
function scalarDouble(draft: Draft, number: number): InstructionHandler {
  const { code, i } = draft;
  const to = draft.register(0);
  const from = draft.register(1);
  if (to !== Register.None) code[i + I_DST] = xmmWord(to - Register.XMM0);
  if (from !== Register.None) code[i + I_SRC] = xmmWord(from - Register.XMM0);
  code[i + I_OPERATION] = operation(draft.isMemory(0) ? 1 : 0, QWORD, 0, draft.kind(1));
  return number === OP_MOVS ? executeMoveScalar : executeCompareScalar;
}

/** A string instruction's size comes with the mnemonic; SSE has a MOVSD and a CMPSD too. */
const string =
  (number: number, size: number): DraftBuilder =>
  (draft) => {
    const { code, i, instruction } = draft;
    let addressSize = -1;
    for (let operand = 0; operand < instruction.opCount; operand++) {
      const kind = instruction.opKind(operand);
      if (kind >= OpKind.MemorySegSI && kind <= OpKind.MemoryESRDI)
        addressSize = WORD + ((kind - OpKind.MemorySegSI) % 3);
    }
    if (addressSize === -1) return scalarDouble(draft, number);
    const compares = number === OP_CMPS || number === OP_SCAS;
    let repeat = REPEAT_NONE;
    if (instruction.hasRepnePrefix) repeat = compares ? REPEAT_NOT_EQUAL : REPEAT_EQUAL;
    else if (instruction.hasRepPrefix) repeat = REPEAT_EQUAL;
    const prefix = instruction.segmentPrefix;
    code[i + I_SEGMENT] = prefix === Register.None ? DS : segmentNumber(prefix);
    code[i + I_OPERATION] =
      operation(number, size, 0, 0) | (repeat << REPEAT_SHIFT) | (addressSize << ADDRESS_SIZE_SHIFT);
    return executeString;
  };

const simple =
  (handler: InstructionHandler): DraftBuilder =>
  (draft) =>
    draft.plain(0, 0, handler);

const input: DraftBuilder = (draft) => {
  draft.code[draft.i + I_OPERATION] = operation(0, draft.size(0), 0, draft.kind(1));
  return executeIn;
};

const output: DraftBuilder = (draft) => {
  draft.code[draft.i + I_OPERATION] = operation(
    0,
    draft.size(1),
    0,
    draft.kind(0) === KIND_IMMEDIATE ? KIND_IMMEDIATE : 0,
  );
  return executeOut;
};

const STRING_SIZES: readonly [string, number][] = [
  ['b', BYTE],
  ['w', WORD],
  ['d', DWORD],
  ['q', QWORD],
];
const STRINGS: readonly [string, number][] = [
  ['Movs', OP_MOVS],
  ['Cmps', OP_CMPS],
  ['Stos', OP_STOS],
  ['Lods', OP_LODS],
  ['Scas', OP_SCAS],
  ['Ins', OP_INS],
  ['Outs', OP_OUTS],
];

export const FLOW_TABLE: FamilyTable = new Map<number, DraftBuilder>([
  [Mnemonic.Jmp, transfer(0, executeJump, executeJumpIndirect)],
  [Mnemonic.Call, transfer(1, executeCall, executeCallIndirect)],
  ...CONDITIONS.map((name, cc): [number, DraftBuilder] => [mnemonic(`J${name}`), conditional(cc)]),
  [Mnemonic.Loop, loop(0)],
  [Mnemonic.Loope, loop(1)],
  [Mnemonic.Loopne, loop(2)],
  [Mnemonic.Jcxz, loop(3)],
  [Mnemonic.Jecxz, loop(3)],
  [Mnemonic.Jrcxz, loop(3)],
  [Mnemonic.Ret, returnNear],
  [Mnemonic.Push, push],
  [Mnemonic.Pop, pop],
  [Mnemonic.Pusha, (draft) => draft.plain(0, WORD, executePushAll)],
  [Mnemonic.Pushad, (draft) => draft.plain(0, DWORD, executePushAll)],
  [Mnemonic.Popa, (draft) => draft.plain(0, WORD, executePopAll)],
  [Mnemonic.Popad, (draft) => draft.plain(0, DWORD, executePopAll)],
  [Mnemonic.Pushf, (draft) => draft.plain(0, WORD, executePushFlags)],
  [Mnemonic.Pushfd, (draft) => draft.plain(0, DWORD, executePushFlags)],
  [Mnemonic.Pushfq, (draft) => draft.plain(0, QWORD, executePushFlags)],
  [Mnemonic.Popf, (draft) => draft.plain(0, WORD, executePopFlags)],
  [Mnemonic.Popfd, (draft) => draft.plain(0, DWORD, executePopFlags)],
  [Mnemonic.Popfq, (draft) => draft.plain(0, QWORD, executePopFlags)],
  [Mnemonic.Enter, enter],
  [Mnemonic.Leave, (draft) => draft.plain(0, sizeByName(draft, 'Leave'), executeLeave)],
  ...STRINGS.flatMap(([name, op]) =>
    STRING_SIZES.filter(([letter]) => letter !== 'q' || (op !== OP_INS && op !== OP_OUTS)).map(
      ([letter, size]): [number, DraftBuilder] => [mnemonic(name + letter), string(op, size)],
    ),
  ),
  [Mnemonic.In, input],
  [Mnemonic.Out, output],
  [Mnemonic.Clc, simple(control.executeClearCarry)],
  [Mnemonic.Stc, simple(control.executeSetCarry)],
  [Mnemonic.Cmc, simple(control.executeComplementCarry)],
  [Mnemonic.Cld, simple(control.executeClearDirection)],
  [Mnemonic.Std, simple(control.executeSetDirection)],
  [Mnemonic.Cli, simple(control.executeClearInterrupt)],
  [Mnemonic.Sti, simple(control.executeSetInterrupt)],
  [Mnemonic.Hlt, simple(control.executeHalt)],
  [Mnemonic.Bound, (draft) => draft.plain(0, draft.size(0), control.executeBound)],
  [Mnemonic.Arpl, (draft) => draft.unary(0, control.executeAdjustRpl)],
  ...[
    'Nop',
    'Reservednop',
    'Pause',
    'Lfence',
    'Sfence',
    'Mfence',
    'Endbr64',
    'Endbr32',
    'Rdsspd',
    'Rdsspq',
    'Prefetch',
    'Prefetchw',
    'Prefetchwt1',
    'Prefetchnta',
    'Prefetcht0',
    'Prefetcht1',
    'Prefetcht2',
    'Prefetchit0',
    'Prefetchit1',
    'Cldemote',
  ].map((name): [number, DraftBuilder] => [mnemonic(name), simple(executeNothing)]),
]);
