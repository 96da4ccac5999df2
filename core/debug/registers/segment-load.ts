/**
 * A selector with the hidden part that its descriptor gives it, as a debugger must hand both to KVM_SET_SREGS: read by probes from
 * the GDT or LDT, and checked as the processor checks guest segment registers at VM entry (SDM vol 3C, "Checks on Guest Segment
 * Registers"). In real-address mode the base follows from the selector.
 */
import {
  CS,
  LDTR,
  SEGMENT_WORDS,
  SEG_ATTRIBUTES,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SELECTOR,
  SEG_UNUSABLE,
  SS,
  TR,
  VCPU_CR0,
  VCPU_EFER,
  VCPU_GDTR_BASE,
  VCPU_GDTR_LIMIT,
  VCPU_SEGMENTS,
} from '../../arena/vcpu-layout.ts';
import { u64FromHalves } from '../../base/address.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { formatHex } from '../../format/address-text.ts';
import type { KvmSegment } from '../../kvm/index.ts';
import type { Cpu } from '../../x86/index.ts';
import { resolveAddress } from '../memory/memory-target.ts';

const CR0_PE = 1;
const EFER_LMA = 0x400;
const ACCESSED = 0x1;
const WRITABLE = 0x2;
const CONFORMING = 0x4;
const CODE = 0x8;
const S = 0x10;
const PRESENT = 0x80;
const LONG = 0x2000;
const BIG = 0x4000;
const GRANULARITY = 0x80_0000;

const ONE_PRIVILEGE = 'VM entry wants SS and CS of one privilege; write both at once, as in cs=1b ss=23.';

const words = (segment: number): number => VCPU_SEGMENTS + segment * SEGMENT_WORDS;
const dplOf = (attributes: number): number => (attributes >> 5) & 3;

export function readSegment({ r }: Cpu, segment: number): KvmSegment {
  const at = words(segment);
  return {
    selector: r[at + SEG_SELECTOR] & 0xffff,
    attributes: r[at + SEG_ATTRIBUTES],
    limit: r[at + SEG_LIMIT] >>> 0,
    base: u64FromHalves(r[at + SEG_BASE], r[at + SEG_BASE + 1]),
  };
}

/** The guest as it would be entered: as it is, unless CS and SS are loaded together. */
export interface EntryMode {
  readonly cpl: number;
  readonly is64Bit: boolean;
}

export const is64BitCode = ({ r }: Cpu, { attributes }: KvmSegment): boolean =>
  (r[VCPU_EFER] & EFER_LMA) !== 0 && (attributes & LONG) !== 0;

/**
 * @returns the segment register as loading the selector would leave it, or a sentence
 */
export function loadSegment(
  cpu: Cpu,
  name: string,
  segment: number,
  selector: number,
  entry: EntryMode,
): Result<KvmSegment, string> {
  const { r } = cpu;
  const old = readSegment(cpu, segment);
  if ((r[VCPU_CR0] & CR0_PE) === 0 && segment !== LDTR && segment !== TR) {
    return ok({ ...old, selector, base: BigInt(selector) << 4n });
  }
  if ((selector & 0xfffc) === 0) return loadNull(name, segment, selector, entry);
  const descriptor = readDescriptor(cpu, segment, selector);
  if (!descriptor.ok) return err(`${name}: selector ${formatHex(selector)}: ${descriptor.error}.`);
  const { low, high, upper } = descriptor.value;
  const raw = (high >>> 8) & 0xf0ff;
  const scaled = (low & 0xffff) | (high & 0xf_0000);
  // The accessed bit, and busy of a TSS, which loading by an instruction would have set.
  const attributes = segment === LDTR ? raw : segment === TR ? raw | WRITABLE : raw | ACCESSED;
  const loaded: KvmSegment = {
    selector,
    attributes,
    limit: (high & GRANULARITY) !== 0 ? ((scaled << 12) | 0xfff) >>> 0 : scaled,
    base: u64FromHalves((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000), upper),
  };
  const complaint = segmentComplaint(cpu, name, segment, loaded, entry.cpl);
  return complaint === undefined ? ok(loaded) : err(complaint);
}

function loadNull(
  name: string,
  segment: number,
  selector: number,
  { cpl, is64Bit }: EntryMode,
): Result<KvmSegment, string> {
  const mayStack = segment === SS && is64Bit && cpl === (selector & 3) && (selector & 3) < 3;
  if (segment === CS || segment === TR || (segment === SS && !mayStack)) {
    return err(`${name} cannot hold the null selector ${formatHex(selector)}.`);
  }
  const attributes = SEG_UNUSABLE | (segment === SS ? cpl << 5 : 0);
  return ok({ selector, attributes, limit: 0, base: 0n });
}

interface Descriptor {
  readonly low: number;
  readonly high: number;
  /** Bits 63 to 32 of a base: of system descriptors in IA-32e mode. */
  readonly upper: number;
}

function readDescriptor(cpu: Cpu, segment: number, selector: number): Result<Descriptor, string> {
  const { r } = cpu;
  const isLocal = (selector & 4) !== 0;
  const ldt = words(LDTR);
  if (isLocal && (r[ldt + SEG_ATTRIBUTES] & SEG_UNUSABLE) !== 0) return err('there is no LDT');
  const base = isLocal ? u64FromHalves(r[ldt + SEG_BASE], r[ldt + SEG_BASE + 1]) : gdtBase(r);
  const limit = isLocal ? r[ldt + SEG_LIMIT] >>> 0 : r[VCPU_GDTR_LIMIT] & 0xffff;
  const isLong = (r[VCPU_EFER] & EFER_LMA) !== 0;
  const bytes = isLong && (segment === LDTR || segment === TR) ? 16 : 8;
  const offset = selector & 0xfff8;
  if (offset + bytes - 1 > limit) {
    return err(`it lies beyond the ${isLocal ? 'LDT' : 'GDT'}, whose limit is ${formatHex(limit)}`);
  }
  const read = [0, 4, 8].map((at) => (at < bytes ? readWord(cpu, base + BigInt(offset + at)) : 0));
  const [low, high, upper] = read;
  if (low === undefined || high === undefined || upper === undefined) return err('its descriptor cannot be read');
  return ok({ low, high, upper });
}

const gdtBase = (r: Int32Array): bigint => u64FromHalves(r[VCPU_GDTR_BASE], r[VCPU_GDTR_BASE + 1]);

function readWord({ arena, vcpuId }: Cpu, gva: bigint): number | undefined {
  let word = 0;
  for (let byte = 0; byte < 4; byte += 1) {
    const target = resolveAddress(arena, vcpuId, 'gva', BigInt.asUintN(64, gva + BigInt(byte)));
    if (target.kind !== 'ram') return undefined;
    word |= arena.u8[target.offset] << (8 * byte);
  }
  return word;
}

/** What VM entry would fail with, as a sentence; undefined for a segment register that the processor can have. */
export function segmentComplaint(
  { r }: Cpu,
  name: string,
  segment: number,
  { selector, attributes }: KvmSegment,
  cpl: number,
): string | undefined {
  if ((attributes & SEG_UNUSABLE) !== 0) {
    return segment === CS || segment === TR ? `${name} must be usable.` : undefined;
  }
  const dpl = dplOf(attributes);
  const of = `${name}: the descriptor of selector ${formatHex(selector)}`;
  if ((attributes & PRESENT) === 0) return `${of} is not present.`;
  const isSystem = (attributes & S) === 0;
  const isCode = !isSystem && (attributes & CODE) !== 0;
  switch (segment) {
    case CS:
      if (!isCode) return `${of} is no code segment.`;
      if ((r[VCPU_EFER] & EFER_LMA) !== 0 && (attributes & (LONG | BIG)) === (LONG | BIG))
        return `${of} has both L and D.`;
      if ((attributes & CONFORMING) === 0 ? dpl !== cpl : dpl > cpl) {
        return `${of} has DPL ${dpl}, and the guest is at CPL ${cpl}: ${ONE_PRIVILEGE}`;
      }
      // vmx_get_cpl of v3.11 takes the CPL from it; VM entry compares it with that of SS.
      if ((selector & 3) !== cpl) return `${of} has RPL ${selector & 3}, and the guest is at CPL ${cpl}.`;
      return undefined;
    case SS:
      if (isSystem || isCode || (attributes & WRITABLE) === 0) return `${of} is no writable data segment.`;
      if (dpl !== cpl || (selector & 3) !== cpl) {
        return `${of} has DPL ${dpl} and RPL ${selector & 3}, and the guest is at CPL ${cpl}: ${ONE_PRIVILEGE}`;
      }
      return undefined;
    case LDTR:
      return isSystem && (attributes & 0xf) === 2 ? undefined : `${of} is no LDT.`;
    case TR:
      return isSystem && ((attributes & 0xf) === 0xb || (attributes & 0xf) === 3) ? undefined : `${of} is no TSS.`;
    default:
      if (isSystem || (isCode && (attributes & WRITABLE) === 0)) return `${of} cannot be read.`;
      if ((!isCode || (attributes & CONFORMING) === 0) && dpl < Math.max(cpl, selector & 3)) {
        return `${of} has DPL ${dpl}, less than the CPL ${cpl} or the RPL ${selector & 3}.`;
      }
      return undefined;
  }
}
