/**
 * From a decoded memory operand to a linear address: SDM vol 1, "Operand Addressing", and the segment checks of vol 3A,
 * "Limit Checking" and "Type Checking". The low half is returned, the high half left in `cpu.hi`.
 *
 * `access` is the size in bytes, plus {@link WRITE} for a store or a read-modify-write. Outside 64-bit mode a segment may
 * refuse, so callers look at `cpu.abort` before they access memory. In 64-bit mode the memory access itself finds a
 * non-canonical address; the run loop turns its #GP into #SS when the operand is a stack one (EA_64_STACK).
 */
import {
  FS,
  SEG_ATTRIBUTES,
  SEG_BASE,
  SEG_LIMIT,
  SEG_UNUSABLE,
  SEGMENT_WORDS,
  VCPU_CODE_BITS,
  VCPU_SEGMENTS,
  VCPU_ZERO,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import {
  EA_16,
  EA_32,
  EA_64_ABSOLUTE,
  EA_64_ADDRESS_32,
  EA_64_SEGMENT,
  I_BASE,
  I_DISP,
  I_EA,
  I_IMM_HIGH,
  I_INDEX,
  I_SCALE,
  I_SEGMENT,
} from '../decode/instruction.ts';
import { checkSegment } from '../segments/segments.ts';

export const WRITE = 0x100;

export function address(cpu: Cpu, i: number, access: number): number {
  const { r, code } = cpu;
  const kind = code[i + I_EA];
  if (kind === EA_32) {
    const offset = (r[code[i + I_BASE]] + code[i + I_DISP] + (r[code[i + I_INDEX]] << code[i + I_SCALE])) | 0;
    const words = VCPU_SEGMENTS + code[i + I_SEGMENT] * SEGMENT_WORDS;
    cpu.hi = 0;
    // A writable expand-up data segment of 4 GiB, as every flat system has, passes at one look.
    if (r[words + SEG_LIMIT] === -1 && (r[words + SEG_ATTRIBUTES] & (SEG_UNUSABLE | 0x9e)) === 0x92) {
      return (offset + r[words + SEG_BASE]) | 0;
    }
    return segmentAddress(cpu, code[i + I_SEGMENT], offset, 0, access);
  }
  if (kind >= EA_64_ADDRESS_32) return otherAddress(cpu, i, access);
  const base = code[i + I_BASE];
  const disp = code[i + I_DISP];
  const baseLo = r[base];
  let lo = (baseLo + disp) | 0;
  let hi = (r[base + 1] + (disp >> 31) + (lo >>> 0 < baseLo >>> 0 ? 1 : 0)) | 0;
  const index = code[i + I_INDEX];
  if (index !== VCPU_ZERO) {
    const scale = code[i + I_SCALE];
    const x = r[index];
    const scaled = x << scale;
    lo = (lo + scaled) | 0;
    hi = (hi + ((r[index + 1] << scale) | ((x >>> 1) >>> (31 - scale))) + (lo >>> 0 < scaled >>> 0 ? 1 : 0)) | 0;
  }
  if (kind !== 0) {
    if (kind === EA_64_SEGMENT) {
      const segment = VCPU_SEGMENTS + code[i + I_SEGMENT] * SEGMENT_WORDS + SEG_BASE;
      const segmentLo = r[segment];
      lo = (lo + segmentLo) | 0;
      hi = (hi + r[segment + 1] + (lo >>> 0 < segmentLo >>> 0 ? 1 : 0)) | 0;
    }
  }
  cpu.hi = hi;
  return lo;
}

function otherAddress(cpu: Cpu, i: number, access: number): number {
  const { r, code } = cpu;
  const kind = code[i + I_EA];
  if (kind === EA_64_ABSOLUTE) {
    return segmentAddress(cpu, code[i + I_SEGMENT], code[i + I_DISP], code[i + I_IMM_HIGH], access);
  }
  const offset = (r[code[i + I_BASE]] + code[i + I_DISP] + (r[code[i + I_INDEX]] << code[i + I_SCALE])) | 0;
  return segmentAddress(cpu, code[i + I_SEGMENT], kind === EA_16 ? offset & 0xffff : offset, 0, access);
}

/** The bare offset, cut to the address size: what LEA stores, and what BT adds to. */
export function offsetAddress(cpu: Cpu, i: number): number {
  const { r, code } = cpu;
  const kind = code[i + I_EA];
  const base = code[i + I_BASE];
  const index = code[i + I_INDEX];
  const disp = code[i + I_DISP];
  if (kind === EA_16 || kind === EA_32 || kind === EA_64_ADDRESS_32) {
    cpu.hi = 0;
    const offset = (r[base] + disp + (r[index] << code[i + I_SCALE])) | 0;
    return kind === EA_16 ? offset & 0xffff : offset;
  }
  const baseLo = r[base];
  const lo = (baseLo + disp) | 0;
  const hi = (r[base + 1] + (disp >> 31) + (lo >>> 0 < baseLo >>> 0 ? 1 : 0)) | 0;
  const scale = code[i + I_SCALE];
  const x = r[index];
  const scaled = x << scale;
  const sum = (lo + scaled) | 0;
  cpu.hi = (hi + ((r[index + 1] << scale) | ((x >>> 1) >>> (31 - scale))) + (sum >>> 0 < scaled >>> 0 ? 1 : 0)) | 0;
  return sum;
}

/** Adds the segment's base to an offset, with the checks of the mode in force. */
export function segmentAddress(cpu: Cpu, segment: number, lo: number, hi: number, access: number): number {
  const { r } = cpu;
  const words = VCPU_SEGMENTS + segment * SEGMENT_WORDS;
  if (r[VCPU_CODE_BITS] === 64) {
    if (segment >= FS) {
      const baseLo = r[words + SEG_BASE];
      const sum = (lo + baseLo) | 0;
      cpu.hi = (hi + r[words + SEG_BASE + 1] + (sum >>> 0 < baseLo >>> 0 ? 1 : 0)) | 0;
      return sum;
    }
    cpu.hi = hi;
    return lo;
  }
  cpu.hi = 0;
  // A writable expand-up data segment of 4 GiB, as every flat system has, passes at one comparison.
  if (r[words + SEG_LIMIT] !== -1 || (r[words + SEG_ATTRIBUTES] & (SEG_UNUSABLE | 0x9e)) !== 0x92) {
    checkSegment(cpu, segment, lo, access & 0xff, (access & WRITE) !== 0);
  }
  return (lo + r[words + SEG_BASE]) | 0;
}
