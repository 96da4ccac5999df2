/** Code around an address, as lines. */
import { InstructionInfoFactory } from 'iced-x86';
import type { SymbolLookup } from '../../machine/symbols.ts';
import type { DisassembledInsn } from '../../protocol/snapshots.ts';
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

export interface DisassemblyWish {
  readonly address: bigint;
  readonly before: number;
  readonly count: number;
}

/** A symbol further back than this is no help: reading forward from it costs more than guessing. */
const MAX_WALK = 32768n;
const U64_MAX = (1n << 64n) - 1n;

export class Disassembler {
  readonly #text = new InsnText();
  readonly #infos = new InstructionInfoFactory();

  read(
    cpu: Cpu,
    bus: DevicePeek,
    symbols: SymbolSource,
    wish: DisassemblyWish,
    breakpointAt: (address: bigint) => number | undefined,
  ): readonly DisassembledInsn[] {
    const known = boundaryFor(symbols, wish);
    const start = wish.before === 0 ? wish.address : (known ?? backBy(wish.address, wish.before * MAX_INSN_BYTES));
    const code = readCode(cpu, bus, start, Number(wish.address - start) + wish.count * MAX_INSN_BYTES);
    const addresses = [...boundariesBefore(code, wish.address, wish.before, known)];
    const lines = addresses.map((address) => this.#line(cpu, bus, symbols, code, address, breakpointAt));
    let next = wish.address;
    while (lines.length < addresses.length + wish.count && next < code.end) {
      const line = this.#line(cpu, bus, symbols, code, next, breakpointAt);
      lines.push(line);
      next += BigInt(line.unreadable ? Number((code.unreadableAt(next)?.end ?? next + 1n) - next) : line.bytes.length);
    }
    return lines.map((line, i) => (i === 0 ? { ...line, symbol: nameAt(symbols, line.address) } : line));
  }

  /** Text of the one instruction at an address, for reports. */
  textAt(cpu: Cpu, bus: DevicePeek, symbols: SymbolSource, address: bigint): string {
    const [line] = this.read(cpu, bus, symbols, { address, before: 0, count: 1 }, () => undefined);
    return line.text;
  }

  #line(
    cpu: Cpu,
    bus: DevicePeek,
    symbols: SymbolSource,
    code: GuestCode,
    address: bigint,
    breakpointAt: (address: bigint) => number | undefined,
  ): DisassembledInsn {
    const current = address === linearRip(cpu);
    const symbol = symbols.lookup(address);
    const common = {
      address,
      symbol: symbol?.offset === 0n ? symbol.symbol.name : undefined,
      current,
      breakpoint: breakpointAt(address),
    };
    const gap = code.unreadableAt(address);
    if (gap !== undefined) {
      return { ...common, bytes: new Uint8Array(0), text: `(${gap.reason})`, unreadable: true, touches: undefined };
    }
    const instruction = code.decode(address);
    try {
      const bytes = code.bytesAt(address, instruction.isInvalid ? 1 : instruction.length);
      const text = this.#text.format(instruction, (target) => nameAt(symbols, target));
      const touches =
        current && !instruction.isInvalid ? operandEffects(cpu, bus, code.bits, instruction, this.#infos) : undefined;
      return { ...common, bytes, text, unreadable: false, touches };
    } finally {
      instruction.free();
    }
  }
}

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
