/** Names of registers, of their parts and of their bits, as Intel's manuals have them, over the registers of register-table.ts. */
import { REGISTERS } from '../registers/register-table.ts';
import { registerBits } from '../../format/register-bits.ts';

/** `bits` bits of `register` from bit `shift` on. */
export interface RegisterPart {
  readonly register: string;
  readonly shift: number;
  readonly bits: number;
}

const LETTERED = ['a', 'c', 'd', 'b'];
const POINTERS = ['sp', 'bp', 'si', 'di'];
const NUMBERED = [8, 9, 10, 11, 12, 13, 14, 15];

function* parts(): Generator<readonly [name: string, part: RegisterPart]> {
  for (const { name, bits } of REGISTERS) yield [name, { register: name, shift: 0, bits }];
  for (const letter of LETTERED) {
    const register = `r${letter}x`;
    yield [`e${letter}x`, { register, shift: 0, bits: 32 }];
    yield [`${letter}x`, { register, shift: 0, bits: 16 }];
    yield [`${letter}l`, { register, shift: 0, bits: 8 }];
    yield [`${letter}h`, { register, shift: 8, bits: 8 }];
  }
  for (const name of POINTERS) {
    yield [`e${name}`, { register: `r${name}`, shift: 0, bits: 32 }];
    yield [name, { register: `r${name}`, shift: 0, bits: 16 }];
    yield [`${name}l`, { register: `r${name}`, shift: 0, bits: 8 }];
  }
  for (const number of NUMBERED) {
    const register = `r${number}`;
    yield [`${register}d`, { register, shift: 0, bits: 32 }];
    yield [`${register}w`, { register, shift: 0, bits: 16 }];
    yield [`${register}b`, { register, shift: 0, bits: 8 }];
  }
  yield ['eip', { register: 'rip', shift: 0, bits: 32 }];
  yield ['ip', { register: 'rip', shift: 0, bits: 16 }];
  yield ['eflags', { register: 'rflags', shift: 0, bits: 32 }];
}

const PARTS: ReadonlyMap<string, RegisterPart> = new Map(parts());

export const REGISTER_NAMES: readonly string[] = [...PARTS.keys()];

export const registerPart = (name: string): RegisterPart | undefined => PARTS.get(name.toLowerCase());

/** Names of the bits of a register that is made of flags; undefined for one that is not. */
export function bitNames(part: RegisterPart): readonly string[] | undefined {
  if (part.shift !== 0 || part.bits < 32) return undefined;
  const bits = registerBits(part.register);
  if (bits === undefined) return undefined;
  const names = bits.map(([, name]) => name.toLowerCase());
  return part.register === 'rflags' ? [...names, 'iopl'] : names;
}

/** A bit of a register by its name; `rflags.iopl` has two. */
export function registerBit(part: RegisterPart, bit: string): RegisterPart | undefined {
  const name = bit.toUpperCase();
  if (part.register === 'rflags' && name === 'IOPL') return { register: 'rflags', shift: 12, bits: 2 };
  const found = registerBits(part.register)?.find((candidate) => candidate[1] === name);
  return found === undefined ? undefined : { register: part.register, shift: found[0], bits: 1 };
}
