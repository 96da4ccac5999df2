/** Registers, memory, code, symbols, expressions. Looking changes nothing; `set` edits, while the machine stands still. */
import { err, ok, type Result } from '../../base/result.ts';
import { formatHex } from '../../format/address-text.ts';
import { disassemblyLines, registerLine, registerLines } from '../../format/cpu-text.ts';
import { memoryLines, unitText, UNIT_FORMATS, type UnitBytes, type UnitFormat } from '../../format/memory-text.ts';
import { registerBits } from '../../format/register-bits.ts';
import type { ConsoleRefusal } from '../../protocol/console.ts';
import { MAX_MEMORY_READ } from '../../protocol/requests.ts';
import { valueText, type ExpressionValue } from '../expression/compiled.ts';
import { registerPart } from '../expression/register-names.ts';
import {
  answered,
  misused,
  said,
  type ConsoleArguments,
  type ConsoleCommand,
  type ConsoleContext,
  type ConsoleOutcome,
  type ConsoleWord,
} from './console-command.ts';

const MAX_UNITS = 1024;
const MAX_LINES = 200;
const UNIT_BYTES: Readonly<Record<string, UnitBytes>> = { b: 1, h: 2, w: 4, g: 8 };

interface DumpFormat {
  readonly count: number;
  readonly bytes: UnitBytes;
  /** `i` are instructions, `s` is text up to its zero. */
  readonly format: UnitFormat | 'i' | 's';
}

/** `8gx`, `16b`, `i`: a count, a size and a format, as gdb's x takes them. */
function parseFormat(text: string): Result<DumpFormat, ConsoleRefusal> {
  const match = /^([0-9]{0,5})([a-z]*)$/.exec(text);
  const count = match === null || match[1] === '' ? 1 : Number(match[1]);
  const refuse = (message: string): Result<never, ConsoleRefusal> => err({ errno: 'EINVAL', message });
  if (match === null || count < 1 || count > MAX_UNITS)
    return refuse(`a count is from 1 to ${MAX_UNITS}, as in x/8gx.`);
  let bytes: UnitBytes | undefined;
  let format: DumpFormat['format'] | undefined;
  for (const letter of match[2]) {
    const unit = UNIT_BYTES[letter];
    const known = [...UNIT_FORMATS, 'i', 's'] as const;
    const chosen = known.find((each) => each === letter);
    if (unit !== undefined && bytes === undefined) bytes = unit;
    else if (chosen !== undefined && format === undefined) format = chosen;
    else
      return refuse(`${letter} is no size (b h w g) and no format (${known.join(' ')}), or there are two of its kind.`);
  }
  return ok({ count, bytes: bytes ?? (format === 'c' ? 1 : 4), format: format ?? 'x' });
}

function examine(context: ConsoleContext, args: ConsoleArguments): ConsoleOutcome {
  const wish = parseFormat(args.format);
  if (!wish.ok) return wish;
  if (args.text === '') return misused('say where: x/8gx gpa:0xfee00000, x/4wx rsp.');
  const at = context.values.address(args.text, args.at);
  if (!at.ok) return at;
  const { space, address } = at.value;
  const { count, bytes, format } = wish.value;
  if (format === 'i') {
    if (space !== 'gva') return misused('instructions are where the vCPU executes: name a gva.');
    return disassemble(context, address, count, (end) => `x/${args.format} ${formatHex(end)}`);
  }
  const length = format === 's' ? MAX_TEXT : count * bytes;
  if (length > MAX_MEMORY_READ) return misused(`it reads ${MAX_MEMORY_READ} bytes at most.`);
  if (address + BigInt(length) > 1n << 64n) return misused('it reaches past the last address.');
  return answered(context.ask('memory.read', { space, vcpu: context.vcpu, address, length }), (memory) => {
    if (format === 's') {
      const [span] = memory.spans;
      const all = span.kind === 'unreadable' ? undefined : span.bytes;
      if (all === undefined) return said(...memoryLines(memory, 1, 1, 'x'));
      const end = all.indexOf(0);
      const text = Array.from(all.subarray(0, end < 0 ? all.length : end), quoteByte).join('');
      return said(`${space} ${formatHex(address)}: "${text}"${end < 0 ? '…' : ''}`);
    }
    const next = BigInt.asUintN(64, address + BigInt(length));
    const repeat = `x/${args.format} ${space}:${formatHex(next)}`;
    return ok({ lines: memoryLines(memory, count, bytes, format, context.columns), repeat });
  });
}

const MAX_TEXT = 200;
const quoteByte = (byte: number): string => {
  if (byte === 0x22 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`;
  if (byte === 0x0a) return '\\n';
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
};

function disassemble(
  { ask, vcpu }: ConsoleContext,
  address: bigint,
  count: number,
  repeat: (end: bigint) => string,
): ConsoleOutcome {
  const answer = ask('disassembly.read', { vcpu, address, before: 0, count: Math.min(count, MAX_LINES) });
  return answered(answer, ({ lines }) => {
    const last = lines.at(-1);
    const end = last === undefined ? address : last.address + BigInt(Math.max(1, last.bytes.length));
    return ok({ lines: disassemblyLines(lines), repeat: repeat(BigInt.asUintN(64, end)) });
  });
}

/** `cr4 +smep -pge`. */
function setFlags(
  { ask, vcpu, edits }: Pick<ConsoleContext, 'ask' | 'vcpu' | 'edits'>,
  [register, ...flags]: readonly ConsoleWord[],
): ConsoleOutcome {
  const name = register.text.toLowerCase();
  const bits = registerBits(name);
  if (bits === undefined) {
    return misused(`${register.text} has no flags with names; cr0, cr4, efer and rflags have.`, {
      at: register.at,
      length: register.text.length,
    });
  }
  let set = 0n;
  let clear = 0n;
  for (const { text, at } of flags) {
    const bit = bits.find(([, flag]) => flag === text.slice(1).toUpperCase())?.[0];
    if (bit === undefined) return misused(`${name} has no flag called ${text.slice(1)}.`, { at, length: text.length });
    if (text.startsWith('+')) set |= 1n << BigInt(bit);
    else clear |= 1n << BigInt(bit);
  }
  return answered(ask('registers.read', { vcpu }), ({ registers }) => {
    const old = registers.find((one) => one.name === name)?.value ?? 0n;
    return answered(edits.register({ vcpu, name, value: (old | set) & ~clear }), (written) =>
      said(...written.registers.filter((one) => one.name === name).map(registerLine)),
    );
  });
}

/** `cs=0x1b ss=0x23`: the privilege of the guest changes with both. */
function setBoth(
  { vcpu, values, edits }: Pick<ConsoleContext, 'vcpu' | 'values' | 'edits'>,
  [text, one, oneText, other, otherText]: RegExpExecArray,
  at: number,
): ConsoleOutcome {
  const value = values.evaluate(oneText, at + text.indexOf(oneText));
  if (!value.ok) return value;
  const otherValue = values.evaluate(otherText, at + text.lastIndexOf(otherText));
  if (!otherValue.ok) return otherValue;
  const [name, pair] = [one, other].map((each) => each.toLowerCase());
  if (name === pair || (pair !== 'cs' && pair !== 'ss')) return misused('name cs and ss, each once.');
  const wish = { vcpu, name, value: value.value.value, pair: { name: pair, value: otherValue.value.value } } as const;
  return answered(edits.register(wish), ({ registers }) =>
    said(...registers.filter((register) => register.name === name || register.name === pair).map(registerLine)),
  );
}

const REGISTER_GROUPS = ['all', 'general', 'segment', 'control', 'msr', 'debug'];
const DISASSEMBLED = 10;

export const LOOK_COMMANDS: readonly ConsoleCommand[] = [
  {
    names: ['regs', 'registers'],
    usage: '[NAME…]',
    summary: 'the general and control registers; with names, those, flags by name',
    run: ({ ask, vcpu, columns }, { words }) =>
      answered(ask('registers.read', { vcpu }), ({ registers }) => {
        if (words.length === 0) {
          return said(
            ...registerLines(
              registers.filter(({ group }) => group === 'general' || group === 'control'),
              columns,
            ),
          );
        }
        const lines: string[] = [];
        for (const { text, at } of words) {
          const found =
            text === 'all'
              ? registers
              : registers.filter(({ name, group }) => name === text.toLowerCase() || group === text.toLowerCase());
          if (found.length === 0) return misused(`there is no register called ${text}.`, { at, length: text.length });
          lines.push(...found.map(registerLine));
        }
        return said(...lines);
      }),
    complete: ({ values }, words) => [
      ...values.names(words.at(-1) ?? '').filter((name) => registerPart(name) !== undefined),
      ...REGISTER_GROUPS,
    ],
  },
  {
    names: ['set'],
    usage: 'REGISTER=EXPR, REGISTER ±FLAG…, cs=EXPR ss=EXPR',
    summary: 'puts a value into a register, or sets and clears flags of it by name: set cr4 +smep -pge',
    run({ ask, vcpu, values, edits }, { text, at, words }) {
      if (/^[a-z]\w*(\s+[-+][a-z]\w*)+\s*$/i.test(text)) return setFlags({ ask, vcpu, edits }, words);
      const both = /^(cs|ss)\s*=\s*(\S+)\s+(cs|ss)\s*=\s*(\S+)\s*$/i.exec(text);
      if (both !== null) return setBoth({ vcpu, values, edits }, both, at);
      const match = /^([a-z][a-z0-9_]*)\s*=\s*/i.exec(text);
      if (match === null)
        return misused('say which register and what: set rip=main, set rax=0x10.', {
          at,
          length: Math.max(1, text.length),
        });
      const value = values.evaluate(text.slice(match[0].length), at + match[0].length);
      if (!value.ok) return value;
      const name = match[1].toLowerCase();
      return answered(edits.register({ vcpu, name, value: value.value.value }), ({ registers }) =>
        said(...registers.filter((register) => register.name === name).map(registerLine)),
      );
    },
    complete: ({ values }, words) => {
      const word = words.at(-1) ?? '';
      const bits = words.length > 1 ? registerBits((words[0] ?? '').toLowerCase()) : undefined;
      const flags = (bits ?? []).flatMap(([, name]) => [`+${name.toLowerCase()}`, `-${name.toLowerCase()}`]);
      return [...flags, ...values.names(word.split('=').at(-1) ?? '')];
    },
  },
  {
    names: ['print', 'p', 'eval'],
    usage: 'EXPR',
    summary: 'the value of an expression: registers, u32[gpa: …], symbols, C’s operators; p/d, p/t, p/o, p/c',
    run({ values }, { text, at, format }) {
      if (text === '') return misused('say what: print rax + 8, print u64[gpa: 0x1000].');
      const value = values.evaluate(text, at);
      if (!value.ok) return value;
      if (format === '') return said(bothWays(value.value));
      const chosen = UNIT_FORMATS.find((each) => each === format);
      if (chosen === undefined) return misused(`${format} is no format: one of ${UNIT_FORMATS.join(', ')}.`);
      return said(unitText(value.value.value, 8, chosen));
    },
    complete: ({ values }, words) => values.names(/[a-z_.$][\w.$]*$/i.exec(words.at(-1) ?? '')?.[0] ?? ''),
  },
  {
    names: ['x', 'examine'],
    usage: '/[N][bhwg][xduotcis] ADDRESS',
    summary: 'memory in units, by probes: N of b, h, w or g (1, 2, 4, 8 bytes); i instructions, s text',
    details: [
      'ADDRESS is an expression, with gva:, gpa:, hva: or gfn: in front when it is not a gva.',
      'An empty line goes on behind it.',
    ],
    run: examine,
    complete: ({ values }, words) => values.addresses(words.at(-1) ?? ''),
  },
  {
    names: ['disas', 'disassemble', 'dis'],
    usage: '[ADDRESS]',
    summary: `${DISASSEMBLED} instructions at an address, or at rip; disas/N for N of them`,
    run(context, { text, at, format }) {
      const count = format === '' ? DISASSEMBLED : Number(format);
      if (!Number.isInteger(count) || count < 1 || count > MAX_LINES)
        return misused(`disas/N shows from 1 to ${MAX_LINES} instructions.`);
      const from = context.values.address(text === '' ? 'rip' : text, at);
      if (!from.ok) return from;
      if (from.value.space !== 'gva') return misused('instructions are where the vCPU executes: name a gva.');
      return answered(context.ask('machine.status', {}), ({ vcpus }) => {
        const address = text === '' ? (vcpus[context.vcpu]?.rip ?? from.value.address) : from.value.address;
        return disassemble(context, address, count, (end) => `disas/${count} ${formatHex(end)}`);
      });
    },
    complete: ({ values }, words) => values.names(words.at(-1) ?? ''),
  },
  {
    names: ['symbols', 'sym'],
    usage: 'PART',
    summary: 'symbols of the image whose names hold PART',
    run: ({ ask }, { text }) =>
      text === ''
        ? misused('say a part of the name.')
        : answered(ask('symbols.search', { query: text.slice(0, 256), limit: MAX_LINES }), (found) =>
            found.length === 0
              ? said(`no symbol holds ${text}`)
              : said(
                  ...found.map(
                    ({ name, address, size }) =>
                      `gva ${formatHex(address)} ${name}${size === 0 ? '' : `, ${size} bytes`}`,
                  ),
                ),
          ),
    complete: ({ values }, words) => values.names(words.at(-1) ?? ''),
  },
];

/** As the expression has it, and in the other base where that says more. */
function bothWays(result: ExpressionValue): string {
  const text = valueText(result);
  const { value } = result;
  if (value < 10n) return text;
  return text.startsWith('0x') ? `${text} (${value})` : `${text} (${formatHex(value)})`;
}
