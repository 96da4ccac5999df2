/**
 * Delivery in IA-32e mode: 16-byte gates, handlers in 64-bit code, a frame of eight-byte words that always holds SS:RSP,
 * stacks from the TSS by privilege or by IST (SDM vol 3A, "Exception and Interrupt Handling in 64-bit Mode").
 */
import { CS, SEG_SELECTOR, SS, VCPU_CPL, VCPU_IDTR_LIMIT, VCPU_RIP } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseGp } from './exceptions.ts';
import { ABORT_NONE } from '../system/exits.ts';
import {
  checkGate,
  checkHandlerSegment,
  enterHandlerFlags,
  extOf,
  loadGateWord,
  loadTaskState,
  pushedFlags,
  raiseStackFault,
} from './interrupts-event.ts';
import { isCanonical } from '../memory/linear-address.ts';
import {
  ATTR_ACCESSED,
  ATTR_BIG,
  ATTR_LONG,
  attributesOf,
  baseOf,
  dplOf,
  isConforming,
  limitOf,
  segmentWords,
  setDescriptorType,
  setNullSegment,
  setSegment,
  updateCodeBits,
} from '../segments/segments-descriptor.ts';
import { stackStore } from '../memory/system-access.ts';
import { RSP } from '../segments/system-stack.ts';
import { DESCRIPTOR } from '../tlb/tlb-layout.ts';

export function deliver64(cpu: Cpu, vector: number, kind: number, hasError: boolean, errorCode: number): void {
  const r = cpu.r;
  const ext = extOf(kind);
  const gate = vector * 16;
  if (gate + 15 > r[VCPU_IDTR_LIMIT]) return raiseGp(cpu, (vector << 3) | 2 | ext);
  const gateLo = loadGateWord(cpu, gate);
  if (cpu.abort !== ABORT_NONE) return;
  const gateHi = loadGateWord(cpu, gate + 4);
  if (cpu.abort !== ABORT_NONE) return;
  const targetHi = loadGateWord(cpu, gate + 8);
  if (cpu.abort !== ABORT_NONE || !checkGate(cpu, gateHi, kind, vector, true)) return;
  const selector = gateLo >>> 16;
  if (!checkHandlerSegment(cpu, selector, ext)) return;
  const attributes = attributesOf(r[DESCRIPTOR + 1]);
  if ((attributes & (ATTR_LONG | ATTR_BIG)) !== ATTR_LONG) return raiseGp(cpu, (selector & 0xfffc) | ext);
  setDescriptorType(cpu, selector, ATTR_ACCESSED);
  if (cpu.abort !== ABORT_NONE) return;
  const codeLo = r[DESCRIPTOR];
  const codeHi = r[DESCRIPTOR + 1];
  if (!isCanonical(targetHi)) return raiseGp(cpu, ext);

  const cpl = isConforming(attributes) ? r[VCPU_CPL] : dplOf(attributes);
  const ist = gateHi & 7;
  let lo = r[RSP];
  let hi = r[RSP + 1];
  if (ist !== 0 || cpl < r[VCPU_CPL]) {
    const offset = ist !== 0 ? 28 + 8 * ist : 4 + 8 * cpl;
    lo = loadTaskState(cpu, offset, 8, ext);
    hi = cpu.hi;
    if (cpu.abort !== ABORT_NONE) return;
    if (!isCanonical(hi)) return raiseStackFault(cpu, ext);
  }
  lo &= ~0xf;
  const flags = pushedFlags(cpu, vector, kind);
  const words = hasError ? 6 : 5;
  let atLo = lo;
  let atHi = hi;
  for (let i = 1; i <= words; i++) {
    if (atLo >>> 0 < 8) atHi = (atHi - 1) | 0;
    atLo = (atLo - 8) | 0;
    if (!isCanonical(atHi)) return raiseStackFault(cpu, ext);
    const high = i === 2 ? r[RSP + 1] : i === 5 ? r[VCPU_RIP + 1] : 0;
    stackStore(cpu, cpl, atLo, atHi, 8, frameWord(r, i, flags, errorCode), high);
    if (cpu.abort !== ABORT_NONE) return;
  }

  if (cpl < r[VCPU_CPL]) setNullSegment(r, SS, cpl, cpl);
  r[RSP] = atLo;
  r[RSP + 1] = atHi;
  const selectorAtCpl = (selector & 0xfffc) | cpl;
  setSegment(r, CS, selectorAtCpl, attributes | ATTR_ACCESSED, limitOf(codeLo, codeHi), baseOf(codeLo, codeHi), 0);
  r[VCPU_CPL] = cpl;
  r[VCPU_RIP] = (gateLo & 0xffff) | (gateHi & 0xffff_0000);
  r[VCPU_RIP + 1] = targetHi;
  enterHandlerFlags(cpu, (gateHi & 0x100) === 0);
  updateCodeBits(cpu);
}

/** Low half of the n-th word of the frame: SS, RSP, RFLAGS, CS, RIP, error code. */
function frameWord(r: Int32Array, n: number, flags: number, errorCode: number): number {
  switch (n) {
    case 1:
      return r[segmentWords(SS) + SEG_SELECTOR];
    case 2:
      return r[RSP];
    case 3:
      return flags;
    case 4:
      return r[segmentWords(CS) + SEG_SELECTOR];
    case 5:
      return r[VCPU_RIP];
    default:
      return errorCode;
  }
}
