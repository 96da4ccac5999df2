/** AAA AAS AAM AAD DAA DAS: decimal adjustment, outside 64-bit mode only. */
import { VCPU_GPR } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseException, VECTOR_DE } from '../interrupts/exceptions.ts';
import { writeRegister } from './exec-operand.ts';
import { CF, materializeFlags, setResultFlags } from './flags.ts';
import { BYTE, I_IMM, I_OPERATION, WORD } from '../decode/instruction.ts';

const RAX = VCPU_GPR;

/** AAM and AAD (32-bit mode): operation 0 and 1, the base in the immediate. */
export function executeAsciiAdjust(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const base = code[i + I_IMM] & 0xff;
  const al = r[RAX] & 0xff;
  const ah = (r[RAX] >>> 8) & 0xff;
  let ax: number;
  if ((code[i + I_OPERATION] & 0xff) === 0) {
    if (base === 0) {
      raiseException(cpu, VECTOR_DE, false, 0);
      return;
    }
    ax = (Math.trunc(al / base) << 8) | (al % base);
  } else ax = (al + ah * base) & 0xff;
  writeRegister(cpu, RAX, 0, WORD, ax, 0);
  setResultFlags(r, (ax << 24) >> 24, 0);
}

/** DAA DAS AAA AAS (32-bit mode): operations 0 … 3. */
export function executeDecimalAdjust(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const op = code[i + I_OPERATION] & 0xff;
  const flags = materializeFlags(r);
  const al = r[RAX] & 0xff;
  const adjustLow = (al & 15) > 9 || (flags & 0x10) !== 0;
  if (op >= 2) {
    let ax = r[RAX] & 0xffff;
    if (adjustLow) ax = op === 2 ? ax + 0x106 : ax - 0x106;
    writeRegister(cpu, RAX, 0, WORD, ax & 0xff0f, 0);
    setResultFlags(r, (r[RAX] << 24) >> 24, adjustLow ? CF | 0x10 : 0);
    return;
  }
  const sign = op === 0 ? 1 : -1;
  let result = al;
  let carry = (flags & CF) !== 0;
  const adjustHigh = al > 0x99 || carry;
  if (adjustLow) {
    result += 6 * sign;
    carry = carry || (op === 0 ? result > 0xff : result < 0);
  } else carry = false;
  if (adjustHigh) {
    result += 0x60 * sign;
    carry = true;
  }
  writeRegister(cpu, RAX, 0, BYTE, result, 0);
  setResultFlags(r, (result << 24) >> 24, (carry ? CF : 0) | (adjustLow ? 0x10 : 0));
}
