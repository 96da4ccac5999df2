/** Reading and editing a vCPU's registers by name. */
import { VCPU_CODE_BITS, VCPU_EFER } from '../arena/vcpu-layout.ts';
import { highHalf, lowHalf, u64FromHalves } from '../base/address.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { RegisterValue } from '../protocol/snapshots.ts';
import { computeFlags } from '../x86/flags.ts';
import type { Cpu } from '../x86/index.ts';
import { flagNames } from '../format/register-bits.ts';
import { REGISTERS, registerNamed, type RegisterPlace } from './register-table.ts';

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
      writable: place.rule !== 'read-only',
    };
  });
}

export function readRegister(cpu: Cpu, name: string): bigint | undefined {
  const place = registerNamed(name);
  return place === undefined ? undefined : readPlace(cpu, place);
}

/** Refuses what the register cannot hold; then nothing has changed. The error is a sentence. */
export function writeRegister(cpu: Cpu, name: string, value: bigint): Result<undefined, string> {
  const place = registerNamed(name);
  if (place === undefined) return err(`there is no register called ${name}.`);
  const complaint = complaintAbout(cpu, place, value);
  if (complaint !== undefined) return err(complaint);
  if (place.word < 0) {
    cpu.setRflags(lowHalf(value | RFLAGS_FIXED));
  } else {
    cpu.r[place.word] = lowHalf(value);
    if (place.bits === 64) cpu.r[place.word + 1] = highHalf(value);
  }
  return ok(undefined);
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
  if (rule === 'read-only') {
    return `${name} cannot be edited: the processor's caches and KVM's roots hang on it, only the guest changes it.`;
  }
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
