/**
 * Lazy arithmetic flags. An instruction that sets CF PF AF ZF SF OF stores what it did (VCPU_FLAGS_*); whoever needs a
 * flag works it out. Operands and results of 8 and 16 bits are stored sign-extended to 32, so that one set of formulas
 * serves the three narrow sizes: bit 31 of every intermediate then equals the operand's own top bit.
 *
 * Carries come from the full-adder identity, which holds with and without carry-in: the carries out of every bit of
 * s1 + s2 (+ c) = res are (s1 & s2) | ((s1 | s2) & ~res); the borrows of s1 − s2 (− c) = res are (~s1 & s2) | ((~s1 | s2) & res).
 */
import {
  VCPU_FLAGS_CARRY,
  VCPU_FLAGS_OP,
  VCPU_FLAGS_RESULT,
  VCPU_FLAGS_SRC1,
  VCPU_FLAGS_SRC2,
  VCPU_RFLAGS,
} from '../../arena/vcpu-layout.ts';

export const CF = 1;
export const PF = 4;
export const AF = 0x10;
export const ZF = 0x40;
export const SF = 0x80;
export const TF = 0x100;
export const IF = 0x200;
export const DF = 0x400;
export const OF = 0x800;
export const AC = 0x4_0000;
/** The flags that may be lazy. */
export const ARITHMETIC_FLAGS = CF | PF | AF | ZF | SF | OF;

/** VCPU_FLAGS_OP: all in VCPU_RFLAGS. */
export const FLAGS_EAGER = 0;
/** s1 + s2, with or without carry-in. */
export const FLAGS_ADD = 1;
/** s1 − s2 without borrow-in: conditions can compare s1 with s2. */
export const FLAGS_SUB = 2;
export const FLAGS_SBB = 3;
/** CF = OF = AF = 0, the rest from the result. */
export const FLAGS_LOGIC = 4;
/** ZF SF PF from the result; CF AF OF, in their places, in VCPU_FLAGS_CARRY. */
export const FLAGS_RESULT = 5;
export const FLAGS_ADD_64 = 6;
export const FLAGS_SUB_64 = 7;
export const FLAGS_SBB_64 = 8;
export const FLAGS_LOGIC_64 = 9;
export const FLAGS_RESULT_64 = 10;

type Words = Int32Array<SharedArrayBuffer>;

const carries = (s1: number, s2: number, res: number): number => (s1 & s2) | ((s1 | s2) & ~res);
const borrows = (s1: number, s2: number, res: number): number => (~s1 & s2) | ((~s1 | s2) & res);

export function flagC(r: Words): boolean {
  switch (r[VCPU_FLAGS_OP]) {
    case FLAGS_SUB:
      return r[VCPU_FLAGS_SRC1] >>> 0 < r[VCPU_FLAGS_SRC2] >>> 0;
    case FLAGS_LOGIC:
    case FLAGS_LOGIC_64:
      return false;
    case FLAGS_ADD:
      return carries(r[VCPU_FLAGS_SRC1], r[VCPU_FLAGS_SRC2], r[VCPU_FLAGS_RESULT]) < 0;
    case FLAGS_SBB:
      return borrows(r[VCPU_FLAGS_SRC1], r[VCPU_FLAGS_SRC2], r[VCPU_FLAGS_RESULT]) < 0;
    case FLAGS_ADD_64:
      return carries(r[VCPU_FLAGS_SRC1 + 1], r[VCPU_FLAGS_SRC2 + 1], r[VCPU_FLAGS_RESULT + 1]) < 0;
    case FLAGS_SUB_64:
    case FLAGS_SBB_64:
      return borrows(r[VCPU_FLAGS_SRC1 + 1], r[VCPU_FLAGS_SRC2 + 1], r[VCPU_FLAGS_RESULT + 1]) < 0;
    case FLAGS_RESULT:
    case FLAGS_RESULT_64:
      return (r[VCPU_FLAGS_CARRY] & CF) !== 0;
    default:
      return (r[VCPU_RFLAGS] & CF) !== 0;
  }
}

export function flagZ(r: Words): boolean {
  const op = r[VCPU_FLAGS_OP];
  if (op === FLAGS_EAGER) return (r[VCPU_RFLAGS] & ZF) !== 0;
  if (op < FLAGS_ADD_64) return r[VCPU_FLAGS_RESULT] === 0;
  return (r[VCPU_FLAGS_RESULT] | r[VCPU_FLAGS_RESULT + 1]) === 0;
}

export function flagS(r: Words): boolean {
  const op = r[VCPU_FLAGS_OP];
  if (op === FLAGS_EAGER) return (r[VCPU_RFLAGS] & SF) !== 0;
  return (op < FLAGS_ADD_64 ? r[VCPU_FLAGS_RESULT] : r[VCPU_FLAGS_RESULT + 1]) < 0;
}

export function flagO(r: Words): boolean {
  switch (r[VCPU_FLAGS_OP]) {
    case FLAGS_LOGIC:
    case FLAGS_LOGIC_64:
      return false;
    case FLAGS_ADD: {
      const res = r[VCPU_FLAGS_RESULT];
      return ((r[VCPU_FLAGS_SRC1] ^ res) & (r[VCPU_FLAGS_SRC2] ^ res)) < 0;
    }
    case FLAGS_SUB:
    case FLAGS_SBB: {
      const s1 = r[VCPU_FLAGS_SRC1];
      return ((s1 ^ r[VCPU_FLAGS_SRC2]) & (s1 ^ r[VCPU_FLAGS_RESULT])) < 0;
    }
    case FLAGS_ADD_64: {
      const res = r[VCPU_FLAGS_RESULT + 1];
      return ((r[VCPU_FLAGS_SRC1 + 1] ^ res) & (r[VCPU_FLAGS_SRC2 + 1] ^ res)) < 0;
    }
    case FLAGS_SUB_64:
    case FLAGS_SBB_64: {
      const s1 = r[VCPU_FLAGS_SRC1 + 1];
      return ((s1 ^ r[VCPU_FLAGS_SRC2 + 1]) & (s1 ^ r[VCPU_FLAGS_RESULT + 1])) < 0;
    }
    case FLAGS_RESULT:
    case FLAGS_RESULT_64:
      return (r[VCPU_FLAGS_CARRY] & OF) !== 0;
    default:
      return (r[VCPU_RFLAGS] & OF) !== 0;
  }
}

export function flagP(r: Words): boolean {
  if (r[VCPU_FLAGS_OP] === FLAGS_EAGER) return (r[VCPU_RFLAGS] & PF) !== 0;
  const byte = r[VCPU_FLAGS_RESULT] & 0xff;
  // 0x9669 is the parity of 0 … 15, one bit each, even = 1.
  return ((0x9669 >>> ((byte ^ (byte >>> 4)) & 15)) & 1) !== 0;
}

export function flagA(r: Words): boolean {
  switch (r[VCPU_FLAGS_OP]) {
    case FLAGS_LOGIC:
    case FLAGS_LOGIC_64:
      return false;
    case FLAGS_RESULT:
    case FLAGS_RESULT_64:
      return (r[VCPU_FLAGS_CARRY] & AF) !== 0;
    case FLAGS_EAGER:
      return (r[VCPU_RFLAGS] & AF) !== 0;
    default:
      return ((r[VCPU_FLAGS_SRC1] ^ r[VCPU_FLAGS_SRC2] ^ r[VCPU_FLAGS_RESULT]) & AF) !== 0;
  }
}

/** SF ≠ OF, the condition "less". */
export function flagLess(r: Words): boolean {
  if (r[VCPU_FLAGS_OP] === FLAGS_SUB) return r[VCPU_FLAGS_SRC1] < r[VCPU_FLAGS_SRC2];
  return flagS(r) !== flagO(r);
}

/** Condition 0 … 15 as encoded in Jcc, SETcc and CMOVcc (SDM vol 1, appendix B). */
export function condition(r: Words, cc: number): boolean {
  switch (cc) {
    case 0:
      return flagO(r);
    case 1:
      return !flagO(r);
    case 2:
      return flagC(r);
    case 3:
      return !flagC(r);
    case 4:
      return flagZ(r);
    case 5:
      return !flagZ(r);
    case 6:
      return flagC(r) || flagZ(r);
    case 7:
      return !flagC(r) && !flagZ(r);
    case 8:
      return flagS(r);
    case 9:
      return !flagS(r);
    case 10:
      return flagP(r);
    case 11:
      return !flagP(r);
    case 12:
      return flagLess(r);
    case 13:
      return !flagLess(r);
    case 14:
      return flagZ(r) || flagLess(r);
    default:
      return !flagZ(r) && !flagLess(r);
  }
}

/** CF AF OF in their places, as FLAGS_RESULT keeps them: for an instruction that leaves some of them as they were. */
export const carryFlags = (r: Words): number => (flagC(r) ? CF : 0) | (flagA(r) ? AF : 0) | (flagO(r) ? OF : 0);

/** Works all lazy flags out into VCPU_RFLAGS and answers its low word. */
export function materializeFlags(r: Words): number {
  if (r[VCPU_FLAGS_OP] !== FLAGS_EAGER) {
    r[VCPU_RFLAGS] = computeFlags(r);
    r[VCPU_FLAGS_OP] = FLAGS_EAGER;
  }
  return r[VCPU_RFLAGS];
}

/** RFLAGS (low word) with the lazy flags worked out; changes nothing, so a probe may call it. */
export function computeFlags(r: Words): number {
  if (r[VCPU_FLAGS_OP] === FLAGS_EAGER) return r[VCPU_RFLAGS];
  return (
    (r[VCPU_RFLAGS] & ~ARITHMETIC_FLAGS) |
    carryFlags(r) |
    (flagP(r) ? PF : 0) |
    (flagZ(r) ? ZF : 0) |
    (flagS(r) ? SF : 0)
  );
}

/** Result of 8, 16 or 32 bits, sign-extended, with CF AF OF given. */
export function setResultFlags(r: Words, result: number, carry: number): void {
  r[VCPU_FLAGS_OP] = FLAGS_RESULT;
  r[VCPU_FLAGS_RESULT] = result;
  r[VCPU_FLAGS_CARRY] = carry;
}

export function setResultFlags64(r: Words, lo: number, hi: number, carry: number): void {
  r[VCPU_FLAGS_OP] = FLAGS_RESULT_64;
  r[VCPU_FLAGS_RESULT] = lo;
  r[VCPU_FLAGS_RESULT + 1] = hi;
  r[VCPU_FLAGS_CARRY] = carry;
}

/** CF and OF given, the others as they were: they stay lazy, since working them out would cost more than the rotate. */
export function setCarryAndOverflow(r: Words, carry: number, overflow: number): void {
  const flags = (carry !== 0 ? CF : 0) | (overflow !== 0 ? OF : 0);
  const op = r[VCPU_FLAGS_OP];
  if (op === FLAGS_EAGER) {
    r[VCPU_RFLAGS] = (r[VCPU_RFLAGS] & ~(CF | OF)) | flags;
    return;
  }
  r[VCPU_FLAGS_CARRY] = flags | (flagA(r) ? AF : 0);
  r[VCPU_FLAGS_OP] = op < FLAGS_ADD_64 ? FLAGS_RESULT : FLAGS_RESULT_64;
}

export function setLogicFlags(r: Words, result: number): void {
  r[VCPU_FLAGS_OP] = FLAGS_LOGIC;
  r[VCPU_FLAGS_RESULT] = result;
}

export function setLogicFlags64(r: Words, lo: number, hi: number): void {
  r[VCPU_FLAGS_OP] = FLAGS_LOGIC_64;
  r[VCPU_FLAGS_RESULT] = lo;
  r[VCPU_FLAGS_RESULT + 1] = hi;
}

/** Replaces some of CF PF AF ZF SF OF by `values`, leaving the others. */
export function replaceFlags(r: Words, mask: number, values: number): void {
  r[VCPU_RFLAGS] = (materializeFlags(r) & ~mask) | (values & mask);
}
