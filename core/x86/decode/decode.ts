/** Decoding by iced-x86: fetches the bytes, fills a record, chooses its handler. */
import {
  Code,
  Decoder,
  DecoderError,
  DecoderOptions,
  Formatter,
  FormatterSyntax,
  Instruction,
  Mnemonic,
} from 'iced-x86';
import { VCPU_SECOND_LEVEL } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { Draft } from './decode-draft.ts';
import { FLOW_TABLE } from './decode-flow.ts';
import { INTEGER_TABLE } from './decode-integer.ts';
import { remainingHandler, SYSTEM_TABLE } from './decode-system.ts';
import { raiseGp } from '../interrupts/exceptions.ts';
import { address } from '../exec/exec-address.ts';
import { bitStringAddress } from '../exec/exec-bits.ts';
import { lockedHandler } from '../exec/exec-locked.ts';
import { executeInvalid } from '../exec/exec-system.ts';
import {
  I_LENGTH,
  I_OPERATION,
  I_SECOND_PAGE,
  INSTRUCTION_SHIFT,
  INSTRUCTION_WORDS,
  type InstructionHandler,
  KIND_IMMEDIATE,
  SOLE_ACCESS,
} from './instruction.ts';
import { nextPageHigh } from '../memory/linear-address.ts';
import { fetchPage } from '../memory/memory-access.ts';
import { SECOND_LEVEL_NPT } from '../second-level/second-level-entry.ts';
import { markCodePage } from '../memory/system-code-pages.ts';

const MAX_LENGTH = 15;
const LEGACY_PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);

/**
 * Where the vendors differ this processor is the one that its CPUID names: AMD's with NPT, Intel's otherwise. With an
 * operand-size prefix a near branch in 64-bit mode has a 16-bit displacement and RIP is cut to 16 bits on AMD's; Intel's
 * ignore the prefix. NoPause: PAUSE with REX.B is XCHG with R8; without, it comes out as a NOP, all that it does here.
 */
const decoderOptions = (cpu: Cpu): number =>
  DecoderOptions.NoPause | (cpu.r[VCPU_SECOND_LEVEL] === SECOND_LEVEL_NPT ? DecoderOptions.AMD : 0);

export class InstructionDecoder {
  private readonly cpu: Cpu;
  private readonly bytes = new Uint8Array(MAX_LENGTH);

  constructor(cpu: Cpu) {
    this.cpu = cpu;
  }

  /**
   * The record of the instruction at a linear address whose first byte lies at arena offset `at`; 0 with `cpu.abort` set when
   * it continues in a page that cannot be fetched. Undefined opcodes have records too: executing them raises #UD.
   */
  decode(at: number, lo: number, hi: number, bits: number): number {
    const { cpu } = this;
    // Before a byte is read: whoever writes to the page from now on tells this vCPU.
    if (cpu.threaded) markCodePage(cpu, at >>> 12);
    const inFirst = 0x1000 - (at & 0xfff);
    const available = Math.min(inFirst, MAX_LENGTH);
    this.bytes.set(cpu.arena.u8.subarray(at, at + available));
    let instruction = new Instruction();
    let error = this.parse(instruction, available, bits);
    let second = 0;
    if (error === DecoderError.NoMoreBytes && available < MAX_LENGTH) {
      const nextLo = ((lo | 0xfff) + 1) | 0;
      const next = fetchPage(cpu, nextLo, nextPageHigh(bits, nextLo, hi));
      if (cpu.abort !== 0) {
        instruction.free();
        return 0;
      }
      second = next >>> 12;
      if (cpu.threaded) markCodePage(cpu, second);
      this.bytes.set(cpu.arena.u8.subarray(next, next + MAX_LENGTH - available), available);
      instruction.free();
      instruction = new Instruction();
      error = this.parse(instruction, MAX_LENGTH, bits);
    }
    const record = this.fill(instruction, error, bits);
    cpu.cache.code[record + I_SECOND_PAGE] = second;
    cpu.cache.insert(at, bits, record, second);
    instruction.free();
    return record;
  }

  private parse(instruction: Instruction, length: number, bits: number): DecoderError {
    const decoder = new Decoder(bits, this.bytes.slice(0, length), decoderOptions(this.cpu));
    decoder.decodeOut(instruction);
    const error = decoder.lastError;
    decoder.free();
    return error;
  }

  private fill(instruction: Instruction, error: DecoderError, bits: number): number {
    const { cache } = this.cpu;
    const { code, handlers } = cache;
    const i = cache.allocate();
    code.fill(0, i, i + INSTRUCTION_WORDS);
    code[i + I_LENGTH] = Math.max(instruction.length, 1);
    handlers[i >> INSTRUCTION_SHIFT] =
      error === DecoderError.None && instruction.code !== Code.INVALID
        ? this.choose(new Draft(code, i, instruction, bits))
        : error === DecoderError.NoMoreBytes || this.isTooLong(bits)
          ? executeTooLong
          : executeInvalid;
    return i;
  }

  private choose(draft: Draft): InstructionHandler {
    const handler = chooseHandler(draft);
    const { instruction } = draft;
    if (!this.cpu.threaded || !draft.isMemory(0)) return handler;
    if (!instruction.hasLockPrefix && instruction.mnemonic !== Mnemonic.Xchg) return handler;
    const isBitString = BIT_TESTS.has(instruction.mnemonic) && draft.isGeneral(1);
    const size = draft.memorySize;
    return lockedHandler(handler, size < 0 ? 0 : 1 << size, isBitString ? bitStringAddress : address);
  }

  /**
   * Whether what made the bytes invalid is their number: without the repeated prefixes they decode, or still go on at the
   * end, and with them they are more than 15.
   */
  private isTooLong(bits: number): boolean {
    let prefixes = 0;
    while (prefixes < MAX_LENGTH && LEGACY_PREFIXES.has(this.bytes[prefixes])) prefixes++;
    const kept = [...new Set(this.bytes.subarray(0, prefixes))];
    if (kept.length === prefixes) return false;
    const shorter = Uint8Array.of(...kept, ...this.bytes.subarray(prefixes));
    const decoder = new Decoder(bits, shorter, decoderOptions(this.cpu));
    const instruction = decoder.decode();
    const error = decoder.lastError;
    const length = instruction.length + prefixes - kept.length;
    decoder.free();
    instruction.free();
    return error === DecoderError.NoMoreBytes || (error === DecoderError.None && length > MAX_LENGTH);
  }

  /** The instruction at RIP in words, for a message. */
  describe(i: number): string {
    const { cpu } = this;
    const { code } = cpu.cache;
    const instruction = new Instruction();
    const formatter = new Formatter(FormatterSyntax.Nasm);
    this.parse(instruction, code[i + I_LENGTH], cpu.codeBits());
    const text = `the instruction ${formatter.format(instruction)} (${Code[instruction.code]}) is not implemented`;
    formatter.free();
    instruction.free();
    return text;
  }
}

/** An instruction of more than 15 bytes is #GP(0) (SDM vol 2, "Instruction Format"). */
const executeTooLong = (cpu: Cpu, _i: number): void => raiseGp(cpu, 0);

function chooseHandler(draft: Draft): InstructionHandler {
  const { mnemonic } = draft.instruction;
  const build = INTEGER_TABLE.get(mnemonic) ?? FLOW_TABLE.get(mnemonic) ?? SYSTEM_TABLE.get(mnemonic);
  const handler = build?.(draft) ?? remainingHandler(draft);
  if (isSoleAccess(draft)) draft.code[draft.i + I_OPERATION] |= SOLE_ACCESS;
  return handler;
}

const BIT_TESTS: ReadonlySet<Mnemonic> = new Set([Mnemonic.Bts, Mnemonic.Btr, Mnemonic.Btc]);
const MOVES: ReadonlySet<Mnemonic> = new Set([Mnemonic.Mov, Mnemonic.Movzx, Mnemonic.Movsx, Mnemonic.Movsxd]);

/** A move between memory and a general register or an immediate. */
const isSoleAccess = (draft: Draft): boolean =>
  MOVES.has(draft.instruction.mnemonic) &&
  ((draft.isMemory(0) && (draft.isGeneral(1) || draft.kind(1) === KIND_IMMEDIATE)) ||
    (draft.isMemory(1) && draft.isGeneral(0)));
