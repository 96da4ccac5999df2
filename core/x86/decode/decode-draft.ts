/** An instruction on its way from iced-x86 to a record: what the family tables (decode-*.ts) work on. */
import { type Instruction, OpKind, Register } from 'iced-x86';
import {
  extendImmediate,
  fillOperands,
  isGeneralRegister,
  memorySize,
  operandKind,
  operandSize,
  registerSize,
} from './decode-operands.ts';
import {
  I_BYTE_SHIFTS,
  I_DST,
  I_IMM,
  I_OPERATION,
  I_SRC,
  type InstructionHandler,
  KIND_IMMEDIATE,
  KIND_MEMORY,
  operation,
} from './instruction.ts';

/** Fills what the handler needs beside the operands, and names it. `undefined`: this form is not in the table. */
export type DraftBuilder = (draft: Draft) => InstructionHandler | undefined;

/** Builders by mnemonic, for one family. */
export type FamilyTable = ReadonlyMap<number, DraftBuilder>;

export class Draft {
  readonly code: Int32Array;
  /** The record. */
  readonly i: number;
  readonly instruction: Instruction;
  /** 16, 32 or 64. */
  readonly bits: number;

  constructor(code: Int32Array, i: number, instruction: Instruction, bits: number) {
    this.code = code;
    this.i = i;
    this.instruction = instruction;
    this.bits = bits;
    fillOperands(code, i, instruction, bits);
  }

  kind(operand: number): number {
    return operandKind(this.instruction, operand);
  }

  isMemory(operand: number): boolean {
    return this.instruction.opKind(operand) === OpKind.Memory;
  }

  /** log2 of the bytes of a register or memory operand. */
  size(operand: number): number {
    return operandSize(this.instruction, operand);
  }

  /** The register, or None. */
  register(operand: number): Register {
    return this.instruction.opKind(operand) === OpKind.Register ? this.instruction.opRegister(operand) : Register.None;
  }

  isGeneral(operand: number): boolean {
    return isGeneralRegister(this.register(operand));
  }

  /** An operation without a choice of operands. */
  plain(number: number, size: number, handler: InstructionHandler): InstructionHandler {
    this.code[this.i + I_OPERATION] = operation(number, size, 0, 0);
    return handler;
  }

  /** Destination register or memory; no source. */
  unary(number: number, handler: InstructionHandler): InstructionHandler {
    this.code[this.i + I_OPERATION] = operation(number, this.size(0), this.isMemory(0) ? 1 : 0, 0);
    return handler;
  }

  /** Destination register or memory, source register, memory or immediate of the same size. */
  binary(number: number, handler: InstructionHandler): InstructionHandler {
    const size = this.size(0);
    const source = this.kind(1);
    if (source === KIND_IMMEDIATE) extendImmediate(this.code, this.i, size);
    this.code[this.i + I_OPERATION] = operation(number, size, this.isMemory(0) ? 1 : 0, source);
    return handler;
  }

  /** Operand 0 is read, through readSource. */
  source(number: number, size: number, handler: InstructionHandler): InstructionHandler {
    const { code, i } = this;
    const kind = this.kind(0);
    code[i + I_SRC] = code[i + I_DST];
    code[i + I_BYTE_SHIFTS] = (code[i + I_BYTE_SHIFTS] & 15) << 4;
    code[i + I_OPERATION] = operation(number, size, 0, kind);
    return handler;
  }

  /** Operand 1 is read, of a size of its own, into register operand 0. */
  extend(number: number, size: number, handler: InstructionHandler): InstructionHandler {
    this.code[this.i + I_OPERATION] = operation(number, size, 0, this.isMemory(1) ? KIND_MEMORY : 0);
    return handler;
  }

  setImmediate(value: number): void {
    this.code[this.i + I_IMM] = value;
  }

  /** log2 of the bytes that the instruction moves the stack pointer by. */
  stackSize(times: number): number {
    return Math.log2(Math.abs(this.instruction.stackPointerIncrement) / times);
  }

  get memorySize(): number {
    return memorySize(this.instruction);
  }

  registerSize(operand: number): number {
    return registerSize(this.register(operand));
  }
}
