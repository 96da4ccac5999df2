/** From iced-x86's instruction to the operand words of a record. */
import { type Instruction, MemorySize, OpKind, Register } from 'iced-x86';
import { highHalf, lowHalf } from '../../base/address.ts';
import { DS, ES, SS, VCPU_GPR, VCPU_RIP, VCPU_ZERO } from '../../arena/vcpu-layout.ts';
import {
  BYTE,
  DWORD,
  EA_16,
  EA_32,
  EA_64,
  EA_64_ABSOLUTE,
  EA_64_ADDRESS_32,
  EA_64_SEGMENT,
  EA_64_STACK,
  I_BASE,
  I_BYTE_SHIFTS,
  I_DISP,
  I_DST,
  I_EA,
  I_IMM,
  I_IMM_HIGH,
  I_INDEX,
  I_SCALE,
  I_SEGMENT,
  I_SRC,
  KIND_IMMEDIATE,
  KIND_MEMORY,
  KIND_REGISTER,
  QWORD,
  WORD,
} from './instruction.ts';

export const isGeneralRegister = (register: Register): boolean => register >= Register.AL && register <= Register.R15;
export const isSegmentRegister = (register: Register): boolean => register >= Register.ES && register <= Register.GS;
export const segmentNumber = (register: Register): number => register - Register.ES + ES;

/** log2 of the bytes of a general register. */
export function registerSize(register: Register): number {
  if (register >= Register.RAX) return QWORD;
  if (register >= Register.EAX) return DWORD;
  return register >= Register.AX ? WORD : BYTE;
}

/** int32 index of the register's low word. */
export function registerWord(register: Register): number {
  if (register >= Register.RAX) return VCPU_GPR + (register - Register.RAX) * 2;
  if (register >= Register.EAX) return VCPU_GPR + (register - Register.EAX) * 2;
  if (register >= Register.AX) return VCPU_GPR + (register - Register.AX) * 2;
  // AL CL DL BL AH CH DH BH SPL BPL SIL DIL R8L …
  const number = register - Register.AL;
  return VCPU_GPR + (number < 8 ? number & 3 : number - 4) * 2;
}

export const registerByteShift = (register: Register): number =>
  register >= Register.AH && register <= Register.BH ? 8 : 0;

const SIZES: ReadonlyMap<MemorySize, number> = new Map([
  [MemorySize.UInt8, BYTE],
  [MemorySize.Int8, BYTE],
  [MemorySize.UInt16, WORD],
  [MemorySize.Int16, WORD],
  [MemorySize.WordOffset, WORD],
  [MemorySize.UInt32, DWORD],
  [MemorySize.Int32, DWORD],
  [MemorySize.DwordOffset, DWORD],
  [MemorySize.UInt64, QWORD],
  [MemorySize.Int64, QWORD],
  [MemorySize.QwordOffset, QWORD],
  [MemorySize.SegPtr16, WORD],
  [MemorySize.SegPtr32, DWORD],
  [MemorySize.SegPtr64, QWORD],
  [MemorySize.Bound16_WordWord, WORD],
  [MemorySize.Bound32_DwordDword, DWORD],
]);

/** log2 of the bytes of the memory operand; −1 when it is no integer of 1, 2, 4 or 8. */
export const memorySize = (instruction: Instruction): number => SIZES.get(instruction.memorySize) ?? -1;

export function operandKind(instruction: Instruction, operand: number): number {
  switch (instruction.opKind(operand)) {
    case OpKind.Register:
      return KIND_REGISTER;
    case OpKind.Memory:
      return KIND_MEMORY;
    default:
      return KIND_IMMEDIATE;
  }
}

/** log2 of the bytes of a register or memory operand. */
export function operandSize(instruction: Instruction, operand: number): number {
  return instruction.opKind(operand) === OpKind.Register
    ? registerSize(instruction.opRegister(operand))
    : memorySize(instruction);
}

/** Fills registers (the first into I_DST if it is operand 0, else I_SRC), the first immediate and the memory operand. */
export function fillOperands(code: Int32Array, i: number, instruction: Instruction, bits: number): void {
  let byteShifts = 0;
  code[i + I_BASE] = VCPU_ZERO;
  code[i + I_INDEX] = VCPU_ZERO;
  let immediates = 0;
  let sources = 0;
  for (let operand = 0; operand < instruction.opCount; operand++) {
    const kind = instruction.opKind(operand);
    if (kind === OpKind.Register) {
      const register = instruction.opRegister(operand);
      if (!isGeneralRegister(register)) continue;
      if (operand === 0) {
        code[i + I_DST] = registerWord(register);
        byteShifts |= registerByteShift(register);
      } else if (sources++ === 0) {
        code[i + I_SRC] = registerWord(register);
        byteShifts |= registerByteShift(register) << 4;
      }
    } else if (kind === OpKind.Memory) fillMemory(code, i, instruction, bits);
    else if (kind >= OpKind.Immediate8 && kind <= OpKind.Immediate32to64 && immediates++ === 0) {
      const value = instruction.immediate(operand);
      code[i + I_IMM] = lowHalf(value);
      code[i + I_IMM_HIGH] = highHalf(value);
    }
  }
  code[i + I_BYTE_SHIFTS] = byteShifts;
}

/** Cuts the immediate to the operand size, sign-extended. */
export function extendImmediate(code: Int32Array, i: number, size: number): void {
  if (size === BYTE) code[i + I_IMM] = (code[i + I_IMM] << 24) >> 24;
  else if (size === WORD) code[i + I_IMM] = (code[i + I_IMM] << 16) >> 16;
}

function fillMemory(code: Int32Array, i: number, instruction: Instruction, bits: number): void {
  const { memoryBase: base, memoryIndex: index, memoryDisplacement: displacement, length } = instruction;
  const segment = segmentNumber(instruction.memorySegment);
  code[i + I_SEGMENT] = segment;
  code[i + I_DISP] = lowHalf(displacement);
  const ipRelative = base === Register.RIP || base === Register.EIP;
  if (ipRelative) {
    // The decoder was told that the instruction is at 0; here the base is the address of the next one.
    code[i + I_BASE] = VCPU_RIP;
    code[i + I_DISP] -= length;
  } else if (base !== Register.None) code[i + I_BASE] = registerWord(base);
  if (index !== Register.None) {
    code[i + I_INDEX] = registerWord(index);
    code[i + I_SCALE] = Math.log2(instruction.memoryIndexScale);
  }
  code[i + I_EA] = addressKind(instruction, bits, segment);
  if (code[i + I_EA] === EA_64_ABSOLUTE) code[i + I_IMM_HIGH] = highHalf(displacement);
}

function addressKind(instruction: Instruction, bits: number, segment: number): number {
  const { memoryBase: base, memoryIndex: index, memoryDisplSize: size } = instruction;
  const register = base === Register.None ? index : base;
  if (bits === 64) {
    if (register === Register.None) {
      // moffs64, or a disp32 that is sign-extended (with an address-size prefix: zero-extended).
      if (
        size === 8 &&
        instruction.opCount === 2 &&
        highHalf(instruction.memoryDisplacement) !== lowSign(instruction)
      ) {
        return EA_64_ABSOLUTE;
      }
      if (size === 4) return EA_64_ADDRESS_32;
    } else if (register === Register.EIP || (isGeneralRegister(register) && registerSize(register) === DWORD)) {
      return EA_64_ADDRESS_32;
    }
    if (segment > DS) return EA_64_SEGMENT;
    return segment === SS ? EA_64_STACK : EA_64;
  }
  if (register === Register.None) return size === 2 ? EA_16 : EA_32;
  return registerSize(register) === WORD ? EA_16 : EA_32;
}

const lowSign = (instruction: Instruction): number => lowHalf(instruction.memoryDisplacement) >> 31;
