/**
 * The compact form of a decoded instruction: {@link INSTRUCTION_WORDS} int32 words in the decode cache's pool and, at the
 * same record number, a handler. An instruction is named by the index of its first word (`i`); index 0 is no instruction.
 *
 * While a handler runs, `cpu.r[VCPU_RIP]` already holds the address of the *next* instruction (what CALL pushes and
 * what RIP-relative operands count from). A handler that sets `cpu.abort` leaves every register as it found it; the run
 * loop then puts RIP back.
 */
import type { Cpu } from '../cpu.ts';

export type InstructionHandler = (cpu: Cpu, i: number) => void;

export const INSTRUCTION_SHIFT = 4;
export const INSTRUCTION_WORDS = 1 << INSTRUCTION_SHIFT;

/** Length in bytes. */
export const I_LENGTH = 0;
/** Record of the instruction that follows in memory, if in the same page and known; else 0. */
export const I_NEXT = 1;
/** Record of a direct branch's target, if in the same page and known; else 0. */
export const I_TARGET = 2;
/** First register operand: int32 index into `cpu.r` of its low word. Which byte of it: {@link I_BYTE_SHIFTS}. */
export const I_DST = 3;
/** Second register operand, likewise. */
export const I_SRC = 4;
/** Immediate, sign-extended to the operand size; for a direct branch the displacement. */
export const I_IMM = 5;
export const I_IMM_HIGH = 6;
/** Memory operand: index of the base register's low word (VCPU_ZERO for none, VCPU_RIP for RIP-relative). */
export const I_BASE = 7;
export const I_INDEX = 8;
/** 0 … 3 */
export const I_SCALE = 9;
export const I_DISP = 10;
/** How the address is worked out: one of EA_*. */
export const I_EA = 11;
/** Segment register number, ES … GS. */
export const I_SEGMENT = 12;
/** 0 or 8 (AH CH DH BH): bit position of a byte register, of I_DST in bits 0–3 and of I_SRC in bits 4–7. */
export const I_BYTE_SHIFTS = 13;
/** What the handler's family needs: an operation number, with {@link operation} the size and the kinds of operands. */
export const I_OPERATION = 14;
/** Arena page of the second part of an instruction that crosses a page; else 0. */
export const I_SECOND_PAGE = 15;

/** 64-bit addressing, segment base zero. */
export const EA_64 = 0;
/** 64-bit addressing through SS: a non-canonical address is #SS, not #GP. */
export const EA_64_STACK = 1;
/** 64-bit addressing, FS or GS base added. */
export const EA_64_SEGMENT = 2;
/** Address-size prefix in 64-bit mode: the offset is cut to 32 bits, then the segment base is added. */
export const EA_64_ADDRESS_32 = 3;
/** 64-bit absolute offset (MOV to and from moffs): high half in I_IMM_HIGH. */
export const EA_64_ABSOLUTE = 4;
/** Legacy and compatibility mode, 32-bit offset. */
export const EA_32 = 5;
/** Legacy and compatibility mode, 16-bit offset. */
export const EA_16 = 6;

/** Operand sizes as log2 of their bytes. */
export const BYTE = 0;
export const WORD = 1;
export const DWORD = 2;
export const QWORD = 3;

/** Kinds of operand in I_OPERATION. */
export const KIND_REGISTER = 0;
export const KIND_MEMORY = 1;
export const KIND_IMMEDIATE = 2;

/**
 * I_OPERATION of handlers that serve all sizes and operand kinds: bits 0–7 an operation number, 8–9 the operand size,
 * 10 whether the destination is memory, 11–12 the kind of the source, 13 whether the address size is 16 (14: 64) bits.
 * Bit 16 is {@link SOLE_ACCESS}.
 */
export const operation = (number: number, size: number, destination: number, source: number): number =>
  number | (size << 8) | (destination << 10) | (source << 11);
/**
 * The instruction loads once or stores once and does nothing else that could fault or be seen: MOV and its extending forms.
 * An exit of that access may be settled with the instruction in progress.
 */
export const SOLE_ACCESS = 0x1_0000;
export const operationNumber = (word: number): number => word & 0xff;
export const operationSize = (word: number): number => (word >> 8) & 3;
export const destinationIsMemory = (word: number): boolean => (word & 0x400) !== 0;
export const sourceKind = (word: number): number => (word >> 11) & 3;
