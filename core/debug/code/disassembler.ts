/** Code around an address, as lines. */
import { InstructionInfoFactory } from 'iced-x86';
import type { SymbolLookup } from '../../machine/symbols.ts';
import type { DisassembledInsn, DisassemblyMarks } from '../../protocol/snapshots.ts';
import type { Cpu } from '../../x86/index.ts';
import { boundariesBefore } from '../run/code-boundaries.ts';
import { GuestCode, MAX_INSN_BYTES } from './guest-code.ts';
import { InsnText } from './insn-text.ts';
import { readMemory, type DevicePeek } from '../memory/memory-view.ts';
import { operandEffects } from './operand-effects.ts';
import { codeBits, codeVendor, linearRip } from '../registers/vcpu-view.ts';

export interface SymbolSource {
  lookup(address: bigint): SymbolLookup | undefined;
}

/** What code is looked at in, and what is set in it. */
export interface LookedAtCode {
  readonly cpu: Cpu;
  readonly bus: DevicePeek;
  readonly symbols: SymbolSource;
  readonly breakpointAt: (address: bigint) => number | undefined;
}

export interface DisassemblyWish {
  readonly address: bigint;
  readonly before: number;
  readonly count: number;
}

/** A symbol further back than this is no help: reading forward from it costs more than guessing. */
const MAX_WALK = 32768n;
const U64_MAX = (1n << 64n) - 1n;

/** What of a line depends on nothing but bytes and symbols. */
type ListedInsn = Omit<DisassembledInsn, 'current' | 'breakpoint' | 'touches'>;

interface Listing {
  /** No other of this machine's listings has it. */
  readonly id: number;
  readonly code: GuestCode;
  readonly symbols: SymbolSource;
  readonly wish: DisassemblyWish;
  readonly lines: readonly ListedInsn[];
}

/** Panels that look at code at once, and whoever asks for one line between them. */
const MAX_LISTINGS = 8;

export class Disassembler {
  readonly #text = new InsnText();
  readonly #infos = new InstructionInfoFactory();
  /** The last ones, latest first: code that is looked at thirty times a second is almost always the same. */
  #listings: readonly Listing[] = [];
  #lastId = 0;

  read(
    place: LookedAtCode,
    wish: DisassemblyWish,
  ): { readonly listing: number; readonly lines: readonly DisassembledInsn[] } {
    const listing = this.#listing(place, wish);
    const current = this.#current(place, listing);
    const lines = listing.lines.map((line) => {
      const isCurrent = line.address === current?.address;
      return {
        ...line,
        current: isCurrent,
        breakpoint: place.breakpointAt(line.address),
        touches: isCurrent ? current.touches : undefined,
      };
    });
    return { listing: listing.id, lines };
  }

  /** What {@link read} would put beside the lines, and which lines. */
  marks(place: LookedAtCode, wish: DisassemblyWish): Omit<DisassemblyMarks, 'moment'> {
    const listing = this.#listing(place, wish);
    const breakpoints = listing.lines.flatMap(({ address }) => {
      const id = place.breakpointAt(address);
      return id === undefined ? [] : [{ address, id }];
    });
    return { listing: listing.id, current: this.#current(place, listing), breakpoints };
  }

  #current(place: LookedAtCode, { code, lines }: Listing): DisassemblyMarks['current'] {
    const address = linearRip(place.cpu);
    const line = lines.find((candidate) => candidate.address === address);
    if (line === undefined) return undefined;
    return { address, touches: line.unreadable ? undefined : this.#touches(place, code, address) };
  }

  /** Decoded anew when one of its bytes, or what can be read of them, is another. */
  #listing({ cpu, bus, symbols }: LookedAtCode, wish: DisassemblyWish): Listing {
    const known = boundaryFor(symbols, wish);
    const start = wish.before === 0 ? wish.address : (known ?? backBy(wish.address, wish.before * MAX_INSN_BYTES));
    const code = readCode(cpu, bus, start, Number(wish.address - start) + wish.count * MAX_INSN_BYTES);
    const found = this.#listings.find(
      (one) => one.symbols === symbols && sameWish(one.wish, wish) && one.code.equals(code),
    );
    const listing = found ?? this.#listAnew(symbols, wish, code, known);
    if (listing !== this.#listings[0]) {
      this.#listings = [listing, ...this.#listings.filter((one) => one !== found)].slice(0, MAX_LISTINGS);
    }
    return listing;
  }

  #listAnew(symbols: SymbolSource, wish: DisassemblyWish, code: GuestCode, known: bigint | undefined): Listing {
    this.#lastId += 1;
    return { id: this.#lastId, code, symbols, wish, lines: this.#list(symbols, wish, code, known) };
  }

  #list(
    symbols: SymbolSource,
    wish: DisassemblyWish,
    code: GuestCode,
    known: bigint | undefined,
  ): readonly ListedInsn[] {
    const addresses = [...boundariesBefore(code, wish.address, wish.before, known)];
    const lines = addresses.map((address) => this.#line(symbols, code, address));
    let next = wish.address;
    while (lines.length < addresses.length + wish.count && next < code.end) {
      const line = this.#line(symbols, code, next);
      lines.push(line);
      next += BigInt(line.unreadable ? Number((code.unreadableAt(next)?.end ?? next + 1n) - next) : line.bytes.length);
    }
    return lines.map((line, i) => (i === 0 ? { ...line, symbol: nameAt(symbols, line.address) } : line));
  }

  #line(symbols: SymbolSource, code: GuestCode, address: bigint): ListedInsn {
    const named = symbols.lookup(address);
    const symbol = named?.offset === 0n ? named.symbol.name : undefined;
    const gap = code.unreadableAt(address);
    if (gap !== undefined) {
      return { address, symbol, bytes: new Uint8Array(0), text: `(${gap.reason})`, unreadable: true };
    }
    const instruction = code.decode(address);
    try {
      const bytes = code.bytesAt(address, instruction.isInvalid ? 1 : instruction.length);
      const text = this.#text.format(instruction, (target) => nameAt(symbols, target));
      return { address, symbol, bytes, text, unreadable: false };
    } finally {
      instruction.free();
    }
  }

  #touches({ cpu, bus }: LookedAtCode, code: GuestCode, address: bigint): string | undefined {
    const instruction = code.decode(address);
    try {
      return instruction.isInvalid ? undefined : operandEffects(cpu, bus, code.bits, instruction, this.#infos);
    } finally {
      instruction.free();
    }
  }
}

const sameWish = (a: DisassemblyWish, b: DisassemblyWish): boolean =>
  a.address === b.address && a.before === b.before && a.count === b.count;

/** Bytes of code by probes. */
export function readCode(cpu: Cpu, bus: DevicePeek, start: bigint, length: number): GuestCode {
  const spans = readMemory(cpu.arena, bus, cpu.vcpuId, 'gva', start, length);
  return new GuestCode(start, codeBits(cpu), spans, codeVendor(cpu));
}

/** The start of a symbol from which reading forward gives at least the wanted instructions before the address. */
function boundaryFor(symbols: SymbolSource, wish: DisassemblyWish): bigint | undefined {
  if (wish.before === 0) return undefined;
  const early = symbols.lookup(backBy(wish.address, wish.before * MAX_INSN_BYTES));
  const found = early ?? symbols.lookup(wish.address - 1n);
  const start = found?.symbol.address;
  return start !== undefined && start < wish.address && wish.address - start <= MAX_WALK ? start : undefined;
}

const backBy = (address: bigint, bytes: number): bigint => (address > BigInt(bytes) ? address - BigInt(bytes) : 0n);

function nameAt(symbols: SymbolSource, address: bigint): string | undefined {
  if (address > U64_MAX) return undefined;
  const found = symbols.lookup(address);
  if (found === undefined) return undefined;
  return found.offset === 0n ? found.symbol.name : `${found.symbol.name}+0x${found.offset.toString(16)}`;
}
