/** Reading and editing a vCPU's registers by name. */
import { CS, SS, VCPU_CODE_BITS, VCPU_CPL, VCPU_CR0, VCPU_EFER } from '../../arena/vcpu-layout.ts';
import { UmbraBug } from '../../base/assert.ts';
import { highHalf, lowHalf, u64FromHalves } from '../../base/address.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { KvmSegment, RegisterRefusal, SpecialRegister, Vcpu } from '../../kvm/index.ts';
import type { HiddenSegment, RegisterValue } from '../../protocol/register-snapshots.ts';
import { computeFlags } from '../../x86/exec/flags.ts';
import type { Cpu } from '../../x86/index.ts';
import { flagNames } from '../../format/register-bits.ts';
import { REGISTERS, registerNamed, segmentNamed, type RegisterPlace } from './register-table.ts';
import { is64BitCode, loadSegment, readSegment, segmentComplaint, type EntryMode } from './segment-load.ts';

const CR0_PE = 1;
const EFER_LMA = 1 << 10;
/** CF PF AF ZF SF TF IF DF OF IOPL NT RF AC ID; bit 1 is always one. VM, VIF and VIP belong to modes that are not entered by an edit. */
const RFLAGS_EDITABLE = 0x25_7fd5n;
const RFLAGS_FIXED = 2n;

export function readRegisters(cpu: Cpu): readonly RegisterValue[] {
  return REGISTERS.map((place) => {
    const value = readPlace(cpu, place);
    return {
      name: place.name,
      group: place.group,
      bits: place.bits,
      value,
      flags: flagNames(place.name, value),
      writable: true,
      hidden: hiddenOf(cpu, place),
    };
  });
}

function hiddenOf(cpu: Cpu, { name, rule }: RegisterPlace): HiddenSegment | undefined {
  const segment = rule === 'selector' ? segmentNamed(name) : undefined;
  if (segment === undefined) return undefined;
  const { base, limit, attributes } = readSegment(cpu, segment);
  return { base, limit, attributes };
}

export function readRegister(cpu: Cpu, name: string): bigint | undefined {
  const place = registerNamed(name);
  return place === undefined ? undefined : readPlace(cpu, place);
}

/**
 * Refuses what the register cannot hold, as KVM's call or the processor would; then nothing has changed.
 * @param hidden of a segment register: its hidden part, instead of what its descriptor says
 */
export function writeRegister(
  vcpu: Vcpu,
  name: string,
  value: bigint,
  hidden?: HiddenSegment,
): Result<undefined, RegisterRefusal> {
  const { cpu } = vcpu;
  const place = registerNamed(name);
  if (place === undefined) return complain(`there is no register called ${name}.`);
  if (hidden !== undefined && place.rule !== 'selector') return complain(`${place.name} has no hidden part.`);
  const complaint = complaintAbout(cpu, place, value);
  if (complaint !== undefined) return complain(complaint);
  if (place.rule === 'selector') return writeSelector(vcpu, place.name, Number(value), hidden);
  if (place.rule === 'kvm') {
    const written = vcpu.setSpecialRegister(place.name as SpecialRegister, value);
    if (written.ok) return written;
    const { errno, check, message } = written.error;
    return err({ errno, check, message: `${place.name}: ${message}` });
  }
  if (place.group === 'general') vcpu.forgetException();
  if (place.word < 0) {
    cpu.setRflags(lowHalf(value | RFLAGS_FIXED));
  } else {
    cpu.r[place.word] = lowHalf(value);
    if (place.bits === 64) cpu.r[place.word + 1] = highHalf(value);
  }
  return ok(undefined);
}

const complain = (message: string): Result<undefined, RegisterRefusal> =>
  err({ errno: undefined, check: 'the debugger', message });

function writeSelector(vcpu: Vcpu, name: string, selector: number, hidden: HiddenSegment | undefined) {
  const { cpu } = vcpu;
  const segment = segmentNamed(name);
  if (segment === undefined) throw new UmbraBug(`${name} is in the table as a selector and is none`);
  const entry = { cpl: cpu.r[VCPU_CPL], is64Bit: cpu.r[VCPU_CODE_BITS] === 64 };
  const loaded = loadedSegment(cpu, { name, value: BigInt(selector), hidden }, segment, entry);
  return loaded.ok ? vcpu.setSegmentRegisters([{ segment, wanted: loaded.value }]) : complain(loaded.error);
}

/** CS or SS, in a write of both. */
export interface SelectorWrite {
  readonly name: string;
  readonly value: bigint;
  readonly hidden?: HiddenSegment | undefined;
}

/** Both at once, as KVM_SET_SREGS has them: one alone cannot leave the present privilege. The CPL is SS's. */
export function writeCsAndSs(vcpu: Vcpu, one: SelectorWrite, other: SelectorWrite): Result<undefined, RegisterRefusal> {
  const cs = [one, other].find(({ name }) => name === 'cs');
  const ss = [one, other].find(({ name }) => name === 'ss');
  if (cs === undefined || ss === undefined) return complain('cs and ss are written together, and no other two.');
  for (const { name, value } of [cs, ss]) {
    if (value > 0xffffn) return complain(`${name} has 16 bits; 0x${value.toString(16)} does not fit.`);
  }
  const cpl = (ss.hidden === undefined ? Number(ss.value) : ss.hidden.attributes >> 5) & 3;
  const code = loadedSegment(vcpu.cpu, cs, CS, { cpl, is64Bit: false });
  if (!code.ok) return complain(code.error);
  const stack = loadedSegment(vcpu.cpu, ss, SS, { cpl, is64Bit: is64BitCode(vcpu.cpu, code.value) });
  if (!stack.ok) return complain(stack.error);
  return vcpu.setSegmentRegisters([
    { segment: CS, wanted: code.value },
    { segment: SS, wanted: stack.value },
  ]);
}

function loadedSegment(
  cpu: Cpu,
  { name, value, hidden }: SelectorWrite,
  segment: number,
  entry: EntryMode,
): Result<KvmSegment, string> {
  const selector = Number(value);
  if (hidden === undefined) return loadSegment(cpu, name, segment, selector, entry);
  const loaded = { selector, ...hidden };
  // Real-address mode knows no types; a descriptor's are looked at when it is read.
  const isChecked = (cpu.r[VCPU_CR0] & CR0_PE) !== 0;
  const complaint = isChecked ? segmentComplaint(cpu, name, segment, loaded, entry.cpl) : undefined;
  return complaint === undefined ? ok(loaded) : err(complaint);
}

function readPlace(cpu: Cpu, place: RegisterPlace): bigint {
  if (place.word < 0) return BigInt(computeFlags(cpu.r) >>> 0);
  const low = cpu.r[place.word];
  if (place.bits === 64) return u64FromHalves(low, cpu.r[place.word + 1]);
  return BigInt(place.bits === 32 ? low >>> 0 : low & 0xffff);
}

function complaintAbout(cpu: Cpu, place: RegisterPlace, value: bigint): string | undefined {
  const { name, bits, rule } = place;
  const shown = `0x${value.toString(16)}`;
  if (value >> BigInt(bits) !== 0n) return `${name} has ${bits} bits; ${shown} does not fit.`;
  if (rule === 'canonical') return canonicalComplaint(cpu, name, value);
  if (rule === 'rflags' && (value & ~(RFLAGS_EDITABLE | RFLAGS_FIXED)) !== 0n) {
    const odd = (value & ~(RFLAGS_EDITABLE | RFLAGS_FIXED)).toString(16);
    return `rflags: the bits 0x${odd} of ${shown} are reserved or belong to virtual-8086 mode; leave them zero.`;
  }
  return undefined;
}

function canonicalComplaint(cpu: Cpu, name: string, value: bigint): string | undefined {
  const isLongMode = (cpu.r[VCPU_EFER] & EFER_LMA) !== 0;
  if (name === 'rip' && cpu.r[VCPU_CODE_BITS] !== 64 && value > 0xffff_ffffn) {
    return `rip: 0x${value.toString(16)} is above 4 GiB and the guest runs ${cpu.r[VCPU_CODE_BITS]}-bit code.`;
  }
  if (!isLongMode && value <= 0xffff_ffffn) return undefined;
  if (BigInt.asUintN(64, BigInt.asIntN(48, value)) === value) return undefined;
  return `${name}: 0x${value.toString(16)} is not canonical (bits 63 to 47 must be equal).`;
}
