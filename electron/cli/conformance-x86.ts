/**
 * `conformance x86 FILE…`: replays recordings of single instructions on a real processor. One line of a file is one case:
 * registers, flags, memory and the bytes of the instruction before; what ended it and what had changed after.
 */
import * as v from 'valibot';
import { recordedLines } from './conformance-recording.ts';
import { CODE_PAGE, ConformanceGuest, DATA_BASE, DATA_WORDS, type Ending } from './conformance-x86-guest.ts';
import { fillFromSeed } from './conformance-x86-memory.ts';
import { storedValue, storedXmm, unrecordedFlags } from './conformance-x86-unrecorded.ts';

const hex64 = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{1,16}$/i),
  v.transform((text) => BigInt(`0x${text}`)),
);
const hexBytes = v.pipe(
  v.string(),
  v.regex(/^(?:[0-9a-f]{2}){1,15}$/i),
  v.transform((text) => Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))),
);
const caseSchema = v.object({
  asm: v.string(),
  code: hexBytes,
  seed: hex64,
  regs: v.pipe(v.array(hex64), v.length(16)),
  flags: hex64,
  undefinedFlags: hex64,
  xmm: v.optional(v.unknown()),
  out: v.object({
    signal: v.picklist(['int3', '#UD', '#DE', 'fault']),
    rip: hex64,
    flags: hex64,
    regs: v.record(v.pipe(v.string(), v.regex(/^(?:[0-9]|1[0-5])$/)), hex64),
    mem: v.record(v.string(), hex64),
  }),
});
type Case = v.InferOutput<typeof caseSchema>;

/** More than any recorded case takes: a few branches back into its own code. */
const BUDGET = 100_000;
/** CF PF AF ZF SF DF OF */
const COMPARED_FLAGS = 0xcd5n;
const FLAG_NAMES: readonly [bigint, string][] = [
  [1n, 'CF'],
  [4n, 'PF'],
  [0x10n, 'AF'],
  [0x40n, 'ZF'],
  [0x80n, 'SF'],
  [0x400n, 'DF'],
  [0x800n, 'OF'],
];
const REGISTERS = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const DEBUG_VECTOR = 1;
const SIGNALS = new Map([
  [0, '#DE'],
  // INT1, which a branch into the middle of the code may reach, is the same SIGTRAP to the recording system.
  [DEBUG_VECTOR, 'int3'],
  [3, 'int3'],
  [6, '#UD'],
  // What the recording system reported alike: #SS, #GP, #PF, #AC.
  [12, 'fault'],
  [13, 'fault'],
  [14, 'fault'],
  [17, 'fault'],
]);
const MISMATCHES_SHOWN = 20;

export interface X86ConformanceOptions {
  /** Called with a line of text at a time. */
  readonly write: (line: string) => void;
  /** For what is wrong with a file; `write` when not given. */
  readonly complain?: (line: string) => void;
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const flagNames = (flags: bigint): string =>
  FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0n)
    .map(([, name]) => name)
    .join(' ') || 'none';

/** What came out otherwise than recorded, in words; empty when nothing did. */
function runCase(guest: ConformanceGuest, words: BigUint64Array, recorded: Case): readonly string[] {
  fillFromSeed(words, recorded.seed);
  const flags = recorded.flags | unrecordedFlags(recorded);
  const prepare = (): void => guest.prepare(words, recorded.code, recorded.regs, flags);
  prepare();
  const xmm = storedXmm(recorded.asm);
  if (xmm !== -1) {
    const runWith = (value: bigint): void => {
      prepare();
      guest.setXmm(xmm, value);
      guest.run(BUDGET);
    };
    const value = storedValue(guest, runWith, recorded, DATA_BASE, DATA_WORDS);
    prepare();
    guest.setXmm(xmm, value);
  }
  const ending = guest.run(BUDGET);
  if (typeof ending === 'string') return [ending];
  return [
    ...compareEnding(recorded, ending),
    ...compareRegisters(guest, recorded, ending),
    ...compareMemory(guest, words, recorded),
  ];
}

function compareEnding(recorded: Case, ending: Ending): string[] {
  const { out, undefinedFlags } = recorded;
  const wrong: string[] = [];
  const signal = SIGNALS.get(ending.vector) ?? `vector ${ending.vector}`;
  if (signal !== out.signal) wrong.push(`ended by ${out.signal}, here by ${signal}`);
  // That system saw the trap of INT1 with RIP at the instruction, before its single byte.
  const rip = ending.vector === DEBUG_VECTOR ? ending.rip - 1n : ending.rip;
  if (rip !== out.rip) wrong.push(`rip ${hex(out.rip)}, here ${hex(rip)}`);
  const mask = COMPARED_FLAGS & ~undefinedFlags;
  if (((ending.rflags ^ out.flags) & mask) !== 0n) {
    wrong.push(`flags ${flagNames(out.flags & mask)}, here ${flagNames(ending.rflags & mask)}`);
  }
  return wrong;
}

function compareRegisters(guest: ConformanceGuest, recorded: Case, ending: Ending): string[] {
  return REGISTERS.flatMap((name, n) => {
    const expected = recorded.out.regs[String(n)] ?? recorded.regs[n];
    const actual = name === 'rsp' ? ending.rsp : guest.register(n);
    return actual === expected ? [] : [`${name} ${hex(expected)}, here ${hex(actual)}`];
  });
}

function compareMemory(guest: ConformanceGuest, words: BigUint64Array, recorded: Case): string[] {
  const wrong: string[] = [];
  const changed = new Map(Object.entries(recorded.out.mem).map(([at, value]) => [BigInt(`0x${at}`), value]));
  const compare = (at: bigint, before: bigint, actual: bigint): void => {
    const expected = changed.get(at) ?? before;
    if (actual !== expected) wrong.push(`[${hex(at)}] ${hex(expected)}, here ${hex(actual)}`);
  };
  for (let n = 0; n < DATA_WORDS; n++) compare(DATA_BASE + BigInt(n * 8), words[n], guest.dataWord(n));
  const code = new Uint8Array(4096).fill(0xcc);
  code.set(recorded.code, 0x800);
  const codeWords = new BigUint64Array(code.buffer);
  for (let n = 0; n < codeWords.length; n++) compare(CODE_PAGE + BigInt(n * 8), codeWords[n], guest.codeWord(n));
  return wrong;
}

function parseCase(json: unknown): Case | string {
  const parsed = v.safeParse(caseSchema, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    return `is not a recorded case: ${v.getDotPath(issue) ?? 'the line'}: ${issue.message}`;
  }
  return parsed.output;
}

/**
 * Replays the files: the first mismatches in full, then a summary.
 * @returns 0 when all went as recorded, 1 when not or when a file has cases of a kind that is not built (SSE), 2 when a file
 * cannot be read or is no recording
 */
export function runX86Conformance(files: readonly string[], options: X86ConformanceOptions): number {
  const { write, complain = write } = options;
  const guest = new ConformanceGuest();
  const words = new BigUint64Array(DATA_WORDS);
  let passed = 0;
  let failed = 0;
  let unsupported = 0;
  for (const file of files) {
    const lines = recordedLines(file);
    if (!lines.ok) {
      complain(lines.error);
      return 2;
    }
    for (const { number, json } of lines.value) {
      const recorded = parseCase(json);
      if (typeof recorded === 'string') {
        complain(`${file}:${number} ${recorded}`);
        return 2;
      }
      if (recorded.xmm !== undefined) {
        unsupported++;
        continue;
      }
      const wrong = runCase(guest, words, recorded);
      if (wrong.length === 0) {
        passed++;
        continue;
      }
      failed++;
      if (failed > MISMATCHES_SHOWN) continue;
      write(`${file}:${number} ${recorded.asm}`);
      for (const difference of wrong.slice(0, 8)) write(`    recorded ${difference}`);
    }
  }
  if (failed > MISMATCHES_SHOWN) write(`… and ${failed - MISMATCHES_SHOWN} more cases that came out otherwise`);
  if (unsupported > 0) {
    write(`x86: ${unsupported} cases use SSE registers, which this processor does not have yet: they were not run`);
  }
  write(`x86: ${passed} passed, ${failed} failed`);
  return failed === 0 && unsupported === 0 ? 0 : 1;
}

/** For the command line: paths and somewhere to write lines. */
export const conformanceX86 = (
  files: readonly string[],
  write: (line: string) => void,
  complain: (line: string) => void,
): number => runX86Conformance(files, { write, complain });
