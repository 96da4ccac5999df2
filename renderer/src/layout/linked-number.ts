/** A number on screen that can be followed, by what kind of number it is. */
import type { AddressSpace, RegisterValue } from '@core/protocol/index.ts';
import { formatAddress, formatGfn, formatHex, formatU64 } from '@core/format/address-text.ts';
import { formatCount } from '@core/format/quantity.ts';
import type { TextNumber } from '@core/format/text-numbers.ts';
import type { MmuMode } from '../api/contract-words.ts';
import type { Focus } from '../stores/focus-store.ts';

export type LinkedNumber =
  | { readonly kind: AddressSpace; readonly address: bigint }
  /** A gva that holds code. */
  | { readonly kind: 'code'; readonly address: bigint }
  | { readonly kind: 'gfn'; readonly gfn: number }
  | { readonly kind: 'generation'; readonly generation: number }
  /** `at`: where it stands, when it stands in a shadow page. `host`: whose it is, when it is of another machine. */
  | { readonly kind: 'spte'; readonly value: bigint; readonly at?: SpteSpot; readonly host?: SpteFormat }
  | { readonly kind: 'register'; readonly name: string; readonly value: bigint }
  | { readonly kind: 'insns'; readonly insns: number }
  | { readonly kind: 'port'; readonly port: number }
  /** What an access carried, or a register that is no address. */
  | { readonly kind: 'value'; readonly value: bigint; readonly name?: string };

export interface SpteSpot {
  readonly page: number;
  readonly entry: number;
  readonly gfn: number;
}

/** What an spte must be known to be of, to be taken apart. */
export interface SpteFormat {
  readonly era: string;
  readonly mmu: MmuMode;
  readonly maxPhyAddr: number;
}

/** Registers that hold no address: flags, selectors, and those by name. */
const NO_ADDRESS: ReadonlySet<string> = new Set(
  'rflags cr0 cr4 cr8 efer xcr0 star sfmask sysenter_cs tsc_aux tsc_offset pat dr6 dr7 gdtr_limit idtr_limit'.split(
    ' ',
  ),
);
/** Bits 51 to 12 of CR3: where the tables begin. */
const CR3_TABLE = 0xf_ffff_ffff_f000n;

/** A register by what its value is: a gva mostly, a table's gpa in CR3, no address at all. */
export function numberOfRegister({
  name,
  value,
  flags,
  hidden,
}: Pick<RegisterValue, 'name' | 'value'> & Partial<RegisterValue>): LinkedNumber {
  if (name === 'cr3') return { kind: 'gpa', address: value & CR3_TABLE };
  if (name === 'apic_base') return { kind: 'gpa', address: value & CR3_TABLE };
  if (flags !== undefined || hidden !== undefined || NO_ADDRESS.has(name)) return { kind: 'value', value, name };
  return { kind: 'register', name, value };
}

/** A number of a text; `host`: of which machine, where it is not this one. */
export function numberOfText(number: TextNumber, host?: SpteFormat): LinkedNumber {
  switch (number.kind) {
    case 'gfn':
      return { kind: 'gfn', gfn: number.value };
    case 'generation':
      return { kind: 'generation', generation: number.value };
    case 'spte':
      return { kind: 'spte', value: number.value, ...(host && { host }) };
    case 'value':
      return { kind: 'value', value: number.value };
    case 'insns':
      return { kind: 'insns', insns: number.value };
    case 'register':
      return numberOfRegister(number);
    default:
      return { kind: number.kind, address: number.value };
  }
}

export function numberText(number: LinkedNumber): string {
  switch (number.kind) {
    case 'gfn':
      return formatGfn(number.gfn);
    case 'generation':
      return formatHex(number.generation);
    case 'spte':
      return formatU64(number.value);
    case 'register':
    case 'value':
      return formatHex(number.value);
    case 'insns':
      return formatCount(number.insns);
    case 'port':
      return formatHex(number.port);
    default:
      return formatAddress(number.address);
  }
}

export function numberValue(number: LinkedNumber): bigint {
  switch (number.kind) {
    case 'gfn':
      return BigInt(number.gfn);
    case 'generation':
      return BigInt(number.generation);
    case 'spte':
    case 'register':
    case 'value':
      return number.value;
    case 'insns':
      return BigInt(number.insns);
    case 'port':
      return BigInt(number.port);
    default:
      return number.address;
  }
}

/** With what kind of number it is, as it can be pasted again: `gpa:0xfeb00000`. */
export function numberWithSpace(number: LinkedNumber): string {
  if (number.kind === 'code') return `gva:${formatAddress(number.address)}`;
  if (number.kind === 'value' && number.name === undefined) return formatHex(number.value);
  if (number.kind === 'register' || number.kind === 'value') return `${number.name} = ${formatHex(number.value)}`;
  return `${number.kind}:${formatHex(numberValue(number))}`;
}

/** The same for people, as a menu names what it is about: `gpa 0xfeb00000`. */
export function numberHeading(number: LinkedNumber): string {
  switch (number.kind) {
    case 'code':
      return `gva ${formatAddress(number.address)}`;
    case 'gfn':
      return `gfn ${formatGfn(number.gfn)}, gpa ${formatAddress(BigInt(number.gfn) << 12n)}`;
    case 'spte':
      return number.at ? `spte ${formatU64(number.value)} of gfn ${formatGfn(number.at.gfn)}` : numberText(number);
    case 'insns':
      return `moment ${formatCount(number.insns)}`;
    case 'register':
    case 'value':
      return numberWithSpace(number);
    default:
      return `${number.kind} ${numberText(number)}`;
  }
}

/** What following it selects; nothing where the number is no place. */
export function focusOfNumber(number: LinkedNumber): Focus | undefined {
  switch (number.kind) {
    case 'gva':
    case 'gpa':
    case 'hva':
      return { kind: 'address', space: number.kind, address: number.address };
    case 'code':
      return { kind: 'code', address: number.address };
    case 'gfn':
      return { kind: 'gfn', gfn: number.gfn };
    case 'spte':
      return number.at && { kind: 'spte', ...number.at };
    case 'register':
      return { kind: 'address', space: 'gva', address: number.value };
    case 'insns':
      return { kind: 'moment', insns: number.insns };
    case 'port':
      return { kind: 'port', port: number.port };
    case 'generation':
    case 'value':
      return undefined;
  }
}

/** The address that a number is, in its space; undefined for what is none. */
export function addressOfNumber(
  number: LinkedNumber,
): { readonly space: AddressSpace; readonly address: bigint } | undefined {
  switch (number.kind) {
    case 'gva':
    case 'gpa':
    case 'hva':
      return { space: number.kind, address: number.address };
    case 'code':
      return { space: 'gva', address: number.address };
    case 'register':
      return { space: 'gva', address: number.value };
    case 'gfn':
      return { space: 'gpa', address: BigInt(number.gfn) << 12n };
    case 'spte':
      return number.at && { space: 'gpa', address: BigInt(number.at.gfn) << 12n };
    default:
      return undefined;
  }
}
