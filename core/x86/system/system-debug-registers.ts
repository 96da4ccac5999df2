/** MOV to and from debug registers (SDM vol 3B, "Debug Registers"). The guest's own hardware breakpoints are not built. */
import { VCPU_CODE_BITS, VCPU_CPL, VCPU_CR4, VCPU_DR } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseGp, raiseUd, raiseUnimplemented } from '../interrupts/exceptions.ts';
import { CR4_DE } from '../paging/paging-entry.ts';

const DR6_ONES = 0xffff_0ff0 | 0;
/** B0–B3, BD, BS, BT. */
const DR6_WRITABLE = 0xe00f;
const DR7_ONES = 0x400;
/** L0 … G3, LE, GE, GD and the R/W and LEN fields. */
const DR7_WRITABLE = 0xffff_23ff | 0;
const DR7_ENABLES = 0xff;
const DR7_GD = 0x2000;

/** DR4 and DR5 are DR6 and DR7, or #UD with CR4.DE. Answers the word index, or −1 with `cpu.abort` set. */
function wordsOf(cpu: Cpu, n: number): number {
  const r = cpu.r;
  if (n > 7 || ((n === 4 || n === 5) && (r[VCPU_CR4] & CR4_DE) !== 0)) {
    raiseUd(cpu);
    return -1;
  }
  if (r[VCPU_CPL] !== 0) {
    raiseGp(cpu, 0);
    return -1;
  }
  // The block keeps DR0–DR3, DR6, DR7.
  return VCPU_DR + 2 * (n < 4 ? n : n === 4 || n === 6 ? 4 : 5);
}

/** Low half returned, high half in `cpu.hi`. */
export function readDebugRegister(cpu: Cpu, n: number): number {
  const at = wordsOf(cpu, n);
  if (at < 0) return 0;
  cpu.hi = cpu.r[at + 1];
  return cpu.r[at];
}

export function writeDebugRegister(cpu: Cpu, n: number, lo: number, hi: number): void {
  const at = wordsOf(cpu, n);
  if (at < 0) return;
  const r = cpu.r;
  if (n < 4) {
    // A linear address that is not canonical may be kept; it never matches.
    r[at] = lo;
    r[at + 1] = r[VCPU_CODE_BITS] === 64 ? hi : 0;
    return;
  }
  if (hi !== 0) return raiseGp(cpu, 0);
  if (n === 4 || n === 6) {
    r[at] = (lo & DR6_WRITABLE) | DR6_ONES;
    return;
  }
  if ((lo & (DR7_ENABLES | DR7_GD)) !== 0) return raiseUnimplemented(cpu, 'hardware breakpoints of the guest (DR7)');
  r[at] = (lo & DR7_WRITABLE) | DR7_ONES;
}
