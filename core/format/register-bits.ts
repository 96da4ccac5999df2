/** Names of the bits of flag-like registers (SDM vol 1 "EFLAGS Register", vol 3A "Control Registers", "Extended Feature Enable Register"). */

export type Bits = readonly (readonly [bit: number, name: string])[];

const RFLAGS: Bits = [
  [0, 'CF'],
  [2, 'PF'],
  [4, 'AF'],
  [6, 'ZF'],
  [7, 'SF'],
  [8, 'TF'],
  [9, 'IF'],
  [10, 'DF'],
  [11, 'OF'],
  [14, 'NT'],
  [16, 'RF'],
  [17, 'VM'],
  [18, 'AC'],
  [19, 'VIF'],
  [20, 'VIP'],
  [21, 'ID'],
];
const CR0: Bits = [
  [0, 'PE'],
  [1, 'MP'],
  [2, 'EM'],
  [3, 'TS'],
  [4, 'ET'],
  [5, 'NE'],
  [16, 'WP'],
  [18, 'AM'],
  [29, 'NW'],
  [30, 'CD'],
  [31, 'PG'],
];
const CR4: Bits = [
  [0, 'VME'],
  [1, 'PVI'],
  [2, 'TSD'],
  [3, 'DE'],
  [4, 'PSE'],
  [5, 'PAE'],
  [6, 'MCE'],
  [7, 'PGE'],
  [8, 'PCE'],
  [9, 'OSFXSR'],
  [10, 'OSXMMEXCPT'],
  [11, 'UMIP'],
  [12, 'LA57'],
  [13, 'VMXE'],
  [14, 'SMXE'],
  [16, 'FSGSBASE'],
  [17, 'PCIDE'],
  [18, 'OSXSAVE'],
  [20, 'SMEP'],
  [21, 'SMAP'],
  [22, 'PKE'],
];
const EFER: Bits = [
  [0, 'SCE'],
  [8, 'LME'],
  [10, 'LMA'],
  [11, 'NXE'],
  [12, 'SVME'],
  [13, 'LMSLE'],
  [14, 'FFXSR'],
];

const NAMED: ReadonlyMap<string, Bits> = new Map([
  ['rflags', RFLAGS],
  ['cr0', CR0],
  ['cr4', CR4],
  ['efer', EFER],
]);

/** The bits of a register that is made of flags, by number; undefined for any other. */
export const registerBits = (register: string): Bits | undefined => NAMED.get(register);

/** Names of the set bits, highest first; undefined for a register that is not made of flags. */
export function flagNames(register: string, value: bigint): readonly string[] | undefined {
  const bits = NAMED.get(register);
  if (bits === undefined) return undefined;
  const names = bits.filter(([bit]) => ((value >> BigInt(bit)) & 1n) !== 0n).map(([, name]) => name);
  if (register === 'rflags') {
    const iopl = Number((value >> 12n) & 3n);
    if (iopl !== 0) names.push(`IOPL=${iopl}`);
  }
  return names.toReversed();
}
