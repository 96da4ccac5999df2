/** BMI1 and BMI2: ANDN BEXTR BLSI BLSMSK BLSR BZHI PDEP PEXT MULX RORX SARX SHLX SHRX (SDM vol 2). */
import { VCPU_GPR } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { multiply64, multiplyHigh32 } from './exec-multiply.ts';
import { readSource } from './exec-operand.ts';
import { AF, CF, OF, PF, replaceFlags, SF, ZF } from './flags.ts';
import { I_DST, I_IMM, I_IMM_HIGH, I_OPERATION, operationNumber, operationSize, QWORD } from '../decode/instruction.ts';

export const OP_ANDN = 0;
export const OP_BEXTR = 1;
export const OP_BLSI = 2;
export const OP_BLSMSK = 3;
export const OP_BLSR = 4;
export const OP_BZHI = 5;
export const OP_PDEP = 6;
export const OP_PEXT = 7;
export const OP_RORX = 8;
export const OP_SARX = 9;
export const OP_SHLX = 10;
export const OP_SHRX = 11;
export const OP_MULX = 12;

/** The third register operand (VEX.vvvv): no instruction has it and a 64-bit immediate. */
export const I_THIRD = I_IMM_HIGH;

const RDX = VCPU_GPR + 4;
const ALL = CF | PF | AF | ZF | SF | OF;

function setFlags(cpu: Cpu, lo: number, hi: number, carry: boolean, quad: boolean): void {
  const sign = (quad ? hi : lo) < 0;
  replaceFlags(cpu.r, ALL, ((lo | hi) === 0 ? ZF : 0) | (sign ? SF : 0) | (carry ? CF : 0));
}

/** I_SRC or memory is the r/m operand, I_THIRD the VEX.vvvv register. */
export function executeBmi(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const word = code[i + I_OPERATION];
  const quad = operationSize(word) === QWORD;
  const op = operationNumber(word);
  const lo = readSource(cpu, i);
  const hi = quad ? cpu.hi : 0;
  if (cpu.abort !== 0) return;
  const third = code[i + I_THIRD];
  const cLo = r[third];
  const cHi = quad ? r[third + 1] : 0;
  const bits = quad ? 64 : 32;
  let resultLo = 0;
  let resultHi = 0;
  switch (op) {
    case OP_ANDN:
      resultLo = ~cLo & lo;
      resultHi = ~cHi & hi;
      setFlags(cpu, resultLo, quad ? resultHi : 0, false, quad);
      break;
    case OP_BEXTR: {
      const start = cLo & 0xff;
      const length = (cLo >>> 8) & 0xff;
      if (start < bits) {
        resultLo = shiftRight(cpu, lo, hi, start, 0);
        resultHi = cpu.hi;
        resultLo = lowBits(cpu, resultLo, resultHi, length);
        resultHi = cpu.hi;
      }
      setFlags(cpu, resultLo, resultHi, false, quad);
      break;
    }
    case OP_BLSI: {
      resultLo = lo & -lo;
      resultHi = lo === 0 ? hi & -hi : 0;
      setFlags(cpu, resultLo, resultHi, (lo | hi) !== 0, quad);
      break;
    }
    case OP_BLSMSK:
      resultLo = lo ^ (lo - 1);
      resultHi = lo === 0 && quad ? hi ^ (hi - 1) : 0;
      setFlags(cpu, resultLo, resultHi, (lo | hi) === 0, quad);
      break;
    case OP_BLSR:
      resultLo = lo & (lo - 1);
      resultHi = lo === 0 ? hi & (hi - 1) : hi;
      setFlags(cpu, resultLo, resultHi, (lo | hi) === 0, quad);
      break;
    case OP_BZHI: {
      const count = cLo & 0xff;
      resultLo = lowBits(cpu, lo, hi, count);
      resultHi = cpu.hi;
      setFlags(cpu, resultLo, resultHi, count > bits - 1, quad);
      break;
    }
    case OP_PDEP:
      resultLo = deposit(cpu, cLo, cHi, lo, hi);
      resultHi = cpu.hi;
      break;
    case OP_PEXT:
      resultLo = extract(cpu, cLo, cHi, lo, hi);
      resultHi = cpu.hi;
      break;
    case OP_RORX: {
      const count = code[i + I_IMM] & (bits - 1);
      if (quad) {
        resultLo = shiftRight(cpu, lo, hi, count, 0);
        resultHi = cpu.hi;
        if (count !== 0) {
          resultLo |= shiftLeft(cpu, lo, hi, 64 - count);
          resultHi |= cpu.hi;
        }
      } else resultLo = count === 0 ? lo : (lo >>> count) | (lo << (32 - count));
      break;
    }
    case OP_SARX:
      if (quad) {
        resultLo = shiftRight(cpu, lo, hi, cLo & 63, hi >> 31);
        resultHi = cpu.hi;
      } else resultLo = lo >> (cLo & 31);
      break;
    case OP_SHLX:
      if (quad) {
        resultLo = shiftLeft(cpu, lo, hi, cLo & 63);
        resultHi = cpu.hi;
      } else resultLo = lo << (cLo & 31);
      break;
    case OP_SHRX:
      resultLo = shiftRight(cpu, lo, hi, cLo & (bits - 1), 0);
      resultHi = cpu.hi;
      break;
    default:
      multiplyWithoutFlags(cpu, i, lo, hi, quad);
      return;
  }
  const dst = code[i + I_DST];
  r[dst] = resultLo;
  r[dst + 1] = quad ? resultHi : 0;
}

/** MULX: RDX times the source; the high half into the first operand, the low half into the second. */
function multiplyWithoutFlags(cpu: Cpu, i: number, lo: number, hi: number, quad: boolean): void {
  const { code, r, wide } = cpu;
  const high = code[i + I_DST];
  const low = code[i + I_THIRD];
  if (quad) {
    multiply64(wide, r[RDX], r[RDX + 1], lo, hi);
    r[low] = wide[0];
    r[low + 1] = wide[1];
    r[high] = wide[2];
    r[high + 1] = wide[3];
    return;
  }
  const a = r[RDX];
  r[low] = Math.imul(a, lo);
  r[low + 1] = 0;
  r[high] = multiplyHigh32(a, lo);
  r[high + 1] = 0;
}

function shiftRight(cpu: Cpu, lo: number, hi: number, count: number, fill: number): number {
  if (count === 0) {
    cpu.hi = hi;
    return lo;
  }
  if (count >= 32) {
    cpu.hi = fill;
    return count === 32 ? hi : (hi >>> (count - 32)) | (fill << (64 - count));
  }
  cpu.hi = (hi >>> count) | (fill << (32 - count));
  return (lo >>> count) | (hi << (32 - count));
}

function shiftLeft(cpu: Cpu, lo: number, hi: number, count: number): number {
  if (count === 0) {
    cpu.hi = hi;
    return lo;
  }
  if (count >= 32) {
    cpu.hi = lo << (count - 32);
    return 0;
  }
  cpu.hi = (hi << count) | (lo >>> (32 - count));
  return lo << count;
}

/** The lowest `count` bits of a 64-bit value. */
function lowBits(cpu: Cpu, lo: number, hi: number, count: number): number {
  if (count >= 64) {
    cpu.hi = hi;
    return lo;
  }
  if (count >= 32) {
    cpu.hi = count === 32 ? 0 : hi & (-1 >>> (64 - count));
    return lo;
  }
  cpu.hi = 0;
  return count === 0 ? 0 : lo & (-1 >>> (32 - count));
}

const bitOf = (lo: number, hi: number, n: number): number => ((n < 32 ? lo : hi) >>> (n & 31)) & 1;

function deposit(cpu: Cpu, lo: number, hi: number, maskLo: number, maskHi: number): number {
  let resultLo = 0;
  let resultHi = 0;
  let from = 0;
  for (let n = 0; n < 64; n++) {
    if (bitOf(maskLo, maskHi, n) === 0) continue;
    const bit = bitOf(lo, hi, from++);
    if (n < 32) resultLo |= bit << n;
    else resultHi |= bit << (n - 32);
  }
  cpu.hi = resultHi;
  return resultLo;
}

function extract(cpu: Cpu, lo: number, hi: number, maskLo: number, maskHi: number): number {
  let resultLo = 0;
  let resultHi = 0;
  let to = 0;
  for (let n = 0; n < 64; n++) {
    if (bitOf(maskLo, maskHi, n) === 0) continue;
    const bit = bitOf(lo, hi, n);
    if (to < 32) resultLo |= bit << to;
    else resultHi |= bit << (to - 32);
    to++;
  }
  cpu.hi = resultHi;
  return resultLo;
}
