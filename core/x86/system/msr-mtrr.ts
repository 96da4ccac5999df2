/** Memory type range registers: kept and checked, without effect, for there is no cache (SDM vol 3A, "Memory Type Range Registers"). */
import { VCPU_MSR_MORE, VCPU_MSR_MTRR_DEF_TYPE } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseGp } from '../interrupts/exceptions.ts';

const MTRR_CAP = 0xfe;
const MTRR_PHYS_BASE_0 = 0x200;
const MTRR_DEF_TYPE = 0x2ff;
/** Eight variable ranges, fixed ranges, write-combining. */
const MTRR_CAP_VALUE = 0x508;
const FIXED: readonly number[] = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];
/** UC, WC, WT, WP, WB. */
const TYPES = 0b111_0011;

const isType = (type: number): boolean => type < 8 && ((TYPES >> type) & 1) !== 0;
const isVariable = (index: number): boolean => index >= MTRR_PHYS_BASE_0 && index < MTRR_PHYS_BASE_0 + 16;

export function isMtrr(index: number): boolean {
  return index === MTRR_CAP || index === MTRR_DEF_TYPE || isVariable(index) || FIXED.includes(index);
}

/** First of the two words that an MTRR is kept in. */
function wordsOf(index: number): number {
  if (index === MTRR_DEF_TYPE) return VCPU_MSR_MTRR_DEF_TYPE;
  return VCPU_MSR_MORE + 2 * (isVariable(index) ? index - MTRR_PHYS_BASE_0 : 16 + FIXED.indexOf(index));
}

export function readMtrr(cpu: Cpu, index: number): number {
  if (index === MTRR_CAP) {
    cpu.hi = 0;
    return MTRR_CAP_VALUE;
  }
  const at = wordsOf(index);
  cpu.hi = cpu.r[at + 1];
  return cpu.r[at];
}

export function writeMtrr(cpu: Cpu, index: number, lo: number, hi: number): void {
  if (!isWritable(cpu, index, lo, hi)) return raiseGp(cpu, 0);
  const at = wordsOf(index);
  cpu.r[at] = lo;
  cpu.r[at + 1] = hi;
}

function isWritable(cpu: Cpu, index: number, lo: number, hi: number): boolean {
  if (index === MTRR_CAP) return false;
  if (index === MTRR_DEF_TYPE) return hi === 0 && (lo & ~0xcff) === 0 && isType(lo & 0xff);
  if (isVariable(index)) {
    const bits = cpu.config.maxPhyAddr - 32;
    if (bits < 32 && hi >>> bits !== 0) return false;
    return (index & 1) === 0 ? (lo & 0xf00) === 0 && isType(lo & 0xff) : (lo & 0x7ff) === 0;
  }
  for (let shift = 0; shift < 32; shift += 8) {
    if (!isType((lo >>> shift) & 0xff) || !isType((hi >>> shift) & 0xff)) return false;
  }
  return true;
}
