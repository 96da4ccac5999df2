/** Arithmetic, moves, shifts, bits: the handlers of the integer instructions that do not transfer control. */
import { Mnemonic, Register } from 'iced-x86';
import type { Draft, DraftBuilder, FamilyTable } from './decode-draft.ts';
import { extendImmediate, isSegmentRegister, registerWord, segmentNumber } from './decode-operands.ts';
import {
  executeArithmetic,
  executeCompare,
  executeIncrement,
  executeNegate,
  executeNot,
  OP_ADC,
  OP_ADD,
  OP_AND,
  OP_CMP,
  OP_OR,
  OP_SBB,
  OP_SUB,
  OP_TEST,
  OP_XOR,
} from '../exec/exec-arithmetic.ts';
import {
  executeBitScan,
  executeBitTest,
  executeByteSwap,
  executeCrc32,
  OP_BSF,
  OP_BSR,
  OP_BT,
  OP_BTC,
  OP_BTR,
  OP_BTS,
  OP_LZCNT,
  OP_POPCNT,
  OP_TZCNT,
} from '../exec/exec-bits.ts';
import * as bmi from '../exec/exec-bmi.ts';
import { executeAsciiAdjust, executeDecimalAdjust } from '../exec/exec-decimal.ts';
import {
  executeCompareExchange,
  executeCompareExchange16,
  executeCompareExchange8,
  executeExchangeAdd,
} from '../exec/exec-exchange.ts';
import { hotArithmetic, hotExtend, hotIncrement, hotMove } from '../exec/exec-hot.ts';
import {
  executeConditionalMove,
  executeExchange,
  executeExtendAccumulator,
  executeExtendPair,
  executeLahf,
  executeLea,
  executeMove,
  executeMoveBigEndian,
  executeMoveExtend,
  executeSahf,
  executeSalc,
  executeSet,
  executeTranslate,
} from '../exec/exec-move.ts';
import { executeDivide, executeMultiply, executeMultiplyWide } from '../exec/exec-multiply.ts';
import { executeCarryAdd } from '../exec/exec-adx.ts';
import {
  executeDoubleShift,
  executeShift,
  OP_RCL,
  OP_RCR,
  OP_ROL,
  OP_ROR,
  OP_SAR,
  OP_SHL,
  OP_SHR,
} from '../exec/exec-shift.ts';
import { executeMoveFromSegment, executeMoveToSegment } from '../exec/exec-segment.ts';
import { executeReadControl, executeWriteControl } from '../exec/exec-system.ts';
import {
  DWORD,
  EA_16,
  I_EA,
  I_IMM,
  I_OPERATION,
  I_SEGMENT,
  I_SRC,
  type InstructionHandler,
  KIND_MEMORY,
  KIND_REGISTER,
  operation,
  QWORD,
  WORD,
} from './instruction.ts';

/** Names of the conditions 0 … 15 in mnemonics. */
export const CONDITIONS = 'o no b ae e ne be a s ns p np l ge le g'.split(' ');

export const mnemonic = (name: string): number => {
  const number: unknown = Reflect.get(Mnemonic, name);
  if (typeof number !== 'number') throw new TypeError(`the decoder knows no mnemonic ${name}`);
  return number;
};

const arithmetic =
  (number: number): DraftBuilder =>
  (draft) =>
    hotArithmetic(draft, number) ??
    draft.binary(number, number === OP_CMP || number === OP_TEST ? executeCompare : executeArithmetic);

const unary =
  (number: number, handler: InstructionHandler): DraftBuilder =>
  (draft) =>
    draft.unary(number, handler);

const shift =
  (number: number): DraftBuilder =>
  (draft) => {
    const { code, i } = draft;
    code[i + I_OPERATION] = operation(number, draft.size(0), draft.isMemory(0) ? 1 : 0, draft.kind(1));
    return executeShift;
  };

const doubleShift =
  (number: number): DraftBuilder =>
  (draft) => {
    const { code, i } = draft;
    code[i + I_OPERATION] = operation(number, draft.size(0), draft.isMemory(0) ? 1 : 0, draft.kind(2));
    return executeDoubleShift;
  };

const bitTest =
  (number: number): DraftBuilder =>
  (draft) => {
    const { code, i } = draft;
    code[i + I_OPERATION] = operation(number, draft.size(0), draft.isMemory(0) ? 1 : 0, draft.kind(1));
    return executeBitTest;
  };

const bitScan =
  (number: number): DraftBuilder =>
  (draft) =>
    draft.extend(number, draft.size(0), executeBitScan);

const moveExtend =
  (signed: number): DraftBuilder =>
  (draft) =>
    hotExtend(draft, signed !== 0) ?? draft.extend(signed + draft.size(1), draft.size(0), executeMoveExtend);

/** Operand order by form: destination, VEX.vvvv, r/m (`vvvv` 1), or destination, r/m, VEX.vvvv (2), or VEX.vvvv, r/m (0). */
const bmiForm =
  (number: number, vvvv: 0 | 1 | 2): DraftBuilder =>
  (draft) => {
    const { code, i } = draft;
    const rm = vvvv === 1 ? 2 : 1;
    // AMD's TBM has a BEXTR too, whose control is an immediate.
    if (vvvv !== 0 && !draft.isGeneral(vvvv)) return undefined;
    if (vvvv !== 0) code[i + bmi.I_THIRD] = registerWord(draft.register(vvvv));
    if (!draft.isMemory(rm)) code[i + I_SRC] = registerWord(draft.register(rm));
    code[i + I_OPERATION] = operation(number, draft.size(0), 0, draft.isMemory(rm) ? KIND_MEMORY : KIND_REGISTER);
    return bmi.executeBmi;
  };

function move(draft: Draft): InstructionHandler | undefined {
  const to = draft.register(0);
  const from = draft.register(1);
  const { code, i } = draft;
  if (isSegmentRegister(to)) {
    code[i + I_IMM] = segmentNumber(to);
    code[i + I_OPERATION] = operation(0, WORD, 0, draft.kind(1));
    return executeMoveToSegment;
  }
  if (isSegmentRegister(from)) {
    code[i + I_IMM] = segmentNumber(from);
    code[i + I_OPERATION] = operation(0, draft.isMemory(0) ? WORD : draft.size(0), draft.isMemory(0) ? 1 : 0, 0);
    return executeMoveFromSegment;
  }
  if (from >= Register.CR0 && from <= Register.DR15) return control(draft, from, executeReadControl);
  if (to >= Register.CR0 && to <= Register.DR15) return control(draft, to, executeWriteControl);
  if (!draft.isMemory(0) && !draft.isGeneral(0)) return undefined;
  return hotMove(draft) ?? draft.binary(0, executeMove);
}

function control(draft: Draft, register: Register, handler: InstructionHandler): InstructionHandler {
  const debug = register >= Register.DR0;
  draft.setImmediate(register - (debug ? Register.DR0 : Register.CR0));
  return draft.plain(debug ? 1 : 0, DWORD, handler);
}

function multiply(draft: Draft): InstructionHandler {
  const { opCount } = draft.instruction;
  if (opCount === 1) return draft.unary(1, executeMultiplyWide);
  const size = draft.size(0);
  if (opCount === 3) extendImmediate(draft.code, draft.i, size);
  return draft.extend(opCount === 3 ? 1 : 0, size, executeMultiply);
}

function exchange(draft: Draft): InstructionHandler {
  return draft.binary(0, executeExchange);
}

/** XLAT's operand is the byte at [(E/R)BX + AL]; here only its segment and address size count. */
function translate(draft: Draft): InstructionHandler {
  const { code, i, instruction } = draft;
  const size = instruction.memoryBase === Register.RBX ? QWORD : instruction.memoryBase === Register.EBX ? DWORD : WORD;
  code[i + I_SEGMENT] = segmentNumber(instruction.memorySegment);
  if (size === WORD) code[i + I_EA] = EA_16;
  return draft.plain(0, size, executeTranslate);
}

export const INTEGER_TABLE: FamilyTable = new Map<number, DraftBuilder>([
  [Mnemonic.Add, arithmetic(OP_ADD)],
  [Mnemonic.Or, arithmetic(OP_OR)],
  [Mnemonic.Adc, arithmetic(OP_ADC)],
  [Mnemonic.Sbb, arithmetic(OP_SBB)],
  [Mnemonic.And, arithmetic(OP_AND)],
  [Mnemonic.Sub, arithmetic(OP_SUB)],
  [Mnemonic.Xor, arithmetic(OP_XOR)],
  [Mnemonic.Cmp, arithmetic(OP_CMP)],
  [Mnemonic.Test, arithmetic(OP_TEST)],
  [Mnemonic.Inc, (draft) => hotIncrement(draft, 1) ?? draft.unary(0, executeIncrement)],
  [Mnemonic.Dec, (draft) => hotIncrement(draft, -1) ?? draft.unary(1, executeIncrement)],
  [Mnemonic.Neg, unary(0, executeNegate)],
  [Mnemonic.Not, unary(0, executeNot)],
  [Mnemonic.Mul, unary(0, executeMultiplyWide)],
  [Mnemonic.Imul, multiply],
  [Mnemonic.Div, unary(0, executeDivide)],
  [Mnemonic.Idiv, unary(1, executeDivide)],
  [Mnemonic.Rol, shift(OP_ROL)],
  [Mnemonic.Ror, shift(OP_ROR)],
  [Mnemonic.Rcl, shift(OP_RCL)],
  [Mnemonic.Rcr, shift(OP_RCR)],
  [Mnemonic.Shl, shift(OP_SHL)],
  [Mnemonic.Sal, shift(OP_SHL)],
  [Mnemonic.Shr, shift(OP_SHR)],
  [Mnemonic.Sar, shift(OP_SAR)],
  [Mnemonic.Shld, doubleShift(0)],
  [Mnemonic.Shrd, doubleShift(1)],
  [Mnemonic.Bt, bitTest(OP_BT)],
  [Mnemonic.Bts, bitTest(OP_BTS)],
  [Mnemonic.Btr, bitTest(OP_BTR)],
  [Mnemonic.Btc, bitTest(OP_BTC)],
  [Mnemonic.Bsf, bitScan(OP_BSF)],
  [Mnemonic.Bsr, bitScan(OP_BSR)],
  [Mnemonic.Tzcnt, bitScan(OP_TZCNT)],
  [Mnemonic.Lzcnt, bitScan(OP_LZCNT)],
  [Mnemonic.Popcnt, bitScan(OP_POPCNT)],
  [Mnemonic.Crc32, (draft) => draft.extend(0, draft.size(1), executeCrc32)],
  [Mnemonic.Bswap, unary(0, executeByteSwap)],
  [Mnemonic.Mov, move],
  [Mnemonic.Movzx, moveExtend(0)],
  [Mnemonic.Movsx, moveExtend(4)],
  [Mnemonic.Movsxd, moveExtend(4)],
  [Mnemonic.Movbe, (draft) => draft.binary(0, executeMoveBigEndian)],
  [Mnemonic.Lea, (draft) => draft.plain(0, draft.size(0), executeLea)],
  [Mnemonic.Xchg, exchange],
  [Mnemonic.Xadd, (draft) => draft.binary(0, executeExchangeAdd)],
  [Mnemonic.Cmpxchg, (draft) => draft.binary(0, executeCompareExchange)],
  [Mnemonic.Cmpxchg8b, (draft) => draft.plain(0, DWORD, executeCompareExchange8)],
  [Mnemonic.Cmpxchg16b, (draft) => draft.plain(0, QWORD, executeCompareExchange16)],
  [Mnemonic.Xlatb, translate],
  [Mnemonic.Cbw, (draft) => draft.plain(0, WORD, executeExtendAccumulator)],
  [Mnemonic.Cwde, (draft) => draft.plain(0, DWORD, executeExtendAccumulator)],
  [Mnemonic.Cdqe, (draft) => draft.plain(0, QWORD, executeExtendAccumulator)],
  [Mnemonic.Cwd, (draft) => draft.plain(0, WORD, executeExtendPair)],
  [Mnemonic.Cdq, (draft) => draft.plain(0, DWORD, executeExtendPair)],
  [Mnemonic.Cqo, (draft) => draft.plain(0, QWORD, executeExtendPair)],
  [Mnemonic.Lahf, (draft) => draft.plain(0, 0, executeLahf)],
  [Mnemonic.Sahf, (draft) => draft.plain(0, 0, executeSahf)],
  [Mnemonic.Salc, (draft) => draft.plain(0, 0, executeSalc)],
  [Mnemonic.Aam, (draft) => draft.plain(0, 0, executeAsciiAdjust)],
  [Mnemonic.Aad, (draft) => draft.plain(1, 0, executeAsciiAdjust)],
  [Mnemonic.Daa, (draft) => draft.plain(0, 0, executeDecimalAdjust)],
  [Mnemonic.Das, (draft) => draft.plain(1, 0, executeDecimalAdjust)],
  [Mnemonic.Aaa, (draft) => draft.plain(2, 0, executeDecimalAdjust)],
  [Mnemonic.Aas, (draft) => draft.plain(3, 0, executeDecimalAdjust)],
  [Mnemonic.Adcx, (draft) => draft.binary(0, executeCarryAdd)],
  [Mnemonic.Adox, (draft) => draft.binary(1, executeCarryAdd)],
  [Mnemonic.Andn, bmiForm(bmi.OP_ANDN, 1)],
  [Mnemonic.Bextr, bmiForm(bmi.OP_BEXTR, 2)],
  [Mnemonic.Blsi, bmiForm(bmi.OP_BLSI, 0)],
  [Mnemonic.Blsmsk, bmiForm(bmi.OP_BLSMSK, 0)],
  [Mnemonic.Blsr, bmiForm(bmi.OP_BLSR, 0)],
  [Mnemonic.Bzhi, bmiForm(bmi.OP_BZHI, 2)],
  [Mnemonic.Pdep, bmiForm(bmi.OP_PDEP, 1)],
  [Mnemonic.Pext, bmiForm(bmi.OP_PEXT, 1)],
  [Mnemonic.Mulx, bmiForm(bmi.OP_MULX, 1)],
  [Mnemonic.Rorx, bmiForm(bmi.OP_RORX, 0)],
  [Mnemonic.Sarx, bmiForm(bmi.OP_SARX, 2)],
  [Mnemonic.Shlx, bmiForm(bmi.OP_SHLX, 2)],
  [Mnemonic.Shrx, bmiForm(bmi.OP_SHRX, 2)],
  ...CONDITIONS.flatMap((name, cc): [number, DraftBuilder][] => [
    [mnemonic(`Set${name}`), unary(cc, executeSet)],
    [mnemonic(`Cmov${name}`), (draft) => draft.binary(cc, executeConditionalMove)],
  ]),
]);
