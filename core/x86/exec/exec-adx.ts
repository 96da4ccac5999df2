/** ADCX and ADOX: additions whose carry goes through CF or OF alone. */
import type { Cpu } from '../cpu.ts';
import { readForWrite, readSource, writeBack } from './exec-operand.ts';
import { CF, flagC, flagO, OF, replaceFlags } from './flags.ts';
import { I_OPERATION, operationNumber, operationSize, QWORD } from '../decode/instruction.ts';

/** ADCX is operation 0, ADOX 1. */
export function executeCarryAdd(cpu: Cpu, i: number): void {
  const word = cpu.code[i + I_OPERATION];
  const throughCarry = operationNumber(word) === 0;
  const flag = throughCarry ? CF : OF;
  const b = readSource(cpu, i);
  const bHi = cpu.hi;
  if (cpu.abort !== 0) return;
  const a = readForWrite(cpu, i);
  const aHi = cpu.hi;
  const carryIn = (throughCarry ? flagC(cpu.r) : flagO(cpu.r)) ? 1 : 0;
  const lo = (a + b + carryIn) | 0;
  let carry = ((a & b) | ((a | b) & ~lo)) >>> 31;
  let hi = 0;
  if (operationSize(word) === QWORD) {
    hi = (aHi + bHi + carry) | 0;
    carry = ((aHi & bHi) | ((aHi | bHi) & ~hi)) >>> 31;
  }
  writeBack(cpu, i, lo, hi);
  replaceFlags(cpu.r, flag, carry === 0 ? 0 : flag);
}
