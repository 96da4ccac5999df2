/** Memory that is written and searched: the hex view's edits and its search, typed. */
import { ok } from '../../base/result.ts';
import { formatHex } from '../../format/address-text.ts';
import { parseIntegerIn } from '../../format/integer-text.ts';
import { isLatin1, latin1Bytes } from '../../base/latin1.ts';
import { MAX_MEMORY_READ, MAX_MEMORY_SEARCH, MAX_SEARCH_PATTERN } from '../../protocol/requests.ts';
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
import { unquote } from './console-line.ts';

const UNITS: Readonly<Record<string, number>> = { b: 1, h: 2, w: 4, g: 8 };

/** Values of the unit, lowest byte first, or text in quotation marks as it is; else the word that is neither. */
function bytesOf(
  { values }: ConsoleContext,
  words: readonly ConsoleWord[],
  unit: number,
): { readonly bytes: Uint8Array<ArrayBuffer> } | { readonly refusal: ConsoleOutcome } {
  const bytes: number[] = [];
  for (const { text, at } of words) {
    const typed = unquote(text);
    if (typed !== undefined) {
      if (!isLatin1(typed))
        return { refusal: misused('bytes are no letters from U+0100 on.', { at, length: text.length }) };
      bytes.push(...latin1Bytes(typed));
      continue;
    }
    const value = values.evaluate(text, at);
    if (!value.ok) return { refusal: value };
    const { value: wish } = value.value;
    const whole = BigInt.asUintN(8 * unit, wish);
    const fits = whole === BigInt.asUintN(64, wish) || BigInt.asIntN(8 * unit, whole) === BigInt.asIntN(64, wish);
    if (!fits) return { refusal: misused(`${text} has more than ${8 * unit} bits.`, { at, length: text.length }) };
    for (let i = 0; i < unit; i++) bytes.push(Number((whole >> BigInt(8 * i)) & 0xffn));
  }
  return { bytes: Uint8Array.from(bytes) };
}

function poke(context: ConsoleContext, { words, format }: ConsoleArguments): ConsoleOutcome {
  const unit = UNITS[format === '' ? 'b' : format];
  if (unit === undefined) return misused(`${format} is no size: poke/b, /h, /w or /g.`);
  const [where, ...what] = words;
  if (where === undefined || what.length === 0)
    return misused('say where and what: poke gpa:0x1000 0x12 0x34, poke/w rsp 7, poke main "text".');
  const at = context.values.address(where.text, where.at);
  if (!at.ok) return at;
  const read = bytesOf(context, what, unit);
  if ('refusal' in read) return read.refusal;
  const { bytes } = read;
  if (bytes.length > MAX_MEMORY_READ) return misused(`it writes ${MAX_MEMORY_READ} bytes at most.`);
  const { space, address } = at.value;
  return answered(context.edits.memory({ space, vcpu: context.vcpu, address, bytes }), () =>
    said(`${bytes.length} bytes written at ${space} ${formatHex(address)}`),
  );
}

const SHOWN = 20;

function find(context: ConsoleContext, { words, format }: ConsoleArguments): ConsoleOutcome {
  const unit = UNITS[format === '' ? 'b' : format];
  if (unit === undefined) return misused(`${format} is no size: find/b, /h, /w or /g.`);
  const [where, size, ...what] = words;
  const length = size === undefined ? undefined : parseIntegerIn(size.text, 1, MAX_MEMORY_SEARCH);
  if (where === undefined || size === undefined || what.length === 0)
    return misused('say where, how far and what: find gpa:0 0x100000 "hello", find/w rsp 4096 0x5a000001.');
  if (length === undefined)
    return misused(`a search goes 1 to ${MAX_MEMORY_SEARCH} bytes far.`, { at: size.at, length: size.text.length });
  const from = context.values.address(where.text, where.at);
  if (!from.ok) return from;
  const read = bytesOf(context, what, unit);
  if ('refusal' in read) return read.refusal;
  const pattern = read.bytes;
  if (pattern.length === 0 || pattern.length > MAX_SEARCH_PATTERN)
    return misused(`it looks for 1 to ${MAX_SEARCH_PATTERN} bytes.`);
  const { space, address: start } = from.value;
  const wish = { space, vcpu: context.vcpu, start, length, pattern, limit: SHOWN };
  return answered(context.ask('memory.search', wish), ({ matches, next }) => {
    const isMore = matches.length === SHOWN;
    const lines = [
      ...matches.map((address) => `${space} ${formatHex(address)}`),
      isMore ? `${SHOWN} found; an empty line goes on` : `${matches.length} found`,
    ];
    const left = Number(start + BigInt(length) - next);
    const typed = what.map(({ text }) => text).join(' ');
    const repeat = `find${format === '' ? '' : `/${format}`} ${space}:${formatHex(next)} ${left} ${typed}`;
    return ok({ lines, ...(isMore && left > 0 ? { repeat } : {}) });
  });
}

export const MEMORY_COMMANDS: readonly ConsoleCommand[] = [
  {
    names: ['poke', 'write'],
    usage: '/[bhwg] ADDRESS VALUE…|"TEXT"',
    summary: 'writes memory, while the machine stands still: all of it or nothing',
    run: poke,
    complete: ({ values }, words) =>
      words.length <= 1 ? values.addresses(words.at(-1) ?? '') : values.names(words.at(-1) ?? ''),
  },
  {
    names: ['find', 'search'],
    usage: '/[bhwg] ADDRESS LENGTH VALUE…|"TEXT"',
    summary: 'where bytes stand in memory',
    run: find,
    complete: ({ values }, words) => (words.length <= 1 ? values.addresses(words.at(-1) ?? '') : []),
  },
];
